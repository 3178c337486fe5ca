"""The way back: a plan that undoes on the chain what could not be hedged at an exchange."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial

from bot.execution.marks import Marks
from bot.market import Market, UnknownVenue, VenueId
from bot.market.opportunity import gas_of_exchange
from bot.market.routing import best_path
from bot.plan import LASTS_S, Plan, Swap
from chains.assets import Token
from chains.blocks import Head
from chains.pools.pool import Pool, PoolError

_PPM = 10**6
_ROUNDED_PPM = 999_000
"""Of what is free, when not all can be unwound at once: pools round up what they ask."""
_Trade = Callable[[int], tuple[Swap, ...]]


def unwinding(
    plan: Plan,
    *,
    base: Token,
    units: int,
    bought: bool,
    market: Market,
    head: Head,
    gas_price_wei: int,
    marks: Marks,
    loss_ppm: int,
    free: Mapping[Token, int],
    avoided: Collection[VenueId] = (),
    allowed: Callable[[str, Token], bool] | None = None,
) -> Plan | None:
    """A plan that trades `units` of `base` back through `plan`'s pools, at their present state, or straight through the
    best of the other pools that are `allowed` where that brings more; where neither can take it or is `avoided`, along
    the best path of two others.

    `bought` says that the plan bought base on the chain, which is now sold; otherwise it is bought back. It spends no
    more than is `free`, in base units, so that it may be a part only. At most `loss_ppm` of its value may be lost below
    the quote; `gas_price_wei` is wei of ETH. None where no such pools can take it, and where nothing is free.
    """
    ends = (plan.swaps[0].token_in, plan.swaps[-1].token_out)
    on_chain = ends[1] if bought else ends[0]
    amount = units * 10**on_chain.decimals // 10**base.decimals
    own = names_of(plan, market)
    others = partial(_elsewhere, ends, market, {*own, *avoided}, allowed, not bought)
    straight: list[_Trade] = [partial(others, 1)]
    if not own.intersection(avoided):
        straight.insert(0, partial(_sold if bought else _bought, plan, market))
    affordable = free.get(ends[1], 0)
    # Where one pool takes it, no token lies between that might be a trap.
    best = _best(straight, amount, affordable) or _best([partial(others, 2)], amount, affordable)
    if best is None:
        return None
    amount, swaps = best
    gas = gas_of_exchange(swap.hop.kind for swap in swaps)
    loss_wei = marks.wei(swaps[0].token_in, swaps[0].amount_in) * loss_ppm // _PPM
    return replace(
        plan,
        legs=swaps,
        atomic=False,
        expected_profit_wei=0,
        min_profit_wei=-loss_wei - gas * gas_price_wei,
        gas_estimate=gas,
        block_number=head.number,
        block_hash=head.hash,
        deadline_block=head.number + 1,
        deadline_s=head.timestamp_s + LASTS_S,
        note=f"unwind {on_chain.whole(amount)} {on_chain.symbol}, at most {loss_ppm / 10_000:g} % below the quote",
        unwinds=plan.id,
    )


def _best(ways: Iterable[_Trade], amount: int, affordable: int) -> tuple[int, tuple[Swap, ...]] | None:
    """What brings the most for what it takes, of equals the first; None where nothing can be traded."""
    found = (_affordable(way, amount, affordable) for way in ways)
    tried = [each for each in found if each is not None]
    return max(tried, key=lambda it: Fraction(it[1][-1].amount_out, it[1][0].amount_in), default=None)


def _affordable(trade: _Trade, amount: int, affordable: int) -> tuple[int, tuple[Swap, ...]] | None:
    """As much of `amount` as can be traded for what is there; None where it cannot be traded so."""
    try:
        swaps = trade(amount)
        if swaps[0].amount_in > affordable:
            amount = amount * affordable * _ROUNDED_PPM // (swaps[0].amount_in * _PPM)
            swaps = trade(amount)
    except (PoolError, UnknownVenue, ValueError):
        return None
    return (amount, swaps) if swaps[0].amount_in <= affordable else None


def _sold(plan: Plan, market: Market, amount: int) -> tuple[Swap, ...]:
    """`amount` of what the plan ended in, sold back hop by hop."""
    swaps = []
    for swap in reversed(plan.swaps):
        pool = through(swap, market)
        received = pool.paid(swap.token_out, amount, swap.token_in)
        swaps.append(Swap(pool.hop(swap.token_out, swap.token_in), swap.token_out, swap.token_in, amount, received))
        amount = received
    return tuple(swaps)


def _bought(plan: Plan, market: Market, amount: int) -> tuple[Swap, ...]:
    """`amount` of what the plan began with, bought back for the least that brings it."""
    for swap in plan.swaps:
        amount = through(swap, market).quote_exact_out(swap.token_in, amount, swap.token_out)
    return _sold(plan, market, amount)


def _elsewhere(
    ends: tuple[Token, Token],
    market: Market,
    avoided: Collection[VenueId],
    allowed: Callable[[str, Token], bool] | None,
    exact_out: bool,
    hops: int,
    amount: int,
) -> tuple[Swap, ...]:
    """`amount` of the last of `ends` sold for the first, or that much of the first bought, through other pools.

    Raises `ValueError` where none lead there.
    """
    pools = (
        pool
        for pool in market.pools.values()
        if pool.venue not in avoided and (allowed is None or all(allowed(pool.venue, token) for token in pool.tokens))
    )
    path = best_path(pools, ends[1], ends[0], amount, exact_out=exact_out, max_hops=hops)
    return tuple(
        Swap(step.hop, step.token_in, step.token_out, step.amount_in, step.amount_out)
        for step in path.steps
        if step.hop is not None
    )


def through(swap: Swap, market: Market) -> Pool:
    """The pool that `swap` goes through. A hop names it, but not always as the market does. Raises `UnknownVenue`."""
    pools, named = market.pools, swap.hop.pool
    likely = [pools[named]] if named in pools else []
    for pool in (*likely, *_between(swap, market)):
        if _is_hop_of(pool, swap):
            return pool
    raise UnknownVenue(f"the pool {named} of {swap.token_in} for {swap.token_out} is not in the market")


def names_of(plan: Plan, market: Market) -> frozenset[VenueId]:
    """The pools of `plan`, by what plans call them and by what the market does: of many the two are not the same."""
    names = set[VenueId](plan.pools)
    for swap in (each for each in plan.swaps if each.hop.pool in plan.pools):
        with suppress(UnknownVenue):
            names.add(through(swap, market).venue)
    return frozenset(names)


def _between(swap: Swap, market: Market) -> Iterator[Pool]:
    """The pools that trade the assets of `swap`."""
    graph = market.graph
    source, target = (graph.find(graph.assets.of(token)) for token in (swap.token_in, swap.token_out))
    if source is not None and target is not None:
        for number in graph.pools.out.get(source, {}).get(target, ()):
            yield market.pool(graph.edge(number).venue)


def _is_hop_of(pool: Pool, swap: Swap) -> bool:
    """Whether `pool` is swapped so; its fee may be another by now."""
    try:
        return replace(pool.hop(swap.token_in, swap.token_out), fee_ppm=swap.hop.fee_ppm) == swap.hop
    except PoolError:
        return False
