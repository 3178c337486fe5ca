"""Budgets as the signer counts them: sliding windows over its own journal, the worst case of all that is unsettled."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.reasons import Reason, Refusal
from bot.signer.journal import Entry, Settlement
from bot.signer.policy import StrategyLimits
from bot.signer.protocol import StrategyUsage

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


@dataclass(slots=True)
class _Account:
    """One strategy's unsettled entries by intent, and its settlements of a day, oldest first."""

    unsettled: dict[str, Entry] = field(default_factory=dict)
    settled: deque[Settlement] = field(default_factory=deque)


class Budgets:
    """The journal's last day, in memory. A reservation counts in every window until it is settled, however old."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """`entries` come in order of settlement, as `Journal.entries` gives them."""
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)
        for entry in entries:
            self.reserve(entry)
            if entry.settlement is not None:
                self.settle(entry, entry.settlement)

    def reserve(self, entry: Entry) -> None:
        self._accounts[entry.strategy].unsettled[entry.intent_id] = entry

    def settle(self, entry: Entry, settlement: Settlement) -> None:
        account = self._accounts[entry.strategy]
        del account.unsettled[entry.intent_id]
        account.settled.append(settlement)

    @property
    def unsettled(self) -> int:
        return sum(len(account.unsettled) for account in self._accounts.values())

    def usage(self, strategy: str, now_s: float) -> StrategyUsage:
        """What `strategy` has reserved, lost and burned in the windows that end at `now_s`."""
        account = self._accounts[strategy]
        while account.settled and account.settled[0].at_s <= now_s - DAY_S:
            account.settled.popleft()
        reserved = sum(entry.worst_case_wei for entry in account.unsettled.values())
        reserved_gas = sum(entry.worst_gas_wei for entry in account.unsettled.values())
        hour = sum(settled.loss_wei for settled in account.settled if settled.at_s > now_s - HOUR_S)
        day = sum(settled.loss_wei for settled in account.settled)
        gas = sum(settled.gas_cost_wei for settled in account.settled)
        return StrategyUsage(reserved, hour + reserved, day + reserved, gas + reserved_gas)

    def check(
        self, strategy: str, limits: StrategyLimits, *, worst_case_wei: int, worst_gas_wei: int, now_s: float
    ) -> Refusal | None:
        """Whether one more intent fits, should everything unsettled end in its worst case."""
        usage = self.usage(strategy, now_s)
        for name, used, added, limit in (
            ("per-trade", 0, worst_case_wei, limits.per_trade_wei),
            ("hourly loss", usage.hour_loss_wei, worst_case_wei, limits.hour_loss_wei),
            ("daily loss", usage.day_loss_wei, worst_case_wei, limits.day_loss_wei),
            ("daily gas", usage.day_gas_wei, worst_gas_wei, limits.day_gas_wei),
        ):
            if used + added > limit:
                return Refusal(
                    Reason.SIGNER_BUDGET,
                    f"{strategy}: {name} limit is {limit} wei; {used} wei are used and {added} wei are asked for",
                )
        return None
