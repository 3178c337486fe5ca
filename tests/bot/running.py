"""The `isthmus` command in a process of its own, as a person at a terminal has it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from chains.tools import ROOT

FAST_TWIN = """\
network = "twin"
strategies = ["{root}/strategies/dex_arbitrage.toml", "{root}/strategies/cex_dex_arbitrage.toml"]

[[exchanges]]
name = "binance"
symbols = ["ETH/USDT", "BTC/USDT"]

[executor]
profit_tokens = ["WETH"]
inventory_caps = ["25 WETH", "50000 USDT", "1.5 WBTC"]

[twin]
pace_s = {pace_s}

[ledger]
folder = "runs"

[dashboard]
{dashboard}

[certificate]
enabled = {certified}
"""


def twin_config(
    folder: Path, *, pace_s: float = 0.2, dashboard: str = "enabled = false", certified: bool = True
) -> Path:
    """A run file for the twin, with little rest between its blocks.

    What certifies its blocks computes as much as all the rest, and decides nothing.
    """
    path = folder / "isthmus.toml"
    text = FAST_TWIN.format(root=ROOT, pace_s=pace_s, dashboard=dashboard, certified=str(certified).lower())
    path.write_text(text)
    return path


class Isthmus:
    """One command, started in `folder`. What it says goes to files there, so that no pipe can fill."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bot", *words],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.family: list[tuple[int, str]] = []
        """Processes it had started, and their command lines, when last looked at."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def stdout(self) -> str:
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        return self._err.read_text()

    def until(self, pattern: str, within_s: float = 100.0) -> None:
        """Wait until it has said something like `pattern`, and look at its family."""
        end = time.monotonic() + within_s
        while not re.search(pattern, self.stdout + self.stderr):
            assert self.process.poll() is None, f"ended before {pattern!r}:\n{self.stdout}\n{self.stderr}"
            assert time.monotonic() < end, f"no {pattern!r} within {within_s} s:\n{self.stdout}\n{self.stderr}"
            time.sleep(0.05)
        self.family = list(_descendants(self.process.pid))

    def kill(self, word: str) -> None:
        """Kill the one process of its family whose command line has `word`."""
        (pid,) = [pid for pid, line in self.family if word in line]
        os.kill(pid, 9)

    def end(self, within_s: float = 150.0) -> int:
        """Its exit code. Nothing it had started may outlive it."""
        code = self.process.wait(within_s)
        end = time.monotonic() + 5.0
        while left := [(pid, line) for pid, line in self.family if _lives(pid)]:
            assert time.monotonic() < end, f"left behind: {left}"
            time.sleep(0.05)
        return code

    def document(self) -> dict[str, Any]:
        """The one line of JSON that stdout must be."""
        (line,) = self.stdout.splitlines()
        document: dict[str, Any] = orjson.loads(line)
        return document

    def errors(self) -> list[str]:
        """The lines on stderr that say what went wrong. A traceback is never among what is said."""
        assert "Traceback" not in self.stderr, self.stderr
        return [line.removeprefix("error: ") for line in self.stderr.splitlines() if line.startswith("error: ")]


def _descendants(pid: int) -> Iterator[tuple[int, str]]:
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append((int(entry.name), line))
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            waiting.append(child[0])
            yield child


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
