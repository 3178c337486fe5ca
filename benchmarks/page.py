"""What benchmarks said, as a page: where they were run, what people read first, and every raw figure."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ran:
    """One benchmark that was run: its command, the lines it printed, how it ended, how long it took and was busy."""

    command: str
    lines: tuple[str, ...]
    code: int
    took_s: float
    busy_s: float

    @property
    def said(self) -> tuple[str, ...]:
        """The lines for people."""
        return tuple(line for line in self.lines if line and not _is_raw(line))

    @property
    def took(self) -> str:
        """Its times in words: where they differ much, others used the machine, or it waited."""
        return f"{self.took_s:.0f} s, {self.busy_s:.0f} s of processor time"

    @property
    def raw(self) -> tuple[str, ...]:
        """The lines of JSON."""
        return tuple(line for line in self.lines if _is_raw(line))


def page(processor: str, memory_gib: float, versions: Mapping[str, str], done: Iterable[Ran]) -> str:
    """The page in Markdown."""
    return "\n".join(_lines(processor, memory_gib, versions, done)) + "\n"


def _lines(processor: str, memory_gib: float, versions: Mapping[str, str], done: Iterable[Ran]) -> Iterator[str]:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`. Each figure stands beside its peer, measured in the same run on the same machine:"
    yield "ratios carry over to other machines, times do not."
    yield ""
    yield f"- {today}; {processor}, {os.cpu_count()} cores, {memory_gib:.0f} GiB; load {load} over 1, 5 and 15 minutes"
    yield f"- {', '.join(f'{package} {version}' for package, version in versions.items())}"
    done = tuple(done)
    yield ""
    yield "## Figures"
    yield ""
    yield from sorted((f"- {line}" for one in done for line in one.said if line.startswith("figure ")), key=_order)
    for one in done:
        yield ""
        yield f"## `{one.command}`"
        yield ""
        yield one.took + (f"; ENDED WITH CODE {one.code}" if one.code else "") + "."
        yield ""
        yield "```text"
        yield from one.said
        yield "```"
        if one.raw:
            yield ""
            yield "<details><summary>raw figures</summary>"
            yield ""
            yield "```json"
            yield from one.raw
            yield "```"
            yield ""
            yield "</details>"


def _order(line: str) -> tuple[float, str]:
    """Figures by their number, then those that have a name."""
    number = line.removeprefix("- figure ").split(":")[0]
    return float(number) if number.isdigit() else float("inf"), line


def _is_raw(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
