"""What is known of how an endpoint does: how fast, how often not, what head it tells, and why it is left out."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from chains.node.wire import Header

_WEIGHT = 0.1
_LATENCIES = 64
_LEAST_FOR_P95 = 20
_BREAKS_AT = 4
_FIRST_REST_S = 0.5
_HEADS_KEPT = 128


class Fault(StrEnum):
    """Why an endpoint is not believed. It comes back when it proves otherwise."""

    WRONG_CHAIN = "wrong_chain"
    LAGGING = "lagging"
    LYING = "lying"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Left out because of `fault`; asked for proof that it is over from `proof_due_s` on."""

    fault: Fault
    detail: str
    proof_due_s: float
    tries: int = 0


class Health:
    """Of one endpoint. Seconds are the monotonic clock's. No rest, and no pause before a proof, is over `longest_s`."""

    def __init__(self, now_s: Callable[[], float], rng: random.Random, longest_s: float) -> None:
        self._now_s = now_s
        self._rng = rng
        self._longest_s = longest_s
        self.latency_s = 0.0
        self.errors = 0.0
        self.failures_in_a_row = 0
        self.broken_until_s = 0.0
        self.dropped: Dropped | None = None
        self.newest = 0
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._heads: OrderedDict[int, str] = OrderedDict()

    @property
    def broken(self) -> bool:
        """Whether the circuit is open: it failed again and again, and is given a rest."""
        return self._now_s() < self.broken_until_s

    @property
    def p95_s(self) -> float | None:
        """The 95th percentile of the last answers' latencies; None while there are too few."""
        if len(self._latencies) < _LEAST_FOR_P95:
            return None
        return sorted(self._latencies)[int(0.95 * len(self._latencies))]

    def answered(self, latency_s: float) -> None:
        self._latencies.append(latency_s)
        self.latency_s += (latency_s - self.latency_s) * (_WEIGHT if self.latency_s else 1.0)
        self.errors *= 1.0 - _WEIGHT
        self.failures_in_a_row = 0
        self.broken_until_s = 0.0

    def failed(self) -> bool:
        """Note a failure; whether the circuit opened with it."""
        self.errors += (1.0 - self.errors) * _WEIGHT
        self.failures_in_a_row += 1
        beyond = self.failures_in_a_row - _BREAKS_AT
        if beyond < 0 or self.broken:
            return False
        self.broken_until_s = self._now_s() + self._rest_s(beyond) * self._rng.uniform(0.5, 1.0)
        return beyond == 0

    def told(self, header: Header) -> None:
        """It said that `header` is its head, or was on the way to it."""
        head = header.head
        before, self.newest = self.newest, head.number
        self._heads[head.number] = head.hash
        if head.number:
            self._heads[head.number - 1] = head.parent_hash
        if head.number < before:
            for number in [number for number in self._heads if number > head.number]:
                del self._heads[number]
        while len(self._heads) > _HEADS_KEPT:
            del self._heads[min(self._heads)]

    def said_of(self, number: int) -> str | None:
        """The hash it last told for that height, if it told one."""
        return self._heads.get(number)

    def drop(self, fault: Fault, detail: str) -> None:
        tries = self.dropped.tries + 1 if self.dropped else 0
        self.dropped = Dropped(fault, detail, self._now_s() + self._rest_s(tries), tries)

    def proven(self) -> None:
        """The fault is over; what was told before does not count any more."""
        self.dropped = None
        self._heads.clear()

    def _rest_s(self, tries: int) -> float:
        return min(_FIRST_REST_S * 2.0 ** min(tries, 16), self._longest_s)
