"""The page's source over a real ledger and a real market."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest

from bot.dashboard.live import MOST_EVENTS, LiveRun
from bot.dashboard.source import Limit, OperatorKey, State, VenueState
from bot.dashboard.view import View
from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger
from bot.ledger.orders import BY_HAND
from bot.ledger.records import SwapFill, TradeFill
from bot.ledger.states import Exposure, OrderState
from bot.reasons import Reason, Refusal
from bot.risk.budget import Budget, summed
from bot.signer.switch import TOTAL
from bot.simulator.verdict import Outcome, Verdict
from chains.assets import Address
from chains.blocks import Head
from tests.bot.dashboard.serving import Served, dashboard_of
from tests.bot.ledger.given import (
    ETHER,
    FEES,
    GAS_COST_WEI,
    INVENTORY_USDT,
    INVENTORY_WETH,
    POOL,
    SENDER,
    USDT,
    WETH,
    WORST,
    StandingClock,
    atomic_plan,
    begin,
    hash_of,
    hedge_order,
    pending,
    receipt,
    sell_plan,
)
from tests.bot.market import samples

STRANGER = Address("0x7777777777777777777777777777777777777777")
BUDGET = Budget(5 * ETHER, ETHER, ETHER, 2 * ETHER, ETHER, ETHER)
BOTH = summed([BUDGET, BUDGET])


@dataclass
class StandingNode:
    connected: bool = True
    calls_made: int = 10


@dataclass
class Bot:
    """A ledger that is written to, and the source that reads it."""

    ledger: Ledger
    clock: StandingClock
    node: StandingNode
    head: Head | None
    source: LiveRun
    changed: dict[str, dict[str, int]]
    rests: dict[str, str]

    def on_head(self, number: int) -> None:
        self.head = Head(number, "0x", "0x", 1_700_000_000 + number, 10**9, 0, 30_000_000, self.clock.monotonic_ns())
        self.source.on_head(self.head)


@pytest.fixture
def total() -> Budget:
    return BOTH


@pytest.fixture
def bot(tmp_path: Path, total: Budget) -> Iterator[Bot]:
    clock, node = StandingClock(), StandingNode()
    ledger = Ledger.open(str(tmp_path / "ledger.db"), clock)
    begin(ledger)
    changed = {"dex_arbitrage": {"hour_loss_wei": -3}}
    view = Ledger.view(str(tmp_path / "ledger.db"), clock)
    view.attach()
    market = samples.market(
        samples.v2(1, samples.WETH, samples.USDC, (100 * ETHER, 200_000 * 10**6)),
        replace(samples.book([("1999", "5")], [("2001", "5")]), arrived_ns=clock.monotonic_ns()),
    )
    rests = dict[str, str]()
    source = LiveRun(
        ledger=view,
        market=market,
        node=node,
        head=lambda: running.head,
        counted={"heads": 3, "plans": 2},
        stopped={"cex_dex_arbitrage": "halted by a person"}.get,
        budgets={"dex_arbitrage": BUDGET, "cex_dex_arbitrage": BUDGET},
        total=total,
        protocols={},
        block_time_s=1,
        clock=clock,
        rests=rests.get,
        operators=(SENDER, STRANGER),
        allowance=lambda strategy: changed.get(strategy, {}),
    )
    running = Bot(ledger, clock, node, None, source, changed, rests)
    yield running
    view.close()
    ledger.close()


async def test_a_settled_decision_is_shown_from_plan_to_fill(bot: Bot) -> None:
    plan = atomic_plan(1)
    bot.ledger.record_plan(plan)
    bot.ledger.record_verdict(plan.id, Verdict(Outcome.OK, "d" * 64, 1, plan.block_hash, 150_000, 10**9))
    fill = SwapFill(0, POOL, WETH.address, ETHER, USDT.address, 2010 * 10**6)
    bot.ledger.record_mined(pending(bot.ledger, 1).id, receipt(1), {INVENTORY_WETH: 10**16}, [fill])
    (row,) = await bot.source.decisions(10)
    assert (row.state, row.realised_wei, row.tx_hash) == (State.SETTLED, 10**16 - GAS_COST_WEI, hash_of("tx", 1))
    detail = await bot.source.decision(row.id)
    assert detail is not None
    assert [(hop.symbol_in, hop.amount_in_units, hop.symbol_out) for hop in detail.hops] == [
        ("WETH", ETHER, "USDT"),
        ("USDT", 2010 * 10**6, "WETH"),
    ]
    assert [verdict.outcome for verdict in detail.verdicts] == ["ok"]
    assert detail.decision.gas_wei == GAS_COST_WEI
    assert [(told.symbol_in, told.decimals_out, told.amount_out_units) for told in detail.fills] == [
        ("WETH", 6, 2010 * 10**6)
    ]
    assert await bot.source.decision(row.id + 1) is None


async def test_each_decision_is_in_the_state_it_is_in(bot: Bot) -> None:
    ledger = bot.ledger
    ledger.record_mined(pending(ledger, 0).id, receipt(0, status=0), {})
    two_sided = pending(ledger, 1, sell_plan(1))
    ledger.record_mined(two_sided.id, receipt(1), {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6})
    ledger.record_plan(atomic_plan(2))
    ledger.record_refusal(Refusal(Reason.SIM_REVERTED, "K"), "dex_arbitrage", atomic_plan(2).id)
    ledger.record_plan(atomic_plan(3))
    pending(ledger, 2, atomic_plan(4))
    unsigned = ledger.reserve(atomic_plan(5), SENDER, ledger.next_nonce(SENDER), WORST, FEES)
    ledger.record_refusal(Refusal(Reason.SIGNER_BUDGET_GAS, "K"), "dex_arbitrage", atomic_plan(5).id)
    ledger.release(unsigned.id, "K")
    states = [State.REFUSED, State.PENDING, State.DECIDED, State.REFUSED, State.HEDGING, State.REVERTED]
    assert [row.state for row in await bot.source.decisions(10)] == states
    order = ledger.place_order(two_sided.id, hedge_order(), "spot")
    done = TradeFill("1", 10**8, 2000 * 10**8, "USDT", 0)
    ledger.record_order("binance", order.client_id, OrderState.FILLED, [done])
    ledger.close_exposure(two_sided.id, Exposure.HEDGED)
    states[4] = State.SETTLED
    assert [row.state for row in await bot.source.decisions(10)] == states
    hedged = (await bot.source.decisions(10))[4]
    detail = await bot.source.decision(hedged.id)
    assert detail is not None
    assert (detail.hops[1].venue, detail.hops[1].symbol_in, detail.hops[1].symbol_out) == (
        "binance:ETH/USDT",
        "USDT",
        "ETH",
    )


async def test_what_is_open_is_told_however_old_and_once_more_where_it_is_asked_for(bot: Bot) -> None:
    first, second = pending(bot.ledger, 1), pending(bot.ledger, 2)
    bot.ledger.record_plan(atomic_plan(3))
    newer, older = await bot.source.open_decisions(())
    assert (newer.state, older.state) == (State.PENDING, State.PENDING)
    bot.ledger.record_mined(first.id, receipt(1), {INVENTORY_WETH: 10**16})
    bot.ledger.record_mined(second.id, receipt(2), {INVENTORY_WETH: 10**16})
    assert await bot.source.open_decisions(()) == []
    (told,) = await bot.source.open_decisions([older.id])
    assert (told.id, told.state) == (older.id, State.SETTLED)
    bot.ledger.undo_block(receipt(1).block_hash)
    assert [row.state for row in await bot.source.open_decisions(())] == [State.PENDING]


async def test_counters_profit_and_budgets_agree_with_the_ledger(bot: Bot) -> None:
    bot.on_head(5)
    for number, status, gained in ((1, 0, {}), (2, 1, {INVENTORY_WETH: 10**16})):
        intent = pending(bot.ledger, number)
        bot.ledger.record_mined(intent.id, receipt(number, status=status), gained)
        bot.ledger.mark_final(intent.id)
    bot.node.calls_made += 8
    counters = await bot.source.counters()
    assert (counters.heads, counters.sent, counters.reverted, counters.node_calls) == (3, 2, 1, 8)
    assert counters.settled == {"dex_arbitrage": 1}
    points = (await bot.source.profit_series(0))["dex_arbitrage"]
    assert [point.cumulative_wei for point in points] == [-GAS_COST_WEI, 10**16 - 2 * GAS_COST_WEI]
    dex, _ = await bot.source.budgets()
    used = {limit.name: limit.used_wei for limit in dex.limits}
    assert used == {
        "capital": 0,
        "per_trade": 0,
        "hour_loss": GAS_COST_WEI,
        "day_loss": GAS_COST_WEI,
        "gas_day": 2 * GAS_COST_WEI,
        "drawdown": 0,
    }
    limits = {limit.name: limit.limit_wei for limit in dex.limits}
    assert (limits["hour_loss"], limits["day_loss"]) == (BUDGET.hour_loss_wei - 3, BUDGET.day_loss_wei)
    bot.ledger.halt("dex_arbitrage", "asked to")
    halted = {"dex_arbitrage": "asked to", "cex_dex_arbitrage": "halted by a person"}
    assert (await bot.source.header()).halted == halted
    assert {budget.id: budget.halted_because for budget in await bot.source.budgets()} == halted


@pytest.mark.parametrize("total", [replace(BOTH, day_loss_wei=ETHER)])
async def test_what_all_together_may_risk_is_shown_before_what_each_may(bot: Bot) -> None:
    bot.on_head(5)
    for number, plan in ((1, atomic_plan(1)), (2, sell_plan(2))):
        intent = pending(bot.ledger, number, plan)
        bot.ledger.record_mined(intent.id, receipt(number, status=0), {})
        bot.ledger.mark_final(intent.id)
    together, *own = await bot.source.budgets()
    assert (together.id, [budget.id for budget in own]) == (TOTAL, ["dex_arbitrage", "cex_dex_arbitrage"])
    assert together.limits == (
        Limit("capital", 0, BOTH.capital_wei),
        Limit("per_trade", 0, BOTH.per_trade_wei),
        Limit("hour_loss", 2 * GAS_COST_WEI, BOTH.hour_loss_wei),
        Limit("day_loss", 2 * GAS_COST_WEI, ETHER),
        Limit("gas_day", 2 * GAS_COST_WEI, BOTH.gas_day_wei),
    )
    assert {plan.strategy for plan in (atomic_plan(1), sell_plan(2))} == {budget.id for budget in own}


@pytest.mark.parametrize("total", [replace(BOTH, day_loss_wei=ETHER)])
async def test_of_a_trades_limit_the_largest_in_flight_is_told_and_nothing_that_is_mined(bot: Bot) -> None:
    bot.on_head(5)
    mined, small, large = (
        pending(bot.ledger, number, atomic_plan(number), replace(WORST, loss_wei=loss_wei))
        for number, loss_wei in ((1, ETHER), (2, 10**16), (3, 10**17))
    )
    bot.ledger.record_mined(mined.id, receipt(1), {INVENTORY_WETH: 10**16})

    async def told() -> list[int]:
        return [limit.used_wei for it in await bot.source.budgets() for limit in it.limits if limit.name == "per_trade"]

    assert await told() == [10**17, 10**17, 0]
    for number, intent in ((2, small), (3, large)):
        bot.ledger.record_mined(intent.id, receipt(number), {INVENTORY_WETH: 10**16})
    assert await told() == [0, 0, 0]


async def test_a_limit_of_all_together_that_is_lowered_in_a_run_is_shown_from_then_on(bot: Bot) -> None:
    assert TOTAL not in {budget.id for budget in await bot.source.budgets()}
    bot.changed[TOTAL] = {"hour_loss_wei": -ETHER}
    (together, *_) = await bot.source.budgets()
    assert Limit("hour_loss", 0, BOTH.hour_loss_wei - ETHER) in together.limits


async def test_a_fill_says_what_took_it_back(bot: Bot) -> None:
    two_sided = pending(bot.ledger, 1, sell_plan(1))
    moved = {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6}
    fill = SwapFill(0, POOL, WETH.address, ETHER, USDT.address, 2010 * 10**6)
    bot.ledger.record_mined(two_sided.id, receipt(1), moved, [fill])
    order = bot.ledger.place_order(two_sided.id, hedge_order(), "spot")
    bot.ledger.record_order("binance", order.client_id, OrderState.UNKNOWN)
    told = TradeFill(f"{BY_HAND}{order.client_id}", 10**8, 2000 * 10**8, "USDT", 0)
    bot.ledger.settle_order("binance", order.client_id, [told], by="ann", because="the statement")
    bot.ledger.record_order("binance", order.client_id, OrderState.CANCELLED)
    bot.ledger.undo_block(receipt(1).block_hash)
    (row,) = await bot.source.decisions(10)
    detail = await bot.source.decision(row.id)
    assert detail is not None
    assert [fill.undone_by for fill in detail.fills] == ["a reorganisation", "what the exchange answered"]


async def test_each_key_is_shown_with_what_it_has_in_flight_and_why_it_is_halted(bot: Bot) -> None:
    pending(bot.ledger, 1)
    bot.ledger.record_mined(pending(bot.ledger, 2).id, receipt(2), {})
    bot.ledger.halt(f"account:{STRANGER}", "another program uses this key")
    assert (await bot.source.header()).operators == (
        OperatorKey(SENDER, 1),
        OperatorKey(STRANGER, 0, "another program uses this key"),
    )


async def test_what_falls_silent_is_shown_as_such(bot: Bot) -> None:
    bot.on_head(5)
    states = {venue.id: venue.state for venue in await bot.source.venues()}
    assert states["node"] is VenueState.FRESH
    assert states["binance:ETH/USDT"] is VenueState.FRESH
    assert states["constant_product"] is VenueState.QUIET
    bot.clock.seconds += 60
    states = {venue.id: venue.state for venue in await bot.source.venues()}
    assert (states["node"], states["binance:ETH/USDT"]) == (VenueState.STALE, VenueState.STALE)
    # As the engine does with a book that is too old.
    bot.source._market.close_book("binance", "ETH/USDT")
    [book] = [venue for venue in await bot.source.venues() if venue.id == "binance:ETH/USDT"]
    assert (book.state, book.detail) == (VenueState.STALE, "no update for 10 s and more")
    bot.node.connected = False
    assert (await bot.source.venues())[0].state is VenueState.DOWN
    assert (await bot.source.header()).head_age_s == 60.0


@pytest.mark.parametrize("node", ["silent", "not connected"])
async def test_pools_are_no_fresher_than_the_node_that_tells_of_them(bot: Bot, node: str) -> None:
    bot.on_head(5)
    bot.clock.seconds += 60 if node == "silent" else 1
    bot.node.connected = node == "silent"
    [pools] = [venue for venue in await bot.source.venues() if venue.id == "constant_product"]
    assert (pools.state, pools.age_s) == (VenueState.STALE, 60.0 if node == "silent" else 1.0)


async def test_what_asks_for_a_look_is_told_once_newest_first_and_what_does_not_is_left_out(bot: Bot) -> None:
    for _ in range(2):
        for level, name in ((Level.WARNING, "stale_book"), (Level.INFO, "certificate"), (Level.ERROR, "nonce_gap")):
            bot.ledger.record_event(level, name, "why")
        assert await bot.source.events() == await bot.source.events()
    shown = [(event.level, event.name, event.detail) for event in await bot.source.events()]
    assert shown == 2 * [("error", "nonce_gap", "why"), ("warning", "stale_book", "why")]
    for _ in range(MOST_EVENTS + 5):
        bot.ledger.record_event(Level.ERROR, "foreign_nonce")
    assert [event.name for event in await bot.source.events()] == ["foreign_nonce"] * MOST_EVENTS


async def test_what_is_in_trouble_is_told_before_what_is_well(bot: Bot) -> None:
    bot.on_head(9)
    bot.rests["binance"] = "it refused an order"
    first, *rest = await bot.source.venues()
    assert (first.id, first.state) == ("binance", VenueState.REFUSED)
    assert all(venue.state in (VenueState.FRESH, VenueState.QUIET) for venue in rest)


async def test_an_exchange_that_refused_an_order_is_shown_with_why(bot: Bot) -> None:
    bot.rests["binance"] = "binance refused it"
    (shown,) = (venue for venue in await bot.source.venues() if venue.id == "binance")
    assert (shown.state, shown.detail) == (VenueState.REFUSED, "binance refused it")
    bot.rests.clear()
    (shown,) = (venue for venue in await bot.source.venues() if venue.id == "binance")
    assert (shown.state, shown.detail) == (VenueState.FRESH, "")


async def test_the_profit_goes_on_where_the_machines_clock_was_set_back(bot: Bot) -> None:
    view = View(bot.source)
    for number, moved_s in ((1, 86_400), (2, -86_400), (3, 10)):
        bot.clock.seconds += moved_s
        bot.ledger.record_mined(pending(bot.ledger, number).id, receipt(number), {INVENTORY_WETH: 10**16})
        await view.refresh()
    told = orjson.loads(view.whole())["series"]["dex_arbitrage"]
    gain = 10**16 - GAS_COST_WEI
    assert [wei for _, wei in told] == [str(gain), str(2 * gain), str(3 * gain)]
    assert [at_ms for at_ms, _ in told] == sorted(at_ms for at_ms, _ in told)


async def test_the_dashboard_serves_the_real_ledger_and_market(bot: Bot) -> None:
    bot.on_head(5)
    bot.ledger.record_mined(pending(bot.ledger, 1).id, receipt(1), {INVENTORY_WETH: 10**16})
    dashboard = dashboard_of(bot.source)
    async with Served(dashboard, await dashboard.start()) as served:
        state = await served.json("/api/state")
    await dashboard.close()
    assert state["values"]["header"]["head_number"] == 5
    assert [row["state"] for row in state["tables"]["decisions"]] == ["settled"]
    assert {node["symbol"] for node in state["tables"]["nodes"]} == {"WETH", "USDC"}
    assert state["series"]["dex_arbitrage"][-1][1] == str(10**16 - GAS_COST_WEI)
