"""A recorded order book, served at re-anchored prices, from which orders of ours take.

Several recorded levels may fall onto one served tick; each keeps its own quantity, so that a recorded update
replaces exactly what it speaks of, and what an order took from a level stays gone until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

Level = tuple[int, int]
"""Price and quantity, both in units of 10^-8."""


class BookSide:
    """One side of a book. Bids are rounded down to the tick and asks up, so that re-anchoring cannot cross them."""

    def __init__(self, factor: Fraction, tick: int, *, bids: bool) -> None:
        self._factor = factor
        self._tick = tick
        self._bids = bids
        self._levels: dict[int, dict[int, int]] = {}

    def served_price(self, recorded_price: int) -> int:
        """The tick at which a recorded price is served; 0 if it falls below the first."""
        numerator = recorded_price * self._factor.numerator
        denominator = self._factor.denominator * self._tick
        ticks = numerator // denominator if self._bids else -(-numerator // denominator)
        return ticks * self._tick

    def record(self, recorded_price: int, quantity: int) -> int:
        """Set what was recorded at a price, 0 meaning nothing. Returns the served price it belongs to."""
        price = self.served_price(recorded_price)
        if price == 0:
            return 0
        if quantity:
            self._levels.setdefault(price, {})[recorded_price] = quantity
        elif price in self._levels:
            self._levels[price].pop(recorded_price, None)
            if not self._levels[price]:
                del self._levels[price]
        return price

    def replace(self, recorded: Iterable[Level]) -> None:
        """Forget everything, then record a snapshot."""
        self._levels.clear()
        for price, quantity in recorded:
            self.record(price, quantity)

    def quantity(self, price: int) -> int:
        """What is offered at a served price; 0 if nothing is."""
        return sum(self._levels.get(price, {}).values())

    def take(self, price: int, quantity: int) -> None:
        """Remove `quantity`, at most what is offered, from a served price."""
        level = self._levels[price]
        for recorded_price in sorted(level, reverse=self._bids):
            taken = min(quantity, level[recorded_price])
            quantity -= taken
            level[recorded_price] -= taken
            if not level[recorded_price]:
                del level[recorded_price]
        if not level:
            del self._levels[price]

    def best(self) -> Level | None:
        """The first level, or None if the side is empty."""
        if not self._levels:
            return None
        price = max(self._levels) if self._bids else min(self._levels)
        return price, self.quantity(price)

    def levels(self, limit: int | None = None) -> list[Level]:
        """The first `limit` levels, best first."""
        return [(price, self.quantity(price)) for price in sorted(self._levels, reverse=self._bids)[:limit]]

    def up_to(self, limit_price: int | None) -> Iterator[Level]:
        """Levels, best first, while they are at least as good as `limit_price` for whoever takes them."""
        for price, quantity in self.levels():
            if limit_price is not None and (price < limit_price if self._bids else price > limit_price):
                return
            yield price, quantity


class ReplayedBook:
    """Both sides of one symbol's book, and the served levels that orders changed since the last event."""

    def __init__(self, factor: Fraction, tick: int) -> None:
        self.bids = BookSide(factor, tick, bids=True)
        self.asks = BookSide(factor, tick, bids=False)
        self._taken: set[tuple[bool, int]] = set()

    def replace(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Start again from a recorded snapshot."""
        self.bids.replace(bids)
        self.asks.replace(asks)
        self._taken.clear()

    def update(self, bids: Iterable[Level], asks: Iterable[Level]) -> tuple[list[Level], list[Level]]:
        """Apply a recorded event. Returns the served levels that changed, those taken from in between included."""
        changed: tuple[dict[int, None], dict[int, None]] = ({}, {})
        for side, levels, prices in ((self.bids, bids, changed[0]), (self.asks, asks, changed[1])):
            for price, quantity in levels:
                prices[side.record(price, quantity)] = None
        for is_bid, price in sorted(self._taken):
            changed[0 if is_bid else 1][price] = None
        self._taken.clear()
        return (
            [(price, self.bids.quantity(price)) for price in changed[0] if price],
            [(price, self.asks.quantity(price)) for price in changed[1] if price],
        )

    def fills(self, *, buy: bool, limit_price: int | None, quantity: int) -> list[Level]:
        """What an order for `quantity` would take, level by level, at `limit_price` or better (None: any price)."""
        taken = []
        for price, offered in (self.asks if buy else self.bids).up_to(limit_price):
            if not quantity:
                break
            taken.append((price, min(offered, quantity)))
            quantity -= taken[-1][1]
        return taken

    def take(self, fills: Iterable[Level], *, buy: bool) -> None:
        """Remove `fills` from the side a buyer or seller takes from."""
        for price, quantity in fills:
            (self.asks if buy else self.bids).take(price, quantity)
            self._taken.add((not buy, price))

    def mid(self) -> int | None:
        """The mid-price, or None while a side is empty."""
        bid, ask = self.bids.best(), self.asks.best()
        return (bid[0] + ask[0]) // 2 if bid and ask else None
