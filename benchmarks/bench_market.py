"""How long the market takes per block on the recorded pools of block 17675948: update, screening, sizing, exact quotes.

Run as `python -m benchmarks.bench_market`. Prints milliseconds, p50 and p99, and what was found.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

from bot.market import Market
from chains.assets import Asset, Assets, Token, address
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import Pool, PoolError
from chains.pools.tick_math import MAX_TICK, MIN_TICK, Ticks, all_words
from chains.twin.data import RecordedPair, RecordedPool, snapshot

WETH = address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
ETH = Asset("ETH")
NETWORK = "ethereum"
TICKS_AROUND = 256
"""Ticks beyond the active range were not recorded: liquidity is taken to reach this many spacings each way."""


def pool_of(recorded: RecordedPool, tokens: tuple[Token, Token]) -> Pool:
    """The recorded pool as the market's own type."""
    if isinstance(recorded, RecordedPair):
        return ConstantProductPool(recorded.address, tokens, recorded.reserves, recorded.fee_ppm)
    spacing = recorded.tick_spacing
    base = recorded.tick // spacing * spacing
    lower = max(base - TICKS_AROUND * spacing, -(-MIN_TICK // spacing) * spacing)
    upper = min(base + TICKS_AROUND * spacing, MAX_TICK // spacing * spacing)
    ticks = Ticks(spacing, *all_words(spacing), {}, {}).with_position(lower, upper, recorded.liquidity)
    return ConcentratedPool(
        recorded.address,
        tokens,
        recorded.fee_ppm,
        recorded.sqrt_price_x96,
        recorded.tick,
        recorded.liquidity,
        ticks,
    )


def recorded_market() -> tuple[Market, list[Pool]]:
    """All recorded pools in a market whose ETH is WETH."""
    document = snapshot()
    tokens = {at: Token(NETWORK, at, row.symbol, row.decimals) for at, row in document.tokens.items()}
    market = Market(Assets({ETH: [tokens[WETH]]}))
    pools = [pool_of(entry, (tokens[entry.tokens[0]], tokens[entry.tokens[1]])) for entry in document.pools]
    for pool in pools:
        market.add_pool(pool)
    return market, pools


def displaced(pool: Pool, rng: random.Random) -> Pool:
    """The pool after someone traded a little through it."""
    token_in = rng.choice(pool.tokens)
    for piece in pool.pieces(token_in)[:1]:
        amount = int(rng.uniform(0.001, 0.02) / piece.curvature)
        try:
            return pool.swapped(token_in, amount)
        except PoolError:
            return pool
    return pool


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--blocks", type=int, default=200)
    arguments.add_argument("--changed", type=int, default=15)
    arguments.add_argument("--gas-price-gwei", type=int, default=20)
    chosen = arguments.parse_args()

    began = time.perf_counter()
    market, pools = recorded_market()
    print(f"{len(pools)} pools built in {(time.perf_counter() - began) * 1e3:.0f} ms")
    gas_price_wei = chosen.gas_price_gwei * 10**9
    found = list(market.cycles(gas_price_wei=gas_price_wei))
    cold = timed(lambda: list(market.cycles(gas_price_wei=gas_price_wei)))
    print(f"whole market: {len(found)} opportunities in {cold:.1f} ms, best {found[0] if found else 'none'}")

    rng = random.Random(1)
    weights = [1.0 + 20.0 * (WETH in (token.address for token in pool.tokens)) for pool in pools]
    updates, searches, counts = [], [], []
    market.take_changed()
    for _ in range(chosen.blocks):
        moved = [displaced(market.pool(pool.address), rng) for pool in rng.choices(pools, weights, k=chosen.changed)]
        updates.append(timed(lambda moved=moved: [market.add_pool(pool) for pool in moved]))
        changed = market.take_changed()
        results: list[object] = []
        searches.append(
            timed(lambda through=changed, out=results: out.extend(market.cycles(through, gas_price_wei=gas_price_wei)))
        )
        counts.append(len(results))
    for name, values in (("update", updates), ("cycles", searches)):
        p99 = statistics.quantiles(values, n=100)[98]
        print(f"{name}: {chosen.changed} changed pools, p50 {statistics.median(values):.2f} ms, p99 {p99:.2f} ms")
    print(f"opportunities per block: mean {statistics.mean(counts):.1f}")


if __name__ == "__main__":
    main()
