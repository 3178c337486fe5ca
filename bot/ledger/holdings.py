"""What our accounts hold by the postings: brought up to now by what was added since, since postings never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, func, select

from bot.ledger import accounts, quick
from bot.ledger.book_models import PostingRow
from bot.ledger.records import Account
from bot.ledger.types import exact_sum

# `coalesce` keeps the database from going through all rows of the instance instead of the newest by their numbers.
_ADDED = (
    select(
        *(PostingRow.account, PostingRow.place, PostingRow.token),
        exact_sum(PostingRow.units).label("units"),
        func.max(PostingRow.id).label("newest"),
    )
    .where(
        PostingRow.id > bindparam("after"),
        func.coalesce(PostingRow.instance, "") == bindparam("instance"),
        PostingRow.account.startswith(accounts.ASSETS),
    )
    .group_by(PostingRow.account, PostingRow.place, PostingRow.token)
)


@dataclass(frozen=True, slots=True)
class Holdings:
    """Base units by account, by the postings of one `instance` up to the row numbered `newest`."""

    instance: str
    units: Mapping[Account, int] = field(default_factory=dict)
    newest: int = 0

    def now(self, connection: Connection) -> Holdings:
        """The same with every posting that `connection` sees."""
        units, newest = dict(self.units), self.newest
        for row in quick.rows(connection, _ADDED, {"after": self.newest, "instance": self.instance}):
            account = Account(row.place, row.account[len(accounts.ASSETS) :], row.token)
            units[account] = units.get(account, 0) + int(row.units)
            newest = max(newest, row.newest)
        return Holdings(self.instance, units, newest)
