"""May this plan be risked? Its worst case, with all that is in flight, against the strategy's budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.gas import ether
from bot.ledger.ledger import Ledger
from bot.ledger.records import WorstCase
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.risk.allowances import Allowance, allowed, unchanged
from bot.risk.budget import Budget
from bot.risk.usage import Usage, read_usage, traded, used_together
from bot.signer.switch import TOTAL


def check(plan: Plan, budget: Budget, usage: Usage, worst: WorstCase) -> Refusal | None:
    """The first limit `plan` would break, or None. The plan is taken at its worst, and so is all that is in flight."""
    if usage.halted_because is not None:
        return Refusal(Reason.STRATEGY_HALTED, f"{plan.strategy} is halted: {usage.halted_because}")
    if usage.drawdown_wei and usage.drawdown_wei >= budget.drawdown_wei:
        return Refusal(
            Reason.BUDGET_DRAWDOWN,
            f"{ether(usage.drawdown_wei)} below the high-water mark, limit {ether(budget.drawdown_wei)}",
        )
    loss = usage.reserved_loss_wei + worst.loss_wei
    # What takes a trade back spends what the trade has out already, however much that is.
    capital = 0 if plan.unwinds else worst.capital_wei
    amounts = (
        (Reason.BUDGET_PER_TRADE, "the plan's worst case", worst.loss_wei + capital, budget.per_trade_wei),
        (
            Reason.BUDGET_CAPITAL,
            "inventory in flight",
            0 if plan.unwinds else usage.capital_wei + capital,
            budget.capital_wei,
        ),
        (
            Reason.BUDGET_GAS,
            "gas of a day",
            usage.gas_day_wei + usage.reserved_gas_wei + worst.gas_wei,
            budget.gas_day_wei,
        ),
        (Reason.BUDGET_HOUR_LOSS, "losses of an hour", usage.hour_loss_wei + loss, budget.hour_loss_wei),
        (Reason.BUDGET_DAY_LOSS, "losses of a day", usage.day_loss_wei + loss, budget.day_loss_wei),
    )
    for reason, what, amount, limit in amounts:
        if amount > limit:
            return Refusal(reason, f"{what} could reach {ether(amount)}, limit {ether(limit)}")
    return None


class Guard:
    """The budgets of all strategies over one ledger. A strategy without a budget may do nothing.

    `may_hold` says why what a plan leaves in our hands must not be held; without it, only the budgets count.
    """

    def __init__(
        self,
        ledger: Ledger,
        budgets: Mapping[str, Budget],
        may_hold: Callable[[Plan], Refusal | None] | None = None,
        total: Budget | None = None,
        allowance: Allowance = unchanged,
    ) -> None:
        """`total` is what all strategies together may risk; the signer holds them to it in any case.

        `allowance` says by how much a limit was changed since.
        """
        self._ledger = ledger
        self._budgets = dict(budgets)
        self._may_hold = may_hold
        self._total = total
        self._allowance = allowance
        self._now = dict(budgets)
        self._together: tuple[str, ...] = ()

    def prepare(self) -> None:
        """Read what is used of all budgets now, so that the first plan of a head does not wait for it.

        What time alone frees needs no reading: it may be done long before the head.
        """
        for strategy in self._budgets:
            read_usage(self._ledger, strategy)

    def check(self, plan: Plan, worst: WorstCase) -> Refusal | None:
        """As `check`, with the usage of now. A strategy at its drawdown limit is halted in the ledger.

        To be followed by `Ledger.reserve` without anything in between that could spend.
        """
        self._ledger.ask_others()
        held = self._may_hold(plan) if self._may_hold is not None else None
        if held is not None:
            return held
        budget = self._budgets.get(plan.strategy)
        if budget is None:
            return Refusal(Reason.BUDGET_CAPITAL, f"{plan.strategy} has no budget; give it one in its config file")
        budget = self._now[plan.strategy] = allowed(budget, self._allowance(plan.strategy))
        refusal = check(plan, budget, read_usage(self._ledger, plan.strategy), worst)
        if refusal is not None and refusal.reason is Reason.BUDGET_DRAWDOWN:
            self._ledger.halt(plan.strategy, refusal.detail)
        return refusal or self._check_total(plan, worst)

    def _check_total(self, plan: Plan, worst: WorstCase) -> Refusal | None:
        if self._total is None:
            return None
        # What another strategy of before, which the configuration no longer names, has in flight or lost counts on.
        self._together = self._together or tuple({*self._budgets, *traded(self._ledger)})
        used = used_together([read_usage(self._ledger, strategy) for strategy in self._together])
        refusal = check(plan, allowed(self._total, self._allowance(TOTAL)), used, worst)
        return Refusal(refusal.reason, f"all strategies: {refusal.detail}") if refusal is not None else None

    def standing(self, strategy: str) -> tuple[Budget, Usage] | None:
        """A strategy's limits as they were last checked, and what is used of them now; None where it has no budget."""
        budget = self._now.get(strategy)
        return None if budget is None else (budget, read_usage(self._ledger, strategy))
