"""Exact quotes beside degenbot's, in one run: the same real pools on Anvil, the same amounts, the same answers.

Run as `python -m benchmarks.bench_quotes`. Peers live in throw-away environments under `var/peers`:
degenbot 0.3 (its public classes), and where Python 3.13 is installed also the 0.6 pre-release (its Rust core).
Exit code 1 if an answer differs or a figure is missed.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.machine import report
from bot.exactness.contracts import Chain, local_chain
from bot.exactness.uniswap_v3 import Deployment, followed, fully_known
from chains.assets import address
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import PoolFacts
from chains.pools.tick_math import sqrt_price_at, word_of

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "var" / "peers"
FEE_PPM, SPACING = 3000, 60
CROSSED = 50
POSITIONS = 70
REPEATS, NUMBER = 7, 400
EVERYTHING = 2**200


@dataclass(frozen=True, slots=True)
class Peer:
    """An environment with another program in it, and the script that asks it."""

    name: str
    python: str | None
    requirement: str
    script: str

    def beside(self, script: str) -> Peer:
        """The same environment, asked by another script."""
        return replace(self, script=script)

    def ask(self, job: dict[str, Any]) -> dict[str, Any] | None:
        """Its answers and times; None where its Python is not installed."""
        if self.python is None:
            return None
        inside = PEERS / self.name / "bin" / "python"
        if not inside.exists():
            print(f"installing {self.requirement} into {inside.parents[1]}", file=sys.stderr)
            subprocess.run([self.python, "-m", "venv", str(inside.parents[1])], check=True)
            subprocess.run([str(inside), "-m", "pip", "install", "-q", self.requirement], check=True)
        script = Path(__file__).parent / "peers" / self.script
        done = subprocess.run([str(inside), str(script), json.dumps(job)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{self.name} failed: {done.stderr.strip().splitlines()[-1]}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


def python_313() -> str | None:
    """A Python 3.13 of this machine."""
    candidates = [shutil.which("python3.13"), *map(str, Path.home().glob(".pyenv/versions/3.13*/bin/python3.13"))]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "--version"], capture_output=True).returncode == 0:
            return candidate
    return None


DEGENBOT = Peer("degenbot-0.3", sys.executable, "degenbot==0.3.0", "degenbot_classes.py")
RUST = Peer("degenbot-0.6", python_313(), "degenbot==0.6.0a17", "degenbot_rust.py")


async def real_pools(chain: Chain) -> tuple[ConstantProductPool, ConcentratedPool]:
    """A pair, and a pool whose every spacing for a good way around the price is an initialised tick."""
    deployment = await Deployment.make(chain)
    factory = await chain.deploy("@uniswap/v2-core", "build/UniswapV2Factory.json", ["address"], [chain.account])
    both = [token.address for token in deployment.tokens]
    await chain.send(factory, "createPair(address,address)", *both)
    pair = (await chain.read(factory, "getPair(address,address)", ["address"], *both))[0]
    for token, reserve in zip(both, (31 * 10**21, 57 * 10**12), strict=True):
        await chain.send(token, "transfer(address,uint256)", pair, reserve)
    await chain.send(pair, "sync()")
    v2 = await chain.load(PoolFacts("constant_product", address(pair), deployment.tokens, 3000))

    facts = await deployment.pool(FEE_PPM, sqrt_price_at(7))
    empty = await chain.load(facts)
    assert isinstance(v2, ConstantProductPool) and isinstance(empty, ConcentratedPool)
    v3 = fully_known(empty)
    for number in range(POSITIONS):
        low, high = -SPACING * (number + 1), SPACING * (number + 1)
        v3 = followed(v3, await deployment.mint(FEE_PPM, low, high, 10 ** (15 + number % 5)))
    return v2, v3


def crossing(pool: ConcentratedPool, zero_for_one: bool, crossed: int) -> range:
    """Different amounts that all cross exactly so many initialised ticks."""
    token_in = pool.tokens[0 if zero_for_one else 1]
    ticks = pool.ticks.below(pool.tick) if zero_for_one else pool.ticks.above(pool.tick)
    last, beyond = (
        pool.filled(token_in, EVERYTHING, sqrt_price_at(tick)).amount_in for tick in ticks[crossed - 1 : crossed + 1]
    )
    return varied(last + 1, beyond - 1)


def varied(low: int, high: int) -> range:
    """Amounts enough for every quote of the run to be another one: sizing never asks the same twice."""
    count = 1 + REPEATS * NUMBER
    return range(low, high, (high - low) // count)[:count]


def best_s(quote: Callable[[int], int], amounts: Sequence[int]) -> float:
    """The best seconds per quote, each of another amount."""
    fresh = iter(amounts[1:])
    return min(timeit.repeat(lambda: quote(next(fresh)), repeat=REPEATS, number=NUMBER)) / NUMBER


def cold_s(pool: ConcentratedPool, token_in: Any, amount: int) -> float:
    """A first quote after a position changed: nothing is summed up yet."""
    fresh = [replace(pool, ticks=replace(pool.ticks)) for _ in range(REPEATS)]
    return min(timeit.timeit(lambda pool=pool: pool.quote(token_in, amount), number=1) for pool in fresh)  # type: ignore[misc]


async def measured() -> list[dict[str, Any]]:
    async with local_chain() as chain:
        v2, v3 = await real_pools(chain)
        quotes = [("v2", True, varied(10**18, 2 * 10**18)), ("v2", False, varied(10**9, 2 * 10**9))]
        quotes += [("v3", side, crossing(v3, side, CROSSED)) for side in (True, False)]
        words: dict[int, int] = {}
        for tick in v3.ticks.order:
            word = word_of(tick, SPACING)
            words[word] = words.get(word, 0) | 1 << (tick // SPACING % 256)
        job = {
            "rpc": chain.anvil.http_url,
            "repeats": REPEATS,
            "number": NUMBER,
            "quotes": [(family, side, (each.start, each.step)) for family, side, each in quotes],
            "v2": {"address": v2.address, "reserves": v2.reserves},
            "v3": {
                "address": v3.address,
                "fee_ppm": v3.fee_ppm,
                "spacing": SPACING,
                "sqrt_price_x96": v3.sqrt_price_x96,
                "tick": v3.tick,
                "liquidity": v3.liquidity,
                "ticks": [(tick, (v3.ticks.gross[tick], v3.ticks.net[tick])) for tick in v3.ticks.order],
                "bitmap": list(words.items()),
            },
        }
        peers = [(peer.name, await asyncio.to_thread(peer.ask, job)) for peer in (DEGENBOT, RUST)]
        rows = []
        for number, (family, zero_for_one, amounts) in enumerate(quotes):
            pool: Any = v2 if family == "v2" else v3
            token_in = pool.tokens[0 if zero_for_one else 1]
            row = {
                "quote": f"{family} {'0→1' if zero_for_one else '1→0'}" + (f", {CROSSED} ticks" if pool is v3 else ""),
                "family": family,
                "amount": pool.quote(token_in, amounts[0]),
                "seconds": best_s(partial(pool.quote, token_in), amounts),
                "peers": {name: answer["quotes"][number] for name, answer in peers if answer is not None},
            }
            if family == "v3":
                row["cold_seconds"] = cold_s(v3, token_in, amounts[0])
            rows.append(row)
        return rows


def missed(rows: list[dict[str, Any]]) -> list[str]:
    """Which promises the run did not keep."""
    wrong = []
    for row in rows:
        for name, peer in row["peers"].items():
            least = 10.0 if row["family"] == "v3" and name == DEGENBOT.name else 1.0
            if peer["amount"] != row["amount"]:
                wrong.append(f"{row['quote']}: {name} answers {peer['amount']}, we {row['amount']}")
            if peer["seconds"] / row["seconds"] < least:
                wrong.append(f"{row['quote']}: {peer['seconds'] / row['seconds']:.2f}× {name}, promised {least:g}×")
    return wrong


def main() -> int:
    rows = asyncio.run(measured())
    wrong = missed(rows)
    for row in rows:
        cold = f" (first after a change {row['cold_seconds'] * 1e6:.1f} µs)" if "cold_seconds" in row else ""
        print(f"{row['quote']:<16} {row['seconds'] * 1e6:8.2f} µs{cold}")
        for name, peer in row["peers"].items():
            ratio = peer["seconds"] / row["seconds"]
            same = "same answer" if peer["amount"] == row["amount"] else "ANOTHER ANSWER"
            print(f"  {name:<14} {peer['seconds'] * 1e6:8.2f} µs  {ratio:6.2f}×  {same}")
    ratios = [peer["seconds"] / row["seconds"] for row in rows for peer in row["peers"].values()]
    least = f"at least {min(ratios):.2f} times as fast as" if ratios else "NOT COMPARED with"
    report("quotes", f"{len(rows)} kinds of single quotes, {least} degenbot's", {"quotes": rows, "missed": wrong})
    for line in wrong:
        print(f"missed: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
