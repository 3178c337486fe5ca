from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.signer.budget import DAY_S, HOUR_S, Budgets
from bot.signer.journal import Entry, Settlement
from bot.signer.policy import StrategyLimits
from chains.assets import ZERO_ADDRESS

LIMITS = StrategyLimits(per_trade_wei=100, hour_loss_wei=250, day_loss_wei=600, day_gas_wei=300, min_profit_wei=0)

steps = st.one_of(
    st.tuples(st.just("sign"), st.integers(0, 120), st.integers(0, 40)),
    st.tuples(st.just("settle"), st.integers(0, 100), st.integers(-150, 50)),
    st.tuples(st.just("wait"), st.integers(0, 5400), st.just(0)),
)


def entry(intent_id: str, worst_case_wei: int, worst_gas_wei: int, at_s: float) -> Entry:
    return Entry(31337, ZERO_ADDRESS, 0, intent_id, "", "dex", worst_case_wei, worst_gas_wei, at_s, "", "", b"")


@dataclass
class Record:
    """The plainest book there is: everything that ever happened, summed anew each time."""

    unsettled: list[Entry] = field(default_factory=list)
    settled: list[Settlement] = field(default_factory=list)

    def spent(self, since_s: float) -> int:
        lost = sum(max(0, done.gas_cost_wei - done.profit_wei) for done in self.settled if done.at_s > since_s)
        return lost + sum(entry.worst_case_wei for entry in self.unsettled)

    def gas(self, since_s: float) -> int:
        burned = sum(done.gas_cost_wei for done in self.settled if done.at_s > since_s)
        return burned + sum(entry.worst_gas_wei for entry in self.unsettled)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=80))
def test_no_sliding_window_is_ever_exceeded_and_nothing_that_fits_is_refused(
    script: list[tuple[str, int, int]],
) -> None:
    budgets, record, now_s = Budgets([]), Record(), 1e9
    for index, (act, first, second) in enumerate(script):
        if act == "wait":
            now_s += first
        elif act == "settle" and record.unsettled:
            entry_settled = record.unsettled.pop(0)
            settlement = Settlement(min(first, entry_settled.worst_gas_wei), second, now_s)
            record.settled.append(settlement)
            budgets.settle(entry_settled, settlement)
        elif act == "sign":
            worst = max(first, second)
            refusal = budgets.check("dex", LIMITS, worst_case_wei=worst, worst_gas_wei=second, now_s=now_s)
            fits = (
                worst <= LIMITS.per_trade_wei
                and record.spent(now_s - HOUR_S) + worst <= LIMITS.hour_loss_wei
                and record.spent(now_s - DAY_S) + worst <= LIMITS.day_loss_wei
                and record.gas(now_s - DAY_S) + second <= LIMITS.day_gas_wei
            )
            assert (refusal is None) == fits
            if fits:
                record.unsettled.append(entry(f"intent-{index}", worst, second, now_s))
                budgets.reserve(record.unsettled[-1])


def test_a_loss_beyond_the_worst_case_counts_in_full() -> None:
    reserved = entry("intent", 10, 5, 0.0)
    budgets = Budgets([reserved])
    budgets.settle(reserved, Settlement(5, -1000, 1.0))
    assert budgets.usage("dex", 2.0).hour_loss_wei == 1005
