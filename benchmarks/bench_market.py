"""The market as strategies see it on the recorded pools of block 17675948: a block's changes taken in, cycles found,
sized and made exact; and what part of the bound is captured, at no gas and at 20 gwei: of the pools as they were
recorded, where V3 has no liquidity outside its active range, and of the twin's, whose V3 pools are filled further.

Run as `python -m benchmarks.bench_market`. A line for people and a line of JSON each.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

from benchmarks.machine import report
from bot.market import Market
from bot.market.dual.capture import Terms
from bot.scan.books_file import Books
from bot.scan.scan import numeraire_of, scan
from bot.snapshot.importing import opened
from chains.assets import ETH, Assets, Token, address
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import Pool, PoolError
from chains.pools.tick_math import MAX_TICK, MIN_TICK, Ticks, all_words
from chains.snapshot import Recorded, Snapshot
from chains.tools import ROOT
from chains.twin.data import RecordedPair, RecordedPool, snapshot
from chains.twin.opening import FILLED_SPACINGS

WETH = address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
GWEI = 10**9
NETWORK = "ethereum"
BLOCK = 17675948
RECORDED = ROOT / "chains" / "twin" / "data" / f"pools_{BLOCK}.json.gz"


def pool_of(recorded: RecordedPool, tokens: tuple[Token, Token]) -> Pool:
    """The recorded pool as the market's own type, its V3 liquidity filled as the twin's."""
    if isinstance(recorded, RecordedPair):
        return ConstantProductPool(recorded.address, tokens, recorded.reserves, recorded.fee_ppm)
    spacing = recorded.tick_spacing
    base = recorded.tick // spacing * spacing
    lower = max(base - FILLED_SPACINGS * spacing, -(-MIN_TICK // spacing) * spacing)
    upper = min(base + FILLED_SPACINGS * spacing, MAX_TICK // spacing * spacing)
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


def spread(values: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(values), "p99": statistics.quantiles(values, n=100)[98]}


def captured(market: Snapshot, gas_price_wei: int) -> dict[str, float]:
    """The bound, what exact trades take of it, and what that leaves after gas, in ETH."""
    found = scan(market, Books(), numeraire_of(market, None), Terms(gas_price_wei))
    return {
        "gas_price_gwei": gas_price_wei / GWEI,
        "bound_eth": found.bound / 1e18,
        "captured_eth": found.capture.gain / 1e18,
        "captured_net_eth": found.capture.net(gas_price_wei) / 1e18,
        "share": found.share,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--blocks", type=int, default=200)
    arguments.add_argument("--changed", type=int, default=15)
    arguments.add_argument("--gas-price-gwei", type=int, default=20)
    chosen = arguments.parse_args()

    market, pools = recorded_market()
    gas_price_wei = chosen.gas_price_gwei * GWEI
    began = time.perf_counter()
    market.prepare(gas_price_wei)
    prepared_ms = (time.perf_counter() - began) * 1e3
    found = list(market.cycles(gas_price_wei=gas_price_wei))
    whole_ms = timed(lambda: list(market.cycles(gas_price_wei=gas_price_wei)))

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
    update, search = spread(updates), spread(searches)
    text = (
        f"{len(pools)} recorded pools, {chosen.changed} changed a block: update p50 {update['p50']:.2f} ms, cycles p50 "
        f"{search['p50']:.2f} ms, p99 {search['p99']:.2f} ms, {statistics.mean(counts):.1f} opportunities a block, all "
        f"exact; the whole market {whole_ms:.1f} ms, {len(found)} opportunities"
    )
    raw = {"update_ms": update, "cycles_ms": search, "whole_ms": whole_ms, "prepared_ms": prepared_ms}
    report("market", text, raw)
    filled = Snapshot(tuple(Recorded(pool, BLOCK) for pool in recorded_market()[1]), ())
    for name, states in (("as recorded", opened(RECORDED)), ("as the twin has it", filled)):
        for gas_price in (0, 20 * GWEI):
            shares = captured(states, gas_price)
            text = (
                f"block {BLOCK} {name}, at {gas_price / GWEI:.0f} gwei: {shares['captured_eth']:.6f} of at most "
                f"{shares['bound_eth']:.6f} ETH captured, {shares['share']:.1%}; "
                f"{shares['captured_net_eth']:.6f} after gas"
            )
            report("captured", text, {"states": name, **shares})


if __name__ == "__main__":
    main()
