"""Stable, meta-stable and composable stable pools of Balancer V2. State in, exact integers out; no I/O.

A composable pool also sells its own share; that is a join or an exit, charges fees due since the last one, and is not
quoted here: `tokens` are all but the share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.pools import balancer_stable_math as curve
from chains.pools import balancer_v2
from chains.pools.balancer_math import ONE, mul_down
from chains.pools.balancer_stable_math import AMP_PRECISION, MAX_AMP, Ramp, Rounding
from chains.pools.balancer_v2 import VaultPool, base_factor, shared_loading
from chains.pools.fitted import Point, fitted, grid_within
from chains.pools.pool import (
    Call,
    Loading,
    MalformedLog,
    MalformedState,
    Piece,
    PoolError,
    PoolFacts,
    StaleState,
    changed_by,
    positions,
    require_own,
)
from chains.pools.surface import StableSurface
from chains.pools.words import WORD, account, require_words, selector, topic, unsigned, word

AMP_STARTED = topic("AmpUpdateStarted(uint256,uint256,uint256,uint256)")
AMP_STOPPED = topic("AmpUpdateStopped(uint256)")
RATE_BY_TOKEN = topic("PriceRateCacheUpdated(address,uint256)")
PHANTOM_RATE_BY_TOKEN = topic("TokenRateCacheUpdated(address,uint256)")
RATE_BY_INDEX = topic("TokenRateCacheUpdated(uint256,uint256)")
TOPICS = balancer_v2.TOPICS | {AMP_STARTED, AMP_STOPPED, RATE_BY_TOKEN, PHANTOM_RATE_BY_TOKEN, RATE_BY_INDEX}

NO_SHARE = -1


class Rate(NamedTuple):
    """What a token is worth in its underlying, 18 decimals, as the pool keeps it until `expires_s` (0: for ever).

    The first swap after that fetches it anew and keeps it for `duration_s`.
    """

    value: int = ONE
    duration_s: int = 0
    expires_s: int = 0


@dataclass(frozen=True, slots=True)
class BalancerV2StablePool(VaultPool):
    """StableSwap over balances times `rates`. `amp` is in thousandths, as of the last `at`; it may be on a `ramp`.

    `share_place` is where a composable pool's own share stands among the vault's tokens. Where a kept rate has lapsed
    at `timestamp_s`, the next swap's rate is not known and every question is refused as `StaleState`.
    """

    rounding: Rounding
    amp: int
    rates: tuple[Rate, ...]
    share_place: int = NO_SHARE
    ramp: Ramp | None = None
    timestamp_s: int = 0

    family: ClassVar[str] = "balancer_v2_stable"

    def __post_init__(self) -> None:
        VaultPool.__post_init__(self)
        if not AMP_PRECISION <= self.amp <= MAX_AMP:
            raise MalformedState(f"pool {self.address} has an amplification of {self.amp} thousandths")
        if len(self.rates) != len(self.tokens) or any(rate.value <= 0 for rate in self.rates):
            raise MalformedState(f"pool {self.address} has rates {self.rates}, not one above 0 for each token")
        if not NO_SHARE <= self.share_place <= len(self.tokens):
            raise MalformedState(f"pool {self.address} has its share at place {self.share_place}")

    @property
    def variant(self) -> str:
        return "composable" if self.rounding is Rounding.COMPOSABLE else "legacy"

    def factors(self) -> tuple[int, ...]:
        pairs = zip(self.tokens, self.rates, strict=True)
        return tuple(mul_down(base_factor(token), rate.value) for token, rate in pairs)

    def at(self, timestamp_s: int) -> Self:
        """The pool in a block of that time: its amplification moves, its rates lapse."""
        lapsing = any(rate.expires_s for rate in self.rates)
        amp = self.ramp.at(timestamp_s) if self.ramp else self.amp
        if amp == self.amp and not lapsing:
            return self
        return replace(self, amp=amp, timestamp_s=timestamp_s if lapsing else self.timestamp_s)

    def require_open(self) -> None:
        VaultPool.require_open(self)
        for token, rate in zip(self.tokens, self.rates, strict=True):
            if self._lapsed(rate):
                raise StaleState(f"pool {self.address} fetches a new rate of {token} with its next swap")

    @property
    def needs_reading(self) -> bool:
        return any(map(self._lapsed, self.rates))

    def refreshing(self) -> Loading:
        """Two rounds: who provides the lapsed rates, and those rates, which the next swap fetches in this block."""
        (answer,) = yield (Call(self.address, _RATE_PROVIDERS),)
        providers = self._providers(answer)
        lapsed = [place for place, rate in enumerate(self.rates) if self._lapsed(rate)]
        answers = yield tuple(Call(providers[place], _RATE) for place in lapsed)
        rates = list(self.rates)
        for place, told in zip(lapsed, answers, strict=True):
            value = unsigned(require_words(told, 1, f"getRate() of {providers[place]}"))
            rates[place] = Rate(value, rates[place].duration_s, self.timestamp_s)
        return replace(self, rates=tuple(rates))

    def _lapsed(self, rate: Rate) -> bool:
        return rate.expires_s > 0 and self.timestamp_s > rate.expires_s

    def _providers(self, answer: bytes) -> tuple[Address, ...]:
        """Who provides each token's rate: the pool tells it of its share too. Raises `MalformedState`."""
        count = len(self.tokens) + (self.share_place != NO_SHARE)
        require_words(answer, 2 + count, f"getRateProviders() of {self.address}")
        if unsigned(answer) != WORD or unsigned(answer, 1) != count:
            raise MalformedState(f"getRateProviders() of {self.address} does not tell {count} of them")
        told = [place for place in range(count) if place != self.share_place]
        return tuple(account(answer, f"getRateProviders() of {self.address}", 2 + place) for place in told)

    def out_given_in(self, given: int, taken: int, amount_in: int) -> int:
        return curve.out_given_in(self.amp, self.scaled(), given, taken, amount_in, self.rounding)

    def in_given_out(self, given: int, taken: int, amount_out: int) -> int:
        return curve.in_given_out(self.amp, self.scaled(), given, taken, amount_out, self.rounding)

    def applied(self, log: Log) -> Self:
        """The pool after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`."""
        kind = log.topics[0] if log.topics else b""
        if log.address != self.address or kind not in TOPICS - balancer_v2.TOPICS:
            return VaultPool.applied(self, log)
        if kind == AMP_STARTED:
            require_own(log, self.address, topics=1, data_words=4)
            ramp = Ramp.of(log)
            return changed_by(log, self, ramp=ramp, amp=ramp.start)
        if kind == AMP_STOPPED:
            require_own(log, self.address, topics=1, data_words=1)
            return changed_by(log, self, ramp=None, amp=unsigned(log.data))
        require_own(log, self.address, topics=2, data_words=1)
        place = self._rated(log, by_index=kind == RATE_BY_INDEX)
        rates = list(self.rates)
        if place >= 0:
            kept_s = rates[place].duration_s
            expires_s = self.timestamp_s + kept_s if self.timestamp_s and kept_s else 0
            rates[place] = Rate(unsigned(log.data), kept_s, expires_s)
        return changed_by(log, self, rates=tuple(rates))

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """The curve up to twice the balance that is bought, within 1 % between the fitted points, mostly 10^-4."""
        given, taken = positions(self.tokens, token_in, token_out)
        try:
            self.require_open()
            balances = self.scaled()
            kept = curve.invariant(self.amp, balances, self.rounding)
            factors = self.factors()
            fee_kept = 1.0 - self.swap_fee / ONE

            def point_at(amount_in: float) -> Point:
                after = list(balances)
                after[given] += int(amount_in * fee_kept * factors[given] / ONE)
                after[taken] = curve.balance_for(self.amp, after, kept, taken, self.rounding)
                slopes = curve.gradient(self.amp, after, kept)
                rate = fee_kept * slopes[given] / slopes[taken] * factors[given] / factors[taken]
                return Point(amount_in, (balances[taken] - after[taken]) * ONE / factors[taken], rate)

            most = 2.0 * balances[taken] * ONE / factors[given] / fee_kept
            return fitted(point_at, most, grid_within(self.balances[given], most))
        except (PoolError, ArithmeticError):
            return ()

    def surface(self) -> StableSurface:
        """Raises `Suspended`, `EmptyPool`, `StaleState`."""
        self.require_open()
        amplification, units = self.amp * len(self.tokens) / AMP_PRECISION, tuple(each / ONE for each in self.factors())
        held, fee = tuple(map(float, self.scaled())), self.swap_fee / ONE
        return StableSurface(amplification, held, units, fee, stays=1.0, of_output=False)

    def _rated(self, log: Log, *, by_index: bool) -> int:
        """Whose rate `log` says; -1 for the share's."""
        if not by_index:
            return self._place(log, log.topics[1])
        index = unsigned(log.topics[1])
        if index == self.share_place:
            return -1
        place = index - 1 if NO_SHARE < self.share_place < index else index
        if place >= len(self.tokens):
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} rates a token at place {index}")
        return place


_RATE_PROVIDERS = selector("getRateProviders()")
_RATE = selector("getRate()")
_AMPLIFICATION = selector("getAmplificationParameter()")
_RAMP = selector("getAmplificationState()")
_SHARE_PLACE = selector("getBptIndex()")
_ACTUAL_SUPPLY = selector("getActualSupply()")
_FACTORS = selector("getScalingFactors()")
_META_RATE = selector("getPriceRateCache(address)")
_TOKEN_RATE = selector("getTokenRateCache(address)")
_CLOCK = Call(address("0xcA11bde05977b3631167028862bE2a173976CA11"), selector("getCurrentBlockTimestamp()"))
"""Multicall3 tells a block's time; where it is missing, rates are taken to be fresh until the first block."""


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in two rounds. `facts.tokens` are without a composable pool's share.

    Raises `StaleState` where the amplification is moving and the contract does not say where to.
    """
    at, count = facts.address, len(facts.tokens)
    own = tuple(Call(at, data) for data in (_AMPLIFICATION, _RAMP, _SHARE_PLACE, _ACTUAL_SUPPLY))
    caches = tuple(
        Call(at, question + word(int(token.address, 16)))
        for question in (_META_RATE, _TOKEN_RATE)
        for token in facts.tokens
    )
    state, answers = yield from shared_loading(facts, (*own, _CLOCK, *caches))
    amplification, ramp, share, actual_supply, clock, *kept = answers
    require_words(amplification, 3, f"getAmplificationParameter() of {at}")
    return BalancerV2StablePool(
        at,
        state.vault,
        state.pool_id,
        facts.tokens,
        state.balances,
        state.managed,
        state.swap_fee,
        state.paused,
        Rounding.COMPOSABLE if actual_supply else Rounding.LEGACY,
        unsigned(amplification),
        tuple(_rate(meta or cached) for meta, cached in zip(kept[:count], kept[count:], strict=True)),
        unsigned(share) if share else NO_SHARE,
        _ramp(at, ramp) if unsigned(amplification, 1) else None,
        unsigned(clock) if clock else 0,
    )


def _rate(cache: bytes) -> Rate:
    """A kept rate: (rate, duration, expires), newer contracts with the rate before it as their second word."""
    if not unsigned(cache):
        return Rate()
    return Rate(unsigned(cache), *(unsigned(cache, len(cache) // WORD - 2 + index) for index in range(2)))


def _ramp(contract: Address, answer: bytes) -> Ramp:
    if len(answer) < 4 * WORD:
        raise StaleState(f"the amplification of {contract} is moving, and it does not say where to")
    return Ramp(*(unsigned(answer, index) for index in range(4)))
