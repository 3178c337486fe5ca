"""The native coin and its wrapped token, one for one. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from chains.assets import ZERO_ADDRESS, Address, Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools.pool import (
    AmountOutOfRange,
    Call,
    Loading,
    MalformedState,
    OwnContract,
    Piece,
    PoolFacts,
    other_token,
    sells_first,
)
from chains.pools.words import require_words, selector

TOPICS: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class WrappedNativePool(OwnContract):
    """`deposit` and `withdraw` of WETH9 and its like; `tokens` are the coin, at the zero address, and the wrapped one.

    Source: WETH9.
    """

    address: Address
    tokens: tuple[Token, Token]

    family: ClassVar[str] = "wrapped_native"
    fee_ppm: ClassVar[int] = 0

    def __post_init__(self) -> None:
        coin, wrapped = self.tokens
        if coin.address != ZERO_ADDRESS or wrapped.address != self.address or coin.decimals != wrapped.decimals:
            raise MalformedState(f"{self.address} does not wrap {coin} as {wrapped}")

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """As much as goes in. Raises `UnknownToken`, `AmountOutOfRange`."""
        other_token(self.tokens, token_in, token_out)
        if not 0 < amount_in < 2**256:
            raise AmountOutOfRange(f"{amount_in} of {token_in} is not an amount")
        return amount_in

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """As much as comes out. Raises as `quote`."""
        return self.quote(token_out, amount_out, token_in)

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> Self:
        """Itself. Raises as `quote`."""
        self.quote(token_in, amount_in, token_out)
        return self

    def applied(self, log: Log) -> Self:
        return self

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        other_token(self.tokens, token_in, token_out)
        return 1.0

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        other_token(self.tokens, token_in, token_out)
        return (Piece(1.0, 0.0, float(2**255)),)

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """True wraps. Raises `UnknownToken`."""
        return Hop(HopKind.WRAPPED_NATIVE, self.address, sells_first(self.tokens, token_in, token_out), 0)


_TOTAL_SUPPLY = selector("totalSupply()")


def loading(facts: PoolFacts) -> Loading:
    """One call, to see that there is such a token."""
    (supply,) = yield (Call(facts.address, _TOTAL_SUPPLY),)
    require_words(supply, 1, f"totalSupply() of {facts.address}")
    return WrappedNativePool(facts.address, facts.pair)
