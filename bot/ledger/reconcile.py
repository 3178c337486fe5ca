"""Reconciliation: what the ledger says every account holds, against what the chain and the exchanges say.

On the chain that is said of the newest block that nothing can undo. What lies above it is told by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from bot.ledger import accounts
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError, LedgerUnwritable
from bot.ledger.finality import books_at
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Intent
from bot.ledger.states import IN_FLIGHT
from chains.node.errors import NoArchive

_SOURCE_LENGTH = 120
_TRIES = 5
BalanceSource = Callable[[Account], Awaitable[int]]
"""Asks the outside what an account holds, in base units."""


class UnknownPlace(LookupError):
    """The ledger holds money at a place that nobody can be asked about; the message says what to configure."""


@dataclass(frozen=True, slots=True)
class Row:
    """One account: `ledger` by the books, `real` by the outside."""

    account: Account
    ledger: int
    real: int

    @property
    def difference(self) -> int:
        """What is really there beyond the books."""
        return self.real - self.ledger


@dataclass(frozen=True, slots=True)
class FinalBlock:
    """The newest block that nothing can undo, and what accounts held there by the chain's own word."""

    number: int
    balances: BalanceSource


@dataclass(frozen=True, slots=True)
class AtFinalBlock:
    """Our accounts on the chain as of block `number`. What the intents `above` it moved is left out on both sides."""

    number: int
    rows: tuple[Row, ...]
    above: tuple[Intent, ...]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """All accounts of the ledger, compared to the last base unit.

    `rows` compare what is booked by now with what is there by now; `final` compares both as of the newest block that
    nothing can undo. While something is `in_flight`, what the chain has beyond the books by now may be its.
    `unread` is the number of that block where no node has its state any more; then the former alone counts.
    """

    rows: tuple[Row, ...]
    final: AtFinalBlock | None = None
    in_flight: tuple[Intent, ...] = ()
    unread: int | None = None

    @property
    def equal(self) -> bool:
        return not self.differing

    @property
    def differing(self) -> tuple[Row, ...]:
        """What differs and nothing explains."""
        settled = self.final.rows if self.final is not None else ()
        final = {row.account: row for row in settled if row.difference}
        open_to_doubt = {row.account for row in settled} if self.in_flight else set()
        now = {row.account: row for row in self.rows if row.difference and row.account not in open_to_doubt}
        return tuple((now | final).values())

    @property
    def remedy(self) -> str:
        """What a person can do where nothing is missing; empty where something is."""
        if self.equal or any(row.difference < 0 for row in self.differing):
            return ""
        return 'nothing is missing: what others sent, as anybody may, `isthmus reconcile --book "a gift"` takes in'


def book_differences(ledger: Ledger, found: Reconciliation, reason: str) -> None:
    """Books what differs as come from outside, or gone there.

    Raises `LedgerError` while anything is in flight, and where a run beside has booked something since it was compared.
    """
    with ledger.batch():
        if found.in_flight or ledger.open_intents():
            settled = "let a run settle it first, and halt that run where it trades on meanwhile"
            raise LedgerError(f"ledger: something is in flight, and a difference may be its; {settled}")
        booked = ledger.accounts()
        if any(booked.get(row.account) != row.ledger for row in found.rows):
            raise LedgerError("ledger: a run booked something while it was compared; halt that run, and try again")
        deltas = {row.account: row.difference for row in found.differing}
        ledger.post("external", accounts.moved(deltas, accounts.EXTERNAL), source=reason[:_SOURCE_LENGTH])
        ledger.record_event(Level.WARNING, "differences_booked", f"{len(deltas)} accounts: {reason}")


async def reconcile(
    ledger: Ledger,
    chain_balances: BalanceSource,
    exchange_balances: BalanceSource,
    final: FinalBlock | None = None,
) -> Reconciliation:
    """Compares every account the ledger knows, and keeps the observed balances in it, if there is space for them.

    Accounts at the run's network are asked of the chain, all others of an exchange. An answer that does not come
    is an exception of its source, never a zero, but where nothing is booked and nobody can be asked. Nothing is said
    of a `final` block from before the books began, nor of one whose state no node has any more, unless something is in
    flight: then `NoArchive` is raised. Where a run beside moves the books meanwhile, all are asked anew;
    `LedgerError` is raised where it does so each time.
    """
    network = ledger.run.network
    for _ in range(_TRIES):
        booked, open_ = ledger.accounts(), ledger.open_intents()
        answers = await asyncio.gather(
            *(
                _asked(chain_balances if account.place == network else exchange_balances, account, units)
                for account, units in booked.items()
            )
        )
        if (ledger.accounts(), ledger.open_intents()) == (booked, open_):
            break
    else:
        raise LedgerError("ledger: a run booked something each time it was compared; try again, or halt that run")
    in_flight = tuple(intent for intent in open_ if intent.state in IN_FLIGHT)
    rows = tuple(Row(account, units, real) for (account, units), real in zip(booked.items(), answers, strict=True))
    with suppress(LedgerUnwritable):
        ledger.record_balances({row.account: row.real for row in rows})
    try:
        return Reconciliation(rows, await _at_final_block(ledger, final), in_flight)
    except NoArchive:
        if in_flight or final is None:
            raise
        return Reconciliation(rows, unread=final.number)


async def _asked(source: BalanceSource, account: Account, units: int) -> int:
    try:
        return await source(account)
    except UnknownPlace:
        if units:
            raise
        return 0


async def _at_final_block(ledger: Ledger, final: FinalBlock | None) -> AtFinalBlock | None:
    books = books_at(ledger, final.number) if final is not None else None
    if books is None or final is None:
        return None
    held = await asyncio.gather(*(final.balances(account) for account in books.booked))
    rows = (Row(account, units, real) for (account, units), real in zip(books.booked.items(), held, strict=True))
    return AtFinalBlock(books.number, tuple(rows), books.above)
