"""Stable pools of Balancer V3, with or without the surge of fees that its own hook adds. State in, integers out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from chains.assets import Address, Token
from chains.blocks import Log
from chains.pools import balancer_stable_math as curve
from chains.pools import balancer_v3
from chains.pools.balancer_math import ONE, complement, div_down, mul_down
from chains.pools.balancer_stable_math import Ramp, Rounding
from chains.pools.balancer_v3 import Scaled, VaultPool, shared_loading
from chains.pools.fitted import GRID, Point, fitted, grid_within
from chains.pools.pool import (
    Call,
    HookedPool,
    InsufficientLiquidity,
    Loading,
    MalformedState,
    Piece,
    PoolError,
    PoolFacts,
    Source,
    changed_by,
    positions,
    require_own,
)
from chains.pools.surface import StableSurface
from chains.pools.words import require_words, selector, topic, unsigned, word

AMP_STARTED = topic("AmpUpdateStarted(uint256,uint256,uint256,uint256)")
AMP_STOPPED = topic("AmpUpdateStopped(uint256)")
THRESHOLD_CHANGED = topic("ThresholdSurgePercentageChanged(address,uint256)")
MAX_SURGE_CHANGED = topic("MaxSurgeFeePercentageChanged(address,uint256)")
TOPICS = balancer_v3.TOPICS | {AMP_STARTED, AMP_STOPPED, THRESHOLD_CHANGED, MAX_SURGE_CHANGED}

MAX_IMBALANCE = 10_000
"""How many times its smallest balance a pool's largest may be; older pools do not check, and nobody trades there."""

_STEP = 1e-6
_PROBE = 1e-9
_HALVINGS = 50


class Surge(NamedTuple):
    """The StableSurge `hook`: above `threshold` of imbalance the fee grows towards `maximum`. 18 decimals both.

    Source: balancer-v3-monorepo, pool-hooks, StableSurgeHook.
    """

    hook: Address
    threshold: int
    maximum: int


@dataclass(frozen=True, slots=True)
class BalancerV3StablePool(VaultPool):
    """StableSwap over live balances. `amp` is in thousandths, as of the last `at`; it may be on a `ramp`."""

    amp: int
    ramp: Ramp | None = None
    surge: Surge | None = None

    family: ClassVar[str] = "balancer_v3_stable"

    def __post_init__(self) -> None:
        VaultPool.__post_init__(self)
        if not curve.AMP_PRECISION <= self.amp <= curve.MAX_V3_AMP:
            raise MalformedState(f"pool {self.address} has an amplification of {self.amp} thousandths")
        if self.surge and not (0 <= self.surge.threshold < ONE and 0 <= self.surge.maximum < ONE):
            raise MalformedState(f"pool {self.address} surges beyond its range: {self.surge}")

    @property
    def sources(self) -> tuple[Source, ...]:
        """As every pool of the vault, the pool's own contract, and its hook about it."""
        hook = (Source(self.surge.hook, word(int(self.address, 16))),) if self.surge else ()
        return (Source(self.vault, word(int(self.address, 16))), Source(self.vault), Source(self.address), *hook)

    def at(self, timestamp_s: int) -> Self:
        """The pool in a block of that time: its amplification moves, and floating rates are no longer known."""
        amp = self.ramp.at(timestamp_s) if self.ramp else self.amp
        stale = self.stale or self.floating
        return self if (amp, stale) == (self.amp, self.stale) else replace(self, amp=amp, stale=stale)

    def on_swap(self, swap: Scaled) -> int:
        live = self.live()
        solve = curve.out_given_in if swap.exact_in else curve.in_given_out
        calculated = solve(self.amp, live, swap.given, swap.taken, swap.amount, Rounding.V3)
        after = _after(live, swap, calculated)
        if min(after) <= 0 or max(*after, *live) // min(*after, *live) >= MAX_IMBALANCE:
            raise InsufficientLiquidity(f"pool {self.address} would be out of balance: {after}")
        return calculated

    def fee_of(self, swap: Scaled) -> int:
        """The static fee; with a surge, more where the swap unbalances the pool beyond the threshold."""
        if self.surge is None or self.surge.maximum < self.swap_fee:
            return self.swap_fee
        live = self.live()
        imbalance = _imbalance(_after(live, swap, self.on_swap(swap)))
        if not imbalance or imbalance <= max(_imbalance(live), self.surge.threshold):
            return self.swap_fee
        excess = div_down(imbalance - self.surge.threshold, complement(self.surge.threshold))
        return self.swap_fee + mul_down(self.surge.maximum - self.swap_fee, excess)

    def applied(self, log: Log) -> Self:
        """The pool after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`."""
        kind = log.topics[0] if log.topics else b""
        if kind == AMP_STARTED and log.address == self.address:
            require_own(log, self.address, topics=1, data_words=4)
            ramp = Ramp.of(log)
            return changed_by(log, self, ramp=ramp, amp=ramp.start)
        if kind == AMP_STOPPED and log.address == self.address:
            require_own(log, self.address, topics=1, data_words=1)
            return changed_by(log, self, ramp=None, amp=unsigned(log.data))
        if kind in (THRESHOLD_CHANGED, MAX_SURGE_CHANGED) and self.surge and log.address == self.surge.hook:
            require_own(log, self.surge.hook, topics=2, data_words=1)
            if log.topics[1] != word(int(self.address, 16)):
                return self
            value = unsigned(log.data)
            is_threshold = kind == THRESHOLD_CHANGED
            surge = self.surge._replace(threshold=value) if is_threshold else self.surge._replace(maximum=value)
            return changed_by(log, self, surge=surge)
        return VaultPool.applied(self, log)

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """The curve up to twice the balance that is bought, within 1 % between the fitted points, mostly 10^-4.

        With a surge, up to where it sets in; where it does so at once, its growing fee within 5 %, to where it ends.
        """
        given, taken = positions(self.tokens, token_in, token_out)
        try:
            self.require_open()
            curve_in = _Curve(self, given, taken)
            most = 2.0 * curve_in.live[taken] / self.scale(given)
            surging = self.surge is not None and curve_in.surges(most * _PROBE)
            if self.surge:
                most = curve_in.unchanged(most, surging)
            grid = grid_within(curve_in.live[given] / self.scale(given), most)
            return fitted(curve_in.surging_point if surging else curve_in.calm_point, most, grid)
        except (PoolError, ArithmeticError):
            return ()

    def surface(self) -> StableSurface:
        """A surge only adds to the fee. Raises `Suspended`, `EmptyPool`, `StaleState`."""
        self.require_open()
        amplification = self.amp * len(self.tokens) / curve.AMP_PRECISION
        held, units = tuple(map(float, self.live())), tuple(map(self.scale, range(len(self.tokens))))
        stays = 1.0 - self.aggregate_fee / ONE
        return StableSurface(amplification, held, units, self.swap_fee / ONE, stays, of_output=False)


class _Curve:
    """One direction of a pool in floats."""

    def __init__(self, pool: BalancerV3StablePool, given: int, taken: int) -> None:
        self.pool, self.given, self.taken = pool, given, taken
        self.live = pool.live()
        self.kept = curve.invariant(pool.amp, self.live, Rounding.V3)
        self.scale_in, self.scale_out = pool.scale(given), pool.scale(taken)

    def surges(self, amount_in: float) -> bool:
        """Whether selling this much pays more than the static fee."""
        return self._fee(amount_in) != self.pool.swap_fee

    def unchanged(self, most: float, surging: bool) -> float:
        """How much may be sold, up to `most`, before a surge begins or, where it has already, ends."""
        low = 0.0
        for high in (fraction * most for fraction in GRID):
            if self.surges(high) != surging:
                break
            low = high
        else:
            return most
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if self.surges(middle) != surging else (middle, high)
        return low

    def calm_point(self, amount_in: float) -> Point:
        """A point of the curve at the static fee."""
        kept = 1.0 - self.pool.swap_fee / ONE
        after = self._after(amount_in, kept)
        slopes = curve.gradient(self.pool.amp, after, self.kept)
        rate = kept * slopes[self.given] / slopes[self.taken] * self.scale_in / self.scale_out
        return Point(amount_in, (self.live[self.taken] - after[self.taken]) / self.scale_out, rate)

    def surging_point(self, amount_in: float) -> Point:
        """A point of the curve at the fee the hook asks there, its rate by a small step."""
        amount_in = max(amount_in, 1.0 / self.scale_in * ONE * _STEP)
        out, further = (self._surging_out(amount) for amount in (amount_in, amount_in * (1.0 + _STEP)))
        return Point(amount_in, out, max(further - out, 0.0) / (amount_in * _STEP))

    def _surging_out(self, amount_in: float) -> float:
        after = self._after(amount_in, 1.0 - self._fee(amount_in) / ONE)
        return (self.live[self.taken] - after[self.taken]) / self.scale_out

    def _fee(self, amount_in: float) -> int:
        try:
            return self.pool.fee_of(Scaled(self.given, self.taken, int(amount_in * self.scale_in), exact_in=True))
        except PoolError:
            return ONE

    def _after(self, amount_in: float, kept: float) -> list[int]:
        after = list(self.live)
        after[self.given] += int(amount_in * self.scale_in * kept)
        after[self.taken] = curve.balance_for(self.pool.amp, after, self.kept, self.taken, Rounding.V3)
        return after


def _after(live: list[int], swap: Scaled, calculated: int) -> list[int]:
    """Live balances after a swap, the fee left aside."""
    amount_in, amount_out = (swap.amount, calculated) if swap.exact_in else (calculated, swap.amount)
    after = list(live)
    after[swap.given] += amount_in
    after[swap.taken] -= amount_out
    return after


def _imbalance(balances: list[int]) -> int:
    """How far the balances are from their median, by their sum; 18 decimals."""
    ordered, middle = sorted(balances), len(balances) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2
    return div_down(sum(abs(balance - median) for balance in balances), sum(balances))


_AMPLIFICATION = selector("getAmplificationParameter()")
_RAMP = selector("getAmplificationState()")
_THRESHOLD = selector("getSurgeThresholdPercentage(address)")
_MAX_SURGE = selector("getMaxSurgeFeePercentage(address)")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in two rounds, one more with a surge.

    A hook that sets fees is taken for StableSurge only where `facts.details["surge_hook"]` is its address; another
    one is refused as `HookedPool`.
    """
    at = facts.address
    state, (amplification, ramp) = yield from shared_loading(facts, (Call(at, _AMPLIFICATION), Call(at, _RAMP)))
    require_words(amplification, 3, f"getAmplificationParameter() of {at}")
    require_words(ramp, 4, f"getAmplificationState() of {at}")
    surge = None
    if state.fee_hook:
        if state.fee_hook != facts.details.get("surge_hook"):
            raise HookedPool(f"the fees of pool {at} are set by a hook, {state.fee_hook}")
        asked = word(int(at, 16))
        answers = yield tuple(Call(state.fee_hook, question + asked) for question in (_THRESHOLD, _MAX_SURGE))
        threshold, maximum = (unsigned(require_words(found, 1, f"the surge of {at}")) for found in answers)
        surge = Surge(state.fee_hook, threshold, maximum)
    return BalancerV3StablePool(
        at,
        state.vault,
        facts.tokens,
        state.balances,
        state.rates,
        state.swap_fee,
        state.aggregate_fee,
        state.paused,
        state.vault_paused,
        state.floating,
        False,
        unsigned(amplification),
        Ramp(*(unsigned(ramp, index) for index in range(4))) if unsigned(amplification, 1) else None,
        surge,
    )
