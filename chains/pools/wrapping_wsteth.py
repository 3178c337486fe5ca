"""Lido's wstETH: shares of stETH. State in, integers out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools.pool import (
    AmountOutOfRange,
    Call,
    EmptyPool,
    Loading,
    MalformedLog,
    MalformedState,
    Piece,
    PoolFacts,
    Source,
    StaleState,
    changed_by,
    require_own,
    sells_first,
)
from chains.pools.words import account, require_words, selector, topic, uint256, unsigned

REBASED = topic("TokenRebased(uint256,uint256,uint256,uint256,uint256,uint256,uint256)")
SUBMITTED = topic("Submitted(address,uint256,address)")
BURNT = topic("SharesBurnt(address,uint256,uint256,uint256)")
TOPICS = frozenset({REBASED, SUBMITTED, BURNT})

MAX_AMOUNT = 2**128 - 1
"""stETH converts nothing that is not smaller."""


@dataclass(frozen=True, slots=True)
class WstethPool:
    """wstETH is a share of `pooled` ether over `shares`; `tokens` are stETH and wstETH.

    Unwrapping sends the shares that the stETH is worth, rounded down once more, and what arrives is counted in shares
    too: `paid` is the least that a holder's balance grows by. Source: lidofinance/core, WstETH, StETH.
    """

    address: Address
    tokens: tuple[Token, Token]
    pooled: int
    shares: int

    family: ClassVar[str] = "wsteth"
    fee_ppm: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.tokens[0] == self.tokens[1] or self.tokens[1].address != self.address:
            raise MalformedState(f"{self.address} does not wrap {self.tokens[0]} as {self.tokens[1]}")
        if not 0 <= self.pooled < 2**128 or not 0 <= self.shares < 2**128:
            raise MalformedState(f"{self.address} has {self.shares} shares of {self.pooled}")

    @property
    def venue(self) -> str:
        return self.address

    @property
    def sources(self) -> tuple[Source, ...]:
        """stETH."""
        return (Source(Address(self.tokens[0].address)),)

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `wrap` or `unwrap` returns. Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`."""
        wraps = self._wraps(token_in, amount_in, token_out)
        given, taken = (self.pooled, self.shares) if wraps else (self.shares, self.pooled)
        return uint256(amount_in * taken) // given

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What at least arrives. Raises as `quote`."""
        amount_out = self.quote(token_in, amount_in, token_out)
        if self._wraps(token_in, amount_in, token_out):
            return amount_out
        return amount_out * self.shares // self.pooled * self.pooled // self.shares

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The least amount in whose quote is `amount_out` or more. Raises as `quote`."""
        unwraps = self._wraps(token_out, amount_out, token_in)
        given, taken = (self.shares, self.pooled) if unwraps else (self.pooled, self.shares)
        return -(-uint256(amount_out * given) // taken)

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> WstethPool:
        """Itself: wrapping moves shares and makes none. Raises as `quote`."""
        self.quote(token_in, amount_in, token_out)
        return self

    def applied(self, log: Log) -> WstethPool:
        """The state after stETH's `log`: staking and the oracle's daily report.

        Raises `MalformedLog`, and `StaleState` after a burn whose ether is not told.
        """
        kind = log.topics[0] if log.topics else b""
        steth = Address(self.tokens[0].address)
        if kind == REBASED:
            require_own(log, steth, topics=2, data_words=6)
            return changed_by(log, self, shares=unsigned(log.data, 3), pooled=unsigned(log.data, 4))
        if kind == SUBMITTED:
            require_own(log, steth, topics=2, data_words=2)
            if not self.pooled:
                raise MalformedLog(f"log {log.log_index} of block {log.block_number} stakes into nothing")
            ether = unsigned(log.data)
            shares = self.shares + ether * self.shares // self.pooled
            return changed_by(log, self, shares=shares, pooled=self.pooled + ether)
        if kind == BURNT and log.address == steth:
            raise StaleState(f"shares of {steth} were burnt; load {self.address} again")
        return self

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in; 0.0 where there are no shares."""
        wraps = sells_first(self.tokens, token_in, token_out)
        if not self.pooled or not self.shares:
            return 0.0
        return self.shares / self.pooled if wraps else self.pooled / self.shares

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """One straight piece, to all there is."""
        rate = self.marginal_price(token_in, token_out)
        whole = self.pooled if token_in == self.tokens[0] else self.shares
        return (Piece(rate, 0.0, float(whole)),) if rate else ()

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """True wraps. Raises `UnknownToken`."""
        return Hop(HopKind.WSTETH, self.address, sells_first(self.tokens, token_in, token_out), 0)

    def _wraps(self, token_in: Token, amount: int, token_out: Token | None) -> bool:
        wraps = sells_first(self.tokens, token_in, token_out)
        if not self.pooled or not self.shares:
            raise EmptyPool(f"{self.address} has {self.shares} shares of {self.pooled}")
        if not 0 < amount < MAX_AMOUNT:
            raise AmountOutOfRange(f"{amount} of {token_in} is not an amount")
        return wraps


_STETH = selector("stETH()")
_POOLED = selector("getTotalPooledEther()")
_SHARES = selector("getTotalShares()")


def loading(facts: PoolFacts) -> Loading:
    """Two rounds: which stETH, and its totals."""
    (answer,) = yield (Call(facts.address, _STETH),)
    steth = account(answer, f"stETH() of {facts.address}")
    if facts.pair[0].address != steth:
        raise MalformedState(f"{facts.address} wraps {steth}, not {facts.pair[0]}")
    pooled, shares = yield Call(steth, _POOLED), Call(steth, _SHARES)
    return WstethPool(
        facts.address,
        facts.pair,
        unsigned(require_words(pooled, 1, f"getTotalPooledEther() of {steth}")),
        unsigned(require_words(shares, 1, f"getTotalShares() of {steth}")),
    )
