"""What one look of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`WARN` lets a run start and may spoil it; `FAIL` does not let it start."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found and, unless all is well, what to do."""

    name: str
    status: Status
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.status:<4}  {self.name}: {self.found}{remedy}"


def graded(name: str, found: str, *, warn: bool = False, fail: bool = False, remedy: str = "") -> Check:
    """The check whose status the two conditions say; the remedy is shown only when one of them holds."""
    status = Status.FAIL if fail else Status.WARN if warn else Status.OK
    return Check(name, status, found, remedy if status is not Status.OK else "")
