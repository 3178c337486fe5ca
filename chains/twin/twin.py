"""The running twin: a local mainnet, the exchange beside it, and the market that moves both, block by block."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from chains.anvil import Anvil
from chains.assets import Address
from chains.exchanges.local import LocalExchange
from chains.exchanges.local.replay import CorruptRecording
from chains.tools import ROOT
from chains.twin.anchors import ANCHORS
from chains.twin.build import CHAIN_ID, GAS_LIMIT, TwinState, ensure_state
from chains.twin.data import SNAPSHOT_TIME_S, snapshot
from chains.twin.errors import CorruptSnapshot, port_taken
from chains.twin.flow import Flow
from chains.twin.layout import TWIN_TOKEN, WETH9, layout_of, slot
from chains.twin.manifest import pool_addresses
from chains.twin.opening import Progress, RpcCall, set_balance, set_supply
from chains.twin.parameters import TraderParameters
from chains.twin.prices import PricePath
from chains.twin.traded import TradedMarket

STATE_FOLDER = ROOT / "var" / "twin"

_STATES_KEPT = 64
"""So many past blocks' states can still be asked about and forked. Each costs the node about 6 MB."""


class UnknownToken(ValueError):
    """A token the twin does not have."""


@dataclass(frozen=True, slots=True)
class TwinOptions:
    """How a twin is run. Port 0 takes any free one; fees of the exchange are in parts per million.

    Stepped, only the control API moves time; otherwise a block comes every `pace_s` seconds of real time.
    """

    seed: int = 1
    block_time_s: int = 1
    pace_s: float = 1.0
    stepped: bool = False
    rpc_port: int = 0
    control_port: int = 0
    exchange_port: int = 0
    taker_fee_ppm: int = 230
    maker_fee_ppm: int = 110
    folder: Path = STATE_FOLDER


class Twin:
    """An async context manager. `advance` moves the exchange to the next block's time, `mine` makes that block."""

    def __init__(self, options: TwinOptions, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._stack = AsyncExitStack()
        self._moving = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Build the state if need be, and start. Raises as `ensure_state`."""
        _require_free(self._options.rpc_port)
        async with AsyncExitStack() as stack:
            self._state = await ensure_state(self._options.folder, self._progress)
            self._anvil = await stack.enter_async_context(_node(self._state, self._options.rpc_port))
            self._exchange = await self._started_exchange()
            stack.push_async_callback(self._exchange.close)
            self._flow = Flow(self._anvil, self._options.seed, self._market())
            await self._flow.start()
            await self._exchange.advance(0)
            self._head = await self._latest()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _started_exchange(self) -> LocalExchange:
        options = self._options
        try:
            exchange = LocalExchange(ANCHORS, taker_fee_ppm=options.taker_fee_ppm, maker_fee_ppm=options.maker_fee_ppm)
        except CorruptRecording as error:
            raise CorruptSnapshot(str(error)) from error
        try:
            await exchange.start(options.exchange_port)
        except OSError as error:
            await exchange.close()
            raise port_taken("exchange", options.exchange_port, error) from error
        return exchange

    def _market(self) -> TradedMarket:
        opened = pool_addresses(self._state.manifest)
        pools = [pool for pool in snapshot().pools if pool.address in opened]
        path = PricePath(self._exchange.loop_ms / 1000)
        return TradedMarket(snapshot(), pools, TraderParameters(), path)

    @property
    def node(self) -> Anvil:
        """Its chain."""
        return self._anvil

    @property
    def alive(self) -> bool:
        """Whether its node still runs."""
        return self._anvil.alive

    def descriptor(self) -> dict[str, Any]:
        """What a bot needs to know to trade here."""
        counts = self._state.manifest["counts"]
        return {
            "chain_id": CHAIN_ID,
            "rpc_http": self._anvil.http_url,
            "rpc_ws": self._anvil.ws_url,
            "exchange_http": self._exchange.http_url,
            "exchange_ws": self._exchange.ws_url,
            "seed": self._options.seed,
            "block_time_s": self._options.block_time_s,
            "stepped": self._options.stepped,
            "pools": {kind: counts[kind] for kind in ("recorded", "filled", "range_filled")},
            "manifest": str(self._state.manifest_file),
            "block": int(self._head["number"], 16),
            "timestamp_s": int(self._head["timestamp"], 16),
            "traders": self._flow.statistics.as_json(),
        }

    async def advance(self) -> dict[str, Any]:
        """Move the exchange to the next block's time. Asked again before `mine`, it changes nothing."""
        async with self._moving:
            return await self._advance()

    async def _advance(self) -> dict[str, Any]:
        time_ms = (self._next_timestamp_s() - SNAPSHOT_TIME_S) * 1000
        return {"time_ms": time_ms, "books": await self._exchange.advance(time_ms)}

    async def mine(self) -> dict[str, Any]:
        """Let the others look and send, then make the block, at the time the exchange stands at."""
        async with self._moving:
            await self._advance()
            timestamp_s = self._next_timestamp_s()
            await self._flow.send(
                number=int(self._head["number"], 16) + 1,
                timestamp_s=timestamp_s,
                at_s=timestamp_s - SNAPSHOT_TIME_S,
                block_time_s=self._options.block_time_s,
            )
            await self._anvil.rpc("evm_mine", {"timestamp": timestamp_s})
            self._head = await self._latest()
            await self._flow.learn(self._head["hash"])
            return {
                "number": int(self._head["number"], 16),
                "hash": self._head["hash"],
                "timestamp": int(self._head["timestamp"], 16),
            }

    async def run_free(self) -> None:
        """A block every `pace_s` seconds of real time, until cancelled."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + self._options.pace_s, loop.time())
            await self.advance()
            await asyncio.sleep(due_s - loop.time())
            await self.mine()

    async def fund(self, account: Address, native_wei: int, tokens: Mapping[Address, int]) -> None:
        """Give an account exactly so much ether and of each token, out of nothing. Raises `UnknownToken`."""
        known = {token["address"] for token in self._state.manifest["tokens"]}
        for token in tokens:
            if token not in known:
                raise UnknownToken(f"the twin has no token {token}; the manifest lists those it has")
        async with self._moving:
            calls: list[RpcCall] = [("anvil_setBalance", [account, hex(native_wei)])]
            for token, units in tokens.items():
                before, supply = await self._anvil.batch([_balance_of(token, account), _supply_of(token)])
                calls += [
                    set_balance(token, account, units),
                    set_supply(token, int(supply, 16) + units - int(before, 16)),
                ]
            await self._anvil.batch(calls)

    def deposit(self, api_key: str, secret: str, currency: str, amount: int) -> None:
        """Credit `amount` units of 10^-8 to an account at the exchange, which is made if it is new."""
        self._exchange.deposit(api_key, secret, currency, amount)

    def _next_timestamp_s(self) -> int:
        return int(self._head["timestamp"], 16) + self._options.block_time_s

    async def _latest(self) -> Mapping[str, Any]:
        head: Mapping[str, Any] = await self._anvil.rpc("eth_getBlockByNumber", "latest", False)
        return head


def _require_free(port: int) -> None:
    """Anvil would only say that an address is in use, and not which. Raises `TwinUnavailable`."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            raise port_taken("node", port, error) from error


def _node(state: TwinState, port: int) -> Anvil:
    return Anvil(
        [
            *("--no-mining", "--order", "fees", "--chain-id", str(CHAIN_ID), "--gas-limit", str(GAS_LIMIT)),
            *("--load-state", str(state.state_file), "--timestamp", str(SNAPSHOT_TIME_S)),
            *("--prune-history", str(_STATES_KEPT)),
        ],
        port=port,
    )


def _balance_of(token: Address, account: Address) -> RpcCall:
    return "eth_getStorageAt", [token, slot(layout_of(token).balance_slot(account)), "latest"]


def _supply_of(token: Address) -> RpcCall:
    if token == WETH9:
        return "eth_getBalance", [WETH9, "latest"]
    assert TWIN_TOKEN.total_supply is not None
    return "eth_getStorageAt", [token, slot(TWIN_TOKEN.total_supply), "latest"]
