"""The engine's side of the kill switch: what may be begun, when a flattening is over, and what trips it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.config.budgets import BreakerSettings
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerFull
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.states import Exposure
from bot.reasons import Reason
from bot.risk.halting import Halting
from bot.risk.watch import Watch
from bot.signer.switch import HALT, TOTAL, KillSwitch, Trading
from chains.assets import ZERO_ADDRESS, Address
from chains.blocks import Head
from tests.bot.ledger.given import atomic_plan, pending, receipt, sell_plan
from tests.told import Told

NOW_S = 1_700_000_000.0
FIRST = Head(0, "0x00", "0x", int(NOW_S), 1, 0, 30_000_000)


@dataclass
class HandClock:
    now_s: float = NOW_S
    set_by_s: float = 0.0

    def wall_s(self) -> float:
        return self.now_s + self.set_by_s

    def monotonic_ns(self) -> int:
        return int(self.now_s * 10**9)


@dataclass
class Engine:
    """What the watch sees of one."""

    counts: Counter[str] = field(default_factory=Counter)
    head: Head | None = None
    taking: bool = False
    booked: bool = True


@dataclass
class Chain:
    """Balances at a block, by (owner, token)."""

    held: dict[tuple[str, str], int] = field(default_factory=dict)

    final: Head = FIRST
    short_at: Counter[str] = field(default_factory=Counter)

    async def finalized_head(self) -> Head:
        return self.final

    ahead: bool = False
    """Answers its first question at each block of the block it is just adding."""
    asked: set[str] = field(default_factory=set)

    async def balance(self, account: Address, block: str) -> int:
        first = block not in self.asked
        self.asked.add(block)
        return self.held[account, ZERO_ADDRESS] - self.short_at[block] - (self.ahead and first)

    async def call(self, to: Address, data: bytes, block: str) -> bytes:
        owner = next(owner for owner, token in self.held if token == to and data.hex().endswith(owner[2:].lower()))
        return self.held[owner, to].to_bytes(32, "big")


@dataclass
class Given:
    """A watch over a made-up run."""

    clock: HandClock
    switch: KillSwitch
    halting: Halting
    engine: Engine
    chain: Chain
    ledger: Ledger
    watch: Watch
    beats: list[float]
    heard: list[float]
    out: Told

    def look(self, *, head: int | None = None) -> None:
        if head is not None:
            self.engine.head = Head(head, f"0x{head:064x}", "0x", int(NOW_S), 1, 0, 30_000_000)
        asyncio.run(self.watch.look())

    def state(self, strategy: str = TOTAL) -> Trading:
        return self.switch.of(strategy).state


@pytest.fixture
def given(ledger: Ledger, tmp_path: Path) -> Given:
    clock, out, beats, heard = HandClock(), Told(), list[float](), list[float]()
    switch = KillSwitch(tmp_path / "memory" / "control")
    switch.establish(NOW_S)
    halting, engine, chain = Halting(switch, clock), Engine(), Chain()

    async def beat() -> None:
        beats.append(clock.now_s)

    async def hear() -> None:
        heard.append(clock.now_s)

    watch = Watch(
        halting=halting,
        engine=engine,
        first=FIRST,
        ledger=ledger,
        node=chain,
        settings=BreakerSettings(),
        hear=hear,
        resume=ledger.resume,
        beat=beat,
        clock=clock,
        out=out,
    )
    for account, units in ledger.accounts().items():
        if account.place == ledger.run.network:
            chain.held[account.owner, account.token] = units
    return Given(clock, switch, halting, engine, chain, ledger, watch, beats, heard, out)


def test_a_halt_refuses_plans_and_orders_and_a_reduction_lets_ways_back_through(given: Given) -> None:
    plan = atomic_plan(1)
    back = dataclasses.replace(plan, unwinds="another")
    assert given.halting.refusal(plan) is None and given.halting.may_order(plan.strategy)
    given.switch.set(plan.strategy, Trading.REDUCING, by="me", because="a test", at_s=NOW_S)
    refusal = given.halting.refusal(plan)
    assert refusal is not None and refusal.reason is Reason.TRADING_REDUCING
    assert given.halting.refusal(back) is None and given.halting.may_order(plan.strategy)
    given.halting.halt("me", "a test")
    for each in (plan, back):
        refusal = given.halting.refusal(each)
        assert refusal is not None and refusal.reason is Reason.TRADING_HALTED
    assert not given.halting.may_order(plan.strategy)


def test_what_is_stopped_says_why_and_what_is_active_nothing(given: Given) -> None:
    assert given.halting.stopped("dex_arbitrage") is None
    given.halting.halt("me", "a test", "dex_arbitrage", flatten=True)
    assert given.halting.stopped("dex_arbitrage") == "reducing by me: a test"
    assert given.halting.stopped("another") is None


def test_a_halt_that_cannot_be_written_is_told(given: Given) -> None:
    given.switch.path.unlink()
    given.switch.path.mkdir()
    (given.switch.folder / HALT).mkdir()
    given.watch.halt("me", "a test")
    assert any(line.startswith("halt: cannot set the switch") for line in given.out)


def test_a_halted_run_asks_nothing_else_of_a_plan(given: Given) -> None:
    given.halting.halt("me", "a test")
    asked = given.halting.before(lambda plan: 1 / 0)  # type: ignore[arg-type, return-value]
    assert asked(atomic_plan(1)) is not None


def test_every_move_of_the_switch_is_told_and_kept(given: Given) -> None:
    given.halting.halt("me", "a test")
    given.look()
    given.switch.set(TOTAL, Trading.ACTIVE, by="me", because="all is well", at_s=NOW_S)
    given.look()
    assert given.out == [
        "trading: all strategies: halted by me: a test",
        "trading: all strategies: active by me: all is well",
    ]
    assert [(event.name, event.level) for event in events(given.ledger)][:2] == [
        ("trading_resumed", Level.INFO),
        ("trading_halted", Level.ERROR),
    ]


def test_whoever_changes_something_at_the_signer_is_heard_at_every_look(given: Given) -> None:
    given.look()
    given.clock.now_s += 5
    given.look()
    assert given.heard == [NOW_S, NOW_S + 5]


def test_a_strategy_its_drawdown_halted_in_the_ledger_goes_on_with_its_switch(given: Given) -> None:
    given.ledger.halt("dex_arbitrage", "too far down")
    given.switch.set("dex_arbitrage", Trading.ACTIVE, by="me", because="looked at it", at_s=NOW_S)
    given.look()
    assert given.ledger.halted_because("dex_arbitrage") is None


def test_who_resumed_a_strategy_before_its_drawdown_halted_it_did_not_resume_it_from_that(given: Given) -> None:
    given.switch.set("dex_arbitrage", Trading.ACTIVE, by="me", because="looked at it", at_s=NOW_S - 60)
    given.ledger.halt("dex_arbitrage", "too far down")
    given.look()
    assert given.ledger.halted_because("dex_arbitrage") == "too far down", "as at the start of the next run"
    given.switch.set("dex_arbitrage", Trading.ACTIVE, by="me", because="looked at it", at_s=NOW_S + 60)
    given.look()
    assert given.ledger.halted_because("dex_arbitrage") is None, "said again, in the same words"


@pytest.mark.parametrize("resumed", ["before it was looked", "since"])
def test_who_resumes_a_strategy_after_the_clock_was_set_back_does_so_unless_it_may_have_been_before(
    resumed: str, given: Given
) -> None:
    if resumed == "since":
        given.look()
    given.ledger.halt("dex_arbitrage", "too far down")
    given.clock.set_by_s = -3_600
    given.switch.set("dex_arbitrage", Trading.ACTIVE, by="me", because="looked at it", at_s=given.clock.wall_s())
    given.look()
    assert (given.ledger.halted_because("dex_arbitrage") is None) is (resumed == "since")


@pytest.mark.parametrize("name", [TOTAL, "dex_arbitrage"])
def test_the_page_cannot_loosen_what_is_halted_by_flattening_it(given: Given, name: str) -> None:
    halted = given.switch.set(name, Trading.HALTED, by="a breaker", because="money is missing", at_s=NOW_S)
    assert given.halting.halt("the dashboard", "go home", name, flatten=True) == halted
    assert given.switch.read().switches[name] == halted
    given.switch.path.write_bytes(b"{")
    assert given.halting.halt("the dashboard", "go home", flatten=True).state is Trading.HALTED
    assert given.state(name) is Trading.HALTED


def test_a_flattening_ends_halted_once_nothing_is_in_flight_or_owed(given: Given) -> None:
    given.switch.set(TOTAL, Trading.REDUCING, by="me", because="going home", at_s=NOW_S, then_halt=True)
    sold = pending(given.ledger, 1, sell_plan(1))
    given.look()
    given.ledger.record_mined(sold.id, receipt(1), {}, [])
    given.look()
    assert given.state() is Trading.REDUCING
    given.ledger.close_exposure(sold.id, Exposure.HEDGED)
    given.engine.taking = True
    given.look()
    assert given.state() is Trading.REDUCING
    given.engine.taking = False
    given.look()
    assert str(given.switch.of(TOTAL)) == "halted by me: nothing is owed any more; going home"


def test_what_others_have_in_flight_keeps_no_strategy_from_being_halted(given: Given) -> None:
    for name in ("dex_arbitrage", "cex_dex_arbitrage"):
        given.switch.set(name, Trading.REDUCING, by="me", because="going home", at_s=NOW_S, then_halt=True)
    pending(given.ledger, 1, sell_plan(1))
    given.look()
    assert given.state("dex_arbitrage") is Trading.HALTED
    assert given.state("cex_dex_arbitrage") is Trading.REDUCING


def test_a_file_by_hand_resumes_no_strategy_that_was_halted_when_it_is_put_there_or_taken_away(given: Given) -> None:
    given.ledger.halt("dex_arbitrage", "its drawdown")
    given.switch.set("dex_arbitrage", Trading.HALTED, by="me", because="a test", at_s=NOW_S)
    given.look()
    (given.switch.folder / HALT).touch()
    given.look()
    (given.switch.folder / HALT).unlink()
    given.look()
    assert given.ledger.halted_because("dex_arbitrage") == "its drawdown"
    assert [line.partition(" is there")[0].rpartition("/")[0] or line for line in given.out] == [
        "trading: dex_arbitrage: halted by me: a test",
        f"trading: all strategies: halted by a file: {given.switch.folder}",
        "trading: all strategies: active",
    ]


def test_when_a_file_by_hand_goes_it_is_told_that_a_person_still_halts_everything(given: Given) -> None:
    given.halting.halt("me", "a test")
    given.look()
    (given.switch.folder / HALT).touch()
    given.look()
    (given.switch.folder / HALT).unlink()
    given.look()
    assert given.out[-1] == "trading: all strategies: halted by me: a test"


def test_books_that_equal_the_chain_wind_up_the_dead_man(given: Given) -> None:
    given.clock.now_s += 60
    given.look(head=1)
    assert given.beats == [NOW_S + 60]
    given.look(head=2)
    assert given.beats == [NOW_S + 60], "it was proven again too soon"


def test_books_are_proven_in_time_after_the_machines_clock_was_set_back(given: Given) -> None:
    given.clock.set_by_s = -3_600
    given.clock.now_s += 60
    given.look(head=1)
    assert given.beats == [NOW_S + 60]


def test_a_chain_that_is_silent_is_no_dead_watch_and_books_that_do_not_hold_are_no_proof(given: Given) -> None:
    given.clock.now_s += 60
    given.look(head=1)
    given.clock.now_s += 59
    given.look()
    assert given.beats == [NOW_S + 60]
    given.clock.now_s += 1
    given.look()
    assert given.beats == [NOW_S + 60, NOW_S + 120]
    given.chain.held[next(iter(given.chain.held))] -= 1
    given.clock.now_s += 60
    given.look(head=2)
    given.clock.now_s += 60
    given.look()
    assert len(given.beats) == 2


@pytest.mark.parametrize("in_flight", [False, True])
def test_until_a_block_comes_the_books_are_proven_where_they_were_opened(given: Given, in_flight: bool) -> None:
    """What is in flight moves them in a block only."""
    if in_flight:
        pending(given.ledger, 1)
    for _ in range(2):
        given.clock.now_s += 60
        given.look()
    assert given.beats == [NOW_S + 60, NOW_S + 120]
    assert given.chain.asked == {FIRST.hash}


def test_while_the_first_block_is_taken_in_nothing_is_proven(given: Given) -> None:
    given.engine.booked = False
    for _ in range(2):
        given.clock.now_s += 60
        given.look()
    assert given.beats == [] and not given.chain.asked


def test_books_that_do_not_hold_where_they_were_opened_are_no_proof(given: Given) -> None:
    given.chain.held[next(iter(given.chain.held))] -= 1
    for _ in range(3):
        given.clock.now_s += 60
        given.look()
    assert given.beats == [] and given.state() is Trading.ACTIVE
    given.look(head=1)
    assert given.state() is Trading.HALTED


def test_money_that_is_missing_at_the_final_block_halts_too(given: Given) -> None:
    given.chain.final = Head(7, "0x07", "0x", int(NOW_S), 1, 0, 30_000_000)
    given.clock.now_s += 60
    given.look(head=14)
    assert given.state() is Trading.ACTIVE and given.beats == [NOW_S + 60]
    given.chain.short_at["0x07"] = 1
    for number in (15, 16):
        given.clock.now_s += 60
        given.look(head=number)
    assert given.state() is Trading.HALTED and "reconciliation_failed" in str(given.switch.of(TOTAL))


def test_money_that_two_heads_say_is_missing_halts_everything(given: Given) -> None:
    some = next(iter(given.chain.held))
    given.chain.held[some] -= 1
    given.clock.now_s += 60
    given.look(head=1)
    assert given.state() is Trading.ACTIVE
    given.look(head=2)
    assert given.state() is Trading.HALTED
    assert "reconciliation_failed" in str(given.switch.of(TOTAL))
    assert given.beats == []
    assert [event.level for event in events(given.ledger) if event.name == "reconciliation_failed"] == [Level.ERROR]


def test_a_node_that_answers_of_the_block_it_is_adding_halts_nothing(given: Given) -> None:
    given.chain.ahead = True
    for number in (1, 2, 3):
        given.clock.now_s += 60
        given.look(head=number)
    assert given.state() is Trading.ACTIVE and len(given.beats) == 3


def test_what_could_not_be_booked_yet_is_not_missing(given: Given) -> None:
    given.chain.held[next(iter(given.chain.held))] -= 1
    given.engine.booked = False
    for number in (1, 2, 3):
        given.clock.now_s += 60
        given.look(head=number)
    assert given.state() is Trading.ACTIVE and not given.beats


def test_money_that_somebody_sent_us_halts_nothing(given: Given) -> None:
    some = next(iter(given.chain.held))
    given.chain.held[some] += 1
    given.clock.now_s += 60
    for head in (1, 2, 3):
        given.look(head=head)
    assert given.state() is Trading.ACTIVE and given.beats


def test_endpoints_that_disagree_for_long_halt_everything_unless_a_plan_goes_through(given: Given) -> None:
    for seconds in (0, 100):
        given.clock.now_s = NOW_S + seconds
        given.engine.counts["refused:providers_disagree"] += 1
        given.look()
    given.engine.counts["sent"] += 1
    given.look()
    for seconds in (130, 240, 251):
        given.clock.now_s = NOW_S + seconds
        given.engine.counts["refused:providers_disagree"] += 1
        given.look()
        assert (given.state() is Trading.HALTED) == (seconds == 251)
    assert "providers_disagree" in str(given.switch.of(TOTAL))


def test_endpoints_that_disagreed_once_halt_nothing_while_no_plan_is_tried(given: Given) -> None:
    given.engine.counts["refused:providers_disagree"] += 1
    for seconds in (0, 130, 260):
        given.clock.now_s = NOW_S + seconds
        given.look()
        assert given.state() is Trading.ACTIVE


def test_a_signal_halts_everything_at_once(given: Given) -> None:
    given.watch.halt("SIGUSR1", "the process was told so")
    assert given.state() is Trading.HALTED
    assert given.out == ["trading: all strategies: halted by SIGUSR1: the process was told so"]


def test_missing_money_halts_although_the_ledger_has_no_space_to_say_so(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerFull("no space")

    given.chain.held[next(iter(given.chain.held))] -= 1
    given.clock.now_s += 60
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(given.ledger, "record_event", full)
        for number in (1, 2):
            given.look(head=number)
    assert given.state() is Trading.HALTED
    for number in (3, 4):
        given.look(head=number)
    assert [event.name for event in events(given.ledger)].count("reconciliation_failed") == 1
