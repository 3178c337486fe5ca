"""What every AMM family gives: exact integers, float pieces for sizing, and its own loading. No I/O lives here.

A family is one file: a frozen pool class with the methods of `Pool`, and a `loading` generator. It is made known in
`registry.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeGuard, TypeVar, runtime_checkable

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


class Suspended(PoolError):
    """The contract takes no swaps now: its owner has paused it."""


class StaleState(PoolError):
    """A part of the state has lapsed, and what replaces it is not known. Load the pool again."""


class HookedPool(PoolError):
    """Somebody else's code can change the amounts of a swap: such a pool has no exact quote here."""


class MalformedLog(PoolError):
    """A known topic with the wrong number of topics or bytes, or a log that another contract emitted."""


class MalformedState(PoolError):
    """State that the contract cannot have given: truncated words, impossible values, or no such contract."""


NOT_UNDERSTOOD = (ValueError, ArithmeticError, LookupError)
"""What a pool can raise: `PoolError` where its family says so, the others where the family's code has a mistake."""


class Piece(NamedTuple):
    """A stretch of a price curve: `x` in, up to `cap`, gives `rate · x / (1 + curvature · x)` out.

    Floats in base units, fee included. After `x` of it is used, the rest of the stretch is the piece
    `(rate / (1 + curvature · x)², curvature / (1 + curvature · x), cap - x)`.
    """

    rate: float
    curvature: float
    cap: float


class Source(NamedTuple):
    """Whose logs change a pool: the emitter and, where one contract speaks for many pools, the log's second topic."""

    emitter: Address
    pool_id: bytes = b""


class Quoting(Protocol):
    """What can quote."""

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int: ...


class PaysItsQuote:
    """A pool whose swaps pay what its quotes say, as all but old Curve pools do."""

    __slots__ = ()

    def paid(self: Quoting, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        return self.quote(token_in, amount_in, token_out)


class OwnContract(PaysItsQuote):
    """A pool that is a contract of its own and emits its own events."""

    __slots__ = ()
    address: Address

    @property
    def venue(self) -> str:
        return self.address

    @property
    def sources(self) -> tuple[Source, ...]:
        return (Source(self.address),)


class Pool(Protocol):
    """An AMM at one moment. Immutable: what changes it returns a new one. Amounts are base units.

    Where a pool has two tokens, the other side may be left out; where it has more, it must be named.
    """

    @property
    def address(self) -> Address:
        """The contract that is called to swap."""
        ...

    @property
    def venue(self) -> str:
        """What names the pool in the market: its address, or its id inside a contract that holds many."""
        ...

    @property
    def sources(self) -> tuple[Source, ...]:
        """Whose logs `applied` wants to see."""
        ...

    @property
    def family(self) -> str:
        """The name under which `registry.py` knows this family."""
        ...

    @property
    def tokens(self) -> tuple[Token, ...]: ...

    @property
    def fee_ppm(self) -> int:
        """The input fee in parts per million; where the fee moves with the pool, what it is now, rounded."""
        ...

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """Amount out for exactly `amount_in` in, as the contract's own view computes it. Raises `PoolError`."""
        ...

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What a swap really pays: the quote, but for contracts whose view rounds otherwise. Raises as `quote`."""
        ...

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The amount in that the contract asks for exactly `amount_out` out. Raises `PoolError`.

        A contract that only takes exact inputs is asked for the least input that yields at least `amount_out`.
        """
        ...

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> Self:
        """The pool after that swap. Raises as `quote`."""
        ...

    def applied(self, log: Log) -> Self:
        """The pool after `log`; unknown topics leave it unchanged. Raises `MalformedLog`."""
        ...

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in for the next infinitesimal amount, after the fee; 0.0 if there is none."""
        ...

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """The price curve from here on, best price first, as far as it is known."""
        ...

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap."""
        ...


@runtime_checkable
class Varied(Protocol):
    """A pool of a family whose contracts are of several kinds, each proven by itself."""

    @property
    def variant(self) -> str:
        """Which kind of its family's contracts this one is."""
        ...


def variant_of(pool: Pool) -> str:
    """Its kind among its family's; empty where the family has one."""
    return pool.variant if isinstance(pool, Varied) else ""


@runtime_checkable
class Timed(Protocol):
    """A pool whose amounts also change with the block's time, such as one whose parameters ramp."""

    def at(self, timestamp_s: int) -> Pool:
        """The pool in a block of that time; itself where nothing changes."""
        ...


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What never changes about a pool: enough to load it from a chain.

    `pool_id` names it inside a contract that holds many. `details` are what only its family understands.
    """

    family: str
    address: Address
    tokens: tuple[Token, ...]
    fee_ppm: int
    pool_id: bytes = b""
    details: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def venue(self) -> str:
        """As `Pool.venue`."""
        return "0x" + self.pool_id.hex() if self.pool_id else self.address

    @property
    def pair(self) -> tuple[Token, Token]:
        """The two tokens of a family that has two. Raises `MalformedState`."""
        if len(self.tokens) != 2:
            raise MalformedState(f"pool {self.venue} of family {self.family} has {len(self.tokens)} tokens, not 2")
        return self.tokens[0], self.tokens[1]


class Call(NamedTuple):
    """A read: `data` sent to the contract at `to`."""

    to: Address
    data: bytes


Loading = Generator[tuple[Call, ...], tuple[bytes, ...], Pool]
"""Loads one pool without doing any I/O: yields calls, is sent their answers in order, and returns the pool.

Raises `MalformedState` when the answers cannot come from such a pool.
"""

Load = Callable[[PoolFacts], Loading]


@runtime_checkable
class Refreshed(Protocol):
    """A pool of whose state a part moves without an event: what a vault has earned, a rate that an oracle tells.

    It knows when that part has lapsed, and then refuses as `StaleState` until it was read again.
    """

    @property
    def needs_reading(self) -> bool:
        """Whether it must be read again before it can answer."""
        ...

    def refreshing(self) -> Loading:
        """As a loading, but asks only for what moves: the same pool, as of the block the answers are from."""
        ...


def is_timed(pool: object) -> TypeGuard[Timed]:
    """Whether `pool` is `Timed`; a hundred times faster than `isinstance` of a protocol tells it."""
    return hasattr(pool, "at")


def is_refreshed(pool: object) -> TypeGuard[Refreshed]:
    """Whether `pool` is `Refreshed`; told as `is_timed`."""
    return hasattr(pool, "refreshing")


def sells_first(tokens: tuple[Token, Token], token: Token, expected: Token | None = None) -> bool:
    """Whether `token` is the first of the two. Raises `UnknownToken`, also where the other is not the one expected.

    Identity is looked at before equality: it is a hundred times cheaper, and nearly always enough.
    """
    first, second = tokens
    if token is first:
        sells, other = True, second
    elif token is second:
        sells, other = False, first
    elif token == first:
        sells, other = True, second
    elif token == second:
        sells, other = False, first
    else:
        raise UnknownToken(f"{token} is neither {first} nor {second}")
    if expected is not None and expected is not other and expected != other:
        raise UnknownToken(f"the pool trades {token} for {other}, not for {expected}")
    return sells


def other_token(tokens: tuple[Token, Token], token: Token, expected: Token | None = None) -> Token:
    """The one that is not `token`. Raises `UnknownToken`, also where it is not the one expected."""
    return tokens[1] if sells_first(tokens, token, expected) else tokens[0]


def positions(tokens: Sequence[Token], token_in: Token, token_out: Token | None = None) -> tuple[int, int]:
    """Where a swap's two tokens stand in `tokens`. Raises `UnknownToken`, also for a token against itself."""
    if token_in not in tokens or (token_out is not None and token_out not in tokens) or token_in == token_out:
        raise UnknownToken(f"no swap of {token_in} for {token_out} among {', '.join(map(str, tokens))}")
    index_in = tokens.index(token_in)
    if token_out is not None:
        return index_in, tokens.index(token_out)
    if len(tokens) != 2:
        raise UnknownToken(f"a pool of {len(tokens)} tokens must be told what {token_in} is swapped for")
    return index_in, 1 - index_in


def require_own(log: Log, pool: Address, topics: int, data_words: int) -> None:
    """Raises `MalformedLog` unless `pool` emitted `log` with that many topics and words of data."""
    if log.address != pool:
        raise MalformedLog(f"log {log.log_index} of block {log.block_number} is from {log.address}, not from {pool}")
    if len(log.topics) != topics or len(log.data) != 32 * data_words:
        raise MalformedLog(
            f"log {log.log_index} of block {log.block_number} from {pool} has {len(log.topics)} topics and "
            f"{len(log.data)} bytes; expected {topics} and {32 * data_words}"
        )


def moved(pool: _State, **state: object) -> _State:
    """`pool` with the `state` that its own swap led to: that is one of such a pool, and not looked at again."""
    made = object.__new__(type(pool))
    for name in _names(type(pool)):
        object.__setattr__(made, name, state[name] if name in state else getattr(pool, name))
    return made


@cache
def _names(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def changed_by(log: Log, pool: _State, **changes: object) -> _State:
    """`pool` with `changes` that `log` reported. Raises `MalformedLog` when the result cannot be such a pool."""
    # As `dataclasses.replace`, which looks at every field anew each time: a block brings dozens of logs.
    kept = {name: getattr(pool, name) for name in _arguments(type(pool)) if name not in changes}
    try:
        return type(pool)(**kept, **changes)
    except MalformedState as error:
        raise MalformedLog(f"log {log.log_index} of block {log.block_number} does not fit: {error}") from error


@cache
def _arguments(kind: type) -> tuple[str, ...]:
    """What a dataclass is made of."""
    return tuple(field.name for field in fields(kind) if field.init)
