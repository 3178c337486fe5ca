"""A plan once more at half its size, for one that does not bear what others may do before it lands."""

from __future__ import annotations

from dataclasses import replace

from bot.execution.marks import Marks
from bot.execution.unwind import through
from bot.market import Market, UnknownVenue
from bot.plan import Order, Plan, Side, Swap
from chains.exchanges.books import BelowMinimum, Book
from chains.pools.pool import Pool, PoolError


def halved(plan: Plan, market: Market, marks: Marks) -> Plan | None:
    """`plan` with half of what each of its routes sells, at the exact quotes of its pools as they are now.

    None where a pool is not known or refuses, where nothing would be gained, and where an exchange does not take the
    half of an order. Order legs are halved down to a lot; their price is that of the whole size, which is no better
    than that of half of it.
    """
    try:
        swaps = _played(plan, market)
        orders = [_half(order, market.book(order.exchange, order.symbol)) for order in plan.orders]
    except (PoolError, UnknownVenue, BelowMinimum):
        return None
    smaller = replace(plan, legs=(*swaps, *orders))
    profit_wei = _profit_wei(plan, smaller, marks)
    if profit_wei <= 0:
        return None
    return replace(smaller, expected_profit_wei=profit_wei, note=f"half of plan {plan.id}: {plan.note}")


def _played(plan: Plan, market: Market) -> tuple[Swap, ...]:
    """The routes one after another, each on what those before it leave."""
    left: dict[str, Pool] = {}
    swaps = []
    for route in plan.routes:
        amount = route[0].amount_in // 2
        for swap in route:
            pool = through(swap, market)
            pool = left.get(pool.venue, pool)
            received = pool.paid(swap.token_in, amount, swap.token_out)
            left[pool.venue] = pool.swapped(swap.token_in, amount, swap.token_out)
            swaps.append(replace(swap, amount_in=amount, amount_out=received))
            amount = received
    return tuple(swaps)


def _half(order: Order, book: Book) -> Order:
    """Raises `BelowMinimum`: what is too little for an order would stay on the chain, unhedged."""
    amount = book.whole_lots(order.amount // 2)
    if amount < max(book.least_order("sell" if order.side is Side.SELL else "buy"), 1):
        raise BelowMinimum(f"half of {order.amount} is no order in {order.symbol} at {order.exchange}")
    return replace(order, amount=amount, expected_quote=order.expected_quote * amount // order.amount)


def _profit_wei(plan: Plan, smaller: Plan, marks: Marks) -> int:
    """Before gas, at the marks. Of a two-sided plan, half of it, and what its pools give for half beyond half."""
    last = smaller.swaps[-1].token_out
    if not plan.atomic:
        return plan.expected_profit_wei // 2 + marks.wei(last, smaller.amount_out - plan.amount_out // 2)
    owed = plan.loan.debt(smaller.amount_in) if plan.loan else smaller.amount_in
    return marks.wei(last, smaller.amount_out - owed)
