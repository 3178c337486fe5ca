"""The chart of accounts: names of the accounts postings go to. Assets rise with a plus; earnings are a minus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.ledger.errors import Unbalanced
from bot.ledger.records import Account, Posting

OPENING = "equity:opening"
"""What the accounts held when the ledger began."""
EXTERNAL = "equity:external"
"""What came from or went to the outside later: a deposit, a sweep."""

ASSETS = "assets:"
TRADING = "trading:"
GAS = "gas:"
FEES = "fees:"


def asset(account: Account, units: int) -> Posting:
    """`units` more in one of our own accounts."""
    return Posting(ASSETS + account.owner, account.place, account.token, units)


def moved(deltas: Mapping[Account, int], against: str) -> list[Posting]:
    """Each account's change, balanced by the account `against`; changes of nothing are left out."""
    lines: list[Posting] = []
    for account, units in deltas.items():
        if units:
            lines.append(asset(account, units))
            lines.append(Posting(against, account.place, account.token, -units))
    return lines


def check_balanced(postings: Iterable[Posting]) -> None:
    """Raises `Unbalanced` unless the postings sum to zero per place and token."""
    sums: dict[tuple[str, str], int] = {}
    for line in postings:
        sums[line.place, line.token] = sums.get((line.place, line.token), 0) + line.units
    for (place, token), units in sums.items():
        if units:
            raise Unbalanced(f"postings of {token} at {place} sum to {units}, not to zero")
