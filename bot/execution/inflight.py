"""What this process knows of intents on their way, beside what the ledger keeps: it may be lost with the process."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent
from bot.plan import Plan
from bot.simulator.verdict import Verdict
from bot.transaction import UnsignedTransaction


@dataclass(slots=True)
class InFlight:
    """`transactions` by intent, oldest first: those that no block is known to hold. `verdicts` by plan."""

    ledger: Ledger
    transactions: dict[int, UnsignedTransaction] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    _plans: dict[str, Plan] = field(default_factory=dict)

    def begin(self, intent: Intent, plan: Plan, verdict: Verdict, transaction: UnsignedTransaction) -> None:
        """An intent whose transaction is signed."""
        self._plans[plan.id] = plan
        self.verdicts[plan.id] = verdict
        self.transactions[intent.id] = transaction

    def plan(self, intent: Intent) -> Plan:
        """What it carries out."""
        if intent.plan_id not in self._plans:
            self._plans[intent.plan_id] = self.ledger.plan(intent.plan_id)
        return self._plans[intent.plan_id]

    def forget(self, intent: Intent) -> None:
        """It is final."""
        self._plans.pop(intent.plan_id, None)
        self.verdicts.pop(intent.plan_id, None)
