"""Start-up: 100,000 pools from the database to a ready market, and 10,000 from a node 40 ms away.

    .venv/bin/python -m benchmarks.bench_discovery [--pools 100000] [--remote 10000] [--delay-ms 40]

The first part scales the recorded pools (80 % constant product, 20 % concentrated with ticks), stores them, and opens
them in a fresh process, whose peak memory it prints. The second creates real pools with the real factories on an Anvil
that has the twin's state, and starts from nothing through a proxy that delays every answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.discovery_samples import create_pairs, write_store
from benchmarks.machine import report
from benchmarks.slow_node import delayed

BUDGET_DB_S, BUDGET_DB_BYTES, BUDGET_NODE_S = 10.0, 2 * 2**30, 60.0


def main() -> int:
    """Exit code 1 where a budget is not kept; the last line says what was measured."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pools", type=int, default=100_000)
    arguments.add_argument("--remote", type=int, default=10_000)
    arguments.add_argument("--delay-ms", type=float, default=40.0)
    arguments.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.open:
        asyncio.run(_open(chosen.open))
        return 0
    measured, kept = [], True
    raw: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if chosen.pools:
            told = _from_database(Path(folder) / "many.sqlite3", chosen.pools)
            measured.append(
                f"{told['pools']:,} pools from the database in {told['seconds']:.2f} s, "
                f"{told['peak_bytes'] / 2**20:,.0f} MiB"
            )
            raw["from_database"] = told
            kept = told["seconds"] < BUDGET_DB_S and told["peak_bytes"] < BUDGET_DB_BYTES
        if chosen.remote:
            seconds = asyncio.run(_from_node(Path(folder) / "remote.sqlite3", chosen.remote, chosen.delay_ms / 1000))
            measured.append(f"{chosen.remote:,} from a node {chosen.delay_ms:g} ms away in {seconds:.2f} s")
            raw["from_node"] = {"pools": chosen.remote, "delay_ms": chosen.delay_ms, "seconds": seconds}
            kept = kept and seconds < BUDGET_NODE_S
    report("discovery", "; ".join(measured), raw)
    print("; ".join(measured))
    return 0 if kept else 1


def _from_database(file: Path, count: int) -> dict[str, Any]:
    ticks = write_store(file, count)
    print(f"stored {count:,} pools with {ticks:,} ticks, {file.stat().st_size / 2**20:.0f} MiB")
    command = [sys.executable, "-m", "benchmarks.bench_discovery", "--open", str(file)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(
        f"database to ready market: {told['pools']:,} pools in {told['seconds']:.2f} s (budget {BUDGET_DB_S:.0f}), "
        f"{told['cpu_s']:.2f} s of CPU in the whole process; peak {told['peak_bytes'] / 2**20:,.0f} MiB "
        f"(budget {BUDGET_DB_BYTES / 2**20:,.0f})"
    )
    return dict(told)


async def _open(file: Path) -> None:
    """The fresh process: a market out of the store, on a chain that stands where it was saved."""
    from benchmarks.discovery_samples import StandingNode, opened_from

    begun = time.perf_counter()
    opened = await opened_from(file, StandingNode())
    told = {
        "pools": len(opened.market.pools),
        "seconds": time.perf_counter() - begun,
        "cpu_s": time.process_time(),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(told))


async def _from_node(file: Path, count: int, delay_s: float) -> float:
    """Seconds from nothing to a market; then the same again, from the store."""
    from bot.config.pools import PoolSettings
    from bot.discovery.start import open_discoverer
    from bot.snapshot.taking import source_at
    from chains.anvil import Anvil
    from chains.networks import load_network
    from chains.twin.build import ensure_state
    from chains.twin.data import SNAPSHOT_TIME_S
    from chains.twin.twin import TwinOptions

    state = await ensure_state(TwinOptions().folder)
    load = ["--no-mining", "--load-state", str(state.state_file), "--timestamp", str(SNAPSHOT_TIME_S)]
    async with Anvil([*load, "--gas-limit", str(10**12), "--order", "fifo"]) as anvil:
        made = await create_pairs(anvil, count)
        network = load_network("twin")
        settings = PoolSettings.model_validate(
            {
                "discover": True,
                "url": f"sqlite:///{file}",
                "min_liquidity": "0 ETH",
                "max_pools": 10**6,
            }
        )
        async with delayed(anvil.http_url, delay_s) as proxy, source_at(network, proxy.url) as source:
            head = await source.head(None)
            took_s = []
            for way in ("from nothing", "again, from the store"):
                proxy.requests, begun = 0, time.perf_counter()
                with await open_discoverer(settings, network, source.reads) as discoverer:
                    await discoverer.discovery.advance(head, _silent)
                    scanned_s = time.perf_counter() - begun
                    opened = await discoverer.book.open(head, _silent)
                took_s.append(time.perf_counter() - begun)
                print(
                    f"{delay_s * 1000:.0f} ms away, {way}: {len(opened.market.pools):,} pools in "
                    f"{took_s[-1]:.2f} s (budget {BUDGET_NODE_S:.0f}), of it {scanned_s:.2f} s "
                    f"to find them, with {proxy.requests} requests; {made:,} pools were made for it"
                )
            return took_s[0]


def _silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    sys.exit(main())
