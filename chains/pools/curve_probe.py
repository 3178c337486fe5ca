"""Whether a Curve pool was loaded by the rules of its own generation: its contract's view must say the same. No I/O."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol, TypeVar

from chains.assets import Address, Token
from chains.pools.pool import Call, HookedPool, PoolError
from chains.pools.words import WORD, unsigned, word


class Probed(Protocol):
    """What is asked of a pool."""

    @property
    def address(self) -> Address: ...

    @property
    def tokens(self) -> tuple[Token, ...]: ...

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int: ...


_Pool = TypeVar("_Pool", bound=Probed)

MAX_AMOUNT = 2**128
_PARTS = (1, 1_000_003, 7_919_000_001)
"""The amounts asked for, in 10^-9 of what the pool has of what comes in, and one unit more."""


def probed(
    pool: _Pool, balances: tuple[int, ...], get_dy: bytes
) -> Generator[tuple[Call, ...], tuple[bytes, ...], _Pool]:
    """`pool`, when `get_dy`, a selector, answers for several amounts what it quotes. Raises `HookedPool` otherwise."""
    questions = [
        (index, other, min(balances[index] * part // 10**9 + 1, MAX_AMOUNT))
        for index, other in ((0, 1), (1, 0))
        for part in _PARTS
    ]
    answers = yield tuple(Call(pool.address, get_dy + b"".join(map(word, question))) for question in questions)
    for (index, other, amount), answer in zip(questions, answers, strict=True):
        told = unsigned(answer) if len(answer) == WORD else None
        known = _quoted(pool, index, other, amount)
        if told != known:
            raise HookedPool(
                f"pool {pool.address} does not quote as its generation does: {told} for {amount} of "
                f"{pool.tokens[index]}, by its rules {known}; correct `rules` and `rates` in its details"
            )
    return pool


def _quoted(pool: Probed, index: int, other: int, amount: int) -> int | None:
    try:
        return pool.quote(pool.tokens[index], amount, pool.tokens[other])
    except PoolError:
        return None
