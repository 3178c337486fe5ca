"""The peer, in its own environment: degenbot 0.6's Rust core, given the same states.

Runs there as `python degenbot_rust.py JOB`; prints one JSON object: answers and the best seconds per quote.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from functools import partial
from itertools import count

from degenbot._ffi import Bot
from degenbot._ffi.v2_math import calc_exact_in_v2

# The core derives pool addresses from tokens and fee; mainnet's WBTC/WETH pool stands in for the one on Anvil.
POOL = "0xCBCdF9626bC03E24f779434178A73a0B4bad62eD"
WBTC = "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"
WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
FACTORY = "0x1F98431c8aD98523631AE4a59f267346ea31F984"


def best_s(quote: Callable[[int], int], start: int, step: int, repeats: int, number: int) -> float:
    """The best seconds per quote, each of another amount."""
    fresh = count(start + step, step)
    return min(timeit.repeat(lambda: quote(next(fresh)), repeat=repeats, number=number)) / number


def main() -> None:
    job = json.loads(sys.argv[1])
    bot = Bot(1)
    state = job["v3"]
    ticks = {int(tick): (gross, net, 0) for tick, (gross, net) in state["ticks"]}
    pool = bot.register_v3_pool(
        POOL,
        WBTC,
        WETH,
        state["fee_ppm"],
        state["spacing"],
        FACTORY,
        state["sqrt_price_x96"],
        state["liquidity"],
        state["tick"],
        tick_data=ticks,
        coverage="tracked",
    )
    results = []
    for family, zero_for_one, (start, step) in job["quotes"]:
        if family == "v2":
            reserves = job["v2"]["reserves"] if zero_for_one else job["v2"]["reserves"][::-1]
            quote = partial(calc_exact_in_v2, reserves[0], reserves[1], fee_numer=3, fee_denom=1000)
        else:
            quote = partial(bot.calculate_tokens_out, pool, zero_for_one)
        results.append({"amount": quote(start), "seconds": best_s(quote, start, step, job["repeats"], job["number"])})
    print(json.dumps({"version": "degenbot 0.6, Rust", "quotes": results}))


main()
