"""The traders' own picture of the pools, in floats: good enough to decide with, never to account with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

from eth_utils.crypto import keccak

from chains.assets import Address
from chains.twin.data import Family, RecordedPair, RecordedPool

_Q96 = float(1 << 96)
SYNC_TOPIC = "0x" + keccak(text="Sync(uint112,uint112)").hex()
V3_SWAP_TOPIC = "0x" + keccak(text="Swap(address,address,int256,int256,uint160,uint128,int24)").hex()


@dataclass(slots=True)
class PoolView:
    """A pool as two virtual reserves, in base units; inside its filled range a V3 pool is a constant product too."""

    address: Address
    family: Family
    tokens: tuple[Address, Address]
    fee_ppm: int
    reserves: tuple[float, float]

    @property
    def fee(self) -> float:
        return self.fee_ppm / 1e6

    @property
    def price(self) -> float:
        """Base units of the second token for one of the first."""
        return self.reserves[1] / self.reserves[0]

    def amount_out(self, sell_first: bool, amount_in: float) -> float:
        """What a swap of `amount_in` returns."""
        reserve_in, reserve_out = self.reserves if sell_first else self.reserves[::-1]
        effective = amount_in * (1 - self.fee)
        return reserve_out * effective / (reserve_in + effective)

    def displacement(self, sell_first: bool, amount_in: float) -> float:
        """How far a swap of `amount_in` moves the price: the size of the change of its logarithm."""
        reserve_in = self.reserves[0] if sell_first else self.reserves[1]
        return 2 * log(1 + amount_in * (1 - self.fee) / reserve_in)

    def amount_to(self, price: float) -> tuple[bool, float]:
        """The swap that brings the price to `price`: whether it sells the first token, and the amount in."""
        product = self.reserves[0] * self.reserves[1]
        sell_first = price < self.price
        target = sqrt(product / price) if sell_first else sqrt(product * price)
        held = self.reserves[0] if sell_first else self.reserves[1]
        return sell_first, max(target - held, 0.0) / (1 - self.fee)


def pool_view(pool: RecordedPool) -> PoolView:
    """A recorded pool as the traders see it."""
    if isinstance(pool, RecordedPair):
        reserves = (float(pool.reserves[0]), float(pool.reserves[1]))
    else:
        reserves = _virtual_reserves(pool.liquidity, pool.sqrt_price_x96)
    return PoolView(pool.address, pool.family, pool.tokens, pool.fee_ppm, reserves)


def _virtual_reserves(liquidity: int, sqrt_price_x96: int) -> tuple[float, float]:
    sqrt_price = sqrt_price_x96 / _Q96
    return liquidity / sqrt_price, liquidity * sqrt_price


@dataclass(frozen=True, slots=True)
class Move:
    """What a transaction did to a pool's price: the size of the change of its logarithm, in units of the pool's fee."""

    tx_hash: str
    pool: Address
    displacement_fees: float


class MarketView:
    """All pools traders may touch, kept current from the logs of each block."""

    def __init__(self, pools: Iterable[RecordedPool]) -> None:
        self.pools: dict[Address, PoolView] = {pool.address: pool_view(pool) for pool in pools}
        self._by_lower_case = {pool.address.lower(): pool for pool in self.pools.values()}

    def apply(self, logs: Sequence[Mapping[str, Any]]) -> list[Move]:
        """Bring pools to the state that the JSON-RPC logs of a block report, in their order; say what moved."""
        moves = []
        for entry in logs:
            pool = self._by_lower_case.get(entry["address"].lower())
            if pool is None:
                continue
            data = entry["data"][2:]
            words = [int(data[start : start + 64], 16) for start in range(0, len(data), 64)]
            before = pool.price
            if entry["topics"][0] == SYNC_TOPIC:
                pool.reserves = (float(words[0]), float(words[1]))
            elif entry["topics"][0] == V3_SWAP_TOPIC:
                pool.reserves = _virtual_reserves(liquidity=words[3], sqrt_price_x96=words[2])
            else:
                continue
            moves.append(Move(entry["transactionHash"], pool.address, abs(log(pool.price / before)) / pool.fee))
        return moves


def on_cycles(pools: Iterable[RecordedPool]) -> list[RecordedPool]:
    """The pools on a pair with another pool, or on a triangle of pairs: those an arbitrage can run through."""
    by_pair: defaultdict[frozenset[Address], list[RecordedPool]] = defaultdict(list)
    for pool in pools:
        by_pair[frozenset(pool.tokens)].append(pool)
    neighbours: defaultdict[Address, set[Address]] = defaultdict(set)
    for first, second in map(tuple, by_pair):
        neighbours[first].add(second)
        neighbours[second].add(first)
    kept = []
    for pair, siblings in by_pair.items():
        first, second = pair
        if len(siblings) > 1 or neighbours[first] & neighbours[second]:
            kept += siblings
    return sorted(kept, key=lambda pool: pool.address)
