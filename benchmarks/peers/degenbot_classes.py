"""The peer, in its own environment: degenbot 0.3's public pool classes, read from the node that the job names.

Runs there as `python degenbot_classes.py JOB`; prints one JSON object: answers and the best seconds per quote.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from functools import partial
from itertools import count

import degenbot
import web3
from degenbot import UniswapV2Pool, UniswapV3Pool


def best_s(quote: Callable[[int], int], start: int, step: int, repeats: int, number: int) -> float:
    """The best seconds per quote, each of another amount."""
    fresh = count(start + step, step)
    return min(timeit.repeat(lambda: quote(next(fresh)), repeat=repeats, number=number)) / number


def main() -> None:
    job = json.loads(sys.argv[1])
    degenbot.set_web3(web3.Web3(web3.HTTPProvider(job["rpc"])))
    v2 = UniswapV2Pool(job["v2"]["address"], verify_address=False, silent=True)
    ticks = {int(tick): {"liquidity_gross": gross, "liquidity_net": net} for tick, (gross, net) in job["v3"]["ticks"]}
    bitmap = {int(index): {"bitmap": word} for index, word in job["v3"]["bitmap"]}
    v3 = UniswapV3Pool(job["v3"]["address"], tick_data=ticks, tick_bitmap=bitmap, verify_address=False, silent=True)
    results = []
    for family, zero_for_one, (start, step) in job["quotes"]:
        pool = {"v2": v2, "v3": v3}[family]
        token_in = pool.token0 if zero_for_one else pool.token1
        quote = partial(pool.calculate_tokens_out_from_tokens_in, token_in)
        results.append({"amount": quote(start), "seconds": best_s(quote, start, step, job["repeats"], job["number"])})
    print(json.dumps({"version": "degenbot 0.3", "quotes": results}))


main()
