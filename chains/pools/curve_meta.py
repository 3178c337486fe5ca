"""Curve meta pools: a coin against the LP token of another Curve pool. State in, exact integers out; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from chains.assets import Address, Token
from chains.blocks import Log
from chains.hops import CurveRoute, Hop, HopKind
from chains.pools import stable_events as events
from chains.pools.curve_stable import CurveStablePool
from chains.pools.fitted import Point, fitted
from chains.pools.least import least_input
from chains.pools.pool import (
    AmountOutOfRange,
    Call,
    Loading,
    MalformedLog,
    MalformedState,
    Piece,
    PoolError,
    Source,
    positions,
)
from chains.pools.stable_swap import FEE_DENOMINATOR, PRECISION, received, scaled, solved
from chains.pools.surface import StableSurface
from chains.pools.words import WORD, selector, unsigned

BASE_CACHE_S = 600
"""How long a caching meta pool keeps the base pool's virtual price."""

COIN, LP = 0, 1
"""Where the pool's own two tokens stand."""

_SLOPE = 2.0**-20
_MOVING = events.Exchange | events.Liquidity | events.OneSided

_BASE_VIRTUAL_PRICE, _BASE_CACHE_UPDATED = selector("base_virtual_price()"), selector("base_cache_updated()")


@dataclass(frozen=True, slots=True)
class PriceCache:
    """The base pool's virtual price (10^-18) as the pool last stored it. RAI's pool does not store it on deposits."""

    virtual_price: int
    updated_s: int
    deposits_store: bool = True


def cache_calls(pool: Address) -> tuple[Call, ...]:
    """What to ask a meta pool for its cached price."""
    return Call(pool, _BASE_VIRTUAL_PRICE), Call(pool, _BASE_CACHE_UPDATED)


def cache_told(answers: Sequence[bytes], *, deposits_store: bool) -> PriceCache | None:
    """The answers to `cache_calls`; None from a pool that keeps no price."""
    if any(len(answer) != WORD for answer in answers):
        return None
    price, updated_s = map(unsigned, answers)
    return PriceCache(price, updated_s, deposits_store)


@dataclass(frozen=True, slots=True)
class CurveMetaPool:
    """A StableSwap pool whose second coin counts by the base pool's virtual price.

    `own` is the pool as such; its second rate is set from `cache`, or from `base` where there is none or it is older
    than ten minutes. Beside its `tokens`, the pool swaps its coin, and the base pool's coins, for the base pool's
    coins: `underlying`. Those swaps go through `base`, which they change, and are not in the market on their own.
    Source: curve-contract, SwapTemplateMeta and StableSwapRAI.
    """

    own: CurveStablePool
    base: CurveStablePool
    cache: PriceCache | None = None
    before: tuple[str, CurveStablePool] | None = None

    family: ClassVar[str] = "curve_meta"

    def __post_init__(self) -> None:
        if len(self.own.tokens) != 2 or set(self.own.tokens) & set(self.base.tokens):
            raise MalformedState(f"pool {self.address} is no meta pool over {self.base.address}")
        if self.base.offpeg_multiplier:
            raise MalformedState(f"pool {self.address} deposits in {self.base.address}, whose fee on that is not known")

    @property
    def address(self) -> Address:
        return self.own.address

    @property
    def venue(self) -> str:
        return self.own.address

    @property
    def sources(self) -> tuple[Source, ...]:
        return *self.own.sources, *self.base.sources

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self.own.tokens

    @property
    def underlying(self) -> tuple[Token, ...]:
        """What `exchange_underlying` swaps, by its positions."""
        return self.own.tokens[COIN], *self.base.tokens

    @property
    def variant(self) -> str:
        """Its own generation, whether it keeps the base pool's price, and that pool's variant."""
        return f"{self.own.variant}{' caching' if self.cache else ''} over {self.base.variant}"

    @property
    def fee_ppm(self) -> int:
        return self.own.fee_ppm

    def at(self, timestamp_s: int) -> CurveMetaPool:
        """The pool in a block of that time: the cached price lapses, amplifications and rates move."""
        own, base = self.own.at(timestamp_s), self.base.at(timestamp_s)
        if self.cache is not None and self._lapsed(timestamp_s):
            own = replace(own, timestamp_s=timestamp_s)
        return self if own is self.own and base is self.base else replace(self, own=own, base=base)

    @property
    def needs_reading(self) -> bool:
        return self.own.needs_reading or self.base.needs_reading

    def refreshing(self) -> Loading:
        """Of the pool and of its base pool what has lapsed, each in a round; with the pool's rates its cached price."""
        own, base, cache = self.own, self.base, self.cache
        if base.needs_reading:
            base = yield from base.refreshing()
        if own.needs_reading:
            own = yield from own.refreshing()
            if cache is not None:
                cache = cache_told((yield cache_calls(self.address)), deposits_store=cache.deposits_store)
        return replace(self, own=own, base=base, cache=cache, before=None)

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `get_dy` answers, and between underlying tokens `get_dy_underlying`, which only estimates: `paid`.

        Raises as `CurveStablePool.quote`.
        """
        if self._direct(token_in, token_out):
            return self._priced().quote(token_in, amount_in, token_out)
        return self._get_dy_underlying(*positions(self.underlying, token_in, token_out), amount_in)

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `exchange` or `exchange_underlying` pays. Raises as `quote`."""
        return self._after(token_in, amount_in, token_out)[1]

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The least amount in that `quote` answers with at least `amount_out`. Raises as `quote`."""
        if self._direct(token_out, token_in):
            return self._priced().quote_exact_out(token_out, amount_out, token_in)
        index_out, index_in = positions(self.underlying, token_out, token_in)
        guess = amount_out * 10**token_in.decimals // 10**token_out.decimals if token_in else 1
        return least_input(lambda amount: self._get_dy_underlying(index_in, index_out, amount), amount_out, guess)

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> CurveMetaPool:
        """The pool, and its base pool, after that swap. Raises as `quote`."""
        return self._after(token_in, amount_in, token_out)[0]

    def applied(self, log: Log) -> CurveMetaPool:
        """The pool after a log of its own or of its base pool. Raises as `CurveStablePool.applied`.

        What moves the balances of a pool that is to be read again anyway is left to that reading.
        """
        if log.address == self.base.address:
            base = self.base.applied(log)
            return self if base is self.base else replace(self, base=base, before=(log.tx_hash, self.base))
        event = events.read(log, self.address, len(self.tokens))
        if self.own.needs_reading:
            own = self.own if isinstance(event, _MOVING) else self.own.applied(log)
            return self if own is self.own else replace(self, own=own)
        if isinstance(event, events.Exchange) and event.underlying:
            return self._exchanged_underlying(log, event)
        priced = self._priced()
        own = priced.applied(log)
        if own is priced:
            return self
        stores = isinstance(event, events.Exchange | events.OneSided)
        deposits = isinstance(event, events.Liquidity) and not event.in_proportion
        if self.cache is not None and (stores or (deposits and self.cache.deposits_store)):
            return self._stored(own)
        return replace(self, own=own)

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after fees; 0.0 where the pool is empty or its rates are old."""
        pieces = self.pieces(token_in, token_out)
        return pieces[0].rate if pieces else 0.0

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """Pieces fitted to the curve; between underlying tokens to real payments, up to what the pool itself holds."""
        try:
            if self._direct(token_in, token_out):
                return self._priced().pieces(token_in, token_out)
            index_in, index_out = positions(self.underlying, token_in, token_out)
            if index_in == COIN:
                most = float(self.own.balances[COIN])
            elif index_out == COIN:
                most = self.own.balances[LP] * 10.0**token_in.decimals / PRECISION
            else:
                most = float(self.base.balances[index_in - 1])
            return fitted(lambda amount: self._point(token_in, amount, token_out, most), most)
        except PoolError:
            return ()

    def surface(self) -> StableSurface:
        """That of its own two tokens. Raises as `CurveStablePool.surface`."""
        return self._priced().surface()

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        direct = self._direct(token_in, token_out)
        tokens = self.tokens if direct else self.underlying
        index_in, index_out = positions(tokens, token_in, token_out)
        route = CurveRoute(Address(tokens[index_out].address), index_in, index_out, underlying=not direct)
        return Hop(HopKind.CURVE, self.address, False, self.fee_ppm, route)

    def _direct(self, one: Token, other: Token | None) -> bool:
        """Whether both are the pool's own tokens."""
        return one in self.tokens and (other is None or other in self.tokens)

    def _lapsed(self, timestamp_s: int) -> bool:
        return self.cache is None or timestamp_s > self.cache.updated_s + BASE_CACHE_S

    def _price(self, base: CurveStablePool) -> int:
        """The virtual price that counts now, were `base` the base pool."""
        if self.cache is None or self._lapsed(self.own.timestamp_s):
            return base.reserves().virtual_price()
        return self.cache.virtual_price

    def _priced(self, base: CurveStablePool | None = None) -> CurveStablePool:
        """The own pool with its second rate as it is now."""
        return replace(self.own, rates=(self.own.rates[COIN], self._price(base or self.base)))

    def _stored(self, own: CurveStablePool) -> CurveMetaPool:
        """After an act that stores the price it used, which is `own`'s second rate."""
        if self.cache is None or not self._lapsed(own.timestamp_s):
            return replace(self, own=own)
        cache = replace(self.cache, virtual_price=own.rates[LP], updated_s=own.timestamp_s)
        return replace(self, own=own, cache=cache)

    def _after(self, token_in: Token, amount_in: int, token_out: Token | None) -> tuple[CurveMetaPool, int]:
        """After a swap, and what it pays."""
        own = self._priced()
        if self._direct(token_in, token_out):
            paid = own.paid(token_in, amount_in, token_out)
            return self._stored(own.swapped(token_in, amount_in, token_out)), paid
        index_in, index_out = positions(self.underlying, token_in, token_out)
        coin, lp = own.tokens
        if index_in != COIN and index_out != COIN:
            tokens = self.base.tokens[index_in - 1], self.base.tokens[index_out - 1]
            paid = self.base.paid(tokens[0], amount_in, tokens[1])
            after = replace(self, base=self.base.swapped(tokens[0], amount_in, tokens[1]))
            return after._stored(own), paid
        if index_in != COIN:
            reserves, minted = self.base.reserves().deposited(index_in - 1, amount_in)
            after = replace(self, base=self.base.with_reserves(reserves))
            return after._stored(own.swapped(lp, minted, coin)), own.paid(lp, minted, coin)
        bought = own.paid(coin, amount_in, lp)
        reserves, paid = self.base.reserves().withdrawn(index_out - 1, bought)
        after = replace(self, base=self.base.with_reserves(reserves))
        return after._stored(own.swapped(coin, amount_in, lp)), paid

    def _get_dy_underlying(self, index_in: int, index_out: int, amount_in: int) -> int:
        """As the contract's view of that name, which takes half the base pool's fee for what deposits really cost."""
        if index_in != COIN and index_out != COIN:
            return self.base.get_dy(index_in - 1, index_out - 1, amount_in)
        own, base = self._priced(), self.base.reserves()
        xp = scaled(own.balances, own.rates)
        bought, sold = (COIN, LP) if index_in != COIN else (LP, COIN)
        if index_in == COIN:
            after = received(xp, COIN, amount_in, own.rates[COIN])
        else:
            received(xp, LP, amount_in, PRECISION)
            worth = base.tokens_for(index_in - 1, amount_in) * own.rates[LP] // PRECISION
            after = list(xp)
            after[LP] += worth - worth * base.fee // (2 * FEE_DENOMINATOR)
        d = own.invariant()
        left = xp[bought] - solved(own.rules, own.amp, after, bought, d) - 1
        if left < 0:
            raise AmountOutOfRange(f"{amount_in} base units in position {sold} are too little for pool {self.address}")
        out = (left - own.fee * left // FEE_DENOMINATOR) * PRECISION // own.rates[bought]
        return out if index_out == COIN else base.withdrawn(index_out - 1, out)[1]

    def _exchanged_underlying(self, log: Log, event: events.Exchange) -> CurveMetaPool:
        """After a swap through the base pool, whose own log of the same transaction came just before."""
        if (
            self.before is None
            or self.before[0] != log.tx_hash
            or max(event.sold, event.bought) > len(self.base.tokens)
        ):
            raise MalformedLog(
                f"log {log.log_index} of block {log.block_number} of pool {self.address} went through its base pool, "
                f"but no log of {self.base.address} came before it"
            )
        held = self.before[1]
        own, minted = self._priced(held), self.base.lp_supply - held.lp_supply
        coin, lp = own.tokens
        if event.sold == COIN:
            paid, expected = own.paid(coin, event.amount_in, lp), -minted
            own = own.swapped(coin, event.amount_in, lp)
        elif event.bought == COIN:
            paid, expected = own.paid(lp, minted, coin), event.amount_out
            own = own.swapped(lp, minted, coin)
        else:
            return self._stored(own)
        if paid != expected:
            raise MalformedLog(
                f"log {log.log_index} of block {log.block_number}: pool {self.address} gave {expected}; "
                f"by its known state it gives {paid}"
            )
        return self._stored(own)

    def _point(self, token_in: Token, amount: float, token_out: Token | None, most: float) -> Point:
        step = max(int(most * _SLOPE), 1)
        here = self.paid(token_in, int(amount), token_out) if amount >= 1.0 else 0
        return Point(amount, float(here), (self.paid(token_in, int(amount) + step, token_out) - here) / step)
