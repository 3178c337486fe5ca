"""Walks that begin in the native coin: a cycle gains in its wrapped token, so they unwrap first and wrap last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from bot.market.dual.exact import step_of
from bot.market.dual.problem import Way
from bot.market.graph import Edge, Graph, VenueId
from bot.market.opportunity import Opportunity, Step
from chains.assets import ZERO_ADDRESS, Token
from chains.pools.pool import Pool
from chains.pools.wrapping_native import WrappedNativePool


def wrapped(
    made: Opportunity,
    tokens: tuple[Token, ...],
    pools: Mapping[VenueId, Pool],
    allows: Callable[[VenueId, Token], bool],
) -> Opportunity:
    """`made` from the wrapped coin and back to it, where it begins in the native one; else as it is.

    `tokens` are those of the asset it begins in. It stays as it is, too, where no pool wraps the coin or none may.
    """
    pool = _wrapper_of(made.steps[0].token_in, tokens, pools, allows)
    return made if pool is None else replace(made, steps=tuple(_between(made, pool)))


def between_wraps(
    walk: tuple[Edge, ...],
    tokens: tuple[Token, ...],
    pools: Mapping[VenueId, Pool],
    graph: Graph,
    allows: Callable[[VenueId, Token], bool],
) -> tuple[Edge, ...]:
    """The same of a walk's edges."""
    pool = _wrapper_of(walk[0].token_in, tokens, pools, allows)
    if pool is None:
        return walk
    wrap, unwrap = sorted(graph.edges_of(pool.venue), key=lambda edge: edge.token_in != walk[0].token_in)
    return (unwrap, *walk, wrap)


def _wrapper_of(
    coin: Token,
    tokens: tuple[Token, ...],
    pools: Mapping[VenueId, Pool],
    allows: Callable[[VenueId, Token], bool],
) -> WrappedNativePool | None:
    """What wraps `coin` into one of `tokens`, where it is a native coin, and that is there and allowed."""
    known = (pools.get(token.address) for token in tokens if coin.address == ZERO_ADDRESS)
    wrappers = (pool for pool in known if isinstance(pool, WrappedNativePool) and coin in pool.tokens)
    pool = next(wrappers, None)
    return pool if pool is not None and all(allows(pool.venue, token) for token in pool.tokens) else None


def _between(made: Opportunity, pool: WrappedNativePool) -> Iterator[Step]:
    coin, wrapper = pool.tokens
    for route in made.routes:
        first, last = route[0].amount_in, route[-1].amount_out
        yield step_of(pool, Way(pool.venue, wrapper, coin), first, first)
        yield from route
        yield step_of(pool, Way(pool.venue, coin, wrapper), last, last)
