"""The loop: change a known input, run it, keep it where it reached something new."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fuzz.coverage import Step, steps_of
from tests.fuzz.targets import Target

MOST_S = 5.0
"""How long one input may take, traced."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input after which something else than a refusal came out."""

    target: str
    data: bytes
    error: Exception

    def __str__(self) -> str:
        where = ""
        trace = self.error.__traceback__
        while trace is not None:
            where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
            trace = trace.tb_next
        return f"{self.target}: {type(self.error).__name__}: {self.error} at {where}, after {self.data[:400]!r}"


@dataclass(slots=True)
class Outcome:
    """What a run of one target came to."""

    runs: int = 0
    corpus: list[bytes] = field(default_factory=list)
    reached: set[Step] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def fuzz(target: Target, seed: int, more: Callable[[Outcome], bool]) -> Outcome:
    """Run `target` as long as `more` says; the same seed makes the same inputs."""
    rng, outcome, seen = random.Random(f"{target.name} {seed}"), Outcome(), set()
    for data in target.seeds():
        if not more(outcome):
            return outcome
        _run(target, data, outcome, seen, keep=True)
    while more(outcome):
        data = target.mutate(rng, rng.choice(outcome.corpus), outcome.corpus)
        _run(target, data, outcome, seen, keep=False)
    return outcome


def _run(target: Target, data: bytes, outcome: Outcome, seen: set[str], *, keep: bool) -> None:
    steps, error = steps_of(lambda: target.run(data), MOST_S)
    outcome.runs += 1
    if error is not None and not isinstance(error, target.refusals):
        finding = Finding(target.name, data, error)
        place = str(finding).partition(", after")[0].partition(" at ")[2]
        if place not in seen:
            seen.add(place)
            outcome.findings.append(finding)
    if keep or not steps <= outcome.reached:
        outcome.corpus.append(data)
        outcome.reached |= steps


def for_seconds(seconds: float) -> Callable[[Outcome], bool]:
    """Goes on for so long."""
    until = time.monotonic() + seconds
    return lambda outcome: time.monotonic() < until


def for_runs(runs: int) -> Callable[[Outcome], bool]:
    """Goes on for so many inputs."""
    return lambda outcome: outcome.runs < runs
