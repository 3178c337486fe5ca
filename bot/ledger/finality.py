"""The books as of a block that nothing can undo, and by name what has moved them since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from bot.ledger import accounts
from bot.ledger.book_models import EntryRow, PostingRow
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Intent
from bot.ledger.types import exact_sum

# `coalesce` keeps the database from going through all postings instead of those of the few intents.
_MOVED = (
    select(PostingRow.account, PostingRow.token, exact_sum(PostingRow.units).label("units"))
    .join(EntryRow, EntryRow.id == PostingRow.entry_id)
    .where(
        EntryRow.intent_id.in_(bindparam("intents", expanding=True)),
        func.coalesce(PostingRow.place, "") == bindparam("place"),
        func.coalesce(PostingRow.account, "").startswith(accounts.ASSETS),
    )
    .group_by(PostingRow.account, PostingRow.token)
)


@dataclass(frozen=True, slots=True)
class BooksAt:
    """What our accounts on the chain held as of block `number`, by the books, in base units.

    `above` are the intents that stand in later blocks: what they moved is left out.
    """

    number: int
    booked: Mapping[Account, int]
    above: tuple[Intent, ...]


def books_at(ledger: Ledger, number: int) -> BooksAt | None:
    """The books as of block `number`; None where a balance that they begin with was read at a later one."""
    run, above = ledger.run, ledger.intents_above(number)
    # What is not NULL is few among all entries, and has an index.
    latest = select(func.max(EntryRow.read_at_block)).where(
        EntryRow.instance == run.instance, EntryRow.read_at_block.is_not(None)
    )
    with ledger.read() as connection:
        if (connection.execute(latest).scalar_one() or 0) > number:
            return None
        # From what they hold now, which is brought up to date: all that ever was is not added up again.
        held = sorted(ledger.held(connection).items(), key=lambda each: (each[0].owner, each[0].token))
        booked = {account: units for account, units in held if account.place == run.network}
        wanted = {"place": run.network, "intents": [intent.id for intent in above]}
        for row in connection.execute(_MOVED, wanted):
            booked[Account(run.network, row.account[len(accounts.ASSETS) :], row.token)] -= row.units
    return BooksAt(number, booked, above)
