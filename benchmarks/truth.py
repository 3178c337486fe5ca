"""What a walk really brings: the universe's own pools in fifty digits and whole base units, without any kernel.

Nothing here looks at the packed market's records: pools are what `universe.py` says they are, at their present noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal, localcontext

import numpy as np

from benchmarks.universe import BOOK, V2, V3, Universe

DIGITS = 50


class Truth:
    """The universe as exact pools. `made.noise` must be kept up to date."""

    def __init__(self, made: Universe) -> None:
        self._made = made
        self._first_v3 = int(np.flatnonzero(made.klass == V3)[0])

    def gain(self, edges: Sequence[int], size: float) -> Decimal:
        """What a walk gains in ETH of value for an input of that value, every amount cut to whole base units."""
        made, market = self._made, self._made.market
        with localcontext() as context:
            context.prec = DIGITS
            start = market.ends_of(edges[0])[0]
            value = Decimal(float(market.values()[start]))
            amount = begun = self._whole(Decimal(size) / value, start)
            for edge in edges:
                pool = market.pool_of(edge)
                source, target = market.ends_of(edge)
                out = {V2: self._v2, V3: self._v3, BOOK: self._book}.get(int(made.klass[pool]), self._weighted)
                amount = self._whole(out(pool, source, target, amount), target)
            return (amount - begun) * value

    def _whole(self, amount: Decimal, node: int) -> Decimal:
        unit = Decimal(1).scaleb(-int(self._made.decimals[node]))
        return amount.quantize(unit, ROUND_DOWN) if amount < Decimal(10) ** 25 else amount

    def _v2(self, pool: int, source: int, target: int, amount: Decimal) -> Decimal:
        one = np.array([pool], np.int32)
        reserves = [Decimal(float(each)) for each in self._made.values(one, self._made.noise[one])[0]]
        side = int(self._made.nodes[pool, 1] == source)
        kept = amount * (1 - Decimal(float(self._made.fee[pool])))
        return kept * reserves[1 - side] / (reserves[side] + kept)

    def _v3(self, pool: int, source: int, target: int, amount: Decimal) -> Decimal:
        """Between two prices a pool is x · y = L²; seen from token 1 the price is the inverse."""
        made = self._made
        assert made.ranges is not None
        begins, bounds, liquidity = made.ranges
        at = pool - self._first_v3
        rows = slice(begins[at], begins[at + 1])
        stops, held = (
            [Decimal(float(each)) for each in bounds[rows]],
            [Decimal(float(each)) for each in liquidity[rows]],
        )
        one = np.array([pool], np.int32)
        root = Decimal(float(made.values(one, made.noise[one])[0, 0]))
        ranges = list(zip(stops, stops[1:], held, strict=False))
        if int(made.nodes[pool, 0]) == source:
            ranges = ranges[::-1]
        else:
            root, ranges = 1 / root, [(1 / upper, 1 / lower, each) for lower, upper, each in ranges]
        left, got = amount * (1 - Decimal(float(made.fee[pool]))), Decimal(0)
        for lower, upper, each in ranges:
            if lower >= root or left <= 0 or each <= 0:
                continue
            begin = min(root, upper)
            taken = min(left, each * (1 / lower - 1 / begin))
            end = 1 / (1 / begin + taken / each)
            got, left = got + each * (begin - end), left - taken
        return got

    def _book(self, pool: int, source: int, target: int, amount: Decimal) -> Decimal:
        got = Decimal(0)
        for rate, _, cap in self._pieces(pool, source, target):
            taken = min(amount, Decimal(float(cap)))
            got, amount = got + taken * Decimal(float(rate)), amount - taken
        return got

    def _weighted(self, pool: int, source: int, target: int, amount: Decimal) -> Decimal:
        """The curve itself, of which the packed market has only fitted pieces."""
        made, nodes = self._made, self._made.nodes_of[pool]
        off = float(made.noise[pool]) * ((int(nodes[0]) == source) - (int(nodes[0]) == target))
        rate = made.true_value[source] / made.true_value[target] * np.exp(off)
        held = Decimal(float(made.depth[pool] / made.true_value[source]))
        kept = amount * (1 - Decimal(float(made.fee[pool])))
        return held * Decimal(float(rate)) * kept / (held + kept)

    def _pieces(self, pool: int, source: int, target: int) -> np.ndarray:
        nodes = [int(node) for node in self._made.nodes_of[pool]]
        ordered = [(one, other) for one in nodes for other in nodes if one != other]
        return self._made.pieces(pool, float(self._made.noise[pool]))[ordered.index((source, target))]
