"""Faults as values: what goes wrong, on which methods, and when. Nothing here touches a socket."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

CONNECT = "connect"
"""The pseudo-method of a WebSocket's opening handshake."""


class Kind(StrEnum):
    """One way in which a provider fails its user."""

    LOST_REPLY = "lost_reply"
    """The request is carried out; the connection drops before the answer."""
    BLACKHOLE = "blackhole"
    """The request is neither carried out nor answered."""
    BLACKHOLE_OK = "blackhole_ok"
    """A transaction is answered with its hash, a subscription with an id, a read with `0x`; nothing is done."""
    RATE_LIMITED = "429"
    RATE_LIMITED_FOR = "429_retry_after"
    UNAVAILABLE = "503"
    HTML = "html"
    TRUNCATE = "truncate"
    RESET = "reset"
    HALF_OPEN = "half_open"
    """The connection stays up, and nothing more comes over it, ever."""
    WRONG_CHAIN = "wrong_chain"
    """Answers come from another chain."""
    STALE = "stale"
    """Answers come from a node that stands still some blocks back."""
    LYING = "lying"
    """Answers come from a node on another fork of the same chain."""
    NULL = "null"
    SLOW_40_MS = "slow_40ms"
    SLOW_400_MS = "slow_400ms"


DELAY_S = {Kind.SLOW_40_MS: 0.04, Kind.SLOW_400_MS: 0.4}
ELSEWHERE = frozenset({Kind.WRONG_CHAIN, Kind.STALE, Kind.LYING})
"""Faults that answer out of another node."""


class InvalidFault(ValueError):
    """Text that does not describe a fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` on `methods` (all when empty), from `start_s` after it was planned, for `seconds`.

    The first `after` matching requests pass, then at most `requests` are struck, each with probability `chance`.
    None means without end. `seed` makes the chances repeatable.
    """

    kind: Kind
    methods: frozenset[str] = frozenset()
    start_s: float = 0.0
    seconds: float | None = None
    after: int = 0
    requests: int | None = None
    chance: float = 1.0
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `KIND[,methods=a|b][,from=S][,for=S][,after=N][,requests=N][,chance=P][,seed=N]`.

        Raises `InvalidFault`.
        """
        kind, *options = text.split(",")
        try:
            given = dict(option.split("=", 1) for option in options)
            fault = cls(
                kind=Kind(kind),
                methods=frozenset(filter(None, given.pop("methods", "").split("|"))),
                start_s=float(given.pop("from", 0)),
                seconds=float(given.pop("for")) if "for" in given else None,
                after=int(given.pop("after", 0)),
                requests=int(given.pop("requests")) if "requests" in given else None,
                chance=float(given.pop("chance", 1)),
                seed=int(given.pop("seed", 0)),
            )
        except ValueError as error:
            raise InvalidFault(f"{text!r} is not a fault ({error}); kinds are {', '.join(Kind)}") from None
        if given:
            raise InvalidFault(f"{text!r} has no option {', '.join(given)}; write methods, from, for, after, …")
        return fault

    def concerns(self, method: str) -> bool:
        return not self.methods or method in self.methods

    def __str__(self) -> str:
        where = "|".join(sorted(self.methods)) or "all methods"
        until = "" if self.seconds is None else f" for {self.seconds:g} s"
        return f"{self.kind} on {where} from {self.start_s:g} s{until}"


@dataclass(slots=True)
class _Planned:
    fault: Fault
    begun_s: float
    dice: random.Random = field(init=False)
    seen: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.fault.seed)

    def running(self, now_s: float) -> bool:
        since = now_s - self.begun_s - self.fault.start_s
        return since >= 0 and (self.fault.seconds is None or since < self.fault.seconds)

    def strikes(self) -> bool:
        self.seen += 1
        spent = self.fault.requests is not None and self.struck >= self.fault.requests
        if self.seen <= self.fault.after or spent or self.dice.random() >= self.fault.chance:
            return False
        self.struck += 1
        return True


class Schedule:
    """Which fault strikes which request. The first planned fault that strikes wins."""

    def __init__(self, now_s: Callable[[], float], faults: Iterable[Fault] = ()) -> None:
        self._now_s = now_s
        self._planned: list[_Planned] = []
        self.struck: dict[tuple[Kind, str], int] = {}
        """How often each fault struck each method."""
        self.plan(*faults)

    def plan(self, *faults: Fault) -> None:
        """Add `faults`; their time begins now."""
        self._planned += [_Planned(fault, self._now_s()) for fault in faults]

    def clear(self) -> None:
        """All is well again."""
        self._planned.clear()

    @property
    def over(self) -> bool:
        """Whether no fault with an end is running or still to come."""
        now = self._now_s()
        return all(
            planned.fault.seconds is not None and now >= planned.begun_s + planned.fault.start_s + planned.fault.seconds
            for planned in self._planned
        )

    def draw(self, method: str) -> Kind | None:
        """What strikes this request of `method`, if anything."""
        now = self._now_s()
        for planned in self._planned:
            if planned.fault.concerns(method) and planned.running(now) and planned.strikes():
                kind = planned.fault.kind
                self.struck[kind, method] = self.struck.get((kind, method), 0) + 1
                return kind
        return None
