"""Orders of unknown fate: looked for, never repeated, and set apart once that has lasted too long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.execution.hedges import HedgeDesk
from bot.execution.inventory import InventoryDesk
from bot.ledger.errors import LedgerFull
from bot.ledger.ledger import Ledger
from bot.ledger.orders import BY_HAND
from bot.ledger.records import TradeFill
from bot.ledger.states import Exposure, OrderState
from bot.plan import Plan
from bot.reasons import Reason
from chains.exchanges.orders import OrderReport, OrderStatus
from chains.exchanges.troubles import ExchangeUnavailable
from tests.bot.execution.given import (
    ScriptedExchange,
    buys_on_chain,
    desk,
    fills,
    fills_all,
    head,
    inventory,
    open_ledger,
    pending,
    report,
    says_nothing,
    sells_on_chain,
    settle,
)
from tests.bot.execution.hedging import ONE_ETH, USD_ACCOUNT, at_block, names, on_settled, settled
from tests.bot.ledger.given import ETHER
from tests.bot.market.samples import USD_AT_EXCHANGE


class TestADiskThatIsFull:
    async def test_what_could_not_be_written_down_is_owed_anew(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange = ScriptedExchange([fills_all])
        on = desk(ledger, exchange)
        done = settle(ledger, pending(ledger, plan := sells_on_chain()), plan, 11)
        with pytest.raises(LedgerFull), monkeypatch.context() as full, on.together(acts=True):
            full.setattr("bot.ledger.store.append", _full)
            on.owe([done])
        assert not on.owes and exchange.placed == [] and ledger.orders_of(done.intent.id) == ()
        assert [closed.exposure for closed in await on_settled(on, done)] == [Exposure.HEDGED]

    async def test_an_order_whose_answer_could_not_be_written_down_is_looked_for_and_not_placed_again(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange = ScriptedExchange([fills_all])
        on = desk(ledger, exchange)
        done = settle(ledger, pending(ledger, plan := sells_on_chain()), plan, 11)
        with on.together(acts=True):
            placed = on.owe([done])
        reports = await on.pay([done], placed)
        with pytest.raises(LedgerFull), monkeypatch.context() as full, on.together():
            full.setattr("bot.ledger.store.append", _full)
            on.book(placed, reports)
        exchange.known[placed[0].client_id] = reports[0]
        assert await at_block(on, 12) == ([Exposure.HEDGED], [])
        assert len(exchange.placed) == 1 and exchange.asked == [placed[0].client_id]


def _full(*_: object) -> None:
    raise LedgerFull("no space")


class TestALostReply:
    async def test_an_unknown_order_that_filled_is_found_and_booked_once(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        intent, closed = await settled(on, ledger, sells_on_chain())
        assert closed == [] and ledger.orders_of(intent)[0].state is OrderState.UNKNOWN
        (order,) = exchange.placed
        exchange.known[order.client_id] = fills_all(order)
        assert await at_block(on, 12) == ([Exposure.HEDGED], [])
        assert exchange.asked == [order.client_id] and len(exchange.placed) == 1
        assert ledger.orders_of(intent)[0].filled_units == ONE_ETH

    async def test_an_unknown_order_that_filled_in_part_is_followed_by_one_for_the_rest(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing, fills_all])
        on = desk(ledger, exchange)
        await settled(on, ledger, sells_on_chain())
        (order,) = exchange.placed
        exchange.known[order.client_id] = fills(4 * 10**7)(order)
        await at_block(on, 12)
        await at_block(on, 13)
        assert [placed.amount for placed in exchange.placed] == [ONE_ETH, 6 * 10**7]

    async def test_an_order_never_found_is_never_placed_again_nor_unwound(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        intent, _ = await settled(on, ledger, sells_on_chain())
        for number in range(12, 20):
            assert await at_block(on, number) == ([], [])
        assert len(exchange.placed) == 1 and len(exchange.asked) == 8
        assert ledger.intent(intent).exposure is Exposure.OWED

    async def test_until_it_is_known_nothing_new_is_promised_at_that_exchange(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        assert on.refusal(buys_on_chain(12)) is None
        await settled(on, ledger, sells_on_chain())
        refusal = on.refusal(buys_on_chain(12))
        assert refusal is not None and refusal.reason is Reason.ORDER_UNKNOWN
        assert exchange.placed[0].client_id in refusal.detail
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        await at_block(on, 12)
        assert on.refusal(buys_on_chain(12)) is None

    async def test_an_exchange_that_cannot_be_asked_is_asked_again(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        exchange.reachable = False
        on = desk(ledger, exchange)
        await settled(on, ledger, sells_on_chain())
        assert await at_block(on, 12) == ([], []) and "exchange_unavailable" in names(ledger)
        exchange.reachable = True
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        assert await at_block(on, 13) == ([Exposure.HEDGED], [])


class TestAnOrderLeftOpen:
    async def test_it_is_cancelled_and_what_it_did_not_trade_is_ordered_anew(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([lambda order: report(order, OrderStatus.OPEN, ONE_ETH // 2), fills_all])
        on = desk(ledger, exchange)
        intent, _ = await settled(on, ledger, sells_on_chain())
        (order,) = exchange.placed
        exchange.known[order.client_id] = report(order, OrderStatus.OPEN, ONE_ETH // 2)
        assert await at_block(on, 12) == ([], []) and exchange.cancelled == [order.client_id]
        assert await at_block(on, 13) == ([Exposure.HEDGED], []) and "order_left_open" in names(ledger)
        assert [placed.amount for placed in exchange.placed] == [ONE_ETH, ONE_ETH // 2]
        assert [placed.filled_units for placed in ledger.orders_of(intent)] == [ONE_ETH // 2, ONE_ETH // 2]

    async def test_where_it_cannot_be_cancelled_nobody_may_say_that_it_never_traded(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        await settled(on, ledger, sells_on_chain())
        (order,) = exchange.placed
        exchange.known[order.client_id] = report(order, OrderStatus.OPEN)

        async def refuses(client_id: str, symbol: str) -> OrderReport:
            raise ExchangeUnavailable("binance cancels nothing")

        monkeypatch.setattr(exchange, "cancel", refuses)
        for number in range(12, 12 + TestAQuarantine.LONG):
            await at_block(on, number)
        assert ledger.order("binance", order.client_id).state is OrderState.OPEN
        exchange.known[order.client_id] = fills_all(order)
        assert await at_block(on, 50) == ([Exposure.HEDGED], []) and len(exchange.placed) == 1


class TestAQuarantine:
    LONG = 25

    async def _quarantined(self, ledger: Ledger, exchange: ScriptedExchange) -> tuple[HedgeDesk, InventoryDesk, int]:
        spending = inventory(ledger)
        on = desk(ledger, exchange, spending=spending)
        intent, _ = await settled(on, ledger, sells_on_chain())
        for number in range(12, 12 + self.LONG):
            await at_block(on, number)
        return on, spending, intent

    async def test_what_stays_unknown_is_quarantined_and_keeps_what_it_may_have_spent(self, ledger: Ledger) -> None:
        on, spending, intent = await self._quarantined(ledger, ScriptedExchange([says_nothing]))
        (order,) = ledger.orders_of(intent)
        assert order.state is OrderState.QUARANTINED
        assert ledger.intent(intent).exposure is Exposure.OWED and "order_quarantined" in names(ledger)
        refusal = on.refusal(buys_on_chain(40))
        assert refusal is not None and refusal.reason is Reason.ORDER_QUARANTINED and order.client_id in refusal.detail
        # 1 ETH was to be bought for at most 2,002 USDT, of 40,000.
        assert spending.free()[USD_AT_EXCHANGE] == (40_000 - 2_002) * 10**8

    async def test_while_the_exchange_does_not_answer_its_other_symbols_rest_too(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        exchange.reachable = False
        on, _, _ = await self._quarantined(ledger, exchange)
        plan = buys_on_chain(40)
        (order,) = plan.orders
        elsewhere = replace(plan, legs=(*plan.swaps, replace(order, symbol="ETH/USDC")))
        refusal = on.refusal(elsewhere)
        assert refusal is not None and refusal.reason is Reason.ORDER_UNKNOWN
        exchange.reachable = True
        for number in range(37, 47):
            await at_block(on, number)
        assert on.refusal(elsewhere) is None

    async def test_one_block_earlier_it_is_still_looked_for(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on = desk(ledger, exchange)
        await settled(on, ledger, sells_on_chain())
        for number in range(12, 12 + self.LONG - 1):
            await at_block(on, number)
        assert ledger.order("binance", exchange.placed[0].client_id).state is OrderState.UNKNOWN

    async def test_an_exchange_that_finds_it_at_last_settles_it(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on, spending, intent = await self._quarantined(ledger, exchange)
        exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
        closed = [await at_block(on, number) for number in range(37, 47)]
        assert closed.count(([Exposure.HEDGED], [])) == 1 and closed.count(([], [])) == 9
        assert ledger.intent(intent).exposure is Exposure.HEDGED and on.refusal(buys_on_chain(47)) is None
        assert len(exchange.placed) == 1 and spending.free()[USD_AT_EXCHANGE] == ledger.balance(USD_ACCOUNT)

    async def test_one_that_the_exchange_says_it_never_took_is_unwound_without_a_person(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([says_nothing])
        on, spending, intent = await self._quarantined(ledger, exchange)
        exchange.known[exchange.placed[0].client_id] = report(exchange.placed[0], OrderStatus.REJECTED)
        number, unwinds = 37, list[Plan]()
        while not unwinds and number < 50:
            _, unwinds = await at_block(on, number)
            number += 1
        assert [swap.amount_out >= ETHER for plan in unwinds for swap in plan.swaps] == [True]
        assert ledger.orders_of(intent)[0].state is OrderState.REJECTED and len(exchange.placed) == 1
        assert spending.free()[USD_AT_EXCHANGE] == 40_000 * 10**8

    async def test_what_a_person_says_never_traded_is_unwound_once_its_deadline_is_over(self, ledger: Ledger) -> None:
        on, spending, intent = await self._quarantined(ledger, ScriptedExchange([says_nothing]))
        (order,) = ledger.orders_of(intent)
        ledger.settle_order("binance", order.client_id, (), by="ann", because="not in its history")
        assert await at_block(on, 37) == ([], [])
        closed, unwinds = await at_block(on, 38)
        assert closed == [] and [swap.amount_out >= ETHER for plan in unwinds for swap in plan.swaps] == [True]
        assert on.refusal(buys_on_chain(38)) is None and spending.free()[USD_AT_EXCHANGE] == 40_000 * 10**8

    async def test_a_person_and_the_exchange_who_answer_at_once_are_booked_once(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange = ScriptedExchange([says_nothing, fills_all])
        on = desk(ledger, exchange)
        intent, _ = await settled(on, ledger, sells_on_chain())
        (order,) = exchange.placed
        by_hand = TradeFill(f"{BY_HAND}{order.client_id}", ONE_ETH, 2_000 * ONE_ETH, "USDT", 0)

        async def found_late(client_id: str, symbol: str) -> OrderReport:
            ledger.settle_order("binance", client_id, [by_hand], by="ann", because="statement")
            return fills_all(order)

        monkeypatch.setattr(exchange, "find", found_late)
        assert await at_block(on, 12) == ([Exposure.HEDGED], [])
        assert ledger.orders_of(intent)[0].filled_units == ONE_ETH and len(exchange.placed) == 1
        assert not on.owes

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

    async def test_a_restart_tells_the_exchange_of_an_order_that_it_may_have_been_sent(self, tmp_path: Path) -> None:
        ledger = open_ledger(tmp_path / "l.db")
        exchange = ScriptedExchange([says_nothing, lambda order: report(order, OrderStatus.OPEN)])
        await self._quarantined(ledger, exchange)
        await settled(desk(ledger, exchange), ledger, sells_on_chain(41))
        assert len(exchange.placed) == 2
        desk(ledger, exchange).start(head(50))
        assert exchange.before == exchange.placed[:1]
        ledger.close()
