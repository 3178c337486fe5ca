"""A busy block on the bot's own road, from the node's answer to the cycles found, each step by itself.

Run as `python -m benchmarks.bench_block [--blocks 100] [--changed 300]`: the recorded pools as the twin has them, of
which so many are traded in each block. The peer takes the same blocks as objects, a log and a pool at a time, as a run
without Numba does, and must find the same. A line for people and a line of JSON.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from benchmarks.bench_codec import written
from benchmarks.bench_market import BLOCK, GWEI, recorded_market, spread
from benchmarks.machine import report
from bot.market import Market
from chains.blocks import Block, Head, Log
from chains.node import wire
from chains.node.documents import opened
from chains.pools.concentrated import SWAP, ConcentratedPool
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.pool import Pool
from chains.pools.tick_math import tick_at

GAS_PRICE_WEI = 20 * GWEI
ROAD, PEER = "as numbers", "as objects"
FIRST = 3
"""Blocks that load what the others find loaded."""
STEPS = ("read", "taken in", "packed", "cycles found")
TRANSACTION = "0x" + "11" * 32
LEAST, MOST = 10**6, 2**100
"""Reserves of pools that can be traded a little, again and again."""


def traded(pool: Pool, rng: random.Random) -> tuple[list[bytes], list[int]] | None:
    """Topics and words of the log by which somebody traded a little; None of a pool that nobody could trade."""
    off = 1.0 + rng.uniform(-2e-4, 2e-4)
    if isinstance(pool, ConstantProductPool) and all(LEAST < reserve < MOST for reserve in pool.reserves):
        return [SYNC], [int(pool.reserves[0] * off), int(pool.reserves[1] / off)]
    if isinstance(pool, ConcentratedPool) and pool.liquidity:
        price = int(pool.sqrt_price_x96 * off)
        return [SWAP, bytes(32), bytes(32)], [10**6, -(10**6), price, pool.liquidity, tick_at(price)]
    return None


def blocks(market: Market, changed: int, rng: random.Random) -> Iterator[tuple[Head, bytes]]:
    """Heads, and each one's `eth_getLogs` answer, made as they are asked for."""
    pools, parent = sorted(market.pools), f"0x{BLOCK:064x}"
    for number in range(BLOCK + 1, BLOCK + 1_000_000):
        name, logs = f"0x{number:064x}", list[dict[str, Any]]()
        for venue in rng.sample(pools, len(pools)):
            told = traded(market.pool(venue), rng) if venue in market.pools else None
            if told is not None and len(logs) < changed:
                logs.append(written(venue, *told, name, number, len(logs), TRANSACTION))
        yield (
            Head(number, name, parent, 12 * number, GWEI, 15_000_000, 30_000_000),
            orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": logs}),
        )
        parent = name


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--blocks", type=int, default=100)
    arguments.add_argument("--changed", type=int, default=300)
    chosen = arguments.parse_args()
    markets = {name: recorded_market()[0] for name in (ROAD, PEER)}
    for market in markets.values():
        market.prepare(GAS_PRICE_WEI)
    gc.disable()
    marks: dict[str, list[tuple[float, ...]]] = {name: [] for name in markets}
    busy = blocks(markets[PEER], chosen.changed, random.Random(3))
    for turn in range(chosen.blocks + FIRST):
        head, raw = next(busy)
        gc.freeze()  # As a run does after each head, which collects between them.
        found = {name: taken(market, head, raw, marks[name], name == ROAD) for name, market in markets.items()}
        assert found[ROAD] == found[PEER], f"block {head.number}: numbers and objects do not come to the same"
        if turn < FIRST:
            marks[ROAD].clear(), marks[PEER].clear()
    told = {name: spread([each[-1] - each[0] for each in marks[name]]) for name in markets}
    steps = {step: spread([each[place + 1] - each[place] for each in marks[ROAD]]) for place, step in enumerate(STEPS)}
    ratio = told[PEER]["p50"] / told[ROAD]["p50"]
    text = ", ".join(f"{name} {each['p50']:.2f} ms" for name, each in steps.items())
    report(
        "block",
        f"{chosen.changed} of {len(markets[ROAD].pools)} pools traded in a block, from answer to cycles: "
        f"p50 {told[ROAD]['p50']:.2f} ms, p99 {told[ROAD]['p99']:.2f} ms, of which {text}; as objects "
        f"{told[PEER]['p50']:.2f} ms, {ratio:.1f} times as long",
        {"changed": chosen.changed, "together_ms": told[ROAD], "objects_ms": told[PEER], "steps_ms": steps},
    )


def taken(market: Market, head: Head, raw: bytes, marks: list[tuple[float, ...]], as_numbers: bool) -> list[str]:
    """One block through one market: what was found, and when each step ended, in milliseconds."""
    times = [time.perf_counter()]
    logs: Sequence[Log] = opened(raw)["result"] if as_numbers else wire.logs(orjson.loads(raw)["result"])
    times.append(time.perf_counter())
    market.apply(Block(head, logs))
    times.append(time.perf_counter())
    market.settle(GAS_PRICE_WEI)
    times.append(time.perf_counter())
    asked = market.take_changed()
    found = list(market.cycles(asked, max_hops=4, max_routes=4, gas_price_wei=GAS_PRICE_WEI))
    times.append(time.perf_counter())
    marks.append(tuple(each * 1e3 for each in times))
    return [each.explain() for each in found]


if __name__ == "__main__":
    main()
