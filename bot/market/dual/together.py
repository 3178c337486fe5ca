"""What all swaps of a pool together can be worth at given prices, in any order and number, proven by its surface.

Weighted pools. Of a token that comes in, the fee raises the invariant by at least what one swap of all of it would:
so no series takes more than `Σ p·out - Σ p·in` over flows with `Φ(x + γ·in - out) ≥ Φ(x)`, whose dual is, for every
q with p ≤ q ≤ p/γ, `q·x - min {q·c : Φ(c) ≥ Φ(x)}`.

Stable pools. D is concave and homogeneous: `∇D(z)·c ≥ D(c)` for every z. Where m·∇D(z) ≤ q, U(x) = q·x - m·D(x) is
never below 0, and if every swap is worth no more than what it takes off U, all together are worth no more than U at
the start. What stays of a fee raises D by at least itself times ∂D where it stays. So it suffices that p is an upper
end of q, and (γ·p - κ·m·s) / (1 - κ) a lower one, for a fee on what goes out of which κ stays; that p is the lower
end, and (p + κ·m·s) / (γ + κ) the upper one, for a fee on what comes in; with s the least ∂D of the states passed.
∂D by x is (a + Q·D/x) / (a - 1 + (n + 1)·Q) with Q = D^n / (n^n·Πx), which is least at the least or greatest Q. Of
series that stay below some Q that is s. One that does not has paid fees for getting beyond: what could be gained
without any fee, less those, bounds it. Of several such Q the one counts by which the greater of both is least.

Curve's pools with moving pegs: `pegged.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from bot.market.dual.pegged import worth_of_pegged
from chains.pools.surface import CryptoSurface, StableSurface, Surface, WeightedSurface

_FAR = (1.5, 4.0, 16.0, 128.0, 1024.0)
"""How many times the start's Q a state near it may have."""
_GROWN = 0.01
"""By how much of itself D grows of whom fees without end were paid."""

_WIDEST = 1e12
"""How many times the start's Q, and a pool's worth, what is searched may become."""
_BESIDE = 2.0
"""By how much m is searched beside what the prices say."""
_CLOSE = 1e-11


class Worth(NamedTuple):
    """A bound on what is gained, and what is turned over at most: rounding is in proportion to it."""

    most: float
    turned: float


def worth_together(surface: Surface, prices: Sequence[float | None], *, moving: bool = True) -> Worth:
    """What no series of swaps exceeds, were every token bought and sold at its price, per base unit.

    A token without a price is one that nothing outside the pool trades. No more is gained than all that is held.
    Not `moving`: if pegs were to stay.
    """
    units = (1.0,) * len(prices) if isinstance(surface, CryptoSurface) else surface.units
    asked = [price and price / unit for price, unit in zip(prices, units, strict=True)]
    everything = sum(price * x for price, x in zip(asked, surface.held, strict=True) if price)
    try:
        most = _most(surface, asked, moving=moving)
    except (ValueError, ArithmeticError):
        most = math.inf
    return Worth(max(most, 0.0) if most < everything else everything, 2.0 * everything)


def _most(surface: Surface, prices: Sequence[float | None], *, moving: bool) -> float:
    match surface:
        case WeightedSurface():
            return _weighted(surface, prices)
        case StableSurface():
            return _Stable(surface, prices).worth()
        case CryptoSurface():
            return worth_of_pegged(surface, prices, moving=moving)


def _weighted(surface: WeightedSurface, prices: Sequence[float | None]) -> float:
    """The least over q; each q is the clipped price at which the token's share is its weight."""
    weights, held, gross = surface.weights, surface.held, 1.0 / (1.0 - surface.fee)
    ends = [(0.0, math.inf) if price is None else (price, price * gross) for price in prices]

    def chosen(total: float) -> list[float]:
        ideal = (weight * total / balance for weight, balance in zip(weights, held, strict=True))
        return [min(max(q, low), high) for q, (low, high) in zip(ideal, ends, strict=True)]

    def excess(total: float) -> float:
        shares = (q * x / (w * total) for q, x, w in zip(chosen(total), held, weights, strict=True))
        return -sum(w * math.log(share) for w, share in zip(weights, shares, strict=True))

    known = [low * x / w for (low, _), x, w in zip(ends, held, weights, strict=True) if low]
    total = _root(excess, min(known), max(known) * gross)
    q = chosen(total)
    worth = sum(each * x for each, x in zip(q, held, strict=True))
    logs = (w * math.log(each * x / (w * worth)) for each, x, w in zip(q, held, weights, strict=True))
    return -worth * math.expm1(sum(logs))


class _Held(NamedTuple):
    """What U is at the start, at most, and its m."""

    worth: float
    m: float


class _Stable:
    """One stable surface at prices."""

    def __init__(self, surface: StableSurface, prices: Sequence[float | None]) -> None:
        self.surface, self.prices, self.tokens = surface, prices, len(prices)
        self.passes = 1.0 - surface.fee
        self.stays = surface.fee * surface.stays
        self.d, self.lopsided = _invariant(surface.amplification, surface.held)

    def worth(self) -> float:
        held, without_fees = self.surface.held, _Stable(self.surface._replace(fee=0.0), self.prices)
        for slopes, far in self._cases(without_fees.anywhere(roughly=True)):
            if far <= 0.0 and self._least(held, slopes).worth <= 0.0:
                return 0.0
        best = math.inf
        for slopes, far in self._cases(without_fees.anywhere()):
            near = min(self._least(z, slopes).worth for z in (held, self._met(slopes)))
            best = min(best, max(near, far))
            if near >= far:
                break
        return best

    def anywhere(self, *, roughly: bool = False) -> _Held:
        """The least U where it makes no difference which states are passed."""
        slopes = self._slopes(math.inf)
        return self._least(self._met(slopes, roughly=roughly), slopes)

    def _cases(self, freely: _Held) -> Iterator[tuple[list[float], float]]:
        """By how far is far: the least ∂D near, and what series gain that go far, were `freely` gained without fees."""
        factors = (*_FAR, math.inf) if self.stays else (math.inf,)
        tolls = [self._toll(factor, beyond, freely.m) for factor, beyond in pairwise(factors)]
        for number, factor in enumerate(factors):
            yield self._slopes(factor), freely.worth - min(tolls[number:], default=math.inf)

    def _slopes(self, factor: float) -> list[float]:
        """By token, the least ∂D where a fee on it stays, of states whose Q is at most `factor` times the start's.

        It is (a + Q·D/x) / (a - 1 + (n + 1)·Q), least at an end of Q. What goes out counts below the start's x alone.
        """
        lopsided = factor * self.lopsided
        if self.surface.of_output:
            return [self._slope(self.d / x, lopsided) for x in self.surface.held]
        return [self._slope(0.0 if math.isinf(factor) else 1.0 / self._greatest(lopsided), lopsided)] * self.tokens

    def _slope(self, share: float, lopsided: float) -> float:
        """The least ∂D of a token with D/x of at least `share`, while Q is at most `lopsided`."""
        a, n = self.surface.amplification, self.tokens
        most = share / (n + 1) if math.isinf(lopsided) else (a + lopsided * share) / (a - 1.0 + (n + 1) * lopsided)
        return min((a + share) / (a + n), most)

    def _greatest(self, lopsided: float) -> float:
        """The greatest x/D while Q is at most `lopsided`: the others are equal then."""
        n, total = self.tokens, 1.0 + (lopsided - 1.0) / self.surface.amplification
        least = 1.0 / (n**n * lopsided)
        return _root(lambda x: least - x * (max(total - x, 0.0) / (n - 1)) ** (n - 1), total / n, total)

    def _ends(self, price: float | None, m: float, slope: float) -> tuple[float, float]:
        """Between which q may be."""
        if price is None:
            return 0.0, math.inf
        credit = self.stays * m * slope
        if self.surface.of_output:
            return max((self.passes * price - credit) / (1.0 - self.stays), 0.0), price
        return price, (price + credit) / (self.passes + self.stays)

    def _least(self, z: Sequence[float], slopes: Sequence[float]) -> _Held:
        """The least U by the gradient at `z`: it bends where a token's q leaves its lower end."""
        gradient = _gradient(self.surface.amplification, z)
        greatest, bends = math.inf, []
        for price, rises, slope in zip(self.prices, gradient, slopes, strict=True):
            if price is None:
                continue
            if self.surface.of_output:
                greatest = min(greatest, price / rises)
                bends.append(self.passes * price / ((1.0 - self.stays) * rises + self.stays * slope))
            else:
                room = (self.passes + self.stays) * rises - self.stays * slope
                greatest = min(greatest, price / room) if room > 0.0 else greatest
                bends.append(price / rises)
        return min(_Held(self._start(m, gradient, slopes), m) for m in (greatest, *bends) if m <= greatest)

    def _start(self, m: float, gradient: Sequence[float], slopes: Sequence[float]) -> float:
        """U of what is held."""
        lowest = (self._ends(price, m, slope)[0] for price, slope in zip(self.prices, slopes, strict=True))
        q = (max(m * rises, low) for rises, low in zip(gradient, lowest, strict=True))
        return sum(each * x for each, x in zip(q, self.surface.held, strict=True)) - m * self.d

    def _met(self, slopes: Sequence[float], *, roughly: bool = False) -> list[float]:
        """About where the best series ends: each q is at an end that its token's flow allows, and D is as before.

        `roughly`: with Q as before, too.
        """
        ends = [self._ends(price, price, slope) for price, slope in zip(self.prices, slopes, strict=True) if price]
        highest = max(end for _, end in ends) * _BESIDE
        lowest = max(min(end for end, _ in ends) / _BESIDE, highest / _WIDEST)

        def ended(lopsided: float) -> list[float]:
            total = self.d * (1.0 + (lopsided - 1.0) / self.surface.amplification)
            most = highest * total / self.d
            m = _root(lambda m: sum(self._balances(m, lopsided, slopes)) - total, lowest, most)
            return self._balances(m, lopsided, slopes)

        def excess(lopsided: float) -> float:
            shares = (x * self.tokens / self.d for x in ended(lopsided))
            return -sum(map(math.log, shares)) - math.log(lopsided)

        if roughly:
            return ended(self.lopsided)
        return ended(_root(lambda lopsided: -excess(lopsided), 1.0, self.lopsided * _WIDEST))

    def _balances(self, m: float, lopsided: float, slopes: Sequence[float]) -> list[float]:
        """What is held of each token where m·∂D is within its ends, by as little flow as may be."""
        a, d, found = self.surface.amplification, self.d, []
        bottom = a - 1.0 + (self.tokens + 1) * lopsided
        for price, x, slope in zip(self.prices, self.surface.held, slopes, strict=True):
            least, most = (
                lopsided * d / (end / m * bottom - a) if end / m * bottom > a + lopsided / _WIDEST else d * _WIDEST
                for end in reversed(self._ends(price, m, slope))
            )
            found.append(min(max(x, least), most))
        return found

    def _toll(self, factor: float, beyond: float, m: float) -> float:
        """The least fees of a series that meets a Q between `factor` and `beyond` times the start's, or that lets D
        grow by `_GROWN`."""
        moved = 1.0 - (1.0 + _GROWN) / factor ** (1.0 / self.tokens)
        slopes = self._slopes(beyond) if self.surface.of_output else []
        leaves, gradient = self.surface.fee - self.stays, _gradient(self.surface.amplification, self.surface.held)
        paid = moved * min(rises * x for rises, x in zip(gradient, self.surface.held, strict=True))
        tolls = [_GROWN * m * self.d]
        for token, (price, x) in enumerate(zip(self.prices, self.surface.held, strict=True)):
            if self.surface.of_output:
                flow, raised = moved * x / (1.0 - self.stays), slopes[token]
            else:
                came = paid / gradient[token]
                flow = came / (self.passes + self.stays)
                raised = self._slope(self.d / (x + came), beyond * self.lopsided)
            tolls.append(flow * (self.stays * m * raised + leaves * (price or 0.0)))
        return min(tolls)


def _invariant(amplification: float, held: Sequence[float]) -> tuple[float, float]:
    """D of the balances, and D^n / (n^n · Πx), which is 1 where all are equal."""
    total, tokens = sum(held), len(held)
    d, before = total, math.inf
    while abs(d - before) > 2.0**-52 * d and d < before:
        lopsided = math.prod(d / (tokens * x) for x in held)
        before, d = d, (amplification * total + tokens * lopsided * d) / (amplification - 1.0 + (tokens + 1) * lopsided)
    return d, math.prod(d / (tokens * x) for x in held)


def _gradient(amplification: float, held: Sequence[float]) -> list[float]:
    """∂D by each balance."""
    d, lopsided = _invariant(amplification, held)
    bottom = amplification - 1.0 + (len(held) + 1) * lopsided
    return [(amplification + lopsided * d / x) / bottom for x in held]


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function of a number above 0 passes 0, or up to `_CLOSE` beyond; the nearest end if nowhere."""
    low, high = math.log(low), math.log(high)
    while high - low > _CLOSE:
        middle = (low + high) / 2.0
        low, high = (middle, high) if rising(math.exp(middle)) < 0.0 else (low, middle)
    return math.exp(high)
