"""Closed walks of two pools in whole numbers, as an engine over integer states takes them and as the kernel does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot.market.packed import PackedMarket
from bot.market.packed.shapes import I4
from bot.market.ranges import kept, ranges, root_price
from chains.assets import Address, Token, address
from chains.networks import load_network
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.tick_math import MAX_TICK, Q96, Ticks, all_words, tick_at

FEE_PPM, SPACING = 3000, 60
WEI = 10**18
KINDS = (("V2", "V2"), ("V2", "V3"), ("V3", "V2"))
_TOKENS_FROM, _PAIRS_FROM = 1 << 80, 1 << 32
_MOST_RANGES = 45

EnginePool = ConstantProductPool | ConcentratedPool


@dataclass(frozen=True, slots=True)
class EngineWalk:
    """From the base token through the pool where it is dear and back through the one where it is cheap."""

    there: EnginePool
    back: EnginePool

    @property
    def pools(self) -> tuple[EnginePool, EnginePool]:
        return self.there, self.back


def engine_walks(many: int, kinds: Sequence[tuple[str, str]], rng: np.random.Generator) -> list[EngineWalk]:
    """Walks that pay, each through a token of its own; the pools of its kind stand 2 to 8 percent apart."""
    base = Token("bench", address(f"0x{_TOKENS_FROM:040x}"), "BASE", 18)
    walks = []
    for number in range(many):
        token = Token("bench", address(f"0x{_TOKENS_FROM + 1 + number:040x}"), f"T{number}", 18)
        apart, kind = 1.0 + float(rng.uniform(0.02, 0.08)), kinds[number % len(kinds)]
        price = float(np.exp(rng.normal(0, 2)))
        made = [
            _pool((base, token), family, 2 * number + side, price * (apart if side == 0 else 1.0), rng)
            for side, family in enumerate(kind)
        ]
        walks.append(EngineWalk(made[0], made[1]))
    return walks


def packed(walks: Sequence[EngineWalk]) -> tuple[PackedMarket, I4, I4]:
    """A packed market of their pools, the edges of each walk, and how many hops each has."""
    market = PackedMarket()
    market.add_nodes(np.ones(1 + len(walks)), np.full(1 + len(walks), 18, np.int32))
    edges = np.full((len(walks), 4), -1, np.int32)
    for number, walk in enumerate(walks):
        nodes = np.array([[0, 1 + number]], np.int32)
        for hop, pool in enumerate(walk.pools):
            edges[number, hop] = market.edges_of(_added(market, pool, nodes))[hop]
    return market, edges, np.full(len(walks), 2, np.int32)


def job_of(walks: Sequence[EngineWalk]) -> dict[str, Any]:
    """The walks as JSON: pools, and per walk its pools by number."""
    pools = [pool for walk in walks for pool in walk.pools]
    return {"pools": [_written(pool) for pool in pools], "walks": [(2 * at, 2 * at + 1) for at in range(len(walks))]}


def gained(walk: EngineWalk, amount_in: int) -> int:
    """What the walk gains by exact quotes."""
    base, token = walk.there.tokens
    return walk.back.quote(token, walk.there.quote(base, amount_in)) - amount_in


def _added(market: PackedMarket, pool: EnginePool, nodes: I4) -> int:
    klass = np.zeros(1, np.int32)
    if isinstance(pool, ConstantProductPool):
        reserves = np.array([pool.reserves], float) / WEI
        return int(market.add_products(nodes, reserves, np.full((1, 2), 1.0 - FEE_PPM / 1e6), klass)[0])
    bounds, liquidity = ranges(pool)
    counts, root = np.array([len(bounds) - 1], np.int32), np.array([root_price(pool)])
    return int(market.add_ranges(nodes, counts, bounds, liquidity, root, np.array([kept(pool)]), klass)[0])


def _pool(tokens: tuple[Token, Token], family: str, number: int, price: float, rng: np.random.Generator) -> EnginePool:
    """A pool at `price`, token 1 per token 0, with 10 to 1,000 of token 0 or as much within a tenth of its price."""
    depth = float(np.exp(rng.uniform(np.log(10), np.log(1_000))))
    if family == "V2":
        reserves = int(depth * WEI), int(depth * price * WEI)
        return ConstantProductPool(address(f"0x{_PAIRS_FROM + number:040x}"), tokens, reserves, FEE_PPM)
    return _ranged(tokens, price, int(depth * price**0.5 * WEI), rng)


def _ranged(tokens: tuple[Token, Token], price: float, deepest: int, rng: np.random.Generator) -> ConcentratedPool:
    """Positions within one another round the price, as many as there are ranges to a side, and one over all prices."""
    root = int(price**0.5 * Q96)
    tick = tick_at(root)
    middle = tick // SPACING * SPACING
    widest = MAX_TICK // SPACING * SPACING
    net = {-widest: deepest // 50, widest: -(deepest // 50)}
    for ring in range(int(rng.integers(2, _MOST_RANGES))):
        liquidity = int(deepest * float(rng.uniform(0.05, 0.5)))
        net[middle - SPACING * ring] = liquidity
        net[middle + SPACING * (ring + 1)] = -liquidity
    ticks = Ticks(SPACING, *all_words(SPACING), net, {at: abs(liquidity) for at, liquidity in net.items()})
    active = sum(liquidity for at, liquidity in net.items() if at <= tick)
    return ConcentratedPool(_created(tokens), tokens, FEE_PPM, root, tick, active, ticks)


def _created(tokens: tuple[Token, Token]) -> Address:
    """Where Uniswap's factory would have put the pool: an engine may check it."""
    return load_network("ethereum").factories["uniswap_v3"].pool(*(Address(each.address) for each in tokens), FEE_PPM)


def _written(pool: EnginePool) -> dict[str, Any]:
    tokens = [token.address for token in pool.tokens]
    if isinstance(pool, ConstantProductPool):
        return {"address": pool.address, "tokens": tokens, "reserves": pool.reserves}
    ticks = [(tick, str(pool.ticks.gross[tick]), str(net)) for tick, net in pool.ticks.net.items()]
    state = {"sqrt_price_x96": str(pool.sqrt_price_x96), "liquidity": str(pool.liquidity), "tick": pool.tick}
    return {"address": pool.address, "tokens": tokens, "ticks": ticks, **state}
