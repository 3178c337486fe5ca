"""What orders at exchanges may spend of an inventory, and what trades have spent of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from bot.market.dual.exact import Trade, Walk
from bot.market.dual.venues import BookVenue, Venue
from chains.assets import Token


class Purse:
    """An order costs what it sells at the exchange, and on the chain what stands for its proceeds: the pools' side."""

    def __init__(self, held: Mapping[Token, int] | None, venues: Mapping[str, Venue]) -> None:
        """`held` in base units of each token at its place; None: orders spend whatever they want."""
        self._held, self._venues = held, venues
        self._spent: Counter[Token] = Counter()

    def left(self, walk: Walk, price: Mapping[Token, float]) -> float:
        """What the walk's orders may still carry, valued by `price` per base unit of the chain's tokens."""
        if self._held is None:
            return math.inf
        least = math.inf
        for way in walk.ways:
            for token, paid in self._costs(way.venue, way.token_in, way.token_out):
                left = self._held.get(paid, 0) - self._spent[paid]
                least = min(least, max(left, 0) * 10.0 ** (token.decimals - paid.decimals) * price[token])
        return least

    def spend(self, trade: Trade) -> None:
        """Take over what the orders of `trade` cost."""
        for step in trade.steps:
            costs = self._costs(step.venue, step.token_in, step.token_out)
            for (token, paid), amount in zip(costs, (step.amount_in, step.amount_out), strict=False):
                self._spent[paid] += amount * 10**paid.decimals // 10**token.decimals

    def _costs(self, venue: str, token_in: Token, token_out: Token) -> Iterator[tuple[Token, Token]]:
        """A token of the chain and the one that is held and spent for it: of what goes in, and of what comes out."""
        at = self._venues[venue]
        if isinstance(at, BookVenue):
            yield token_in, at.book.base if token_in == at.tokens[0] else at.book.quote
            yield token_out, token_out
