"""How a CryptoSwap pool moves its internal price scale after a trade: the contract's tweak_price.

Prices are in the first coin, 10^-18, one per other coin. Source: "Automatic market-making with dynamic peg" (Egorov,
2021); behaviour of curve-crypto-contract's CurveCryptoSwap of July 2021 and CurveCryptoSwap2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from chains.pools.crypto_swap import (
    FEE_DENOMINATOR,
    UNIT,
    CryptoRules,
    Shape,
    geometric_mean,
    halfpow,
    invariant,
    solved,
    sqrt_int,
)
from chains.pools.pool import InsufficientLiquidity, StaleState

Prices = tuple[int, ...]

_PROBE = 10**6


@dataclass(frozen=True, slots=True)
class Oracle:
    """What the contract remembers to decide whether its price scale moves.

    `not_adjusted` is None where it is not known (the contract does not tell), and `admin_fee` 0 where nobody receives
    it. `xcp_profit`, `xcp_profit_a` and `virtual_price` are in 10^-18, the fee in 10^-10. Below `price_threshold`, the
    step itself where it is 0, the scale stays.
    """

    prices: Prices
    last_prices: Prices
    last_s: int
    ma_half_time_s: int
    xcp_profit: int
    xcp_profit_a: int
    virtual_price: int
    allowed_extra_profit: int
    adjustment_step: int
    lp_supply: int
    admin_fee: int = 0
    not_adjusted: bool | None = None
    price_threshold: int = 0


@dataclass(frozen=True, slots=True)
class Peg:
    """The price scale, the invariant by it, and the memory that moves both."""

    price_scale: Prices
    d: int
    oracle: Oracle


@dataclass(frozen=True, slots=True)
class Trade:
    """What happened: `xp` afterwards, the last price (0: too small to tell one) of the coin `index`, and the time.

    `d` is the invariant where the trade computed it already. While `ramping`, a loss is not refused. `held` are the
    scaled balances, which differ from `xp` by rounding where a coin was withdrawn.
    """

    xp: tuple[int, ...]
    held: tuple[int, ...]
    index: int
    price: int
    now_s: int
    ramping: bool
    d: int = 0


class Room(NamedTuple):
    """The scale up to which trades may move it, what of the virtual price that leaves, and what of any rise of it.

    Parts of each; `floor` is 0 where it is not known, as of pools of which the administrator may claim a share.
    """

    price_scale: Prices
    floor: float
    spared: float


class _Way(NamedTuple):
    """From the scale to the oracle, in 10^-18: how far where that is `far`, and by how much the scale moves at once."""

    distance: int
    step: int
    far: bool


def repegged(shape: Shape, peg: Peg, trade: Trade) -> Peg:
    """The peg after `trade`.

    Raises as `invariant`; `InsufficientLiquidity` where the contract refuses a loss; `StaleState` where it depends on
    what the contract does not tell.
    """
    oracle = _averaged(peg.oracle, trade.now_s)
    d = trade.d or invariant(shape, trade.xp)
    oracle = replace(oracle, last_prices=_last_prices(shape, peg, oracle, trade, d))
    before = oracle.virtual_price
    if before:
        virtual_price = _virtual_price(d, peg.price_scale, oracle.lp_supply)
        if virtual_price < before and not trade.ramping:
            raise InsufficientLiquidity("the contract refuses a trade that loses its providers money")
        profit = oracle.xcp_profit * virtual_price // before
    else:
        virtual_price = profit = UNIT
    oracle = replace(oracle, xcp_profit=profit)
    settled = Peg(peg.price_scale, d, replace(oracle, virtual_price=virtual_price))
    if shape.rules.claims:
        return _moved_two(shape, settled, trade, before)
    return _moved_three(shape, settled, trade, before)


def reachable(rules: CryptoRules, peg: Peg, now_s: int) -> Room:
    """What trades of one block can move, whatever they are: within it the oracle stands still."""
    oracle = _averaged(peg.oracle, now_s)
    if not (oracle.virtual_price and _way(rules, oracle, peg.price_scale).far):
        return Room(peg.price_scale, 1.0, 1.0)
    virtual_price = _virtual_price(peg.d, peg.price_scale, oracle.lp_supply)
    spared = oracle.xcp_profit / oracle.virtual_price / 2.0
    return Room(oracle.prices, 0.0 if rules.claims else UNIT / virtual_price / 2.0 + spared, spared)


def _moved_three(shape: Shape, settled: Peg, trade: Trade, before: int) -> Peg:
    oracle = settled.oracle
    way = _way(shape.rules, oracle, settled.price_scale)
    far = way.far and before > 0
    if not _earned_enough(oracle):
        if oracle.not_adjusted is None and far:
            raise StaleState(
                "whether the pool still owes an adjustment is not known; its next trade's state is not either"
            )
        if not oracle.not_adjusted:
            return settled
    oracle = replace(oracle, not_adjusted=True)
    settled = replace(settled, oracle=oracle)
    if not far:
        return settled
    moved = _stepped(shape, settled, trade, way)
    return moved or replace(settled, oracle=replace(oracle, not_adjusted=False))


def _moved_two(shape: Shape, settled: Peg, trade: Trade, before: int) -> Peg:
    oracle = settled.oracle
    way = _way(shape.rules, oracle, settled.price_scale)
    far = way.far and before > 0
    if not (far and _earned_enough(oracle)):
        if oracle.not_adjusted is None:
            raise StaleState(
                "whether the pool still owes an adjustment is not known; its next trade's state is not either"
            )
        if not oracle.not_adjusted:
            return settled
    settled = replace(settled, oracle=replace(oracle, not_adjusted=True))
    moved = _stepped(shape, settled, trade, way) if far else None
    return moved or _claimed(shape, replace(settled, oracle=replace(oracle, not_adjusted=False)), trade.held)


def _stepped(shape: Shape, settled: Peg, trade: Trade, way: _Way) -> Peg | None:
    """The scale one step nearer to the oracle; None where that would cost more than half the profit."""
    oracle = settled.oracle
    distance, step, _ = way
    prices = tuple(
        (scale * (distance - step) + step * price) // distance
        for scale, price in zip(settled.price_scale, oracle.prices, strict=True)
    )
    others = zip(trade.xp[1:], prices, settled.price_scale, strict=True)
    d = invariant(shape, (trade.xp[0], *(x * price // scale for x, price, scale in others)))
    virtual_price = _virtual_price(d, prices, oracle.lp_supply)
    if virtual_price > UNIT and 2 * virtual_price - UNIT > oracle.xcp_profit:
        return Peg(prices, d, replace(oracle, virtual_price=virtual_price))
    return None


def _claimed(shape: Shape, settled: Peg, xp: Sequence[int]) -> Peg:
    """After the administrator's share was minted as LP tokens, as two-coin pools do when they cannot adjust."""
    oracle = settled.oracle
    supply, profit = oracle.lp_supply, oracle.xcp_profit
    if profit > oracle.xcp_profit_a:
        fees = (profit - oracle.xcp_profit_a) * oracle.admin_fee // (2 * FEE_DENOMINATOR)
        if fees:
            share = oracle.virtual_price * UNIT // (oracle.virtual_price - fees) - UNIT
            supply += supply * share // UNIT
            profit -= 2 * fees
    d = invariant(shape, xp)
    claimed = replace(
        oracle,
        lp_supply=supply,
        xcp_profit=profit,
        xcp_profit_a=max(profit, oracle.xcp_profit_a),
        virtual_price=_virtual_price(d, settled.price_scale, supply),
    )
    return Peg(settled.price_scale, d, claimed)


def _averaged(oracle: Oracle, now_s: int) -> Oracle:
    """The oracle moved towards the last prices by the time that passed."""
    if oracle.last_s >= now_s:
        return oracle
    kept = halfpow((now_s - oracle.last_s) * UNIT // oracle.ma_half_time_s)
    pairs = zip(oracle.last_prices, oracle.prices, strict=True)
    return replace(
        oracle, prices=tuple((last * (UNIT - kept) + old * kept) // UNIT for last, old in pairs), last_s=now_s
    )


def _last_prices(shape: Shape, peg: Peg, oracle: Oracle, trade: Trade, d: int) -> Prices:
    last = oracle.last_prices
    if not trade.price:
        probe = trade.xp[0] // _PROBE
        probed = (trade.xp[0] + probe, *trade.xp[1:])
        return tuple(
            scale * probe // (trade.xp[index] - solved(shape, probed, d, index))
            for index, scale in enumerate(peg.price_scale, 1)
        )
    if trade.index:
        return (*last[: trade.index - 1], trade.price, *last[trade.index :])
    return tuple(price * UNIT // trade.price for price in last)


def _virtual_price(d: int, scale: Prices, lp_supply: int) -> int:
    coins = len(scale) + 1
    balanced = (d // coins, *(d * UNIT // (coins * price) for price in scale))
    return UNIT * geometric_mean(balanced) // lp_supply


def _earned_enough(oracle: Oracle) -> bool:
    return oracle.virtual_price * 2 - UNIT > oracle.xcp_profit + 2 * oracle.allowed_extra_profit


def _way(rules: CryptoRules, oracle: Oracle, scales: Prices) -> _Way:
    squared = sum(_distance(price, scale) ** 2 for price, scale in zip(oracle.prices, scales, strict=True))
    if not rules.least_step_divisor:
        far = squared > (oracle.price_threshold or oracle.adjustment_step) ** 2
        return _Way(sqrt_int(squared // UNIT) if far else 0, oracle.adjustment_step, far)
    distance = _distance(oracle.prices[0], scales[0])
    step = max(oracle.adjustment_step, distance // rules.least_step_divisor)
    return _Way(distance, step, distance > step)


def _distance(price: int, scale: int) -> int:
    return abs(price * UNIT // scale - UNIT)
