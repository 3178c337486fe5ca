"""Reconciliation: what the ledger says every account holds, against what the chain and the exchanges say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.ledger import accounts
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account

_SOURCE_LENGTH = 120
BalanceSource = Callable[[Account], Awaitable[int]]
"""Asks the outside what an account holds, in base units."""


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
class Reconciliation:
    """All accounts of the ledger, compared to the last base unit."""

    rows: tuple[Row, ...]

    @property
    def equal(self) -> bool:
        return not self.differing

    @property
    def differing(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.difference)


def book_differences(ledger: Ledger, found: Reconciliation, reason: str) -> None:
    """Books what differs as come from outside, or gone there. Raises `LedgerError` while anything is in flight."""
    if ledger.open_intents():
        raise LedgerError("ledger: something is in flight, and a difference may be its; let a run settle it first")
    deltas = {row.account: row.difference for row in found.differing}
    ledger.post("external", accounts.moved(deltas, accounts.EXTERNAL), source=reason[:_SOURCE_LENGTH])
    ledger.record_event(Level.WARNING, "differences_booked", f"{len(deltas)} accounts: {reason}")


async def reconcile(ledger: Ledger, chain_balances: BalanceSource, exchange_balances: BalanceSource) -> Reconciliation:
    """Compares every account the ledger knows, and keeps the observed balances in it.

    Accounts at the run's network are asked of the chain, all others of an exchange. An answer that does not come
    is an exception of its source, never a zero.
    """
    booked = ledger.accounts()
    network = ledger.run.network
    answers = await asyncio.gather(
        *((chain_balances if account.place == network else exchange_balances)(account) for account in booked)
    )
    rows = tuple(Row(account, units, real) for (account, units), real in zip(booked.items(), answers, strict=True))
    ledger.record_balances({row.account: row.real for row in rows})
    return Reconciliation(rows)
