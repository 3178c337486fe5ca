"""A busy block on the bot's own road, from the node's answer to the cycles found, each step by itself.

Run as `python -m benchmarks.bench_block [--blocks 100] [--changed 300]`: the recorded pools as the twin has them, of
which so many are traded in each block. Beside it stands what the compiled decoder (figure 8) takes for the same answer:
the road reads answers that hold more than logs, and keeps pools as objects. A line for people and a line of JSON.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import orjson

from benchmarks.bench_codec import written
from benchmarks.bench_market import BLOCK, GWEI, recorded_market, spread
from benchmarks.machine import report
from bot.market import Market
from chains.blocks import Block, Head
from chains.codec import decoded
from chains.node import wire
from chains.pools.concentrated import SWAP, ConcentratedPool
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.pool import Pool
from chains.pools.tick_math import tick_at

GAS_PRICE_WEI = 20 * GWEI
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
    market, _ = recorded_market()
    market.prepare(GAS_PRICE_WEI)
    gc.freeze()  # As a run does once it is open.
    steps: dict[str, list[float]] = {name: [] for name in ("read", "taken in", "packed", "cycles found")}
    together, kernel = list[float](), list[float]()
    busy = blocks(market, chosen.changed, random.Random(3))
    for _ in range(chosen.blocks):
        head, raw = next(busy)
        began = time.perf_counter()
        logs = wire.logs(orjson.loads(raw)["result"])
        read = time.perf_counter()
        market.apply(Block(head, logs))
        taken_in = time.perf_counter()
        market.settle(GAS_PRICE_WEI)
        packed = time.perf_counter()
        list(market.cycles(market.take_changed(), max_hops=4, max_routes=4, gas_price_wei=GAS_PRICE_WEI))
        found = time.perf_counter()
        decoded(raw)
        kernel.append((time.perf_counter() - found) * 1e3)
        marks = (began, read, taken_in, packed, found)
        for each, since, until in zip(steps.values(), marks, marks[1:], strict=False):
            each.append((until - since) * 1e3)
        together.append((found - began) * 1e3)
    whole, told = spread(together), {name: spread(each) for name, each in steps.items()}
    text = ", ".join(f"{name} {each['p50']:.2f} ms" for name, each in told.items())
    report(
        "block",
        f"{chosen.changed} of {len(market.pools)} pools traded in a block, on the road: p50 {whole['p50']:.1f} ms, p99 "
        f"{whole['p99']:.1f} ms, of which {text}; the compiled decoder reads the same answer in "
        f"{statistics.median(kernel):.2f} ms",
        {"changed": chosen.changed, "together_ms": whole, "steps_ms": told, "decoder_ms": statistics.median(kernel)},
    )


if __name__ == "__main__":
    main()
