"""Buffers of Balancer's V3 vault: wrapping and unwrapping an ERC-4626 token through the vault. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.executor import BalancerV3Route, Hop, HopKind
from chains.pools import erc4626
from chains.pools.erc4626 import Erc4626Pool
from chains.pools.pool import (
    AmountOutOfRange,
    Call,
    InsufficientLiquidity,
    Loading,
    MalformedState,
    PaysItsQuote,
    Piece,
    PoolFacts,
    Source,
    StaleState,
    Suspended,
    changed_by,
    require_own,
    sells_first,
)
from chains.pools.words import require_words, selector, topic, unsigned, word

BUFFERS_PAUSED = topic("VaultBuffersPausedStateChanged(bool)")
WRAPPED = topic("Wrap(address,uint256,uint256,bytes32)")
UNWRAPPED = topic("Unwrap(address,uint256,uint256,bytes32)")
ADDED = topic("LiquidityAddedToBuffer(address,uint256,uint256,bytes32)")
REMOVED = topic("LiquidityRemovedFromBuffer(address,uint256,uint256,bytes32)")
TOPICS = erc4626.TOPICS | {BUFFERS_PAUSED, WRAPPED, UNWRAPPED, ADDED, REMOVED}

_HALF_BITS = 128


@dataclass(frozen=True, slots=True)
class BalancerV3BufferPool(PaysItsQuote):
    """The `vault`'s buffer of `wrapper`, which holds `underlying` and `wrapped` of its own.

    It answers what the wrapper's previews say for one unit less in (or more out), and keeps one unit of that too.
    Nothing smaller than `minimum` passes. Source: balancer-v3-monorepo, Vault.erc4626BufferWrapOrUnwrap.
    """

    vault: Address
    wrapper: Erc4626Pool
    underlying: int
    wrapped: int
    minimum: int
    paused: bool = False

    family: ClassVar[str] = "balancer_v3_buffer"
    fee_ppm: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not all(0 <= balance < 1 << _HALF_BITS for balance in (self.underlying, self.wrapped)) or self.minimum < 2:
            raise MalformedState(f"buffer {self.venue} holds {self.underlying} and {self.wrapped}")

    @property
    def address(self) -> Address:
        """The wrapped token, which names the buffer in the vault."""
        return self.wrapper.address

    @property
    def tokens(self) -> tuple[Token, ...]:
        """What is wrapped, and the wrapped token."""
        return self.wrapper.tokens

    @property
    def venue(self) -> str:
        """Not the wrapper's address: that is a venue of its own."""
        return f"{self.vault}:{self.address}"

    @property
    def sources(self) -> tuple[Source, ...]:
        """The vault about this buffer and about all; the wrapper."""
        return Source(self.vault, word(int(self.address, 16))), Source(self.vault), Source(self.address)

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """Amount out in base units for exactly `amount_in`. Raises as the wrapper, and `Suspended`."""
        self._require_valid(amount_in)
        amount_out = self.wrapper.quote(token_in, amount_in - 1, token_out) - 1
        self._require_valid(amount_out)
        return amount_out

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """What the vault asks for exactly `amount_out`. Raises as `quote`."""
        self._require_valid(amount_out)
        amount_in = self.wrapper.quote_exact_out(token_out, amount_out + 1, token_in) + 1
        self._require_valid(amount_in)
        return amount_in

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> BalancerV3BufferPool:
        """The buffer after that swap, where it pays out of its own.

        Raises as `quote`, and `StaleState` where the vault calls the wrapper and levels the buffer out.
        """
        amount_out = self.quote(token_in, amount_in, token_out)
        wraps = sells_first(self.wrapper.tokens, token_in, token_out)
        if amount_out > (self.wrapped if wraps else self.underlying):
            raise StaleState(f"buffer {self.venue} is levelled out by a swap of {amount_in}; load it again after it")
        if wraps:
            return replace(self, underlying=self.underlying + amount_in, wrapped=self.wrapped - amount_out)
        return replace(self, underlying=self.underlying - amount_out, wrapped=self.wrapped + amount_in)

    def applied(self, log: Log) -> BalancerV3BufferPool:
        """The buffer after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`."""
        kind = log.topics[0] if log.topics else b""
        if kind in erc4626.TOPICS and log.address == self.address:
            return changed_by(log, self, wrapper=self.wrapper.applied(log))
        if kind == BUFFERS_PAUSED:
            require_own(log, self.vault, topics=1, data_words=1)
            return changed_by(log, self, paused=bool(unsigned(log.data)))
        if kind in (WRAPPED, UNWRAPPED, ADDED, REMOVED) and log.topics[1:2] == (word(int(self.address, 16)),):
            require_own(log, self.vault, topics=2, data_words=3)
            underlying, wrapped = _halves(unsigned(log.data, 2))
            return changed_by(log, self, underlying=underlying, wrapped=wrapped)
        return self

    def at(self, timestamp_s: int) -> BalancerV3BufferPool:
        """The buffer in another block: its wrapper has earned."""
        wrapper = self.wrapper.at(timestamp_s)
        return self if wrapper is self.wrapper else replace(self, wrapper=wrapper)

    @property
    def needs_reading(self) -> bool:
        return self.wrapper.needs_reading

    def refreshing(self) -> Loading:
        """The wrapper's round. What the buffer holds is told by events. Raises as the wrapper's."""
        wrapper = yield from self.wrapper.refreshing()
        assert isinstance(wrapper, Erc4626Pool)
        return replace(self, wrapper=wrapper)

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """As the wrapper's; 0.0 while buffers are paused."""
        price = self.wrapper.marginal_price(token_in, token_out)
        return 0.0 if self.paused else price

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """As the wrapper's, which the two units kept back only touch in dust."""
        pieces = self.wrapper.pieces(token_in, token_out)
        return () if self.paused else pieces

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """True wraps. Raises `UnknownToken`."""
        wraps = sells_first(self.wrapper.tokens, token_in, token_out)
        route = BalancerV3Route(Address(self.tokens[1 if wraps else 0].address), buffer=True)
        return Hop(HopKind.BALANCER_V3, self.address, wraps, 0, route)

    def _require_valid(self, amount: int) -> None:
        if self.paused:
            raise Suspended(f"the buffers of {self.vault} are paused")
        if amount < 0:
            raise InsufficientLiquidity(f"buffer {self.venue} pays less than nothing for this")
        if amount < self.minimum:
            raise AmountOutOfRange(f"buffer {self.venue} passes nothing smaller than {self.minimum}, such as {amount}")


def _halves(packed: int) -> tuple[int, int]:
    """The vault packs the underlying balance into the low half of a word, the wrapped one into the high half."""
    return packed & (1 << _HALF_BITS) - 1, packed >> _HALF_BITS


_BUFFER_BALANCE = selector("getBufferBalance(address)")
_MINIMUM_WRAP = selector("getMinimumWrapAmount()")
_ARE_PAUSED = selector("areBuffersPaused()")


def loading(facts: PoolFacts) -> Loading:
    """The wrapper's round, and one for the vault, which `facts.details["vault"]` names.

    `facts.address` is the wrapped token. Raises as the wrapper's loading.
    """
    wrapper = yield from erc4626.loading(facts)
    assert isinstance(wrapper, Erc4626Pool)
    if "vault" not in facts.details:
        raise MalformedState(f"the details of buffer {facts.address} do not name its vault")
    vault = address(str(facts.details["vault"]))
    own = word(int(facts.address, 16))
    held, minimum, paused = yield (
        Call(vault, _BUFFER_BALANCE + own),
        Call(vault, _MINIMUM_WRAP),
        Call(vault, _ARE_PAUSED),
    )
    require_words(held, 2, f"getBufferBalance() of {facts.address}")
    return BalancerV3BufferPool(
        vault,
        wrapper,
        unsigned(held),
        unsigned(held, 1),
        unsigned(require_words(minimum, 1, f"getMinimumWrapAmount() of {vault}")),
        bool(unsigned(require_words(paused, 1, f"areBuffersPaused() of {vault}"))),
    )
