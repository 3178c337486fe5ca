"""Exact V3 quotes in the compiled kernel, a batch a call: beside plain Python integers and degenbot's Rust core.

Run as `python -m benchmarks.bench_exact`. One real pool on Anvil with an initialised tick at every spacing;
amounts that cross 0, 1, 5, 20 and 50 of them. Every answer is compared with QuoterV2's. Exit code 1 if one differs or
a figure is missed: in a batch at least 5x plain Python integers, per crossing at least 2x degenbot's Rust.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np

from benchmarks.bench_quotes import FEE_PPM, NUMBER, POSITIONS, REPEATS, RUST, SPACING, crossing, varied
from benchmarks.machine import report
from bot.exactness.contracts import local_chain
from bot.exactness.uniswap_v3 import Deployment, followed, fully_known
from bot.market.integers import plain, swaps
from bot.market.integers.layout import FILLED, Exact, Filled, limbs, packed, whole
from chains.pools.concentrated import ConcentratedPool
from chains.pools.tick_math import sqrt_price_at, word_of

CROSSED = (0, 1, 5, 20, 50)
BATCH = 50
"""Finalists of one block."""
CHECKED = 20


async def measured() -> list[dict[str, Any]]:
    async with local_chain() as chain:
        deployment = await Deployment.make(chain)
        facts = await deployment.pool(FEE_PPM, sqrt_price_at(7))
        empty = await chain.load(facts)
        assert isinstance(empty, ConcentratedPool)
        pool = fully_known(empty)
        for number in range(POSITIONS):
            low, high = -SPACING * (number + 1), SPACING * (number + 1)
            pool = followed(pool, await deployment.mint(FEE_PPM, low, high, 10 ** (15 + number % 5)))
        asked = [(count, side, _amounts(pool, side, count)) for count in CROSSED for side in (True, False)]
        peer = await asyncio.to_thread(RUST.ask, _job(pool, asked))
        rows = []
        for number, (count, side, amounts) in enumerate(asked):
            row = _timed(pool, side, amounts)
            few = list(amounts[:CHECKED])
            token_in, token_out = pool.tokens if side else pool.tokens[::-1]
            quoted = await deployment.quoted(FEE_PPM, [(token_in, token_out, each) for each in few], exact_out=False)
            row |= {"crossed": count, "zero_for_one": side, "equal_to_quoter": row.pop("answers") == quoted}
            row["rust_seconds"] = peer["quotes"][number]["seconds"] if peer else None
            row["rust_equal"] = peer["quotes"][number]["amount"] == quoted[0] if peer else None
            rows.append(row)
        return rows


def _amounts(pool: ConcentratedPool, zero_for_one: bool, crossed: int) -> range:
    if crossed:
        return crossing(pool, zero_for_one, crossed)
    # The nearest tick is less far than this.
    return varied(10**6, 10**9)


def _job(pool: ConcentratedPool, asked: list[tuple[int, bool, range]]) -> dict[str, Any]:
    words: dict[int, int] = {}
    for tick in pool.ticks.order:
        word = word_of(tick, SPACING)
        words[word] = words.get(word, 0) | 1 << (tick // SPACING % 256)
    return {
        "repeats": REPEATS,
        "number": NUMBER,
        "quotes": [("v3", side, (amounts.start, amounts.step)) for _, side, amounts in asked],
        "v2": {},
        "v3": {
            "address": pool.address,
            "fee_ppm": pool.fee_ppm,
            "spacing": SPACING,
            "sqrt_price_x96": pool.sqrt_price_x96,
            "tick": pool.tick,
            "liquidity": pool.liquidity,
            "ticks": [(tick, (pool.ticks.gross[tick], pool.ticks.net[tick])) for tick in pool.ticks.order],
            "bitmap": list(words.items()),
        },
    }


def _timed(pool: ConcentratedPool, zero_for_one: bool, amounts: range) -> dict[str, Any]:
    """Best seconds per quote of batches, and the first answers."""
    table = packed([pool])
    specified = np.array([limbs(each, 4) for each in amounts[: REPEATS * BATCH]], np.uint64)
    compiled = _best_s(swaps, table, zero_for_one, specified)
    slow = _best_s(plain, table, zero_for_one, specified)
    answers = Filled.room(CHECKED)
    _swap(swaps, table, zero_for_one, specified[:CHECKED], answers)
    assert (answers.status == FILLED).all()
    return {"seconds": compiled, "plain_seconds": slow, "answers": [whole(each) for each in answers.amount_out]}


def _best_s(kernels: Any, table: Exact, zero_for_one: bool, specified: Any) -> float:
    answers, best = Filled.room(BATCH), float("inf")
    for again in range(3 * REPEATS):
        first = again % REPEATS * BATCH
        begun = time.perf_counter()
        _swap(kernels, table, zero_for_one, specified[first : first + BATCH], answers)
        best = min(best, time.perf_counter() - begun)
    return best / BATCH


def _swap(kernels: Any, table: Exact, zero_for_one: bool, specified: Any, answers: Filled) -> None:
    count = len(specified)
    ones = np.ones(count, np.uint8)
    kernels.swap_batch(table, np.zeros(count, np.int32), ones * zero_for_one, ones, specified, answers)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The promised ratios: the least over all rows in a batch, and the least per crossing from 5 crossings on."""
    least_plain = min(row["plain_seconds"] / row["seconds"] for row in rows)
    crossings = [row for row in rows if row["crossed"] >= 5]
    base = {row["zero_for_one"]: row for row in rows if row["crossed"] == 0}
    per: dict[str, float | None] = {"plain": least_plain, "rust": None}
    if all(row["rust_seconds"] for row in rows):
        per["rust"] = min(
            (row["rust_seconds"] - base[row["zero_for_one"]]["rust_seconds"])
            / (row["seconds"] - base[row["zero_for_one"]]["seconds"])
            for row in crossings
        )
    wrong = [f"{row['crossed']} crossings: another answer than QuoterV2" for row in rows if not row["equal_to_quoter"]]
    if least_plain < 5:
        wrong.append(f"{least_plain:.1f}x plain Python, promised 5x")
    if per["rust"] is not None and per["rust"] < 2:
        wrong.append(f"{per['rust']:.2f}x degenbot's Rust per crossing, promised 2x")
    return {"least_times_plain": least_plain, "least_times_rust_per_crossing": per["rust"], "missed": wrong}


def main() -> int:
    rows = asyncio.run(measured())
    figures = summary(rows)
    print("crossed   kernel     plain Python      degenbot Rust    as QuoterV2")
    for row in rows:
        rust = row["rust_seconds"]
        beside = f"{rust * 1e6:7.2f} µs {rust / row['seconds']:5.1f}x" if rust else "NOT RUN (Python 3.13)"
        print(
            f"{row['crossed']:>4} {'0→1' if row['zero_for_one'] else '1→0'} {row['seconds'] * 1e6:7.3f} µs "
            f"{row['plain_seconds'] * 1e6:8.2f} µs {row['plain_seconds'] / row['seconds']:5.1f}x   {beside}   "
            f"{'yes' if row['equal_to_quoter'] else 'NO'}"
        )
    rust, differing = figures["least_times_rust_per_crossing"], sum(not row["equal_to_quoter"] for row in rows)
    beside = f"{rust:.1f}x degenbot's Rust per crossing" if rust else "degenbot NOT RUN"
    text = (
        f"exact V3 quotes in a batch at least {figures['least_times_plain']:.1f}x plain Python integers, {beside}; "
        f"{differing} of {len(rows)} rows have another answer than QuoterV2"
    )
    report(6, text, {"rows": rows, **figures})
    for line in figures["missed"]:
        print(f"missed: {line}")
    return 1 if figures["missed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
