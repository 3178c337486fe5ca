"""Trades as the executor sends them: cycles of one token that follow one another go into one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bot.market.dual.exact import Trade, starts_at
from bot.market.opportunity import GAS_BASE, GAS_PER_ROUTE

MOST_GAS = 1 << 24
"""What a transaction may burn at most (EIP-7825); what would need more is counted as several."""

_SPARED = GAS_BASE - GAS_PER_ROUTE
"""What a cycle costs less as one more route of a transaction than as one of its own."""


def settlements(trades: Iterable[Trade]) -> Iterator[tuple[Trade, ...]]:
    """The trades, transaction by transaction, in their own order: each is exact only behind those before it.

    Cycles of pools that begin in the same token are routes of one plan. A cycle whose gain is then sold takes two
    transactions, and one with an order at an exchange is a plan of its own.
    """
    together: list[Trade] = []
    gas = 0
    for trade in trades:
        gas += trade.gas - _SPARED
        if together and not (_joins(together[0], trade) and gas <= MOST_GAS):
            yield tuple(together)
            together.clear()
        if not together:
            gas = trade.gas
        together.append(trade)
    if together:
        yield tuple(together)


def gas_of_settlement(trades: Sequence[Trade]) -> int:
    """The gas that one of `settlements` is estimated to burn."""
    return sum(trade.gas for trade in trades) - (len(trades) - 1) * _SPARED


def gas_of_trades(trades: Iterable[Trade]) -> int:
    """The gas of all of them."""
    return sum(map(gas_of_settlement, settlements(trades)))


def _joins(first: Trade, trade: Trade) -> bool:
    return starts_at(first.walk) == starts_at(trade.walk) and _is_route(first) and _is_route(trade)


def _is_route(trade: Trade) -> bool:
    return not trade.walk.sale and all(step.hop is not None for step in trade.steps)
