"""A made market for benchmarks: hubs and leaves, pairs and ranges, at rest but for what each fee hides."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from chains.assets import Address, Token
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import Pool
from chains.pools.tick_math import Q96, Ticks, all_words, tick_at

WEI = 10**18
HUBS = (
    ("WETH", 1.0, 0.55),
    ("USDC", 1 / 2000, 0.16),
    ("USDT", 1 / 2000, 0.14),
    ("DAI", 1 / 2000, 0.08),
    ("WBTC", 16.0, 0.07),
)
"""Symbol, worth in ETH, and what part of all pools has it on one side."""

MEDIAN_DEPTH, SPREAD = 0.47, 2.2
"""ETH on each side of the median pair, and the spread of its logarithm."""

TIERS = ((500, 10), (3000, 60), (10000, 200))
POSITIONS = 6


@dataclass(frozen=True, slots=True)
class Made:
    """Pools at rest, and what each token is worth in ETH."""

    weth: Token
    pools: tuple[Pool, ...]
    hub_pools: tuple[Pool, ...]
    worth: dict[Token, float]


def made_market(pairs: int, ranges: int, tokens: int, seed: int = 1) -> Made:
    """`pairs` constant-product and `ranges` concentrated pools of `tokens` tokens; the hubs' own pools are deep."""
    rng = random.Random(seed)
    hubs = [_token(number, symbol) for number, (symbol, _, _) in enumerate(HUBS)]
    worth = {hub: facts[1] for hub, facts in zip(hubs, HUBS, strict=True)}
    leaves = [_token(number, f"T{number}") for number in range(len(hubs), tokens)]
    worth |= {leaf: 10.0 ** rng.uniform(-7, 0) for leaf in leaves}
    numbers = iter(range(1 << 20, 1 << 30))
    hub_pools = list(_between_hubs(hubs, worth, numbers, rng))
    chosen: list[Pool] = list(hub_pools)
    weights = [facts[2] for facts in HUBS]
    for count in range(pairs + ranges - len(hub_pools)):
        one = rng.choices(hubs, weights)[0]
        other = leaves[min(int(len(leaves) * rng.random() ** 1.6), len(leaves) - 1)]
        depth = MEDIAN_DEPTH * math.exp(rng.gauss(0.0, SPREAD))
        if count < ranges:
            chosen.append(_range(next(numbers), one, other, worth, depth * 4, rng))
        else:
            chosen.append(_pair(next(numbers), one, other, worth, depth, rng))
    return Made(hubs[0], tuple(chosen), tuple(hub_pools), worth)


def displaced(pool: Pool, rng: random.Random, least: float = 0.01, most: float = 0.06) -> Pool:
    """The pool after somebody's large trade."""
    token_in = rng.choice(pool.tokens)
    pieces = pool.pieces(token_in)
    amount = rng.uniform(least, most) / pieces[0].curvature
    return pool.swapped(token_in, max(1, int(min(amount, sum(piece.cap for piece in pieces) * 0.9))))


def _between_hubs(
    hubs: list[Token], worth: dict[Token, float], numbers: Iterator[int], rng: random.Random
) -> Iterator[Pool]:
    for at, one in enumerate(hubs):
        for other in hubs[at + 1 :]:
            for _ in range(4):
                yield _pair(next(numbers), one, other, worth, rng.uniform(500, 5_000), rng)
            for _ in range(3):
                yield _range(next(numbers), one, other, worth, rng.uniform(2_000, 20_000), rng)


def _token(number: int, symbol: str) -> Token:
    return Token("made", f"0x{number + 1:040x}", symbol, 18)


def _price(worth: dict[Token, float], one: Token, other: Token, fee_ppm: int, rng: random.Random) -> float:
    """Units of `other` per unit of `one`, anywhere within what the fee hides."""
    band = fee_ppm / 1e6 * 0.8
    return worth[one] / worth[other] * (1.0 + rng.uniform(-band, band))


def _pair(number: int, one: Token, other: Token, worth: dict[Token, float], depth: float, rng: random.Random) -> Pool:
    price = _price(worth, one, other, 3000, rng)
    reserve = depth / worth[one]
    reserves = int(reserve * WEI), int(reserve * price * WEI)
    return ConstantProductPool(Address(f"0x{number:040x}"), (one, other), reserves, 3000)


def _range(number: int, one: Token, other: Token, worth: dict[Token, float], depth: float, rng: random.Random) -> Pool:
    fee_ppm, spacing = rng.choice(TIERS)
    price = _price(worth, one, other, fee_ppm, rng)
    root = int(math.sqrt(price) * Q96)
    tick = tick_at(root)
    ticks, active = Ticks(spacing, *all_words(spacing), {}, {}), 0
    for _ in range(POSITIONS):
        half = rng.randrange(2, 60) * spacing
        lower = (tick - half) // spacing * spacing
        upper = (tick + half) // spacing * spacing + spacing
        liquidity = int(depth / POSITIONS / worth[one] * math.sqrt(price) * WEI * rng.uniform(2, 10))
        ticks = ticks.with_position(lower, upper, liquidity)
        active += liquidity
    return ConcentratedPool(Address(f"0x{number:040x}"), (one, other), fee_ppm, root, tick, active, ticks)
