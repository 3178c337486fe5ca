"""Accounts of the local exchange: free and locked balances per API key, exact to 10^-8."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from chains.exchanges.local.errors import insufficient_balance


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency of one account, in units of 10^-8. Neither part is ever negative."""

    free: int = 0
    locked: int = 0


class Account:
    """What one API key owns. `secret` signs its requests."""

    def __init__(self, api_key: str, secret: str) -> None:
        self.api_key = api_key
        self.secret = secret
        self.balances: defaultdict[str, Balance] = defaultdict(Balance)

    def credit(self, currency: str, amount: int) -> None:
        """Add to the free balance."""
        balance = self.balances[currency]
        self.balances[currency] = Balance(balance.free + amount, balance.locked)

    def lock(self, currency: str, amount: int) -> None:
        """Set aside for an order. Raises `BinanceError` -2010 when less is free."""
        balance = self.balances[currency]
        if balance.free < amount:
            raise insufficient_balance()
        self.balances[currency] = Balance(balance.free - amount, balance.locked + amount)

    def unlock(self, currency: str, amount: int) -> None:
        """Give back what an order no longer needs."""
        balance = self.balances[currency]
        self.balances[currency] = Balance(balance.free + amount, balance.locked - amount)

    def spend_locked(self, currency: str, amount: int) -> None:
        """Pay for a fill out of what its order had set aside."""
        balance = self.balances[currency]
        self.balances[currency] = Balance(balance.free, balance.locked - amount)
