"""What other people send for the next block: traders' swaps, and the crowd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chains.anvil import Anvil
from chains.twin.accounts import CROWD, TRADERS
from chains.twin.crowd import crowd_gas
from chains.twin.data import swap_sizes_usd
from chains.twin.market import SYNC_TOPIC, V3_SWAP_TOPIC
from chains.twin.parameters import GWEI, CrowdParameters, TraderParameters
from chains.twin.statistics import TraderStatistics
from chains.twin.traded import TradedMarket
from chains.twin.traders import Traders
from chains.twin.transactions import SWAP_GAS_EXPECTED, crowd_transaction, swap_transaction


class Flow:
    """Sends for each block, and learns from each block what became of it."""

    def __init__(self, anvil: Anvil, seed: int, market: TradedMarket) -> None:
        self._anvil = anvil
        self._seed = seed
        self._market = market
        self._crowd = CrowdParameters()
        self._traders = Traders(seed, market, swap_sizes_usd(), TraderParameters())
        self._sent: set[str] = set()
        self.statistics = TraderStatistics()

    async def start(self) -> None:
        """Let the node send for the twin's accounts."""
        await self._anvil.batch([("anvil_impersonateAccount", [account]) for account in (*TRADERS, CROWD)])

    async def send(self, number: int, timestamp_s: int, at_s: float, block_time_s: float) -> None:
        """Send what belongs into block `number`, `at_s` seconds after the twin opened."""
        base_fee_wei = await self._next_base_fee_wei()
        swaps = self._traders.swaps(number, at_s, block_time_s)
        gas = crowd_gas(self._seed, number, base_fee_wei, len(swaps) * SWAP_GAS_EXPECTED, self._crowd)
        transactions = [swap_transaction(swap, base_fee_wei, timestamp_s) for swap in swaps]
        tip_wei = int(self._crowd.tip_gwei * GWEI)
        transactions.append(crowd_transaction(gas, base_fee_wei, tip_wei))
        hashes = await self._anvil.batch([("eth_sendTransaction", [each]) for each in transactions])
        self._sent = set(hashes[:-1])

    async def _next_base_fee_wei(self) -> int:
        """The node's word: it follows from the last block, unless somebody forced another."""
        history = await self._anvil.rpc("eth_feeHistory", "0x1", "latest", [])
        return int(history["baseFeePerGas"][-1], 16)

    async def learn(self, block_hash: str) -> None:
        """See what the block did to the pools."""
        wanted: Mapping[str, Any] = {"blockHash": block_hash, "topics": [[SYNC_TOPIC, V3_SWAP_TOPIC]]}
        logs: Sequence[Mapping[str, Any]] = await self._anvil.rpc("eth_getLogs", wanted)
        moves = self._market.view.apply(logs)
        self.statistics.count(len(self._sent), [move.displacement_fees for move in moves if move.tx_hash in self._sent])
