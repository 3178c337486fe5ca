"""Marks: what one base unit of a token is worth in wei of ETH, fixed when a run opens.

Profit, budgets and limits are all measured at the opening marks, so that a drifting price can neither make a
strategy look profitable nor move a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from bot.gas import GasCoin
from chains.assets import Token


class NoMark(LookupError):
    """A token without an opening mark: it cannot be valued, so nothing may be spent on it."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Wei of ETH per base unit, by token. Exact."""

    wei_per_unit: Mapping[Token, Fraction]

    def wei(self, token: Token, units: int) -> int:
        """The value of `units` in wei, rounded down. Raises `NoMark`."""
        mark = self._mark(token)
        return mark.numerator * units // mark.denominator

    def units(self, token: Token, wei: int) -> int:
        """How many base units `wei` are worth, rounded down. Raises `NoMark`."""
        mark = self._mark(token)
        return wei * mark.denominator // mark.numerator

    def units_worth(self, token: Token, wei: int) -> int:
        """The least base units that are worth `wei` or more. Raises `NoMark`."""
        return -self.units(token, -wei)

    def gas_coin(self, wrapped: Token) -> GasCoin:
        """The coin that `wrapped` wraps, one for one, and so is worth what it is. Raises `NoMark`."""
        return GasCoin(self._mark(wrapped))

    def _mark(self, token: Token) -> Fraction:
        try:
            return self.wei_per_unit[token]
        except KeyError:
            raise NoMark(
                f"{token} ({token.address}) has no opening price; add it to the market or to the config"
            ) from None
