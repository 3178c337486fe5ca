"""How much of a day's units an endpoint has used: counted by UTC day, kept in a file, capped."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson

from chains.files import put_whole
from chains.node.endpoints import EndpointSettings
from chains.node.errors import NodeError
from chains.node.units import FOLLOWING, SETTLING, cost

WARN_SHARE = 0.8
_WRITE_EVERY_S = 15.0
_DAY_S = 86_400
_WRITE_SHARE = 0.01
_DAYS_KEPT = 3
"""A process counts at the end of its day what another has begun the next one with, and a clock may be set back."""


class UsageFile:
    """Units by day and endpoint, shared by every process that uses the same keys. Written whole, under a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, day: str, units: Mapping[str, int]) -> dict[str, int]:
        """Add `units` to that day's; the day's totals. Only the days last added to are kept. Raises `NodeError`,
        `OSError`.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            days = self._read()
            totals = days.pop(day, {})
            for key, more in units.items():
                totals[key] = totals.get(key, 0) + more
            if units:
                days[day] = totals
                put_whole(self._path, orjson.dumps({"days": dict(list(days.items())[-_DAYS_KEPT:])}))
            return totals

    def _read(self) -> dict[str, dict[str, int]]:
        """What was used by day, the day last added to at the end."""
        try:
            document = orjson.loads(self._path.read_bytes())
            # As it was written when it held one day only.
            days = document["days"] if "days" in document else {document["day"]: document["units"]}
            return {str(day): {str(key): int(used) for key, used in units.items()} for day, units in days.items()}
        except FileNotFoundError:
            return {}
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            raise NodeError(f"{self._path}: is not a count of units; delete it to count today's from zero") from None


class Quota:
    """One endpoint's units of today.

    `told` is called once a day at four fifths of the cap and once at the cap. `in_flight` says whether a transaction
    waits to be settled, which goes beyond the cap.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        wall_s: Callable[[], float],
        file: UsageFile | None,
        told: Callable[[str, str], None],
        in_flight: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._wall_s = wall_s
        self._file = file
        self._told = told
        self._in_flight = in_flight
        self._day = ""
        self._day_number: float | None = None
        self._used = 0
        self._unwritten = 0
        self._written_s = 0.0
        self._said: set[str] = set()

    @property
    def used(self) -> int:
        """Units used today, by every process that shares the file, as far as is known."""
        self._turn_day()
        return self._used

    @property
    def cap(self) -> int | None:
        return self._settings.daily_units

    def allows(self, method: str) -> bool:
        """Whether `method` may be asked now."""
        if self.cap is None or self.used + cost(method, self._settings.units) <= self.cap:
            return True
        return method in SETTLING or (method in FOLLOWING and self._in_flight())

    def to_spare(self) -> bool:
        """Whether there is enough left for a question that need not be asked."""
        return self.cap is None or self.used < WARN_SHARE * self.cap

    def spend(self, method: str, count: int = 1) -> None:
        """Count `count` calls of `method`."""
        self._turn_day()
        units = count * cost(method, self._settings.units)
        self._used += units
        self._unwritten += units
        if self.cap is not None:
            self._warn(self.cap)
        now_s = self._wall_s()
        due = now_s - self._written_s >= _WRITE_EVERY_S or self._unwritten >= _WRITE_SHARE * (self.cap or float("inf"))
        if due:
            self.write()

    def write(self) -> None:
        """Put what was not yet written into the file, and learn what others wrote."""
        self._written_s = self._wall_s()
        if self._file is None or not self._day:
            return
        unwritten, self._unwritten = self._unwritten, 0
        try:
            totals = self._file.add(self._day, {self._settings.key: unwritten} if unwritten else {})
        except OSError as error:
            self._unwritten = unwritten
            self._say("quota_unwritten", f"today's units cannot be written ({error.strerror}); a restart forgets them")
            return
        self._used = totals.get(self._settings.key, 0)

    def __str__(self) -> str:
        cap = f" of {self.cap} ({self.used / self.cap:.0%})" if self.cap else ""
        return f"{self.used} units{cap} today"

    def _turn_day(self) -> None:
        now_s = self._wall_s()
        number = now_s // _DAY_S
        if number == self._day_number:
            return
        day, self._day_number = time.strftime("%Y-%m-%d", time.gmtime(now_s)), number
        if self._day:
            self.write()
        self._day, self._used, self._unwritten = day, 0, 0
        self._said.clear()
        self.write()

    def _warn(self, cap: int) -> None:
        if self._used >= cap:
            self._say("quota_spent", f"all {cap} units of today are used; it is asked again at 00:00 UTC")
        elif self._used >= WARN_SHARE * cap:
            self._say("quota_80", f"{self._used} of today's {cap} units are used")

    def _say(self, name: str, detail: str) -> None:
        if name not in self._said:
            self._said.add(name)
            self._told(name, f"{self._settings.name}: {detail}")
