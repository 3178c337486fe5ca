"""Orders carried out in several places one after another, with transfers between them: what arrives, and when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from bot.market.dual.venues import BookVenue
from bot.market.routing import NoRoute, Routed
from bot.market.transfers import NotTransferred, Transfer, chains_of
from chains.assets import Token
from chains.exchanges.books import Book
from chains.pools.pool import PoolError

MOST_TRANSFERS = 2
"""As many as lead from one network by an exchange to another."""

_CANNOT = (NoRoute, NotTransferred, PoolError)


class Route(Protocol):
    """The best execution of exactly so much on one chain. Raises `NoRoute`."""

    def __call__(self, token_in: Token, token_out: Token, amount: int) -> Routed: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a journey, in base units: on the chain (`routed`), at an exchange (`book`), or a `transfer`."""

    token_in: Token
    token_out: Token
    amount_in: int
    amount_out: int
    routed: Routed | None = None
    book: Book | None = None
    transfer: Transfer | None = None

    @property
    def gas(self) -> int:
        """An estimate of what it burns."""
        if self.transfer is not None:
            return self.transfer.gas
        return 0 if self.routed is None else self.routed.gas


@dataclass(frozen=True, slots=True)
class Journey:
    """Stages in order. Exact as prices are now, and never to be had as they are now: what comes after a transfer is
    traded `delay_s` later, at the prices of then. So it is no route, no opportunity, and no plan's leg.
    """

    stages: tuple[Stage, ...]

    @property
    def amount_in(self) -> int:
        return self.stages[0].amount_in

    @property
    def amount_out(self) -> int:
        return self.stages[-1].amount_out

    @property
    def delay_s(self) -> float:
        """How long all its transfers take, in seconds."""
        return sum(stage.transfer.delay_s for stage in self.stages if stage.transfer is not None)

    @property
    def gas(self) -> int:
        return sum(stage.gas for stage in self.stages)

    def __str__(self) -> str:
        first, last = self.stages[0], self.stages[-1]
        by = ", ".join(str(stage.transfer) for stage in self.stages if stage.transfer is not None)
        given = f"{first.token_in.whole(first.amount_in):f} {first.token_in}"
        return f"{given} -> {last.token_out.whole(last.amount_out):f} {last.token_out} after {self.delay_s:g} s by {by}"


@dataclass(frozen=True, slots=True)
class Traveller:
    """Finds journeys: through books at exchanges, by `route` on the chain, and along `transfers`."""

    books: Mapping[str, Book]
    route: Route
    transfers: Sequence[Transfer]

    def journeys(self, token_in: Token, token_out: Token, amount: int, within_s: float = math.inf) -> list[Journey]:
        """Every way to carry out the order with a transfer that takes at most `within_s`, the most out first."""
        found = []
        for path in chains_of(self.transfers, token_in.place, token_out.place, MOST_TRANSFERS):
            if sum(transfer.delay_s for transfer in path) <= within_s:
                try:
                    found.append(Journey(tuple(self._stages(token_in, token_out, amount, path))))
                except _CANNOT:
                    continue
        return sorted(found, key=lambda journey: (-journey.amount_out, journey.delay_s))

    def _stages(self, token: Token, goal: Token, amount: int, path: tuple[Transfer, ...]) -> Iterator[Stage]:
        """Raises what any part of it cannot do."""
        for transfer in path:
            for stage in self._turned(token, transfer.source, amount):
                yield stage
                amount = stage.amount_out
            arrived = transfer.arrives(amount)
            yield Stage(transfer.source, transfer.target, amount, arrived, transfer=transfer)
            token, amount = transfer.target, arrived
        yield from self._turned(token, goal, amount)

    def _turned(self, token: Token, goal: Token, amount: int) -> Iterator[Stage]:
        """One token of a place into another there; nothing to do where they are one."""
        if token == goal:
            return
        traded = [(book, {book.base, book.quote}) for book in self.books.values() if book.exchange == token.place]
        if not traded:
            routed = self.route(token, goal, amount)
            yield Stage(token, goal, amount, routed.amount_out, routed=routed)
            return
        answers = [self._sold(book, token, goal, amount) for book, ends in traded if ends == {token, goal}]
        best = max((stage for stage in answers if stage is not None), key=attrgetter("amount_out"), default=None)
        if best is None:
            raise NoRoute(f"no book of {token.place} takes {token.whole(amount)} {token.symbol} for {goal.symbol}")
        yield best

    def _sold(self, book: Book, token: Token, goal: Token, amount: int) -> Stage | None:
        """Sold into the book, rounded down to its lots and after its fee; None below its least order."""
        try:
            paid = BookVenue(book, (book.base, book.quote)).paid(token, amount, goal)
        except PoolError:
            return None
        return Stage(token, goal, amount, paid, book=book)
