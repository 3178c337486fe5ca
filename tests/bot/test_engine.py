"""The engine, between two blocks: what it takes in, what it lets through, what it leaves, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bot.engine import Engine
from bot.execution.homecoming import Homecoming
from bot.execution.lenders import READ_EVERY, SingletonLenders
from bot.execution.settings import NO_VENUES
from bot.ledger.reading import decisions, events, opportunities
from bot.ledger.states import Exposure
from bot.ledger.store import Store
from bot.market.books import usable
from bot.plan import Plan, Swap
from bot.reasons import Reason, Refusal
from bot.rpc import HttpRpc
from bot.strategy import InvalidParameter, MarketView, Strategy, StrategyFailed
from chains.assets import Token
from chains.blocks import Block
from chains.exchanges.orders import ExchangeOrder, OrderReport, OrderStatus
from chains.exchanges.paper import PaperExchange
from chains.exchanges.troubles import FeedTrouble
from chains.loans import Lender
from chains.node.answers import Request
from chains.node.endpoint import Endpoint
from chains.node.errors import Unreachable
from strategies.cex_dex_arbitrage import CexDexArbitrage
from tests.bot.ledger.given import StandingClock
from tests.bot.market import samples
from tests.road import scenario as scenarios
from tests.road.small import open_road


class Planning(Strategy):
    """Says what a test wants said of the first cycle it is shown."""

    def __init__(self, plans: Callable[[Plan], Iterable[Plan]]) -> None:
        super().__init__("dex_arbitrage")
        self._plans = plans

    def on_market(self, market: MarketView) -> Iterable[Plan]:
        for candidate in market.cycles():
            yield from self._plans(candidate.plan(min_profit_wei=10**15))


TWO_POOLS = scenarios.read("two_pools")


async def test_two_plans_of_one_block_never_share_a_pool(tmp_path: Path) -> None:
    strategy = Planning(lambda plan: (plan, replace(plan, note="again")))
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack, strategies=[strategy])
        await road.mine(())
        second, first = decisions(road.ledger)
        assert (first.status, second.reason) == ("pending", Reason.POOL_IN_USE)


async def test_what_a_book_offers_is_taken_by_one_plan_of_a_head_or_by_an_order_that_is_owed(tmp_path: Path) -> None:
    """Two strategies, and two pools that are as cheap as each other."""
    scenario = scenarios.read("exchange_gap")
    second = replace(scenario.pools[0], name="sushi", factory="sushi")
    scenario, shown = replace(scenario, pools=(*scenario.pools, second)), scenario.steps[0].book
    assert shown is not None
    strategies = [CexDexArbitrage("cex_dex_arbitrage"), CexDexArbitrage("cex_dex_arbitrage")]
    async with AsyncExitStack() as stack:
        road = await open_road(scenario, tmp_path, stack, strategies=strategies)
        sent = []
        for _ in range(3):
            road.show(shown)
            await road.mine(())
            sent.append(road.engine.counts["sent"])
        assert sent == [1, 1, 2]


async def test_a_plan_in_a_token_nobody_can_value_is_refused_and_the_run_goes_on(tmp_path: Path) -> None:
    def in_another(plan: Plan) -> Iterable[Plan]:
        odd = Token("anvil", plan.swaps[0].token_in.address, "ODD", 18)
        ends = [replace(swap, token_in=odd, token_out=odd) for swap in plan.swaps]
        assert all(isinstance(swap, Swap) for swap in ends)
        yield replace(plan, legs=tuple(ends))
        yield plan

    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack, strategies=[Planning(in_another)])
        await road.mine(())
        second, first = decisions(road.ledger)
        assert first.reason == Reason.NO_MARK and "ODD" in str(first.detail)
        assert second.status == "pending"


@pytest.mark.parametrize(
    ("reason", "later"), [(Reason.STALE_DATA, ["pending"]), (Reason.SIM_BELOW_MIN_PROFIT, list[str]())]
)
async def test_what_is_refused_for_a_reason_of_the_moment_is_planned_again_though_its_pools_stand_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: Reason, later: list[str]
) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        with monkeypatch.context() as at_first:
            at_first.setattr(road.engine.deciding, "_stale", lambda head, plan: Refusal(reason, "for now"))
            await road.mine(())
        await road.mine(())
        *newest, first = decisions(road.ledger)
        assert first.reason == reason
        assert [decision.status for decision in newest] == later


async def test_a_plan_that_no_fork_answers_for_has_one_more_try_until_its_pools_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        monkeypatch.setattr(road.engine.deciding, "_stale", lambda head, plan: Refusal(Reason.SIM_INVALID, "no answer"))
        for _ in range(4):
            await road.mine(())
        assert [decision.reason for decision in decisions(road.ledger)] == [Reason.SIM_INVALID] * 2


async def test_a_dry_road_ends_at_the_verdict(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack, trading=False)
        await road.mine(())
        (made,) = decisions(road.ledger)
        assert (made.status, made.intent_id) == ("decided", None)
        assert road.engine.counts["simulated"] == 1 and road.engine.idle


async def test_it_is_not_idle_while_it_decides(tmp_path: Path) -> None:
    """A run that ends between two plans of a block would leave the second one behind."""
    idle: list[bool] = []

    def asked(plan: Plan) -> Iterable[Plan]:
        idle.append(road.engine.idle)
        return ()

    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack, strategies=[Planning(asked)])
        await road.mine(())
        assert idle == [False] and road.engine.idle


async def test_it_is_not_idle_while_a_trade_is_in_flight(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        await road.mine(())
        assert not road.engine.idle
        await road.mine(())
        assert road.engine.idle


async def test_what_a_head_needs_of_the_node_is_asked_for_before_the_block_is_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node answers while this process is busy: receipts, the account's transactions, and what verdicts run on."""
    asked: list[str] = []
    for rpc in (Endpoint, HttpRpc):

        async def noted(self: Any, calls: Sequence[Any], batch: Any = rpc.batch) -> Any:
            asked.extend(call.method if isinstance(call, Request) else call[0] for call in calls)
            return await batch(self, calls)

        monkeypatch.setattr(rpc, "batch", noted)
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        await road.mine(())
        assert not road.engine.idle, "a transaction is in flight"
        apply, before = road.road.market.apply, list[str]()

        def applied(block: Block) -> None:
            before.extend(asked)
            apply(block)

        monkeypatch.setattr(road.road.market, "apply", applied)
        asked.clear()
        await road.mine(())
    assert {"eth_getTransactionReceipt", "eth_getTransactionCount", "eth_call"} <= set(before)


async def test_what_a_head_asks_the_ledger_was_read_before_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        await road.mine(())
        assert not road.engine.idle, "a transaction is in flight"
        read, reads, decide = Store.read, list[str](), road.engine.deciding.decide

        def noted(store: Store) -> AbstractContextManager[Connection]:
            reads.append("read")
            return read(store)

        async def decided(*told: Any) -> None:
            before.extend(reads)
            await decide(*told)

        before = list[str]()
        monkeypatch.setattr(Store, "read", noted)
        monkeypatch.setattr(road.engine.deciding, "decide", decided)
        await road.mine(())
        assert before == [] and reads


async def test_lenders_are_asked_after_what_a_head_decides_once_the_next_would_have_to_ask_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | str] = []

    def decided(plan: Plan) -> Iterable[Plan]:
        asked.append("decided")
        return ()

    class Asked(SingletonLenders):
        def _askings(self) -> Any:
            yield samples.WETH, Lender.AAVE_V3, iter(())

    async def together(node: object, askings: object, block: str) -> tuple[dict[str, Any], dict[str, str]]:
        asked.append("asked")
        return {}, {}

    monkeypatch.setattr("bot.execution.lenders.ask_together", together)
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack, strategies=[Planning(decided)])
        monkeypatch.setattr(road.engine, "_road", replace(road.road, lenders=Asked(NO_VENUES, (), road.node)))
        for number in range(READ_EVERY):
            asked.append(number)
            await road.mine(())
    assert asked[:5] == [0, "asked", "decided", 1, 2]
    assert asked[-3:] == [READ_EVERY - 2, READ_EVERY - 1, "asked"]


async def test_while_ending_nothing_new_is_begun(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        road.engine.ending = True
        await road.mine(())
        assert decisions(road.ledger) == () and road.engine.counts["heads"] == 1


async def test_while_ending_what_is_owed_is_still_unwound(tmp_path: Path) -> None:
    scenario = scenarios.read("exchange_dry")
    async with AsyncExitStack() as stack:
        road = await open_road(scenario, tmp_path, stack)
        for number, step in enumerate(scenario.steps):
            road.engine.ending = number > 0
            if step.book:
                road.show(step.book)
            await road.mine(())
        assert road.engine.idle
        assert road.ledger.intent(1).exposure is Exposure.UNWOUND


async def test_a_node_that_falls_silent_while_the_rest_goes_on_leaves_no_chain_side_without_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object) -> None:
        raise Unreachable("the node is gone")

    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("exchange_gap"), tmp_path, stack)
        for step in scenarios.read("exchange_gap").steps[:2]:
            if step.book:
                road.show(step.book)
            if road.engine.head is not None:
                monkeypatch.setattr(Homecoming, "_held", silent)
            await road.mine(step.swaps)
        assert [event.name for event in events(road.ledger)].count("node_gone") == 1
        assert road.ledger.intent(1).exposure is Exposure.HEDGED


class Shown(Strategy):
    """Needs no inventory, plans nothing, and says when it is asked."""

    def __init__(self, said: list[str]) -> None:
        super().__init__("cex_dex_arbitrage")
        self._said = said

    def on_market(self, market: MarketView) -> Iterable[Plan]:
        self._said.append("shown")
        return ()


async def test_cycles_are_not_kept_waiting_by_an_exchange_that_is_asked_about_an_order(tmp_path: Path) -> None:
    scenario, said = scenarios.read("exchange_gap"), list[str]()
    async with AsyncExitStack() as stack:
        road = await open_road(scenario, tmp_path, stack)
        real = road.exchange

        async def lost(order: ExchangeOrder) -> OrderReport:
            await PaperExchange.place(real, order)
            return OrderReport(order.client_id, order.symbol, order.side, OrderStatus.UNKNOWN)

        async def find(client_id: str, symbol: str) -> OrderReport | None:
            said.append("asked")
            return await PaperExchange.find(real, client_id, symbol) if said[0] == "shown" else None

        real.place, real.find = lost, find  # type: ignore[method-assign]
        road.show(scenario.steps[0].book)
        await road.mine(())
        await road.mine(())
        said.clear()
        road.road.strategies[:] = [Shown(said)]
        await road.mine(())
        assert said == ["shown", "asked"] and road.ledger.intent(1).exposure is Exposure.HEDGED


async def test_what_a_strategy_was_shown_is_remembered_with_the_plan_it_became(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        await road.mine(())
        (seen,) = opportunities(road.ledger)
        (made,) = decisions(road.ledger)
        assert seen.expected_profit_wei == made.expected_profit_wei and seen.strategy == "dex_arbitrage"


async def test_equal_runs_have_equal_digests_and_a_refusal_changes_it(tmp_path: Path) -> None:
    digests = []
    for number, budget in enumerate(({}, {}, {"gas_day": "0.001 ETH"})):
        async with AsyncExitStack() as stack:
            folder = tmp_path / str(number)
            folder.mkdir()
            road = await open_road(replace(TWO_POOLS, budget=budget), folder, stack)
            await road.mine(())
            digests.append(road.engine.decisions_digest)
    first, second, refused = digests
    assert first == second != refused


async def test_a_broken_book_stream_is_an_event_with_a_name(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        road.engine.on_trouble(FeedTrouble("binance", "ETH/USDT", "the socket closed"))
        (event,) = events(road.ledger)
        assert event.name == "book_stream" and event.detail == "ETH/USDT at binance: the socket closed"


async def test_a_fee_that_changed_while_it_runs_is_told_once(tmp_path: Path) -> None:
    book = samples.book([("1900", "1")], [("1901", "1")])
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        for fee_ppm in (230, 230, 1_000, 1_000):
            road.engine.on_book(replace(book, taker_fee_ppm=fee_ppm))
        (event,) = events(road.ledger)
        told = f"{book.symbol} at {book.exchange}: 1000 ppm are charged instead of 230"
        assert (event.name, event.detail) == ("exchange_fee", told)


async def test_a_book_that_fell_silent_is_closed_until_it_speaks_again(tmp_path: Path) -> None:
    book = samples.book([("1900", "1")], [("1901", "1")])
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        road.engine.on_book(replace(book, arrived_ns=1))
        await road.mine(())
        assert "stale_book" in [event.name for event in events(road.ledger)]
        assert not usable(road.road.market.book(book.exchange, book.symbol))
        road.engine.on_book(book)
        await road.mine(())
        assert usable(road.road.market.book(book.exchange, book.symbol))


async def test_a_book_that_is_told_late_is_closed_however_often_it_is_told_and_said_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        own = replace(road.road, by_timestamp=True)
        road = replace(road, road=own, engine=Engine(own, road.output))
        await road.mine(())
        assert road.engine.head is not None
        head_ms = road.engine.head.timestamp_s * 1000
        book = replace(samples.book([("1900", "1")], [("1901", "1")]), at_ms=head_ms + 3_600_000)
        for late_ms, is_open in ((0, True), (3_660_000, False), (3_660_000, False), (0, True)):
            road.engine.on_book(replace(book, at_ms=book.at_ms - late_ms))
            assert usable(own.market.book(book.exchange, book.symbol)) is is_open
        assert [event.name for event in events(road.ledger)].count("stale_book") == 1


async def test_every_decision_is_told_in_one_line(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack)
        await road.mine(())
        await road.mine(())
        assert len(road.output) == 2 and not any("\n" in line for line in road.output)


class Careless(Strategy):
    """Does whatever a test wants done when it is asked."""

    def __init__(self, does: Callable[[], Iterable[Plan]]) -> None:
        super().__init__("careless")
        self._does = does
        self.asked = 0

    def on_market(self, market: MarketView) -> Iterable[Plan]:
        self.asked += 1
        return self._does()


def failing(error: Exception) -> Careless:
    def does() -> Iterable[Plan]:
        raise error

    return Careless(does)


@pytest.mark.parametrize("error", [KeyError("x"), InvalidParameter("5 USDC must be in ETH")], ids=["code", "parameter"])
async def test_a_strategy_whose_code_fails_is_halted_until_it_is_resumed_and_the_others_go_on(
    tmp_path: Path, error: Exception
) -> None:
    careless = failing(error)
    async with AsyncExitStack() as stack:
        strategies = [careless, Planning(lambda plan: (plan,))]
        road = await open_road(TWO_POOLS, tmp_path, stack, strategies=strategies)
        await road.mine(())
        await road.mine(())
        assert decisions(road.ledger) and careless.asked == 1
        assert str(error) in str(road.ledger.halted_because("careless"))
        assert any(str(error) in line and "isthmus resume careless" in line for line in road.output)
        road.ledger.resume("careless", "mended")
        await road.mine(())
        assert careless.asked == 2 and road.ledger.halted_because("careless") is not None


async def test_a_run_whose_only_strategy_fails_ends(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack, strategies=[failing(KeyError("x"))])
        with pytest.raises(StrategyFailed, match="careless failed on block"):
            await road.mine(())


async def test_a_strategy_that_takes_long_is_told_of_once_until_it_is_quicker_again(tmp_path: Path) -> None:
    clock, seconds = StandingClock(), iter([3, 3, 0, 2])

    def slowly() -> Iterable[Plan]:
        clock.seconds += next(seconds)
        return ()

    async with AsyncExitStack() as stack:
        road = await open_road(TWO_POOLS, tmp_path, stack, strategies=[Careless(slowly)])
        road.road.transactions.stages.clock = clock
        for _ in range(4):
            await road.mine(())
        told = [event.detail for event in events(road.ledger) if event.name == "slow_strategy"]
    assert [line.partition(" s to plan")[0] for line in reversed(told)] == [
        "careless took 3.0",
        "careless took 2.0",
    ]
