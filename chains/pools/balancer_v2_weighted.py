"""Weighted pools of Balancer V2. State in, exact integers out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from chains.assets import Token
from chains.pools import balancer_v2, balancer_weighted_math
from chains.pools.balancer_math import ONE
from chains.pools.balancer_v2 import VaultPool, base_factor, shared_loading
from chains.pools.fitted import fitted
from chains.pools.pool import Call, Loading, MalformedState, Piece, PoolFacts, positions
from chains.pools.surface import WeightedSurface
from chains.pools.words import WORD, require_words, selector, unsigned

TOPICS = balancer_v2.TOPICS


@dataclass(frozen=True, slots=True)
class BalancerV2WeightedPool(VaultPool):
    """Π balance^weight is kept; `weights` have 18 decimals and add up to one.

    `shortcuts`: the contract multiplies out the exponents 1, 2 and 4, as those do that were made since September 2022.
    """

    weights: tuple[int, ...]
    shortcuts: bool

    family: ClassVar[str] = "balancer_v2_weighted"

    def __post_init__(self) -> None:
        VaultPool.__post_init__(self)
        if len(self.weights) != len(self.tokens) or min(self.weights) <= 0 or sum(self.weights) != ONE:
            raise MalformedState(f"pool {self.address} has weights {self.weights}, which do not add up to 10^18")

    def factors(self) -> tuple[int, ...]:
        return tuple(map(base_factor, self.tokens))

    def out_given_in(self, given: int, taken: int, amount_in: int) -> int:
        balances, weights = self._of(given, taken)
        return balancer_weighted_math.out_given_in(balances, weights, amount_in, shortcuts=self.shortcuts)

    def in_given_out(self, given: int, taken: int, amount_out: int) -> int:
        balances, weights = self._of(given, taken)
        return balancer_weighted_math.in_given_out(balances, weights, amount_out, shortcuts=self.shortcuts)

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """The curve up to the 30 % of the balance that one swap may bring, within 10^-5 between the fitted points."""
        given, taken = positions(self.tokens, token_in, token_out)
        if self.paused or not all(self.balances):
            return ()
        kept = 1.0 - self.swap_fee / ONE
        if kept <= 0.0:
            return ()
        balances = float(self.balances[given]), float(self.balances[taken])
        curve = partial(balancer_weighted_math.point_at, balances, self.weights[given] / self.weights[taken], kept)
        return fitted(curve, balancer_weighted_math.MAX_RATIO / ONE * balances[0] / kept)

    def surface(self) -> WeightedSurface:
        """Raises `Suspended`, `EmptyPool`."""
        self.require_open()
        weights, units = tuple(each / ONE for each in self.weights), tuple(each / ONE for each in self.factors())
        return WeightedSurface(weights, tuple(map(float, self.scaled())), units, self.swap_fee / ONE)

    def _of(self, given: int, taken: int) -> tuple[tuple[int, int], tuple[int, int]]:
        balances = self.scaled()
        return (balances[given], balances[taken]), (self.weights[given], self.weights[taken])


_WEIGHTS = selector("getNormalizedWeights()")
_SINCE_SHORTCUTS = selector("getATHRateProduct()")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in two rounds."""
    at, count = facts.address, len(facts.tokens)
    state, (weights, newer) = yield from shared_loading(facts, (Call(at, _WEIGHTS), Call(at, _SINCE_SHORTCUTS)))
    require_words(weights, 2 + count, f"getNormalizedWeights() of {at}")
    return BalancerV2WeightedPool(
        at,
        state.vault,
        state.pool_id,
        facts.tokens,
        state.balances,
        state.managed,
        state.swap_fee,
        state.paused,
        tuple(unsigned(weights, 2 + place) for place in range(count)),
        len(newer) >= WORD,
    )
