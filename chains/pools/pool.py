"""What every AMM family gives: exact integers, float pieces for sizing, and its own loading. No I/O lives here.

A family is one file: a frozen pool class with the methods of `Pool`, and a `loading` generator. It is made known in
`registry.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeVar

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import Hop

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PPM = 10**6

_State = TypeVar("_State", bound="DataclassInstance")


class PoolError(ValueError):
    """A pool cannot answer. Its subclasses say why; none of them ever hides a wrong number."""


class UnknownToken(PoolError):
    """The pool does not trade this token."""


class EmptyPool(PoolError):
    """No reserves, no liquidity, or no price yet."""


class AmountOutOfRange(PoolError):
    """Zero, negative, or more than the contract's integer types can carry."""


class InsufficientLiquidity(PoolError):
    """The contract would revert, or fill only a part of the amount."""


class BeyondKnownLiquidity(PoolError):
    """The swap would leave the part of the pool that was loaded. Load more of it, or ask for less."""


class MalformedLog(PoolError):
    """A known topic with the wrong number of topics or bytes, or a log that another contract emitted."""


class MalformedState(PoolError):
    """State that the contract cannot have given: truncated words, impossible values, or no such contract."""


class Piece(NamedTuple):
    """A stretch of a price curve: `x` in, up to `cap`, gives `rate · x / (1 + curvature · x)` out.

    Floats in base units, fee included. After `x` of it is used, the rest of the stretch is the piece
    `(rate / (1 + curvature · x)², curvature / (1 + curvature · x), cap - x)`.
    """

    rate: float
    curvature: float
    cap: float


class Pool(Protocol):
    """An AMM at one moment. Immutable: what changes it returns a new one. Amounts are base units."""

    @property
    def address(self) -> Address: ...

    @property
    def family(self) -> str:
        """The name under which `registry.py` knows this family."""
        ...

    @property
    def tokens(self) -> tuple[Token, ...]: ...

    @property
    def fee_ppm(self) -> int:
        """The input fee in parts per million."""
        ...

    def quote(self, token_in: Token, amount_in: int) -> int:
        """Amount out for exactly `amount_in` in, as the contract computes it. Raises `PoolError`."""
        ...

    def quote_exact_out(self, token_out: Token, amount_out: int) -> int:
        """The amount in that the contract asks for exactly `amount_out` out. Raises `PoolError`."""
        ...

    def swapped(self, token_in: Token, amount_in: int) -> Self:
        """The pool after that swap. Raises as `quote`."""
        ...

    def applied(self, log: Log) -> Self:
        """The pool after `log`; unknown topics leave it unchanged. Raises `MalformedLog`."""
        ...

    def marginal_price(self, token_in: Token) -> float:
        """Base units out per base unit in for the next infinitesimal amount, after the fee; 0.0 if there is none."""
        ...

    def pieces(self, token_in: Token) -> tuple[Piece, ...]:
        """The price curve from here on, best price first, as far as it is known."""
        ...

    def hop(self, token_in: Token) -> Hop:
        """How the executor performs the swap."""
        ...


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What never changes about a pool: enough to load it from a chain."""

    family: str
    address: Address
    tokens: tuple[Token, Token]
    fee_ppm: int


class Call(NamedTuple):
    """A read: `data` sent to the contract at `to`."""

    to: Address
    data: bytes


Loading = Generator[tuple[Call, ...], tuple[bytes, ...], Pool]
"""Loads one pool without doing any I/O: yields calls, is sent their answers in order, and returns the pool.

Raises `MalformedState` when the answers cannot come from such a pool.
"""

Load = Callable[[PoolFacts], Loading]


def other_token(tokens: tuple[Token, Token], token: Token) -> Token:
    """The one that is not `token`. Raises `UnknownToken`."""
    if token == tokens[0]:
        return tokens[1]
    if token == tokens[1]:
        return tokens[0]
    raise UnknownToken(f"{token} is neither {tokens[0]} nor {tokens[1]}")


def require_own(log: Log, pool: Address, topics: int, data_words: int) -> None:
    """Raises `MalformedLog` unless `pool` emitted `log` with that many topics and words of data."""
    if log.address != pool:
        raise MalformedLog(f"log {log.log_index} of block {log.block_number} is from {log.address}, not from {pool}")
    if len(log.topics) != topics or len(log.data) != 32 * data_words:
        raise MalformedLog(
            f"log {log.log_index} of block {log.block_number} from {pool} has {len(log.topics)} topics and "
            f"{len(log.data)} bytes; expected {topics} and {32 * data_words}"
        )


def changed_by(log: Log, pool: _State, **changes: object) -> _State:
    """`pool` with `changes` that `log` reported. Raises `MalformedLog` when the result cannot be such a pool."""
    try:
        return replace(pool, **changes)
    except MalformedState as error:
        raise MalformedLog(f"log {log.log_index} of block {log.block_number} does not fit: {error}") from error
