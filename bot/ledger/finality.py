"""The books as of a block that nothing can undo, and by name what has moved them since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from bot.ledger import accounts
from bot.ledger.book_models import EntryRow, PostingRow
from bot.ledger.ledger import Ledger
from bot.ledger.models import IntentRow
from bot.ledger.records import Account, Intent
from bot.ledger.types import exact_sum


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
    run = ledger.run
    latest = select(func.max(EntryRow.read_at_block)).where(EntryRow.instance == run.instance)
    later = select(IntentRow.id).where(IntentRow.instance == run.instance, IntentRow.block_number > number)
    held = (
        select(PostingRow.account, PostingRow.token, exact_sum(PostingRow.units))
        .join(EntryRow, EntryRow.id == PostingRow.entry_id)
        .where(
            PostingRow.instance == run.instance,
            PostingRow.place == run.network,
            PostingRow.account.startswith(accounts.ASSETS),
            or_(EntryRow.intent_id.is_(None), EntryRow.intent_id.not_in(later)),
        )
        .group_by(PostingRow.account, PostingRow.token)
        .order_by(PostingRow.account, PostingRow.token)
    )
    with ledger.read() as connection:
        if (connection.execute(latest).scalar_one() or 0) > number:
            return None
        rows = connection.execute(held).all()
    owner = len(accounts.ASSETS)
    booked = {Account(run.network, name[owner:], token): units for name, token, units in rows}
    return BooksAt(number, booked, ledger.intents_above(number))
