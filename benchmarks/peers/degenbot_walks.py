"""The peer, in its own environment: degenbot 0.6's Rust engine sizes closed walks of V2 and V3 pools.

Runs there as `python degenbot_walks.py JOB`, where the job names a JSON file of pools and walks; prints one JSON
object: the seconds to solve them all, once everything is registered, and per walk the input and gain it chose.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from degenbot._ffi import ArbitrageEngine, Bot

V2_FACTORY = "0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f"
V3_FACTORY = "0x1F98431c8aD98523631AE4a59f267346ea31F984"
KEPT, OF = 997, 1000
FEE_PPM, SPACING = 3000, 60


def registered(bot: Bot, pool: dict[str, Any]) -> int:
    one, other = pool["tokens"]
    if "reserves" in pool:
        state = (*map(int, pool["reserves"]), KEPT, OF, KEPT, OF, V2_FACTORY, 0, "uniswap-v2", False, None)
        return bot.register_v2_pool_test_only(pool["address"], one, other, *state)
    return bot.register_v3_pool(
        pool["address"],
        one,
        other,
        FEE_PPM,
        SPACING,
        V3_FACTORY,
        int(pool["sqrt_price_x96"]),
        int(pool["liquidity"]),
        pool["tick"],
        tick_data={tick: (int(gross), int(net), 0) for tick, gross, net in pool["ticks"]},
        coverage="tracked",
    )


def main() -> None:
    job = json.loads(sys.argv[1])
    given = json.loads(Path(job["file"]).read_text())
    bot = Bot(1)
    ids = [registered(bot, pool) for pool in given["pools"]]
    engine = ArbitrageEngine(bot)
    engine.set_path_cap(None)
    paths = [engine.register_path([(ids[there], True), (ids[back], False)])[0] for there, back in given["walks"]]
    seconds = []
    for block in range(1, job["repeats"] + 1):
        began, busy = time.perf_counter(), time.process_time()
        engine.solve_all_paths(block)
        seconds.append(min(time.perf_counter() - began, time.process_time() - busy))
    results, _ = engine.latest_results()
    chosen = {path: (amount_in, gain) for path, amount_in, gain, *_ in results}
    answers = [chosen.get(path) for path in paths]
    print(json.dumps({"version": "degenbot 0.6.0a17, Rust", "seconds": seconds, "answers": answers}))


main()
