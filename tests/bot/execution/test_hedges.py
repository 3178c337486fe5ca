"""The exchange side: exactly what filled is hedged, once, by a deadline; what is not known is never repeated."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from bot.execution.hedges import HedgeDesk
from bot.execution.inventory import InventoryDesk
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.records import Account
from bot.ledger.states import Exposure, OrderState
from bot.plan import Plan
from bot.reasons import Reason
from chains.exchanges.orders import OrderStatus
from tests.bot.execution.given import (
    BOOK,
    POOL,
    ScriptedExchange,
    begin,
    buys_on_chain,
    desk,
    fills,
    fills_all,
    fills_nothing,
    head,
    inventory,
    market,
    open_ledger,
    pending,
    rejects,
    report,
    says_nothing,
    sells_on_chain,
    settle,
)
from tests.bot.ledger.given import ETHER, GWEI, StandingClock
from tests.bot.market import samples
from tests.bot.market.samples import USD_AT_EXCHANGE, USDC, WETH

GAS_PRICE = 10 * GWEI
ONE_ETH = 10**8
USD_ACCOUNT = Account.of("binance", USD_AT_EXCHANGE)


async def _settled(on: HedgeDesk, ledger: Ledger, plan: Plan, block: int = 11) -> tuple[int, list[Exposure]]:
    """`plan` sent and mined as planned; its intent, and what closed at once."""
    intent = pending(ledger, plan)
    closed = await on.on_settled(settle(ledger, intent, plan, block))
    return intent.id, [done.exposure for done in closed]


async def _block(on: HedgeDesk, number: int) -> tuple[list[Exposure], list[Plan]]:
    closed, unwinds = await on.on_block(head(number), GAS_PRICE)
    return [done.exposure for done in closed], unwinds


def _names(ledger: Ledger) -> list[str]:
    return [event.name for event in events(ledger)]


async def test_a_full_fill_closes_the_plan_in_its_block(ledger: Ledger) -> None:
    exchange = ScriptedExchange([fills_all])
    on = desk(ledger, exchange)
    intent, closed = await _settled(on, ledger, sells_on_chain())
    assert closed == [Exposure.HEDGED] and ledger.intent(intent).exposure is Exposure.HEDGED
    (order,) = exchange.placed
    assert (order.side, order.amount, order.symbol) == ("buy", ONE_ETH, "ETH/USDT")
    # The newest ask, 2000, and a tenth of a per cent beyond it.
    assert order.limit_price == Decimal("2002.00")
    assert await _block(on, 12) == ([], []) and len(exchange.placed) == 1


async def test_exactly_what_filled_on_the_chain_is_hedged(ledger: Ledger) -> None:
    exchange = ScriptedExchange([fills_all])
    plan = buys_on_chain()
    await _settled(desk(ledger, exchange), ledger, plan)
    (order,) = exchange.placed
    got = plan.swaps[0].amount_out // 10**10
    assert (order.side, order.amount) == ("sell", got - got % BOOK.lot)
    # The newest bid, 1999, less a tenth of a per cent, down to a tick.
    assert order.limit_price == Decimal("1997.00")


async def test_what_one_order_leaves_the_next_fills(ledger: Ledger) -> None:
    exchange = ScriptedExchange([fills(3 * 10**7), fills(2 * 10**7), fills_all])
    on = desk(ledger, exchange)
    intent, closed = await _settled(on, ledger, sells_on_chain())
    assert closed == []
    assert await _block(on, 12) == ([], [])
    assert await _block(on, 13) == ([Exposure.HEDGED], [])
    assert [order.amount for order in exchange.placed] == [10**8, 7 * 10**7, 5 * 10**7]
    assert len({order.client_id for order in exchange.placed}) == 3
    assert sum(order.filled_units for order in ledger.orders_of(intent)) == ONE_ETH


async def test_a_rejected_order_is_tried_again_under_another_name(ledger: Ledger) -> None:
    exchange = ScriptedExchange([rejects, fills_all])
    on = desk(ledger, exchange)
    _, closed = await _settled(on, ledger, sells_on_chain())
    assert closed == [] and "order_rejected" in _names(ledger)
    assert (await _block(on, 12))[0] == [Exposure.HEDGED]
    first, second = exchange.placed
    assert first.amount == second.amount and first.client_id != second.client_id


async def test_dust_below_the_least_order_stays_in_the_inventory(ledger: Ledger) -> None:
    exchange = ScriptedExchange([fills(ONE_ETH - BOOK.lot)])
    _, closed = await _settled(desk(ledger, exchange), ledger, sells_on_chain())
    # A lot is 0.0001 ETH, 0.20 USDT: the exchange takes nothing below 5.
    assert closed == [Exposure.HEDGED] and len(exchange.placed) == 1


class TestALostReply:
    async def test_an_unknown_order_that_filled_is_found_and_booked_once(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        intent, closed = await _settled(on, ledger, sells_on_chain())
        assert closed == [] and ledger.orders_of(intent)[0].state is OrderState.UNKNOWN
        (order,) = exchange.placed
        exchange.known[order.client_id] = fills_all(order)
        assert await _block(on, 12) == ([Exposure.HEDGED], [])
        assert exchange.asked == [order.client_id] and len(exchange.placed) == 1
        assert ledger.orders_of(intent)[0].filled_units == ONE_ETH

    async def test_an_unknown_order_that_filled_in_part_is_followed_by_one_for_the_rest(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing, fills_all])
        on = desk(ledger, exchange)
        await _settled(on, ledger, sells_on_chain())
        (order,) = exchange.placed
        exchange.known[order.client_id] = fills(4 * 10**7)(order)
        await _block(on, 12)
        await _block(on, 13)
        assert [placed.amount for placed in exchange.placed] == [ONE_ETH, 6 * 10**7]

    async def test_an_order_never_found_is_never_placed_again_nor_unwound(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        intent, _ = await _settled(on, ledger, sells_on_chain())
        for number in range(12, 20):
            assert await _block(on, number) == ([], [])
        assert len(exchange.placed) == 1 and len(exchange.asked) == 8
        assert ledger.intent(intent).exposure is Exposure.OWED

    async def test_until_it_is_known_nothing_new_is_promised_at_that_exchange(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        assert on.refusal(buys_on_chain(12)) is None
        await _settled(on, ledger, sells_on_chain())
        refusal = on.refusal(buys_on_chain(12))
        assert refusal is not None and refusal.reason is Reason.ORDER_UNKNOWN
        assert exchange.placed[0].client_id in refusal.detail
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        await _block(on, 12)
        assert on.refusal(buys_on_chain(12)) is None

    async def test_an_exchange_that_cannot_be_asked_is_asked_again(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        exchange.reachable = False
        on = desk(ledger, exchange)
        await _settled(on, ledger, sells_on_chain())
        assert await _block(on, 12) == ([], []) and "exchange_unavailable" in _names(ledger)
        exchange.reachable = True
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        assert await _block(on, 13) == ([Exposure.HEDGED], [])


class TestAQuarantine:
    LONG = 25

    async def _quarantined(self, ledger: Ledger, exchange: ScriptedExchange) -> tuple[HedgeDesk, InventoryDesk, int]:
        spending = inventory(ledger)
        on = desk(ledger, exchange, spending=spending)
        intent, _ = await _settled(on, ledger, sells_on_chain())
        for number in range(12, 12 + self.LONG):
            await _block(on, number)
        return on, spending, intent

    async def test_what_stays_unknown_is_quarantined_and_keeps_what_it_may_have_spent(self, ledger: Ledger) -> None:
        on, spending, intent = await self._quarantined(ledger, ScriptedExchange([says_nothing]))
        (order,) = ledger.orders_of(intent)
        assert order.state is OrderState.QUARANTINED
        assert ledger.intent(intent).exposure is Exposure.OWED and "order_quarantined" in _names(ledger)
        refusal = on.refusal(buys_on_chain(40))
        assert refusal is not None and refusal.reason is Reason.ORDER_QUARANTINED and order.client_id in refusal.detail
        # 1 ETH was to be bought for at most 2,002 USDT, of 40,000.
        assert spending.free()[USD_AT_EXCHANGE] == (40_000 - 2_002) * 10**8

    async def test_one_block_earlier_it_is_still_looked_for(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        await _settled(on, ledger, sells_on_chain())
        for number in range(12, 12 + self.LONG - 1):
            await _block(on, number)
        assert ledger.order("binance", exchange.placed[0].client_id).state is OrderState.UNKNOWN

    async def test_an_exchange_that_finds_it_at_last_settles_it(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on, spending, intent = await self._quarantined(ledger, exchange)
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        closed = [await _block(on, number) for number in range(37, 47)]
        assert closed.count(([Exposure.HEDGED], [])) == 1 and closed.count(([], [])) == 9
        assert ledger.intent(intent).exposure is Exposure.HEDGED and on.refusal(buys_on_chain(47)) is None
        assert len(exchange.placed) == 1 and spending.free()[USD_AT_EXCHANGE] == ledger.balance(USD_ACCOUNT)

    async def test_what_a_person_says_never_traded_is_unwound_once_its_deadline_is_over(self, ledger: Ledger) -> None:
        on, spending, intent = await self._quarantined(ledger, ScriptedExchange([says_nothing]))
        (order,) = ledger.orders_of(intent)
        ledger.settle_order("binance", order.client_id, (), by="ann", because="not in its history")
        assert await _block(on, 37) == ([], [])
        closed, unwinds = await _block(on, 38)
        assert closed == [] and [swap.amount_out >= ETHER for plan in unwinds for swap in plan.swaps] == [True]
        assert on.refusal(buys_on_chain(38)) is None and spending.free()[USD_AT_EXCHANGE] == 40_000 * 10**8

    async def test_a_restart_finds_it_as_it_was(self, tmp_path: Path) -> None:
        ledger = open_ledger(tmp_path / "l.db")
        exchange = ScriptedExchange([says_nothing])
        await self._quarantined(ledger, exchange)
        spending = inventory(ledger)
        again = desk(ledger, exchange, spending=spending)
        again.start(head(50))
        refusal = again.refusal(buys_on_chain(50))
        assert refusal is not None and refusal.reason is Reason.ORDER_QUARANTINED
        assert spending.free()[USD_AT_EXCHANGE] == (40_000 - 2_002) * 10**8
        ledger.close()


class TestTheDeadline:
    async def test_what_is_not_hedged_by_then_is_unwound_on_the_chain(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([fills(4 * 10**7), *[fills_nothing] * 3])
        on = desk(ledger, exchange)
        intent, _ = await _settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            assert await _block(on, number) == ([], [])
        closed, (unwind,) = await _block(on, 15)
        assert closed == [] and "hedge_overdue" in _names(ledger)
        (swap,) = unwind.swaps
        assert (swap.token_in, swap.token_out) == (USDC, WETH)
        assert 0 <= swap.amount_out - 6 * 10**17 < 10**12
        assert await _block(on, 16) == ([], [])
        back = pending(ledger, unwind)
        done = await on.on_settled(settle(ledger, back, unwind, 16))
        assert [closing.exposure for closing in done] == [Exposure.UNWOUND]
        assert ledger.intent(intent).exposure is Exposure.UNWOUND
        assert len(exchange.placed) == 4

    async def test_an_unwinding_that_was_refused_is_tried_again(self, ledger: Ledger) -> None:
        on = desk(ledger, ScriptedExchange([fills_nothing] * 4))
        await _settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await _block(on, number)
        _, (first,) = await _block(on, 15)
        on.unwind_failed(first.id)
        _, (second,) = await _block(on, 16)
        assert second.id != first.id and second.block_number == 16

    async def test_an_unwinding_that_reverted_is_tried_again(self, ledger: Ledger) -> None:
        on = desk(ledger, ScriptedExchange([fills_nothing] * 4))
        intent, _ = await _settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await _block(on, number)
        _, (first,) = await _block(on, 15)
        back = pending(ledger, first)
        assert await on.on_settled(settle(ledger, back, first, 16, status=0)) == []
        assert ledger.intent(intent).exposure is Exposure.OWED
        assert len((await _block(on, 16))[1]) == 1

    async def test_a_pool_that_cannot_take_it_is_told_and_tried_again(self, ledger: Ledger) -> None:
        venues = market()
        on = desk(ledger, ScriptedExchange([fills_nothing] * 4), on=venues)
        await _settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await _block(on, number)
        venues.remove(POOL.address, "not understood")
        assert await _block(on, 15) == ([], []) and "unwind_impossible" in _names(ledger)
        venues.add_pool(POOL, 15)
        assert len((await _block(on, 16))[1]) == 1

    async def test_a_book_that_cannot_take_it_is_waited_for(self, ledger: Ledger) -> None:
        venues = market(book=samples.book([("1999", "50")], [("2000", "0.5")]))
        exchange = ScriptedExchange([fills_all])
        on = desk(ledger, exchange, on=venues)
        _, closed = await _settled(on, ledger, sells_on_chain())
        assert closed == [] and exchange.placed == []
        venues.set_book(BOOK)
        assert await _block(on, 12) == ([Exposure.HEDGED], [])


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
        intent, _ = await _settled(desk(ledger, exchange), ledger, sells_on_chain())
        ledger, on = self._again(ledger, path, exchange)
        assert await _block(on, 31) == ([Exposure.HEDGED], [])
        assert [order.amount for order in exchange.placed] == [ONE_ETH, 7 * 10**7]
        assert sum(order.filled_units for order in ledger.orders_of(intent)) == ONE_ETH
        ledger.close()

    async def test_killed_before_the_first_order_all_of_it_is_hedged(self, path: Path) -> None:
        ledger = open_ledger(path)
        plan = sells_on_chain()
        settle(ledger, pending(ledger, plan), plan, 11)
        exchange = ScriptedExchange([fills_all])
        ledger, on = self._again(ledger, path, exchange)
        assert await _block(on, 31) == ([Exposure.HEDGED], [])
        assert [order.amount for order in exchange.placed] == [ONE_ETH]
        ledger.close()

    async def test_killed_while_an_order_was_on_its_way_it_is_looked_up_first(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([says_nothing])
        await _settled(desk(ledger, exchange), ledger, sells_on_chain())
        ledger, on = self._again(ledger, path, exchange)
        assert on.refusal(buys_on_chain(31)) is not None
        assert await _block(on, 31) == ([], []) and len(exchange.placed) == 1
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        assert await _block(on, 32) == ([Exposure.HEDGED], [])
        assert len(exchange.placed) == 1
        ledger.close()

    async def test_what_an_open_order_had_filled_before_is_counted_once(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([lambda order: report(order, OrderStatus.OPEN, 3 * 10**7), fills_all])
        intent, _ = await _settled(desk(ledger, exchange), ledger, sells_on_chain())
        ledger, on = self._again(ledger, path, exchange)
        (order,) = exchange.placed
        exchange.known[order.client_id] = fills(3 * 10**7)(order)
        await _block(on, 31)
        assert await _block(on, 32) == ([Exposure.HEDGED], [])
        assert [placed.amount for placed in exchange.placed] == [ONE_ETH, 7 * 10**7]
        assert sum(order.filled_units for order in ledger.orders_of(intent)) == ONE_ETH
        ledger.close()

    async def test_killed_while_an_unwinding_was_pending_it_is_not_hedged_too(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([fills_nothing] * 4)
        on = desk(ledger, exchange)
        intent, _ = await _settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await _block(on, number)
        _, (unwind,) = await _block(on, 15)
        back = pending(ledger, unwind)
        ledger, on = self._again(ledger, path, exchange)
        assert await _block(on, 31) == ([], [])
        done = await on.on_settled(settle(ledger, back, unwind, 31))
        assert [closing.exposure for closing in done] == [Exposure.UNWOUND]
        assert ledger.intent(intent).exposure is Exposure.UNWOUND and len(exchange.placed) == 4
        ledger.close()

    async def test_killed_after_an_unwinding_was_booked_nothing_is_owed_any_more(self, path: Path) -> None:
        ledger = open_ledger(path)
        exchange = ScriptedExchange([fills_nothing] * 4)
        on = desk(ledger, exchange)
        intent, _ = await _settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await _block(on, number)
        _, (unwind,) = await _block(on, 15)
        settle(ledger, pending(ledger, unwind), unwind, 16)
        ledger, on = self._again(ledger, path, exchange)
        assert await _block(on, 31) == ([], [])
        assert ledger.intent(intent).exposure is Exposure.UNWOUND and len(exchange.placed) == 4
        ledger.close()


class TestAReorganisation:
    async def test_a_hedge_that_was_done_is_not_done_again(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([fills_all])
        on = desk(ledger, exchange)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on.on_settled(settle(ledger, intent, plan, 11))
        self._undo(ledger)
        assert await on.on_settled(settle(ledger, intent, plan, 12)) == []
        assert len(exchange.placed) == 1 and ledger.intent(intent.id).exposure is Exposure.HEDGED

    async def test_a_hedge_that_was_begun_goes_on_with_the_rest(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([fills(3 * 10**7), fills_all])
        on = desk(ledger, exchange)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on.on_settled(settle(ledger, intent, plan, 11))
        self._undo(ledger)
        closed = await on.on_settled(settle(ledger, intent, plan, 12))
        assert [done.exposure for done in closed] == [Exposure.HEDGED]
        assert [order.amount for order in exchange.placed] == [ONE_ETH, 7 * 10**7]

    async def test_nothing_is_hedged_while_the_chain_side_is_undone(self, ledger: Ledger) -> None:
        venues = market(book=samples.book([("1999", "50")], [("2000", "0.5")]))
        exchange = ScriptedExchange([fills_all])
        on = desk(ledger, exchange, on=venues)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on.on_settled(settle(ledger, intent, plan, 11))
        self._undo(ledger)
        venues.set_book(BOOK)
        assert await _block(on, 12) == ([], []) and exchange.placed == []
        closed = await on.on_settled(settle(ledger, intent, plan, 13))
        assert [done.exposure for done in closed] == [Exposure.HEDGED]

    async def test_an_order_of_unknown_fate_is_still_looked_up(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on.on_settled(settle(ledger, intent, plan, 11))
        self._undo(ledger)
        assert await _block(on, 12) == ([], [])
        assert on.refusal(buys_on_chain(12)) is not None
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        assert await _block(on, 13) == ([], []), "the chain side does not stand"
        closed = await on.on_settled(settle(ledger, intent, plan, 14))
        assert [done.exposure for done in closed] == [Exposure.HEDGED] and len(exchange.placed) == 1

    async def test_a_chain_side_that_comes_back_reverted_is_hedged_no_further(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([fills(3 * 10**7)])
        on = desk(ledger, exchange)
        plan = sells_on_chain()
        intent = pending(ledger, plan)
        await on.on_settled(settle(ledger, intent, plan, 11))
        self._undo(ledger)
        await on.on_settled(settle(ledger, intent, plan, 12, status=0))
        assert await _block(on, 13) == ([], []) and len(exchange.placed) == 1
        assert "hedged_alone" in _names(ledger)
        assert ledger.open_intents() == ()

    @staticmethod
    def _undo(ledger: Ledger) -> None:
        """Block 11 is dropped."""
        ledger.undo_block(head(11).hash)


async def test_profit_is_what_both_sides_came_to_after_gas_and_fees(ledger: Ledger) -> None:
    """One ETH sold on the chain and bought back for 2000 USDT, whose fee is a thousandth of the ETH."""
    plan = sells_on_chain()
    intent, _ = await _settled(desk(ledger, ScriptedExchange([fills_all])), ledger, plan)
    dollars = plan.swaps[0].amount_out - 2_000 * 10**6
    gas = 100_000 * 10 * GWEI
    assert ledger.profit_of(intent) == dollars * ETHER // (2_000 * 10**6) - ETHER // 1_000 - gas


async def test_an_unknown_exchange_symbol_is_an_error_with_a_name(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="not in the ledger"):
        ledger.order("binance", "isthmus-none-1")
