"""Every benchmark, one after the other, and `docs/benchmarks.md` written from what they said.

Run as `python -m benchmarks [--only detect sizing]`, which is `make bench`; some alone leave the page as it is. A
benchmark is a module `bench_*.py` of this package that can be run; its lines of JSON are its raw figures, its other
lines are for people.

All of them take about a quarter of an hour on two quiet cores; one that does not end within fifteen minutes is ended,
and the page says so.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

from benchmarks.machine import anvil_version, memory_gib, processor, versions
from benchmarks.page import Ran, page
from chains.tools import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
LONGEST_S = 900
SHOWN_VERSIONS = ("numpy", "numba", "llvmlite", "web3", "ccxt", "aiohttp", "orjson", "pyrevm", "sqlalchemy")


def benchmarks() -> list[str]:
    """The names of the modules, in order."""
    return sorted(file.stem for file in Path(__file__).parent.glob("bench_*.py"))


def ran(module: str) -> Ran:
    """Run one benchmark, showing what it says, to its end or for `LONGEST_S`."""
    began, busy_s, lines = time.monotonic(), _busy_s(), []
    command = [sys.executable, "-u", "-m", f"benchmarks.{module}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ending = threading.Timer(LONGEST_S, process.kill)
        ending.start()
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
        code = process.wait()
        ending.cancel()
    return Ran(f"python -m benchmarks.{module}", tuple(lines), code, time.monotonic() - began, _busy_s() - busy_s)


def _busy_s() -> float:
    """Processor time of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--only", nargs="+", metavar="NAME", help="only these, and no page: detect, sizing and so on"
    )
    chosen = arguments.parse_args()
    names = benchmarks()
    if chosen.only:
        unknown = [name for name in chosen.only if f"bench_{name}" not in names]
        if unknown:
            known = ", ".join(name.removeprefix("bench_") for name in names)
            arguments.error(f"no benchmark {', '.join(unknown)}; there are {known}")
        names = [f"bench_{name}" for name in chosen.only]
    done = []
    for name in names:
        print(f"== {name}", flush=True)
        done.append(ran(name))
        print(f"took {done[-1].took}", flush=True)
    print(f"all of it took {sum(one.took_s for one in done):.0f} s, {sum(one.busy_s for one in done):.0f} s busy")
    if not chosen.only:
        shown = versions(*SHOWN_VERSIONS) | {"anvil": anvil_version()}
        PAGE.write_text(page(processor(), memory_gib(), shown, done), encoding="utf-8")
        print(f"written to {PAGE.relative_to(ROOT)}")
    return max((one.code for one in done), default=0)


if __name__ == "__main__":
    sys.exit(main())
