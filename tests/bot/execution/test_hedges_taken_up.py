"""A trade whose other side was begun is gone on with: after a kill, and after its block was dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.execution.hedges import HedgeDesk
from bot.ledger.ledger import Ledger
from bot.ledger.states import Exposure
from chains.exchanges.orders import OrderStatus
from tests.bot.execution.given import (
    BOOK,
    ScriptedExchange,
    begin,
    buys_on_chain,
    desk,
    fills,
    fills_all,
    fills_nothing,
    head,
    market,
    open_ledger,
    pending,
    report,
    says_nothing,
    sells_on_chain,
    settle,
)
from tests.bot.execution.hedging import ONE_ETH, at_block, on_settled, settled
from tests.bot.ledger.given import StandingClock
from tests.bot.market import samples


class TestARestart:
    @staticmethod
    def _again(ledger: Ledger, path: Path, exchange: ScriptedExchange, number: int = 30) -> tuple[Ledger, HedgeDesk]:
        """The process was killed, and another opens the same ledger."""
        ledger.close()
        reopened = Ledger.open(str(path), StandingClock())
        begin(reopened)
        on = desk(reopened, exchange)
        on.start(head(number))
        return reopened, on

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "killed.db"

    async def test_exactly_the_rest_is_hedged(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([fills(3 * 10**7), fills_all])
        intent, _ = await settled(desk(ledger, exchange), ledger, sells_on_chain())
        ledger, on = self._again(ledger, path, exchange)
        assert await at_block(on, 31) == ([Exposure.HEDGED], [])
        assert [order.amount for order in exchange.placed] == [ONE_ETH, 7 * 10**7]
        assert sum(order.filled_units for order in ledger.orders_of(intent)) == ONE_ETH
        ledger.close()

    async def test_what_came_to_nothing_after_a_reorganisation_before_its_first_order_owes_nothing(
        self, path: Path
    ) -> None:
        ledger = open_ledger(path)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        settle(ledger, intent, plan, 11)
        ledger, on = self._again(ledger, path, ScriptedExchange([]))
        assert on.owes
        ledger.undo_block(head(11).hash)
        assert await on_settled(on, settle(ledger, intent, plan, 12, status=0)) == []
        assert not on.owes and await at_block(on, 31) == ([], [])
        ledger.close()

    async def test_what_a_person_sees_to_is_neither_hedged_nor_unwound(self, path: Path) -> None:
        ledger = open_ledger(path)
        intent, _ = await settled(desk(ledger, ScriptedExchange([fills_nothing])), ledger, sells_on_chain())
        ledger.waive_exposure(intent, by="ann", because="delisted")
        ledger, on = self._again(ledger, path, ScriptedExchange([]))
        for number in range(31, 37):
            assert await at_block(on, number) == ([], []) and not on.owes
        assert ledger.intent(intent).exposure is Exposure.BY_HAND
        ledger.close()

    async def test_killed_before_the_first_order_all_of_it_is_hedged(self, path: Path) -> None:
        ledger = open_ledger(path)
        plan = sells_on_chain()
        settle(ledger, pending(ledger, plan), plan, 11)
        exchange = ScriptedExchange([fills_all])
        ledger, on = self._again(ledger, path, exchange)
        assert await at_block(on, 31) == ([Exposure.HEDGED], [])
        assert [order.amount for order in exchange.placed] == [ONE_ETH]
        ledger.close()

    async def test_killed_while_an_order_was_on_its_way_it_is_looked_up_first(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([says_nothing])
        await settled(desk(ledger, exchange), ledger, sells_on_chain())
        ledger, on = self._again(ledger, path, exchange)
        assert on.refusal(buys_on_chain(31)) is not None
        assert await at_block(on, 31) == ([], []) and len(exchange.placed) == 1
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        assert await at_block(on, 32) == ([Exposure.HEDGED], [])
        assert len(exchange.placed) == 1
        ledger.close()

    async def test_what_an_open_order_had_filled_before_is_counted_once(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([lambda order: report(order, OrderStatus.OPEN, 3 * 10**7), fills_all])
        intent, _ = await settled(desk(ledger, exchange), ledger, sells_on_chain())
        ledger, on = self._again(ledger, path, exchange)
        (order,) = exchange.placed
        exchange.known[order.client_id] = fills(3 * 10**7)(order)
        await at_block(on, 31)
        assert await at_block(on, 32) == ([Exposure.HEDGED], [])
        assert [placed.amount for placed in exchange.placed] == [ONE_ETH, 7 * 10**7]
        assert sum(order.filled_units for order in ledger.orders_of(intent)) == ONE_ETH
        ledger.close()

    async def test_killed_while_an_unwinding_was_pending_it_is_not_hedged_too(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([fills_nothing] * 4)
        on = desk(ledger, exchange)
        intent, _ = await settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await at_block(on, number)
        _, (unwind,) = await at_block(on, 15)
        back = pending(ledger, unwind)
        ledger, on = self._again(ledger, path, exchange)
        assert await at_block(on, 31) == ([], [])
        done = await on_settled(on, settle(ledger, back, unwind, 31))
        assert [closing.exposure for closing in done] == [Exposure.UNWOUND]
        assert ledger.intent(intent).exposure is Exposure.UNWOUND and len(exchange.placed) == 4
        ledger.close()

    async def test_killed_after_an_unwinding_was_booked_nothing_is_owed_any_more(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([fills_nothing] * 4)
        on = desk(ledger, exchange)
        intent, _ = await settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await at_block(on, number)
        _, (unwind,) = await at_block(on, 15)
        settle(ledger, pending(ledger, unwind), unwind, 16)
        ledger, on = self._again(ledger, path, exchange)
        assert await at_block(on, 31) == ([Exposure.UNWOUND], [])
        assert ledger.intent(intent).exposure is Exposure.UNWOUND and len(exchange.placed) == 4
        ledger.close()


class TestAReorganisation:
    async def test_a_hedge_that_was_done_is_not_done_again(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([fills_all])
        on = desk(ledger, exchange)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on_settled(on, settle(ledger, intent, plan, 11))
        self._undo(ledger)
        assert await on_settled(on, settle(ledger, intent, plan, 12)) == []
        assert len(exchange.placed) == 1 and ledger.intent(intent.id).exposure is Exposure.HEDGED

    async def test_a_hedge_that_was_begun_goes_on_with_the_rest(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([fills(3 * 10**7), fills_all])
        on = desk(ledger, exchange)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on_settled(on, settle(ledger, intent, plan, 11))
        self._undo(ledger)
        closed = await on_settled(on, settle(ledger, intent, plan, 12))
        assert [done.exposure for done in closed] == [Exposure.HEDGED]
        assert [order.amount for order in exchange.placed] == [ONE_ETH, 7 * 10**7]

    async def test_nothing_is_hedged_while_the_chain_side_is_undone(self, ledger: Ledger) -> None:
        venues = market(book=samples.book([("1999", "50")], [("2000", "0.5")]))
        exchange = ScriptedExchange([fills_all])
        on = desk(ledger, exchange, on=venues)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on_settled(on, settle(ledger, intent, plan, 11))
        self._undo(ledger)
        venues.set_book(BOOK)
        assert await at_block(on, 12) == ([], []) and exchange.placed == []
        closed = await on_settled(on, settle(ledger, intent, plan, 13))
        assert [done.exposure for done in closed] == [Exposure.HEDGED]

    async def test_an_order_of_unknown_fate_is_still_looked_up(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on_settled(on, settle(ledger, intent, plan, 11))
        self._undo(ledger)
        assert await at_block(on, 12) == ([], [])
        assert on.refusal(buys_on_chain(12)) is not None
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        assert await at_block(on, 13) == ([], []), "the chain side does not stand"
        closed = await on_settled(on, settle(ledger, intent, plan, 14))
        assert [done.exposure for done in closed] == [Exposure.HEDGED] and len(exchange.placed) == 1

    @staticmethod
    def _undo(ledger: Ledger) -> None:
        """Block 11 is dropped."""
        ledger.undo_block(head(11).hash)
