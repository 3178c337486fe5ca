"""How much of a plan's profit is offered as a tip: what has been worth offering, by destination and pool.

An offer of the share s of what a plan can spare, S, wins with probability p(s) and then leaves (1 - s) S; one that is
lost costs L, the NOOP that frees its nonce. The share is the s that maximises p(s) (1 - s) S - (1 - p(s)) L. Of p, the
mean of a Beta posterior is taken (Gelman et al., Bayesian Data Analysis, 2.4): exact, without dice, from the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from bot.execution.fees import INTRINSIC_GAS, FeePolicy
from bot.execution.routes import Routes
from bot.ledger.deliveries import Inclusion
from bot.ledger.states import most_to_outbid
from bot.plan import Plan
from chains.assets import Address
from chains.blocks import Head

MILLION = 10**6
SHARES_PPM = tuple(range(50_000, MILLION, 50_000))
"""The shares that are weighed against each other."""

_PRIOR = 4
"""As many offers as what is believed beforehand counts for: that the share s wins with probability s."""
_POOLED = 8
"""As many offers in one pool as what is known of its destination counts for."""
_REMEMBERED = 500
"""How many of the newest outcomes are learnt from."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`share_ppm` of what a plan can spare, and the mean chance with which that is expected to land."""

    share_ppm: int
    chance: Fraction


def chance(history: Iterable[Inclusion], destination: str, pools: frozenset[Address], share_ppm: int) -> Fraction:
    """The mean chance that an offer of `share_ppm` through `destination` for `pools` lands.

    What landed for less would have landed for this too, and what was lost for more would have been lost. Where a plan
    goes through several pools, the most contested one decides.
    """
    counted = [
        each
        for each in history
        if each.destination == destination
        and (each.share_ppm <= share_ppm if each.landed else each.share_ppm >= share_ppm)
    ]
    landed = sum(each.landed for each in counted)
    there = (_PRIOR * Fraction(share_ppm, MILLION) + landed) / (_PRIOR + len(counted))
    return min((_in_pool(counted, pool, there) for pool in pools), default=there)


def _in_pool(counted: Sequence[Inclusion], pool: Address, there: Fraction) -> Fraction:
    mine = [each for each in counted if pool in each.pools]
    return (_POOLED * there + sum(each.landed for each in mine)) / (_POOLED + len(mine))


def best_share(
    history: Sequence[Inclusion],
    destinations: Sequence[str],
    pools: frozenset[Address],
    *,
    spare_wei: int,
    lost_wei: int,
    most_ppm: int,
) -> Choice:
    """The share of `spare_wei` that leaves most on average, at most `most_ppm`; of equals, the smallest.

    `lost_wei` is what an offer costs that does not land. A transaction that goes to several destinations lands at
    least as surely as by the best of them.
    """
    best, leaves = Choice(0, Fraction(0)), None
    for share_ppm in (share for share in SHARES_PPM if share <= most_ppm):
        odds = max(chance(history, name, pools, share_ppm) for name in destinations)
        left = odds * spare_wei * (MILLION - share_ppm) / MILLION - (1 - odds) * lost_wei
        if leaves is None or left > leaves:
            best, leaves = Choice(share_ppm, odds), left
    return best


class Tips:
    """Chooses shares from what `inclusions` says, which is read anew once outcomes have changed.

    `most_ppm` bounds every share, `max_tip_wei` every tip per gas, and that of a NOOP that would have to outbid it;
    what comes to less than the fixed tip is not shared.
    """

    def __init__(
        self,
        inclusions: Callable[[int], Sequence[Inclusion]],
        routes: Routes,
        fee_policy: FeePolicy,
        *,
        most_ppm: int,
        max_tip_wei: int,
    ) -> None:
        self._inclusions = inclusions
        self._routes = routes
        self._fee_policy = fee_policy
        self._most_ppm = most_ppm
        self._max_tip_wei = most_to_outbid(max_tip_wei)
        self._history: Sequence[Inclusion] | None = None

    def changed(self) -> None:
        """An outcome is known, or is not known any more."""
        self._history = None

    def offered(self, plan: Plan, gas: int, head: Head) -> tuple[int, int | None]:
        """The share of what `plan` can spare that it offers, and the tip per gas which that is; None: the fixed tip.

        What it can spare is what it expects beyond its least profit and `gas` without a tip.
        """
        if self._history is None:
            self._history = self._inclusions(_REMEMBERED)
        policy, coin = self._fee_policy, self._fee_policy.coin
        without_tip_wei = coin.cost_wei(gas * policy.gas_price_wei(head, 0))
        spare_wei = plan.expected_profit_wei - plan.min_profit_wei - without_tip_wei
        if spare_wei <= 0:
            return 0, None
        choice = best_share(
            self._history,
            self._routes.of(plan),
            plan.pools,
            spare_wei=spare_wei,
            lost_wei=coin.cost_wei(INTRINSIC_GAS * policy.gas_price_wei(head)),
            most_ppm=self._most_ppm,
        )
        tip_wei = min(coin.coins(spare_wei * choice.share_ppm // MILLION) // gas, self._max_tip_wei)
        return (choice.share_ppm, tip_wei) if tip_wei > policy.tip_wei else (0, None)
