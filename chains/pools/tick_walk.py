"""A swap's walk from tick to tick, which Uniswap V3, V4 and their forks share; what one step does is theirs."""

from __future__ import annotations

from typing import NamedTuple

from chains.pools.ladder import Slot, StepMath, leapt
from chains.pools.pool import PPM, InsufficientLiquidity, Piece
from chains.pools.tick_math import (
    MAX_SQRT_PRICE,
    MAX_TICK,
    MIN_SQRT_PRICE,
    MIN_TICK,
    Q96,
    Ticks,
    sqrt_price_at,
    tick_at,
)

_ENDS = frozenset({MIN_SQRT_PRICE + 1, MAX_SQRT_PRICE - 1})
_UINT256 = 2**256


class Filled(NamedTuple):
    """What the pool's own `swap` does: amounts moved, fee included, and where it ends.

    `stop` is the tick it ends at, if that is exactly at one.
    """

    amount_in: int
    amount_out: int
    sqrt_price_x96: int
    liquidity: int
    stop: int | None

    @property
    def tick(self) -> int:
        """The pool's tick afterwards."""
        return tick_at(self.sqrt_price_x96) if self.stop is None else self.stop


def within_step(ticks: Ticks, start: Slot, amount_in: int, fee_ppm: int, *, zero_for_one: bool) -> Filled | None:
    """What a swap of exactly `amount_in` does that ends before the next tick; None of one that may not.

    As `walked` by `step_exact_in`, of which it spares what only tells whether the tick is reached: an input that pays
    for the whole step never leaves the price short of it. Raises `BeyondKnownLiquidity`.
    """
    price, tick, liquidity = start
    if not liquidity:
        return None
    next_tick, _ = ticks.next_below(tick) if zero_for_one else ticks.next_above(tick)
    if not MIN_TICK < next_tick < MAX_TICK:
        return None
    target, held = sqrt_price_at(next_tick), liquidity << 96
    after_fee = amount_in * (PPM - fee_ppm) // PPM
    if zero_for_one:
        grown = held + after_fee * price
        reached = -(-held * price // grown)
        # Past 256 bits the contract rounds another way.
        if reached <= target or grown >= _UINT256:
            return None
        amount_out = liquidity * (price - reached) >> 96
    else:
        reached = price + (after_fee << 96) // liquidity
        if reached >= target:
            return None
        amount_out = held * (reached - price) // reached // price
    return Filled(amount_in, amount_out, reached, liquidity, tick if reached == price else None)


def walked(
    ticks: Ticks, start: Slot, specified: int, limit: int, step: StepMath, fee_ppm: int, *, zero_for_one: bool
) -> Filled:
    """Walk until `specified` (input if positive, output if negative) is used up or the price `limit` is met.

    Raises `BeyondKnownLiquidity`, and `InsufficientLiquidity` where ticks and liquidity do not fit together.
    """
    find, skip = (ticks.next_below, ticks.skip_below) if zero_for_one else (ticks.next_above, ticks.skip_above)
    exact_in = specified > 0
    price, tick, liquidity = start
    remaining, amount_in, amount_out = abs(specified), 0, 0
    at_tick = True
    leap = leapt(ticks, (step, fee_ppm, exact_in, zero_for_one), start, remaining) if limit in _ENDS else None
    if leap is not None:
        tick, liquidity, amount_in, amount_out, ahead = leap
        price = sqrt_price_at(tick + zero_for_one)
        remaining -= amount_in if exact_in else amount_out
        if remaining and ahead is not None:
            target = sqrt_price_at(ahead + zero_for_one)
            reached, step_in, step_out, fee = step(price, target, liquidity, remaining, fee_ppm)
            if target != reached != price and remaining == (step_in + fee if exact_in else step_out):
                return Filled(amount_in + step_in + fee, amount_out + step_out, reached, liquidity, None)
    while remaining and price != limit:
        next_tick, initialised = find(tick) if liquidity else skip(tick)
        next_tick = min(max(next_tick, MIN_TICK), MAX_TICK)
        next_price = sqrt_price_at(next_tick)
        target = max(next_price, limit) if zero_for_one else min(next_price, limit)
        before = price
        price, step_in, step_out, fee = step(price, target, liquidity, remaining, fee_ppm)
        amount_in += step_in + fee
        amount_out += step_out
        remaining -= step_in + fee if exact_in else step_out
        if price == next_price:
            if initialised:
                liquidity += -ticks.net[next_tick] if zero_for_one else ticks.net[next_tick]
                if liquidity < 0:
                    raise InsufficientLiquidity(f"crossing tick {next_tick} would leave less than no liquidity")
            tick, at_tick = next_tick - 1 if zero_for_one else next_tick, True
        elif price != before:
            at_tick = False
    return Filled(amount_in, amount_out, price, liquidity, tick if at_tick else None)


def range_pieces(ticks: Ticks, start: Slot, kept: float, *, zero_for_one: bool) -> tuple[Piece, ...]:
    """One piece per stretch of equal liquidity, to the end of what is known; `kept` is 1 less the fee.

    Between two ticks a pool is x · y = L² with virtual reserves L / √P and L · √P.
    """
    if not start.sqrt_price_x96 or kept <= 0.0:
        return ()
    if zero_for_one:
        stops = [(tick, -ticks.net[tick]) for tick in ticks.below(start.tick)]
        stops.append((ticks.lowest, 0))
    else:
        stops = [(tick, ticks.net[tick]) for tick in ticks.above(start.tick)]
        stops.append((ticks.highest, 0))
    # Seen from token1, the price is the inverse: then both directions are the same arithmetic.
    root = start.sqrt_price_x96 / Q96 if zero_for_one else Q96 / start.sqrt_price_x96
    liquidity, pieces = start.liquidity, []
    for tick, change in stops:
        end = sqrt_price_at(tick) / Q96 if zero_for_one else Q96 / sqrt_price_at(tick)
        if liquidity > 0 and end < root:
            cap = liquidity * (root - end) / (root * end) / kept
            pieces.append(Piece(kept * root * root, kept * root / liquidity, cap))
        root, liquidity = end, liquidity + change
    return tuple(pieces)


def marginal_rate(ticks: Ticks, start: Slot, kept: float, *, zero_for_one: bool) -> float:
    """Base units out per base unit in, after the fee; 0.0 where no liquidity is left or known."""
    edge = start.tick if zero_for_one else min(start.tick + 1, MAX_TICK)
    at_edge = edge in ticks.net and sqrt_price_at(edge) == start.sqrt_price_x96
    if start.liquidity and start.sqrt_price_x96 and not at_edge:
        root = start.sqrt_price_x96 / Q96
        return kept * root * root if zero_for_one else kept / root / root
    pieces = range_pieces(ticks, start, kept, zero_for_one=zero_for_one)
    return pieces[0].rate if pieces else 0.0
