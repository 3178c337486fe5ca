"""What a verdict shows of a plan: what it leaves after gas, whether that is enough, and what it bears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.execution.fees import FeePolicy
from bot.execution.gains import Gains
from bot.execution.halving import halved
from bot.execution.moving import brought
from bot.execution.settling import Prepared
from bot.gas import ether
from bot.market import Market
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.simulator.verdict import LEVELS_BPS, IfMoved, Outcome, Verdict
from bot.transaction import Fees


@dataclass(frozen=True, slots=True)
class Bearing:
    """What plans must bear. `market` is where their pools are quoted.

    Of a plan that turns over `above_wei` or more it is asked what it comes to where its pools move; it is refused where
    the least of those moves would make it lose more than `most_loss_wei`. Both in wei of ETH, at the opening marks.
    """

    market: Market
    above_wei: int
    most_loss_wei: int


class Judge:
    """Judges plans of one account by what was simulated. Without `bearing`, only as things stand."""

    def __init__(self, gains: Gains, fee_policy: FeePolicy, bearing: Bearing | None = None) -> None:
        self._gains = gains
        self._marks = gains.marks
        self._fee_policy = fee_policy
        self._bearing = bearing

    def judged(self, prepared: Prepared, verdict: Verdict) -> Verdict | Refusal:
        """`verdict` where the plan may be signed on it, or why not."""
        if verdict.outcome is Outcome.REVERTED:
            return Refusal(verdict.cause or Reason.SIM_REVERTED, verdict.reason)
        if verdict.outcome is Outcome.INVALID:
            return Refusal(verdict.cause or Reason.SIM_INVALID, verdict.reason)
        plan = prepared.plan
        toll = self._gains.toll(plan, verdict)
        if toll:
            token = plan.swaps[0].token_in
            return Refusal(Reason.TOKEN_TAX, f"{token} keeps a fee, and {toll} units of it are the executor's own")
        shown = self._gains.shown_wei(plan, verdict) - self.cost_wei(prepared.fees, verdict)
        if shown < plan.min_profit_wei:
            detail = f"{ether(shown)} after gas on the fork, at least {ether(plan.min_profit_wei)} wanted"
            return Refusal(Reason.SIM_BELOW_MIN_PROFIT, detail)
        return self._too_sensitive(verdict.moved) or verdict

    def is_asked(self, prepared: Prepared, verdict: Verdict) -> bool:
        """Whether the plan is of a size for which it is asked what it bears.

        What takes back an older plan is not asked: it has to leave, whatever others do.
        """
        bearing, plan = self._bearing, prepared.plan
        if bearing is None or verdict.outcome is not Outcome.OK or plan.unwinds:
            return False
        return self._marks.wei(plan.swaps[0].token_in, plan.amount_in) >= bearing.above_wei

    def could_lose_too_much(self, prepared: Prepared, verdict: Verdict) -> bool:
        """Whether it could be refused for what it bears: it loses its gas at most, or what its terms still allow."""
        assert self._bearing is not None, "it is not asked"
        plan = prepared.plan
        least_wei = 0 if plan.atomic else min(0, self._gains.two_sided_wei(plan, prepared.terms.min_out))
        return self.cost_wei(prepared.fees, verdict) - least_wei > self._bearing.most_loss_wei

    def bears(self, prepared: Prepared, verdict: Verdict) -> tuple[IfMoved, ...]:
        """What the plan comes to where its pools move from where they stand in the market."""
        assert self._bearing is not None, "it is not asked"
        amounts = brought(prepared.plan, self._bearing.market, LEVELS_BPS)
        return tuple(self._if_moved(prepared, verdict, *each) for each in zip(LEVELS_BPS, amounts, strict=True))

    def smaller(self, plan: Plan) -> Plan | None:
        """A plan of half the size, for one that is too sensitive as it is."""
        return halved(plan, self._bearing.market, self._marks) if self._bearing is not None else None

    def cost_wei(self, fees: Fees, verdict: Verdict) -> int:
        """The gas that a verdict shows and the most the bytes may cost besides, in wei of ETH."""
        return self._fee_policy.coin.cost_wei(verdict.gas_cost_wei + fees.data_fee_wei)

    def _if_moved(self, prepared: Prepared, verdict: Verdict, bps: int, arrives: int | None) -> IfMoved:
        plan, cost_wei = prepared.plan, self.cost_wei(prepared.fees, verdict)
        if arrives is None:
            return IfMoved(bps, -cost_wei, settles=False)
        if not plan.atomic:
            settles = arrives >= prepared.terms.min_out
            return IfMoved(bps, (self._gains.two_sided_wei(plan, arrives) if settles else 0) - cost_wei, settles)
        gain = arrives - (plan.loan.debt(plan.amount_in) if plan.loan else plan.amount_in)
        settles = gain >= prepared.terms.min_gain
        return IfMoved(bps, (self._marks.wei(plan.swaps[-1].token_out, gain) if settles else 0) - cost_wei, settles)

    def _too_sensitive(self, moved: Sequence[IfMoved]) -> Refusal | None:
        least = next(iter(moved), None)
        if self._bearing is None or least is None or -least.left_wei <= self._bearing.most_loss_wei:
            return None
        return Refusal(
            Reason.SIM_SENSITIVE,
            f"it loses {ether(-least.left_wei)} where its pools move {least.bps} bps first, "
            f"at most {ether(self._bearing.most_loss_wei)} may be lost so",
        )
