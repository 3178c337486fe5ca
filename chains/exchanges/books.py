"""An exchange's order book as the bot sees it: exact integers, and what an order against it would pay. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, NamedTuple

from chains.assets import Token

Side = Literal["buy", "sell"]
"""Which way an order goes, seen from the base currency."""

Level = tuple[int, int]
"""A price in ticks, and what is offered there in lots."""

PPM = 10**6
CURRENCY_DECIMALS = 8
"""How exactly an exchange accounts for currencies, where nothing else is said of it."""


class Unquotable(ValueError):
    """An amount this book cannot answer for; the message says why."""


class BookTooThin(Unquotable):
    """The kept levels do not hold the amount."""


class BelowMinimum(Unquotable):
    """The exchange would refuse an order this small."""


class NotWholeLots(Unquotable):
    """The amount is not a positive multiple of the lot."""


class Sale(NamedTuple):
    """Selling base: quote units received after the fee, and the limit that reaches exactly the levels used."""

    received: int
    limit_price: Decimal


class Purchase(NamedTuple):
    """Buying base: quote units paid, base units received after the fee, and the limit that reaches the levels used."""

    cost: int
    received: int
    limit_price: Decimal


class Piece(NamedTuple):
    """One whole level as an exchange of `amount_in` for `amount_out` (after the fee), at one constant price."""

    amount_in: int
    amount_out: int


@dataclass(frozen=True, slots=True)
class Book:
    """One symbol's book at one update.

    `symbol` is ccxt's unified symbol. `bids` and `asks` are best first. `tick` is quote base units per whole base;
    `lot`, `min_amount` and `max_amount` are base units of `base`; `min_notional` and `max_notional` are base units of
    `quote`; what is None is not bounded. `nonce` is the venue's
    update id; `at_ms` its time of the update (0 if it gave none); `arrived_ns` the monotonic clock at arrival.

    Fees are charged per fill, in the currency received, rounded up to its base unit.
    """

    exchange: str
    symbol: str
    base: Token
    quote: Token
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    tick: int
    lot: int
    min_amount: int
    min_notional: int
    taker_fee_ppm: int
    nonce: int
    at_ms: int = 0
    arrived_ns: int = 0
    max_amount: int | None = None
    max_notional: int | None = None

    def price(self, ticks: int) -> Decimal:
        """Quote per base, in whole units, exactly."""
        return self.quote.whole(ticks * self.tick)

    @property
    def best_bid(self) -> Decimal | None:
        return self.price(self.bids[0][0]) if self.bids else None

    @property
    def best_ask(self) -> Decimal | None:
        return self.price(self.asks[0][0]) if self.asks else None

    @property
    def is_crossed(self) -> bool:
        """Whether a bid reaches an ask, which no true book shows."""
        return bool(self.bids and self.asks) and self.bids[0][0] >= self.asks[0][0]

    def whole_lots(self, amount: int) -> int:
        """The largest multiple of the lot that is at most `amount`, in base units."""
        return amount - amount % self.lot

    def least_order(self, side: Side) -> int:
        """The least base units, in whole lots, that the exchange takes at the best price; 0 where there is none."""
        levels = self.bids if side == "sell" else self.asks
        if not levels:
            return 0
        notional_of_lot = levels[0][0] * self.tick * self.lot
        lots = max(
            -(-self.min_amount // self.lot), -(-self.min_notional * 10**self.base.decimals // notional_of_lot), 1
        )
        return int(lots * self.lot)

    def most_order(self) -> int | None:
        """The most base units, in whole lots, that one order may be of; None where that is not bounded.

        An order is valued at its limit, which may lie past the best price by a tenth.
        """
        most = [] if self.max_amount is None else [self.max_amount]
        if self.max_notional is not None and self.asks:
            most.append(self.max_notional * 9 * 10**self.base.decimals // (10 * self.asks[0][0] * self.tick))
        return self.whole_lots(min(most)) if most else None

    def of_one_order(self) -> Book:
        """The book without what one order could not take of it."""
        most = self.most_order()
        if most is None:
            return self
        return replace(self, bids=_first(self.bids, most // self.lot), asks=_first(self.asks, most // self.lot))

    def sell_base(self, amount: int) -> Sale:
        """Sell exactly `amount` base units into the bids. Raises `Unquotable`."""
        received = limit = 0
        for ticks, lots in self._taken(self.bids, amount):
            received += self._after_fee(self._cost_down(ticks, lots))
            limit = ticks
        self._check_minimum(limit, amount)
        return Sale(received, self.price(limit))

    def buy_base(self, amount: int) -> Purchase:
        """Buy exactly `amount` base units, before the fee, from the asks. Raises `Unquotable`."""
        cost = received = limit = 0
        for ticks, lots in self._taken(self.asks, amount):
            cost += self._cost_up(ticks, lots)
            received += self._after_fee(lots * self.lot)
            limit = ticks
        self._check_minimum(limit, amount)
        return Purchase(cost, received, self.price(limit))

    def affordable(self, quote_amount: int) -> int:
        """The most base units, in whole lots, that the asks sell for at most `quote_amount`; 0 if not one lot."""
        bought = 0
        for ticks, offered in self.asks:
            lots = min(offered, quote_amount * 10**self.base.decimals // (ticks * self.tick * self.lot))
            bought += lots
            quote_amount -= self._cost_up(ticks, lots)
            if lots < offered:
                break
        return bought * self.lot

    def pieces(self, side: Side) -> tuple[Piece, ...]:
        """The levels an order of that side meets, each as one constant-price piece, best first."""
        if side == "sell":
            return tuple(
                Piece(lots * self.lot, self._after_fee(self._cost_down(ticks, lots))) for ticks, lots in self.bids
            )
        return tuple(Piece(self._cost_up(ticks, lots), self._after_fee(lots * self.lot)) for ticks, lots in self.asks)

    def _taken(self, levels: tuple[Level, ...], amount: int) -> Iterator[Level]:
        if amount <= 0 or amount % self.lot:
            raise NotWholeLots(
                f"{self.base.whole(amount)} {self.base.symbol} is not a positive multiple of "
                f"{self.symbol}'s lot {self.base.whole(self.lot)}"
            )
        left = amount // self.lot
        for ticks, offered in levels:
            lots = min(left, offered)
            yield ticks, lots
            left -= lots
            if not left:
                return
        raise BookTooThin(
            f"{self.symbol} at {self.exchange} offers "
            f"{self.base.whole(amount - left * self.lot)} of {self.base.whole(amount)} {self.base.symbol}"
        )

    def _check_minimum(self, limit_ticks: int, amount: int) -> None:
        if amount < self.min_amount or self._cost_down(limit_ticks, amount // self.lot) < self.min_notional:
            raise BelowMinimum(
                f"{self.base.whole(amount)} {self.base.symbol} at {self.price(limit_ticks)} is below {self.symbol}'s "
                f"least order: {self.base.whole(self.min_amount)} {self.base.symbol} "
                f"and {self.quote.whole(self.min_notional)} {self.quote.symbol}"
            )

    def _cost_down(self, ticks: int, lots: int) -> int:
        return int(ticks * self.tick * lots * self.lot // 10**self.base.decimals)

    def _cost_up(self, ticks: int, lots: int) -> int:
        return int(-(-ticks * self.tick * lots * self.lot // 10**self.base.decimals))

    def _after_fee(self, amount: int) -> int:
        return amount + (-amount * self.taker_fee_ppm // PPM)


def _first(levels: tuple[Level, ...], lots: int) -> tuple[Level, ...]:
    """As many of the levels as hold `lots`, the last of them in part."""
    if sum(offered for _, offered in levels) <= lots:
        return levels
    kept = []
    for ticks, offered in levels:
        if lots <= 0:
            break
        kept.append((ticks, min(offered, lots)))
        lots -= offered
    return tuple(kept)
