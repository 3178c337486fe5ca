"""What a strategy lost and burnt in gas lately, by when that was booked. Results are only added: so is what is here."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from sqlalchemy import Connection, bindparam, func, select

from bot.ledger import quick
from bot.ledger.book_models import ResultRow

DAY_S = 86_400
"""Nothing older is asked for."""

_NEWEST = select(func.max(ResultRow.id))
_RESULTS = select(ResultRow.head_s, ResultRow.loss_wei, ResultRow.gas_wei)
# `coalesce` keeps the database to a day's, by their times, instead of all there are by their numbers.
_RECENT = _RESULTS.where(
    ResultRow.instance == bindparam("instance"),
    ResultRow.strategy == bindparam("strategy"),
    ResultRow.head_s >= bindparam("since"),
    func.coalesce(ResultRow.id, 0) <= bindparam("newest"),
)
# `coalesce` keeps the database from going through a whole day instead of the newest by their numbers.
_ADDED = _RESULTS.where(
    ResultRow.id > bindparam("after"),
    func.coalesce(ResultRow.instance, "") == bindparam("instance"),
    func.coalesce(ResultRow.strategy, "") == bindparam("strategy"),
    ResultRow.head_s >= bindparam("since"),
    ResultRow.id <= bindparam("newest"),
)


@dataclass(frozen=True, slots=True)
class Windows:
    """Of the results of one `strategy` of one `instance` that were booked at `since_s` or later, up to the row numbered
    `newest`.

    `seconds` ascend; `losses` and `gas`, in wei, are what was booked before each of them, and last of all in all.
    """

    instance: str
    strategy: str
    since_s: int
    newest: int = 0
    seconds: tuple[int, ...] = ()
    losses: tuple[int, ...] = (0,)
    gas: tuple[int, ...] = (0,)

    @classmethod
    def read(cls, connection: Connection, instance: str, strategy: str, now_s: int) -> Windows:
        """A day up to `now_s`, in seconds since the epoch."""
        since_s, newest = now_s - DAY_S, _newest(connection)
        wanted = {"instance": instance, "strategy": strategy, "since": since_s, "newest": newest}
        return cls(instance, strategy, since_s, newest)._with(quick.rows(connection, _RECENT, wanted))

    def now(self, connection: Connection, now_s: int) -> Windows:
        """The same with every result that `connection` sees, and without what is older than a day at `now_s`."""
        since_s, newest = max(self.since_s, now_s - DAY_S), _newest(connection)
        wanted = {"instance": self.instance, "strategy": self.strategy, "since": since_s}
        added = quick.rows(connection, _ADDED, {**wanted, "after": self.newest, "newest": newest})
        gone = bisect_left(self.seconds, since_s)
        kept = self.seconds[gone:], self.losses[gone:], self.gas[gone:]
        return Windows(self.instance, self.strategy, since_s, newest, *kept)._with(added)

    def loss_wei(self, since_s: int) -> int:
        """What was lost at `since_s` or later, within the day."""
        return self.losses[-1] - self.losses[bisect_left(self.seconds, since_s)]

    def gas_wei(self, since_s: int) -> int:
        """What was burnt in gas at `since_s` or later, within the day."""
        return self.gas[-1] - self.gas[bisect_left(self.seconds, since_s)]

    def _with(self, added: Sequence[tuple[int, int, int]]) -> Windows:
        """The same with rows of time, loss and gas."""
        if not added:
            return self
        # What comes before the first of them stays as it is: nearly always that is all.
        first = bisect_left(self.seconds, min(at for at, _, _ in added))
        losses, gas = Counter[int](), Counter[int]()
        for place, at in enumerate(self.seconds[first:], first):
            losses[at] = self.losses[place + 1] - self.losses[place]
            gas[at] = self.gas[place + 1] - self.gas[place]
        for at, lost, burnt in added:
            losses[at] += lost
            gas[at] += burnt
        later = sorted(losses)
        return replace(
            self,
            seconds=(*self.seconds[:first], *later),
            losses=(*self.losses[:first], *accumulate((losses[at] for at in later), initial=self.losses[first])),
            gas=(*self.gas[:first], *accumulate((gas[at] for at in later), initial=self.gas[first])),
        )


def _newest(connection: Connection) -> int:
    ((newest,),) = quick.rows(connection, _NEWEST, {})
    return newest or 0
