"""The peer, in its own environment: degenbot 0.6's Rust engine solves closed paths of V2 pools that were listed for it.

Runs there as `python degenbot_paths.py JOB`, where the job names a NumPy-free JSON file of pools (two tokens and two
reserves, as decimal strings) and paths ((pool, zero for one) per hop); prints one JSON object: seconds to solve them
all, once everything is registered, and how many of them pay.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from degenbot._ffi import ArbitrageEngine, Bot, to_checksum_address

FACTORY = "0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f"
KEPT, OF = 997, 1000
POOLS_FROM, TOKENS_FROM = 1 << 32, 1 << 80


def main() -> None:
    job = json.loads(sys.argv[1])
    given = json.loads(Path(job["file"]).read_text())
    bot = Bot(1)

    def at(number: int) -> str:
        return to_checksum_address(f"0x{number:040x}")

    ids = [
        bot.register_v2_pool_test_only(
            at(POOLS_FROM + number),
            at(TOKENS_FROM + one),
            at(TOKENS_FROM + other),
            int(reserve_0),
            int(reserve_1),
            KEPT,
            OF,
            KEPT,
            OF,
            FACTORY,
            0,
            "uniswap-v2",
            False,
            None,
        )
        for number, (one, other, reserve_0, reserve_1) in enumerate(given["pools"])
    ]
    engine = ArbitrageEngine(bot)
    engine.set_path_cap(None)
    began = time.perf_counter()
    for path in given["paths"]:
        engine.register_path([(ids[pool], zero_for_one) for pool, zero_for_one in path])
    registered_s = time.perf_counter() - began
    seconds = []
    for block in range(1, job["repeats"] + 1):
        began, busy = time.perf_counter(), time.process_time()
        engine.solve_all_paths(block)
        seconds.append(min(time.perf_counter() - began, time.process_time() - busy))
    results, _ = engine.latest_results()
    print(
        json.dumps(
            {
                "version": "degenbot 0.6.0a17, Rust",
                "seconds": seconds,
                "registered_s": registered_s,
                "paths": engine.path_count(),
                "paying": len(results),
            }
        )
    )


main()
