"""What all swaps of a Curve pool with moving pegs can be worth together at given prices, proven by its curve.

The curve. With shares z = u·x / D (u: the price scale, in the curve's units), K = n^n·Πz, and γ and a = A·n^n of the
contract, its equation reads Σz = S(K) = 1 + (1 - K)·(γ + 1 - K)² / (a·γ²·K). On K ≤ 1, S is convex as a function of
ln K, and falls: so {x : D(x) ≥ d} is convex, and D, which is homogeneous, concave. With G = -dS / d(ln K), ∂D by z is
(1 + G/z) / (S + n·G), which is at least min(1, 1 / ((n + θ)·z)): for S ≤ 1 + θ·G, θ = (γ + 1 - K) / (1 + 2·K) at the
least K. X = D / (n·(Πu)^(1/n)), the contract's xcp, rises by (z - S/n) / (S + n·G) with the logarithm of a scale.

Swaps. One pays at least `fee` of what goes out. That stays: X rises by at least it times ∂X, and
never falls. Only ∂X at no more than the start's balance counts: what goes out above it came in before.

The scale. Within a block the oracle stands still, and the scale moves straight towards it: from `units` to no more than
`further`. What X loses by that is at most the part 1 - e^-λ of it, λ = `steepest` times the logarithms of the way. And
the contract moves it only where virtual price v stays above (1 + profit) / 2; a swap raises v and profit alike, a move
v alone. So where swaps raise X by F in all, and leave X' at the end, X' ≥ e^-λ·(X + F), and X' ≥ floor·X + φ·F with
floor = (1 + profit) / (2·v), φ = e^-λ·profit / (2·v); not of two coins, of which the administrator's claims move v too.

What is gained. Σ p·(x - x') ≤ Σ q·(x - x') + c·F for every q from p - c·∂X·fee / (1 - fee) to p. With ω the least of
q·x' where X' is 1, at any scale on the way: Σ q·x - ω·e^-λ·X bounds it with c = ω·e^-λ, Σ q·x - ω·floor·X with c = ω·φ.
ω is least at an end of the way: K falls as (Σu·x) / (Πu·x)^(1/n) rises, so the scales at which an x has a K of at
least some number are a convex set, and X^n = Πx / K. By concavity ω is at least the least q / ∂X(z) for every z: so
whatever z the search ends at, it bounds.

Source: "Automatic market-making with dynamic peg" (Egorov, 2021); curve-crypto-contract's tweak_price.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from chains.pools.surface import CryptoSurface

_MOST_SHARE = 100.0
"""How many times D a scaled balance may be: the contract refuses more."""

_NOISE = 1e-13
"""How far the contract's invariant may be off, as a part of it."""

_WIDEST = 3.0
"""How far from what is held is searched, as the logarithm of a ratio of balances."""

_ROUNDS = 40
_NARROWER = (math.sqrt(5.0) - 1.0) / 2.0
_FIRST_OFF, _FINER = 1e-10, 1.02
_CLOSE = 1e-15
_EVEN = 1e-15
_NEXT_TO = 1e-8
_MOST_STEPS = 100

Vector = Sequence[float]


class _Bent(NamedTuple):
    """S - 1 and G at some K."""

    over: float
    g: float

    @property
    def s(self) -> float:
        return 1.0 + self.over


class _Kept(NamedTuple):
    """What of X is left at least, and of F, as parts; and e^-λ."""

    left: float
    of_fees: float
    least: float


def worth_of_pegged(surface: CryptoSurface, prices: Sequence[float | None], *, moving: bool = True) -> float:
    """What no series of swaps in one block gains more than, at prices per base unit; None: nothing else trades it.

    Not `moving`: were the scale to stay. Raises `ValueError` or `ArithmeticError` where floats do not suffice.
    """
    ends = [surface.units]
    if moving and surface.further != surface.units:
        ends.append(surface.further)
    return min(_Pegged(surface, prices, ends, kept).worth() for kept in _kept(surface, ends))


def _kept(surface: CryptoSurface, ends: Sequence[Vector]) -> Iterator[_Kept]:
    """What is left after every series, each for a reason of its own."""
    way = sum(abs(math.log(further / now)) for now, further in zip(ends[0], ends[-1], strict=True))
    least = math.exp(-way * steepest(len(ends[0]), surface.amplification, surface.gamma)) if way else 1.0
    yield _Kept(least, least, least)
    if way and surface.floor:
        yield _Kept(min(surface.floor, 1.0), least * surface.spared, least)


class _Pegged:
    """One pool at prices, over the scales between `ends`."""

    def __init__(
        self, surface: CryptoSurface, prices: Sequence[float | None], ends: Sequence[Vector], kept: _Kept
    ) -> None:
        self.a, self.gamma = surface.amplification, surface.gamma
        self.prices, self.held, self.ends, n = prices, surface.held, ends, len(prices)
        means = [_mean(units) for units in ends]
        scaled = [unit * x for unit, x in zip(surface.units, surface.held, strict=True)]
        x = min(sum(scaled) / _bent(self.a, self.gamma, scaled).s, surface.d) / (n * means[0])
        self.left = kept.left * x
        off = _least_off(n, self.a, self.gamma)
        theta = (self.gamma + off) / (3.0 - 2.0 * off)
        paid = kept.of_fees * surface.fee / (1.0 - surface.fee)
        self.credit = [
            paid * min(min(scales) / (n * max(means)), kept.least * x / ((n + theta) * balance))
            for balance, *scales in zip(surface.held, *ends, strict=True)
        ]

    def worth(self) -> float:
        """The least bound found, by q of either end."""
        if len(self.ends) == 1:
            worth, omega = self._least(self.held, self.ends[0])
            if worth <= _NOISE * omega * self.left:
                return 0.0
        return min(self._by(units, self.ends[-1 - number]) for number, units in enumerate(self.ends))

    def _by(self, units: Vector, others: Vector) -> float:
        """The least bound by q whose ω is known at one end; at the other it may be less, and q more."""
        z = self._searched(lambda z: self._least(z, units)[0])
        worth, omega = self._least(z, units)
        if len(self.ends) == 1:
            return worth
        q = self._chosen(omega, self._rises(z, units))
        beyond = self._rises(self._searched(lambda z: _sum(q, z) / _sum(self._rises(z, others), z)), others)
        least = min(omega, *(each / rises for each, rises in zip(q, beyond, strict=True)))
        q = [max(pair) for pair in zip(q, self._chosen(least, [0.0] * len(q)), strict=True)]
        return _sum(q, self.held) - least * self.left

    def _least(self, z: Vector, units: Vector) -> tuple[float, float]:
        """The least bound by the gradient at `z`, and its ω: it bends where a token's q leaves its lower end."""
        rises = self._rises(z, units)
        priced = [(price, *each) for price, *each in zip(self.prices, rises, self.credit, strict=True) if price]
        greatest = min(price / rise for price, rise, _ in priced)
        bends = (price / (rise + credit) for price, rise, credit in priced)
        omegas = (greatest, *(omega for omega in bends if omega < greatest))
        return min((_sum(self._chosen(omega, rises), self.held) - omega * self.left, omega) for omega in omegas)

    def _chosen(self, omega: float, rises: Vector) -> list[float]:
        """The least q."""
        return [
            max(omega * rise, 0.0 if price is None else price - omega * credit)
            for price, rise, credit in zip(self.prices, rises, self.credit, strict=True)
        ]

    def _rises(self, z: Vector, units: Vector) -> list[float]:
        """∂X at balances of any size, by the scale of `units`."""
        scaled = [unit * x for unit, x in zip(units, z, strict=True)]
        bent, n = _bent(self.a, self.gamma, scaled), len(z)
        d = sum(scaled) / bent.s
        common = n * _mean(units) * (bent.s + n * bent.g)
        return [unit * (1.0 + bent.g * d / x) / common for unit, x in zip(units, scaled, strict=True)]

    def _searched(self, height: Callable[[Vector], float]) -> Vector:
        """About where a valley is lowest, over all ratios of balances."""
        first, *others = self.held

        def lowest(ratios: tuple[float, ...], left: Sequence[float]) -> tuple[float, Vector]:
            if not left:
                z = first, *ratios
                return height(z), z
            return _valley(lambda t: lowest((*ratios, left[0] * math.exp(t)), left[1:]))

        return lowest((), others)[1]


def _valley(at: Callable[[float], tuple[float, Vector]]) -> tuple[float, Vector]:
    """The lowest of a valley, by golden sections."""
    low, high = -_WIDEST, _WIDEST
    one, other = high - _NARROWER * (high - low), low + _NARROWER * (high - low)
    at_one, at_other = at(one), at(other)
    for _ in range(_ROUNDS):
        if at_one[0] < at_other[0]:
            high, other, at_other = other, one, at_one
            one = high - _NARROWER * (high - low)
            at_one = at(one)
        else:
            low, one, at_one = one, other, at_other
            other = low + _NARROWER * (high - low)
            at_other = at(other)
    return min(at_one, at_other)


@lru_cache
def steepest(n: int, a: float, gamma: float) -> float:
    """By how much ln X rises at most with the logarithm of one scale.

    Of shares with a given sum and product those with all but one equal are the farthest from S/n, by e above it each of
    them below: the length of z - S/n in the directions that count is at most (n - 1)·e. Both e and S + n·G fall as K
    rises: between two K, the greater e over the lesser S + n·G is no less than what is between.
    """
    off, last, steepest = _FIRST_OFF, _least_off(n, a, gamma), 0.0
    before = _Bent(0.0, 0.0)
    while True:
        after = _curve(a, gamma, off)
        apart = -math.expm1(math.log1p(-off) - n * math.log1p(after.over))
        share = math.sqrt(apart) if n == 2 else 0.5 - math.sin(math.asin(1.0 - 2.0 * apart) / 3.0)
        steepest = max(steepest, (n - 1) * after.s / n * share / (before.s + n * before.g))
        if off >= last:
            return steepest
        before, off = after, min(off * _FINER, 1.0 - (1.0 - off) / _FINER)


@lru_cache
def _least_off(n: int, a: float, gamma: float) -> float:
    """1 - K where S is as great as the contract lets it become."""
    low, high = 0.0, 1.0
    while high - low > _CLOSE:
        middle = (low + high) / 2.0
        low, high = (middle, high) if _curve(a, gamma, middle).s < n * _MOST_SHARE else (low, middle)
    return high


def _curve(a: float, gamma: float, off: float) -> _Bent:
    """S and G where 1 - K is `off`."""
    k, gap = 1.0 - off, gamma + off
    over = off * gap * gap / (a * gamma * gamma * k)
    return _Bent(over, over * (k / off + 2.0 * k / gap + 1.0))


def _bent(a: float, gamma: float, scaled: Vector) -> _Bent:
    """S and G at these balances: K / S^n is Πx over the n-th power of their mean. Raises `ArithmeticError`."""
    n, mean = len(scaled), sum(scaled) / len(scaled)
    apart = max(-sum(math.log(x / mean) for x in scaled), _EVEN)
    low, high = 0.0, min(-math.expm1(-apart), math.cbrt(a * gamma * gamma * math.expm1(apart / n)))
    off = high
    for _ in range(_MOST_STEPS):
        bent = _curve(a, gamma, off)
        height, slope = n * math.log1p(bent.over) - math.log1p(-off), (n * bent.g / bent.s + 1.0) / (1.0 - off)
        low, high = (off, high) if height < apart else (low, off)
        off *= math.exp(math.log(apart / height) * height / (off * slope))
        if abs(height - apart) <= _NEXT_TO * apart:
            return _curve(a, gamma, off)
        off = off if low < off < high else (low + high) / 2.0
    raise ArithmeticError("where on its curve a pool with moving pegs is was not found")


def _mean(units: Vector) -> float:
    """Their geometric mean."""
    return math.exp(sum(map(math.log, units)) / len(units))


def _sum(ones: Vector, others: Vector) -> float:
    return sum(one * other for one, other in zip(ones, others, strict=True))
