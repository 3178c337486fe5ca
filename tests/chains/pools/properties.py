"""What every pool family promises, said once: to be asked of any pool, amount and direction."""

import math

import pytest

from chains.assets import Token
from chains.pools.pool import Piece, Pool, PoolError

SCREENED = 10**7
"""Below this many base units rounding outweighs any float model."""


def along(pieces: tuple[Piece, ...], amount: float) -> float | None:
    """What the float pieces say comes out for `amount`; None beyond their end."""
    out = 0.0
    for rate, curvature, cap in pieces:
        taken = min(amount, cap)
        out += rate * taken / (1 + curvature * taken)
        amount -= taken
        if amount <= 0:
            return out
    return None


def pieces_agree(pool: Pool, token_in: Token, token_out: Token, fraction: float, within: float) -> None:
    """At this fraction of what the pieces reach, they say what the exact quote says."""
    pieces = pool.pieces(token_in, token_out)
    amount = int(fraction * sum(piece.cap for piece in pieces))
    try:
        exact = pool.quote(token_in, amount, token_out)
    except PoolError:
        return
    if min(exact, amount) >= SCREENED:
        assert along(pieces, amount) == pytest.approx(exact, rel=within)


def never_gains(pool: Pool, token_in: Token, token_out: Token, amount: int) -> None:
    """There and back never returns more than went in."""
    try:
        out = pool.paid(token_in, amount, token_out)
        back = pool.swapped(token_in, amount, token_out).paid(token_out, out, token_in)
    except PoolError:
        return
    assert back <= amount


def exact_out_is_least(pool: Pool, token_in: Token, token_out: Token, amount_out: int) -> None:
    """What it asks for buys it, and a unit less does not."""
    try:
        amount_in = pool.quote_exact_out(token_out, amount_out, token_in)
    except PoolError:
        return
    assert pool.quote(token_in, amount_in, token_out) >= amount_out
    if amount_in > 1:
        try:
            assert pool.quote(token_in, amount_in - 1, token_out) < amount_out
        except PoolError:
            return


def answers_or_refuses(pool: Pool, token_in: Token, token_out: Token, amount: int) -> None:
    """Whatever its makers made of it: a curve or none, an amount or a refusal by name, and nothing that stops a run."""
    pool.pieces(token_in, token_out)
    assert math.isfinite(pool.marginal_price(token_in, token_out))
    for ask in (pool.quote, pool.quote_exact_out):
        try:
            assert ask(token_in, amount, token_out) >= 0
        except PoolError:
            continue
