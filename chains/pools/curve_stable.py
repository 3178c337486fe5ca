"""Curve StableSwap pools: plain, with rates of their own, and NG. State in, exact integers out; no I/O."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from chains.assets import Address, Token
from chains.blocks import Log
from chains.hops import CurveRoute, Hop, HopKind
from chains.pools import stable_events as events
from chains.pools.curve_rates import CLOCK, TOTAL_SUPPLY, RateAsking, balance_calls, balances_told
from chains.pools.fitted import Point, bridged, fitted
from chains.pools.least import least_input
from chains.pools.pool import (
    AmountOutOfRange,
    Call,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    OwnContract,
    Piece,
    PoolError,
    StaleState,
    changed_by,
    positions,
)
from chains.pools.stable_liquidity import Reserves
from chains.pools.stable_swap import (
    FEE_DENOMINATOR,
    MAX_COINS,
    PRECISION,
    RULES,
    Amplification,
    StableRules,
    dynamic_fee,
    invariant,
    marginal,
    name_of,
    received,
    scaled,
    solved,
)
from chains.pools.surface import StableSurface
from chains.pools.words import require_words, unsigned

FEE_UNITS_PER_PPM = 10**4
MAX_FEE = 5 * 10**9
"""The most that a fee can grow to off the peg, in 10^-10."""

_LEFT = (
    *(1.0 - 2.0**-n for n in range(14, 1, -1)),
    *(n / 100 for n in (65, 55, 47, 40, 34, 28, 23, 19, 15, 12, 9, 7, 5, 4, 3, 2, 1)),
)
"""Where the curve is looked at, by the part of the balance bought from that is left: densest where it bends."""


class Exchanged(NamedTuple):
    """What `exchange` pays, and what it then takes out for the administrator; base units of the token bought."""

    paid: int
    admin_fee: int


@dataclass(frozen=True, slots=True)
class CurveStablePool(OwnContract):
    """A · n^n · Σx + D = A · D · n^n + D^(n+1) / (n^n · Πx), with a fee on what comes out.

    `balances` are in base units, ordered as `tokens`, and leave out what belongs to the administrator. `rates` bring
    them to 18 decimals: 10^(36 - decimals), times what one token is worth over 10^18 where the pool asks an oracle or
    a lending market. Such rates hold only at `rates_at_s`; None says that they never change. `asking` tells whom the
    pool asks for them, and `viewed_by` are the rates of its view where they are others. `fee`, `admin_fee` and
    `offpeg_multiplier` are in 10^-10. `lp_supply` is needed to follow one-sided withdrawals, and by meta pools.
    Source: curve-contract, StableSwap3Pool and SwapTemplateBase; stableswap-ng, CurveStableSwapNG.
    """

    address: Address
    tokens: tuple[Token, ...]
    balances: tuple[int, ...]
    rates: tuple[int, ...]
    amplification: Amplification
    fee: int
    admin_fee: int
    rules: StableRules
    timestamp_s: int
    lp_supply: int = 0
    offpeg_multiplier: int = 0
    rates_at_s: int | None = None
    asking: RateAsking | None = None
    viewed_by: tuple[int, ...] = ()

    family: ClassVar[str] = "curve_stable"

    def __post_init__(self) -> None:
        if not 2 <= len(self.tokens) <= MAX_COINS or len(set(self.tokens)) != len(self.tokens):
            raise MalformedState(f"pool {self.address} cannot hold {', '.join(map(str, self.tokens))}")
        if not len(self.tokens) == len(self.balances) == len(self.rates):
            raise MalformedState(f"pool {self.address} has {len(self.balances)} balances and {len(self.rates)} rates")
        if min(*self.balances, self.lp_supply) < 0 or min(self.rates) <= 0:
            raise MalformedState(f"pool {self.address} has balances {self.balances} and rates {self.rates}")
        if self.viewed_by and (len(self.viewed_by) != len(self.tokens) or min(self.viewed_by) <= 0):
            raise MalformedState(f"pool {self.address} has rates {self.viewed_by} for its view")
        if not (0 <= self.fee < FEE_DENOMINATOR and 0 <= self.admin_fee <= FEE_DENOMINATOR):
            raise MalformedState(f"pool {self.address} has a fee of {self.fee} and {self.admin_fee} of it")
        if not 0 <= self.offpeg_multiplier * self.fee <= MAX_FEE * FEE_DENOMINATOR:
            raise MalformedState(f"pool {self.address} multiplies a fee of {self.fee} by {self.offpeg_multiplier}")

    @property
    def variant(self) -> str:
        """The generation, and after it where its rates come from if they move."""
        ng = self.offpeg_multiplier and self.rules == RULES["factory"]
        kind = "ng" if ng else name_of(self.rules)
        if self.asking is None:
            return kind if self.rates_at_s is None else f"{kind} with rates"
        return f"{kind} {self.asking.source}"

    @property
    def fee_ppm(self) -> int:
        return self.fee // FEE_UNITS_PER_PPM

    @property
    def amp(self) -> int:
        """A in the contract's units, now."""
        return self.amplification.at(self.timestamp_s)

    def at(self, timestamp_s: int) -> CurveStablePool:
        """The pool in a block of that time: its amplification moves, and rates of another time are not its own."""
        if self.rates_at_s is None and not self.amplification.moves_after(self.timestamp_s):
            return self
        return replace(self, timestamp_s=timestamp_s)

    @property
    def needs_reading(self) -> bool:
        return self.asking is not None and not self._fresh

    def refreshing(self) -> Generator[tuple[Call, ...], tuple[bytes, ...], CurveStablePool]:
        """One round: the rates, the balances and the LP tokens. Raises `MalformedState`."""
        if self.asking is None:
            return self
        pool, coins = self.address, len(self.tokens)
        rated = self.asking.calls(pool, self.tokens)
        answers = yield (*rated, *balance_calls(pool, coins), Call(self.asking.lp_token, TOTAL_SUPPLY), CLOCK)
        paid_by, viewed_by = self.asking.rates(pool, answers[: len(rated)])
        balances = balances_told(pool, coins, answers[len(rated) :])
        supply, now = (unsigned(require_words(told, 1, f"the LP supply and time of {pool}")) for told in answers[-2:])
        return replace(
            self,
            balances=balances,
            rates=paid_by,
            viewed_by=viewed_by,
            lp_supply=supply,
            timestamp_s=now,
            rates_at_s=now,
        )

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `get_dy` answers. An old pool's `exchange` may pay one unit less: `paid`.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`, `InsufficientLiquidity`, `StaleState`.
        """
        index_in, index_out = positions(self.tokens, token_in, token_out)
        return self.get_dy(index_in, index_out, amount_in)

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `exchange` pays. Raises as `quote`."""
        return self.exchanged(*positions(self.tokens, token_in, token_out), amount_in).paid

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The least amount in that `get_dy` answers with at least `amount_out`. Raises as `quote`."""
        index_out, index_in = positions(self.tokens, token_out, token_in)
        if amount_out >= self.balances[index_out]:
            raise InsufficientLiquidity(f"pool {self.address} holds {self.balances[index_out]} of {token_out}")
        guess = self._without_rounding(index_in, index_out, amount_out)
        return least_input(lambda amount: self.get_dy(index_in, index_out, amount), amount_out, guess)

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> CurveStablePool:
        """The pool after `exchange`. Raises as `quote`."""
        return self._after(*positions(self.tokens, token_in, token_out), amount_in)[0]

    def get_dy(self, index_in: int, index_out: int, amount_in: int) -> int:
        """As the contract's view of that name. Raises as `quote`."""
        rules, rates = self.rules, self.viewed_by or self.rates
        rate, (left, fee, _) = rates[index_out], self._solved(index_in, index_out, amount_in, rates, rules.view_spare)
        if rules.view_converts_first:
            out = left * PRECISION // rate
            return out - fee * out // FEE_DENOMINATOR
        return (left - fee * left // FEE_DENOMINATOR) * PRECISION // rate

    def exchanged(self, index_in: int, index_out: int, amount_in: int) -> Exchanged:
        """As the contract's `exchange`. Raises as `quote`."""
        left, fee, _ = self._solved(index_in, index_out, amount_in, self.rates, self.rules.spare)
        taken = left * fee // FEE_DENOMINATOR
        rate = self.rates[index_out]
        admin = taken * self.admin_fee // FEE_DENOMINATOR * PRECISION // rate
        return Exchanged((left - taken) * PRECISION // rate, admin)

    def applied(self, log: Log) -> CurveStablePool:
        """The pool after `log`. Unknown topics leave it unchanged.

        Raises `MalformedLog`, also where the event does not follow from the state that was known before it, and
        `StaleState` where it does not tell which coin was withdrawn.
        """
        event = events.read(log, self.address, len(self.tokens))
        match event:
            case None:
                return self
            case events.Exchange() | events.Liquidity() | events.OneSided() if self.needs_reading:
                return self
            case events.Exchange():
                return self._exchanged(log, event)
            case events.Liquidity(amounts, fees, lp_supply, _):
                kept = [fee * self.admin_fee // FEE_DENOMINATOR for fee in fees]
                balances = tuple(map(lambda old, in_, fee: old + in_ - fee, self.balances, amounts, kept))
                return changed_by(log, self, balances=balances, lp_supply=lp_supply)
            case events.OneSided():
                return self._withdrawn(log, event)
            case events.Fees(fee, admin_fee):
                return changed_by(log, self, fee=fee, admin_fee=self.admin_fee if admin_fee is None else admin_fee)
            case events.OffpegFees(fee, multiplier, admin_fee):
                admin_fee = self.admin_fee if admin_fee is None else admin_fee
                return changed_by(log, self, fee=fee, offpeg_multiplier=multiplier, admin_fee=admin_fee)
            case events.Parameters(amp, fee, admin_fee):
                course = Amplification(amp, amp)
                return changed_by(log, self, amplification=course, fee=fee, admin_fee=admin_fee)
            case events.Ramp(initial, future, start_s, end_s):
                return changed_by(log, self, amplification=Amplification(initial, future, start_s, end_s))

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after the fee; 0.0 where the pool has no curve or its rates are old."""
        index_in, index_out = positions(self.tokens, token_in, token_out)
        if not self._fresh:
            return 0.0
        xp = scaled(self.balances, self.rates)
        try:
            return self._rate(xp, invariant(self.rules, self.amp, xp), index_in, index_out)
        except PoolError:
            return 0.0

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """Pieces fitted to the curve until a hundredth of the pool's other balance is left."""
        index_in, index_out = positions(self.tokens, token_in, token_out)
        if not self._fresh:
            return ()
        try:
            return self._fitted(index_in, index_out)
        except PoolError:
            return ()

    def _fitted(self, index_in: int, index_out: int) -> tuple[Piece, ...]:
        xp, rate_in, rate_out = scaled(self.balances, self.rates), self.rates[index_in], self.rates[index_out]
        d = invariant(self.rules, self.amp, xp)

        def amount_for(left: float) -> float:
            after = list(xp)
            after[index_out] = max(int(xp[index_out] * left), 1)
            return float((solved(self.rules, self.amp, after, index_in, d) - xp[index_in]) * PRECISION // rate_in)

        def point_at(amount: float) -> Point:
            after = received(xp, index_in, max(int(amount), 1), rate_in)
            after[index_out] = solved(self.rules, self.amp, after, index_out, d)
            left = (xp[index_out] - after[index_out]) * (1.0 - self._fee_between(xp, after, index_in, index_out))
            out = left * PRECISION / rate_out if amount else 0.0
            return Point(amount, out, self._rate(after, d, index_in, index_out))

        amounts = bridged(map(amount_for, _LEFT), self.balances[index_in])
        return fitted(point_at, amounts[-1], [amount / amounts[-1] for amount in amounts]) if amounts[-1] > 0 else ()

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        index_in, index_out = positions(self.tokens, token_in, token_out)
        route = CurveRoute(Address(self.tokens[index_out].address), index_in, index_out)
        return Hop(HopKind.CURVE, self.address, False, self.fee_ppm, route)

    def invariant(self) -> int:
        """D, in 10^-18. Raises `EmptyPool`."""
        return invariant(self.rules, self.amp, scaled(self.balances, self.rates))

    def surface(self) -> StableSurface:
        """Raises `EmptyPool`, `StaleState`."""
        self._require_fresh()
        if not all(xp := scaled(self.balances, self.rates)):
            raise EmptyPool(f"pool {self.address} has balances {self.balances}")
        return StableSurface(
            self.amp * len(self.tokens) / self.rules.a_precision,
            tuple(map(float, xp)),
            tuple(rate / PRECISION for rate in self.rates),
            self.fee / FEE_DENOMINATOR,
            1.0 - self.admin_fee / FEE_DENOMINATOR,
            of_output=True,
        )

    def reserves(self) -> Reserves:
        """The pool as deposits and withdrawals see it. Raises `StaleState`."""
        self._require_fresh()
        return Reserves(
            self.rules,
            self.amp,
            self.balances,
            self.rates,
            self.fee,
            self.admin_fee,
            self.lp_supply,
            self.offpeg_multiplier,
        )

    def with_reserves(self, reserves: Reserves) -> CurveStablePool:
        """The pool after a deposit or withdrawal."""
        return replace(self, balances=reserves.balances, lp_supply=reserves.lp_supply)

    @property
    def _fresh(self) -> bool:
        return self.rates_at_s in (None, self.timestamp_s)

    def _require_fresh(self) -> None:
        if not self._fresh:
            raise StaleState(f"the rates of pool {self.address} are of {self.rates_at_s}, not of {self.timestamp_s}")

    def _solved(
        self, index_in: int, index_out: int, amount_in: int, rates: tuple[int, ...], spare: int
    ) -> tuple[int, int, list[int]]:
        """What the curve gives for `amount_in`, in `xp`, the fee on it in 10^-10, and the `xp` there is then."""
        self._require_fresh()
        xp = scaled(self.balances, rates)
        after = received(xp, index_in, amount_in, rates[index_in])
        d = invariant(self.rules, self.amp, xp)
        after[index_out] = solved(self.rules, self.amp, after, index_out, d)
        left = xp[index_out] - after[index_out] - spare
        if left < 0:
            raise AmountOutOfRange(f"{amount_in} of {self.tokens[index_in]} is too little for pool {self.address}")
        return left, self._fee_at(xp, after, index_in, index_out), after

    def _fee_at(self, before: list[int], after: list[int], index_in: int, index_out: int) -> int:
        middle_in, middle_out = ((before[index] + after[index]) // 2 for index in (index_in, index_out))
        return dynamic_fee(middle_in, middle_out, self.fee, self.offpeg_multiplier)

    def _fee_between(self, before: list[int], after: list[int], index_in: int, index_out: int) -> float:
        return self._fee_at(before, after, index_in, index_out) / FEE_DENOMINATOR

    def _rate(self, xp: list[int], d: int, index_in: int, index_out: int) -> float:
        kept = 1.0 - self._fee_between(xp, xp, index_in, index_out)
        price = marginal(self.rules, self.amp, xp, index_in, index_out, d)
        return kept * price * self.rates[index_in] / self.rates[index_out]

    def _without_rounding(self, index_in: int, index_out: int, amount_out: int) -> int:
        """About what `amount_out` costs: the curve solved the other way round."""
        self._require_fresh()
        xp = scaled(self.balances, self.rates)
        d = invariant(self.rules, self.amp, xp)
        after = list(xp)
        before_fee = amount_out * FEE_DENOMINATOR // (FEE_DENOMINATOR - self.fee)
        after[index_out] = max(xp[index_out] - before_fee * self.rates[index_out] // PRECISION, 1)
        needed = solved(self.rules, self.amp, after, index_in, d) - xp[index_in]
        return max(needed * PRECISION // self.rates[index_in], 1)

    def _after(self, index_in: int, index_out: int, amount_in: int) -> tuple[CurveStablePool, int]:
        paid, admin_fee = self.exchanged(index_in, index_out, amount_in)
        balances = list(self.balances)
        balances[index_in] += amount_in
        balances[index_out] -= paid + admin_fee
        if self.rules.keeps_scaled:
            left, fee, xp = self._solved(index_in, index_out, amount_in, self.rates, self.rules.spare)
            taken = left * fee // FEE_DENOMINATOR
            xp[index_out] += taken - taken * self.admin_fee // FEE_DENOMINATOR
            for index in (index_in, index_out):
                balances[index] = xp[index] * PRECISION // self.rates[index]
        return replace(self, balances=tuple(balances)), paid

    def _exchanged(self, log: Log, event: events.Exchange) -> CurveStablePool:
        if event.underlying or event.sold == event.bought or max(event.sold, event.bought) >= len(self.tokens):
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} is no swap of pool {self.address}")
        after, paid = self._after(event.sold, event.bought, event.amount_in)
        if paid != event.amount_out:
            raise MalformedLog(
                f"log {log.log_index} of block {log.block_number}: pool {self.address} paid {event.amount_out}; "
                f"by its known state it pays {paid}"
            )
        return after

    def _withdrawn(self, log: Log, event: events.OneSided) -> CurveStablePool:
        """After a one-sided withdrawal. Old events do not name the coin: the one that pays so much it must be."""
        fitting, reserves = [], self.reserves()
        for index in range(len(self.tokens)) if event.coin is None else [event.coin]:
            try:
                after, paid = reserves.withdrawn(index, event.burnt)
            except (AmountOutOfRange, EmptyPool):
                continue
            if paid == event.amount_out:
                fitting.append(after)
        if len(fitting) != 1:
            raise (StaleState if fitting else MalformedLog)(
                f"log {log.log_index} of block {log.block_number}: {event.amount_out} for {event.burnt} LP tokens of "
                f"pool {self.address} fits {len(fitting)} of its coins"
            )
        return self.with_reserves(fitting[0])
