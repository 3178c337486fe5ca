"""Weighted pools of Balancer V3. State in, exact integers out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from chains.assets import Token
from chains.pools import balancer_v3, balancer_weighted_math
from chains.pools.balancer_math import ONE
from chains.pools.balancer_v3 import Scaled, VaultPool, shared_loading
from chains.pools.fitted import fitted
from chains.pools.pool import Call, HookedPool, Loading, MalformedState, Piece, PoolError, PoolFacts, positions
from chains.pools.surface import WeightedSurface
from chains.pools.words import require_words, selector, unsigned

TOPICS = balancer_v3.TOPICS


@dataclass(frozen=True, slots=True)
class BalancerV3WeightedPool(VaultPool):
    """Π balance^weight is kept; `weights` have 18 decimals and add up to one."""

    weights: tuple[int, ...]

    family: ClassVar[str] = "balancer_v3_weighted"

    def __post_init__(self) -> None:
        VaultPool.__post_init__(self)
        if len(self.weights) != len(self.tokens) or min(self.weights) <= 0 or sum(self.weights) != ONE:
            raise MalformedState(f"pool {self.address} has weights {self.weights}, which do not add up to 10^18")

    def on_swap(self, swap: Scaled) -> int:
        live = self.live()
        balances, weights = (live[swap.given], live[swap.taken]), (self.weights[swap.given], self.weights[swap.taken])
        solve = balancer_weighted_math.out_given_in if swap.exact_in else balancer_weighted_math.in_given_out
        return solve(balances, weights, swap.amount, shortcuts=True)

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """The curve up to the 30 % of the balance that one swap may bring, within 10^-5 between the fitted points."""
        given, taken = positions(self.tokens, token_in, token_out)
        try:
            self.require_open()
            kept = 1.0 - self.swap_fee / ONE
            live = self.live()
            balances = live[given] / self.scale(given), live[taken] / self.scale(taken)
            curve = partial(balancer_weighted_math.point_at, balances, self.weights[given] / self.weights[taken], kept)
            return fitted(curve, balancer_weighted_math.MAX_RATIO / ONE * balances[0] / kept)
        except (PoolError, ArithmeticError):
            return ()

    def surface(self) -> WeightedSurface:
        """Raises `Suspended`, `EmptyPool`, `StaleState`."""
        self.require_open()
        weights, units = tuple(each / ONE for each in self.weights), tuple(map(self.scale, range(len(self.tokens))))
        return WeightedSurface(weights, tuple(map(float, self.live())), units, self.swap_fee / ONE)


_WEIGHTS = selector("getNormalizedWeights()")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in two rounds. Raises `HookedPool` where a hook sets the fee."""
    at, count = facts.address, len(facts.tokens)
    state, (weights,) = yield from shared_loading(facts, (Call(at, _WEIGHTS),))
    require_words(weights, 2 + count, f"getNormalizedWeights() of {at}")
    if state.fee_hook:
        raise HookedPool(f"the fees of pool {at} are set by a hook, {state.fee_hook}")
    return BalancerV3WeightedPool(
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
        tuple(unsigned(weights, 2 + place) for place in range(count)),
    )
