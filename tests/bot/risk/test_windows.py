"""Random trading, time and restarts: no sliding window ever holds more than its limit."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.ledger.ledger import Ledger
from bot.ledger.records import WorstCase
from bot.risk.budget import Budget
from bot.risk.guard import Guard
from bot.risk.usage import DAY_S, HOUR_S, read_usage
from bot.transaction import Fees
from chains.blocks import Receipt
from tests.bot.ledger.given import (
    INVENTORY_WETH,
    SENDER,
    StandingClock,
    atomic_plan,
    begin,
    hash_of,
    open_ledger,
)

STRATEGY = "dex_arbitrage"
GAS_WEI = 10
BUDGET = Budget(
    capital_wei=0,
    per_trade_wei=200,
    hour_loss_wei=300,
    day_loss_wei=700,
    gas_day_wei=250,
    drawdown_wei=10**9,
)
_instances = itertools.count()


@dataclass
class Trade:
    id: int
    number: int
    worst: WorstCase
    block: int | None = None
    at_s: int = 0
    lost_wei: int = 0
    gas_wei: int = 0
    final: bool = False


class Trading(RuleBasedStateMachine):
    """The model keeps every loss with its time, and sums windows by brute force."""

    path: Path
    ledger: Ledger

    @initialize()
    def start(self) -> None:
        self.instance = f"0xwindows{next(_instances)}"
        begin(self.ledger, self.instance)
        self.now_s = 1_700_000_000
        self.stand()
        self.numbers = itertools.count(1)
        self.open: list[Trade] = []
        self.closed: list[Trade] = []

    def stand(self) -> None:
        self.ledger.at_head(1, self.now_s)

    @rule(step_s=st.one_of(st.integers(0, 2 * HOUR_S), st.sampled_from([HOUR_S, HOUR_S + 1, DAY_S, DAY_S - HOUR_S])))
    def time_passes(self, step_s: int) -> None:
        self.now_s += step_s
        self.stand()

    @rule(back_s=st.integers(1, DAY_S))
    def a_head_with_an_old_timestamp(self, back_s: int) -> None:
        self.ledger.at_head(1, self.now_s - back_s)

    @rule(loss_wei=st.integers(GAS_WEI, 250), tries=st.integers(1, 3))
    def trade(self, loss_wei: int, tries: int) -> None:
        worst = WorstCase(loss_wei, GAS_WEI)
        for _ in range(tries):
            number = next(self.numbers)
            plan = atomic_plan(number)
            if Guard(self.ledger, {STRATEGY: BUDGET}).check(plan, worst) is not None:
                assert self.some_limit_would_break(worst)
                return
            assert not self.some_limit_would_break(worst)
            intent = self.ledger.reserve(plan, SENDER, self.ledger.next_nonce(SENDER), worst, Fees(GAS_WEI, 1, 1))
            self.ledger.record_signed(intent.id, b"raw", hash_of("tx", number))
            self.ledger.mark_sending(intent.id)
            self.open.append(Trade(intent.id, number, worst))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), gas_wei=st.integers(0, GAS_WEI))
    def settles(self, data: st.DataObject, gas_wei: int) -> None:
        trade = data.draw(st.sampled_from(self.open))
        result_wei = data.draw(st.integers(-trade.worst.loss_wei, 1000))
        trade.block = next(self.numbers)
        mined = Receipt(hash_of("tx", trade.number), 1, hash_of(self.instance, trade.block), 0, 1, gas_wei, 1, ())
        self.ledger.record_mined(trade.id, mined, {INVENTORY_WETH: result_wei + gas_wei})
        trade.at_s, trade.lost_wei, trade.gas_wei = self.now_s, max(0, -result_wei), gas_wei
        self.open.remove(trade)
        self.closed.append(trade)

    @precondition(lambda self: any(not trade.final for trade in self.closed))
    @rule(data=st.data())
    def becomes_final(self, data: st.DataObject) -> None:
        trade = data.draw(st.sampled_from([trade for trade in self.closed if not trade.final]))
        self.ledger.mark_final(trade.id)
        trade.final = True

    @precondition(lambda self: self.open)
    @rule()
    def restart(self) -> None:
        self.ledger.close()
        Trading.ledger = Ledger.open(str(self.path), StandingClock())
        self.ledger.attach()
        self.stand()

    def window(self, amount: str, end_s: int, length_s: int) -> int:
        return sum(getattr(trade, amount) for trade in self.closed if end_s - length_s <= trade.at_s <= end_s)

    def reserved(self, amount: str, booked: str, length_s: int = HOUR_S) -> int:
        """The worst of what is open, and of what may be undone, beyond what is booked of it in the window."""
        undoable = [trade for trade in self.closed if not trade.final]
        return sum(getattr(trade.worst, amount) for trade in self.open) + sum(
            max(0, getattr(trade.worst, amount) - getattr(trade, booked) * (trade.at_s >= self.now_s - length_s))
            for trade in undoable
        )

    def some_limit_would_break(self, worst: WorstCase) -> bool:
        reserved = self.reserved("loss_wei", "lost_wei") + worst.loss_wei
        gas = self.reserved("gas_wei", "gas_wei", DAY_S) + worst.gas_wei
        return (
            worst.loss_wei > BUDGET.per_trade_wei
            or self.window("lost_wei", self.now_s, HOUR_S) + reserved > BUDGET.hour_loss_wei
            or self.window("lost_wei", self.now_s, DAY_S) + reserved > BUDGET.day_loss_wei
            or self.window("gas_wei", self.now_s, DAY_S) + gas > BUDGET.gas_day_wei
        )

    @invariant()
    def the_ledger_counts_what_the_model_counts(self) -> None:
        usage = read_usage(self.ledger, STRATEGY)
        assert usage.hour_loss_wei == self.window("lost_wei", self.now_s, HOUR_S)
        assert usage.day_loss_wei == self.window("lost_wei", self.now_s, DAY_S)
        assert usage.gas_day_wei == self.window("gas_wei", self.now_s, DAY_S)
        assert usage.reserved_loss_wei == self.reserved("loss_wei", "lost_wei")
        assert usage.reserved_gas_wei == self.reserved("gas_wei", "gas_wei", DAY_S)


class Windows(Trading):
    """Without reorgs every window of any past or present moment is within its limit, the reserved included."""

    @invariant()
    def no_sliding_window_holds_more_than_its_limit(self) -> None:
        for trade in self.closed:
            assert self.window("lost_wei", trade.at_s, HOUR_S) <= BUDGET.hour_loss_wei
            assert self.window("lost_wei", trade.at_s, DAY_S) <= BUDGET.day_loss_wei
            assert self.window("gas_wei", trade.at_s, DAY_S) <= BUDGET.gas_day_wei

    @invariant()
    def spent_and_reserved_stay_within_the_limit_now(self) -> None:
        for length_s, most_wei in ((HOUR_S, BUDGET.hour_loss_wei), (DAY_S, BUDGET.day_loss_wei)):
            reserved = self.reserved("loss_wei", "lost_wei", length_s)
            assert self.window("lost_wei", self.now_s, length_s) + reserved <= most_wei


class Reorganised(Trading):
    """A reorg puts a settled trade back in flight, at its worst again, which was reserved all the while."""

    @invariant()
    def a_reorg_breaks_no_limit(self) -> None:
        for length_s, most_wei in ((HOUR_S, BUDGET.hour_loss_wei), (DAY_S, BUDGET.day_loss_wei)):
            reserved = self.reserved("loss_wei", "lost_wei", length_s)
            assert self.window("lost_wei", self.now_s, length_s) + reserved <= most_wei

    @precondition(lambda self: any(not trade.final for trade in self.closed))
    @rule(data=st.data())
    def reorganised(self, data: st.DataObject) -> None:
        trade = data.draw(st.sampled_from([trade for trade in self.closed if not trade.final]))
        self.ledger.undo_block(hash_of(self.instance, trade.block or 0))
        self.closed.remove(trade)
        self.open.append(trade)


@pytest.mark.parametrize("machine", [Windows, Reorganised])
def test_no_sliding_window_is_exceeded_by_random_trading_and_restarts(machine: type[Trading], tmp_path: Path) -> None:
    Trading.path = tmp_path / "ledger.db"
    Trading.ledger = open_ledger(Trading.path)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    Trading.ledger.close()
