"""The peer, in its own environment: degenbot 0.6's Rust core takes a node's answer in, one call a log.

Runs there as `python degenbot_logs.py JOB`; prints one JSON object: the best seconds per log, from the answer's bytes
(parsed by pydantic's Rust parser, which degenbot brings along) and from logs that are parsed already.
"""

from __future__ import annotations

import json
import sys
import timeit

from degenbot._ffi import Bot
from pydantic_core import from_json

# The core derives pool addresses from tokens and fee: mainnet's WBTC/WETH pool.
WBTC = "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"
WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
FACTORY = "0x1F98431c8aD98523631AE4a59f267346ea31F984"


def main() -> None:
    job = json.loads(sys.argv[1])
    bot = Bot(1)
    ticks = {int(tick): (gross, net, 0) for tick, (gross, net) in job["ticks"]}
    price, tick, liquidity = job["slot"]
    bot.register_v3_pool(
        job["pool"], WBTC, WETH, 3000, 60, FACTORY, price, liquidity, tick, tick_data=ticks, coverage="tracked"
    )
    raw = job["answer"].encode()
    logs = from_json(raw)["result"]

    def take(logs: list[dict[str, object]]) -> None:
        for log in logs:
            bot.dispatch_log(log["address"], log["topics"], log["data"], job["block"])

    whole = min(timeit.repeat(lambda: take(from_json(raw)["result"]), repeat=job["repeats"], number=1))
    parsed = min(timeit.repeat(lambda: take(logs), repeat=job["repeats"], number=1))
    print(json.dumps({"seconds": whole / len(logs), "parsed_seconds": parsed / len(logs)}))


main()
