"""The exchange side: exactly what filled is hedged, once, by a deadline; what is not known is never repeated."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.execution.hedges import HedgeDesk
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.states import Exposure
from bot.plan import Plan
from bot.reasons import Reason
from tests.bot.execution.given import (
    BOOK,
    FEES,
    POOL,
    WORST,
    ScriptedExchange,
    buys_on_chain,
    desk,
    fills,
    fills_all,
    fills_nothing,
    head,
    inventory,
    market,
    pending,
    rejects,
    sells_on_chain,
    settle,
)
from tests.bot.execution.hedging import ONE_ETH, USD_ACCOUNT, at_block, names, on_settled, settled
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.market import samples
from tests.bot.market.samples import USD_AT_EXCHANGE, USDC, WETH
from tests.bot.signer.making import OPERATOR


async def test_a_full_fill_closes_the_plan_in_its_block(ledger: Ledger) -> None:
    exchange = ScriptedExchange([fills_all])
    on = desk(ledger, exchange)
    intent, closed = await settled(on, ledger, sells_on_chain())
    assert closed == [Exposure.HEDGED] and ledger.intent(intent).exposure is Exposure.HEDGED
    (order,) = exchange.placed
    assert (order.side, order.amount, order.symbol) == ("buy", ONE_ETH, "ETH/USDT")
    # The newest ask, 2000, and a tenth of a per cent beyond it.
    assert order.limit_price == Decimal("2002.00")
    assert await at_block(on, 12) == ([], []) and len(exchange.placed) == 1


async def test_exactly_what_filled_on_the_chain_is_hedged(ledger: Ledger) -> None:
    exchange = ScriptedExchange([fills_all])
    plan = buys_on_chain()
    await settled(desk(ledger, exchange), ledger, plan)
    (order,) = exchange.placed
    got = plan.swaps[0].amount_out // 10**10
    assert (order.side, order.amount) == ("sell", got - got % BOOK.lot)
    # The newest bid, 1999, less a tenth of a per cent, down to a tick.
    assert order.limit_price == Decimal("1997.00")


async def test_what_one_order_leaves_the_next_fills(ledger: Ledger) -> None:
    exchange = ScriptedExchange([fills(3 * 10**7), fills(2 * 10**7), fills_all])
    on = desk(ledger, exchange)
    intent, closed = await settled(on, ledger, sells_on_chain())
    assert closed == []
    assert await at_block(on, 12) == ([], [])
    assert await at_block(on, 13) == ([Exposure.HEDGED], [])
    assert [order.amount for order in exchange.placed] == [10**8, 7 * 10**7, 5 * 10**7]
    assert len({order.client_id for order in exchange.placed}) == 3
    assert sum(order.filled_units for order in ledger.orders_of(intent)) == ONE_ETH


async def test_a_rejected_order_is_tried_again_under_another_name(ledger: Ledger) -> None:
    exchange = ScriptedExchange([rejects, fills_all])
    on = desk(ledger, exchange)
    _, closed = await settled(on, ledger, sells_on_chain())
    assert closed == [] and "order_rejected" in names(ledger)
    assert (await at_block(on, 12))[0] == [Exposure.HEDGED]
    first, second = exchange.placed
    assert first.amount == second.amount and first.client_id != second.client_id


async def test_dust_below_the_least_order_stays_in_the_inventory(ledger: Ledger) -> None:
    exchange = ScriptedExchange([fills(ONE_ETH - BOOK.lot)])
    _, closed = await settled(desk(ledger, exchange), ledger, sells_on_chain())
    # A lot is 0.0001 ETH, 0.20 USDT: the exchange takes nothing below 5.
    assert closed == [Exposure.HEDGED] and len(exchange.placed) == 1


async def test_what_is_still_owed_to_an_exchange_is_promised_to_no_other_plan(ledger: Ledger) -> None:
    spending = inventory(ledger)
    on = desk(ledger, ScriptedExchange([fills(4 * ONE_ETH), fills_all]), spending=spending)
    had = spending.free()[USD_AT_EXCHANGE]
    await settled(on, ledger, sells_on_chain(weth=10 * ETHER))
    spent = had - ledger.balance(USD_ACCOUNT)
    assert had - spending.free()[USD_AT_EXCHANGE] == spent + 6 * 2000 * ONE_ETH * 101 // 100
    refusal = on.refusal(sells_on_chain(11, weth=10 * ETHER))
    assert refusal is not None and refusal.reason is Reason.NO_INVENTORY
    assert (await at_block(on, 12))[0] == [Exposure.HEDGED]
    assert spending.free()[USD_AT_EXCHANGE] == ledger.balance(USD_ACCOUNT)


class TestTheDeadline:
    async def test_what_is_not_hedged_by_then_is_unwound_on_the_chain(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([fills(4 * 10**7), *[fills_nothing] * 3])
        on = desk(ledger, exchange)
        intent, _ = await settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            assert await at_block(on, number) == ([], [])
        closed, (unwind,) = await at_block(on, 15)
        assert closed == [] and "hedge_overdue" in names(ledger)
        (swap,) = unwind.swaps
        assert (swap.token_in, swap.token_out) == (USDC, WETH)
        assert 0 <= swap.amount_out - 6 * 10**17 < 10**12
        back = pending(ledger, unwind)
        assert await at_block(on, 16) == ([], [])
        done = await on_settled(on, settle(ledger, back, unwind, 16))
        assert [closing.exposure for closing in done] == [Exposure.UNWOUND]
        assert ledger.intent(intent).exposure is Exposure.UNWOUND
        assert len(exchange.placed) == 4

    @pytest.mark.parametrize("fails", ["refused", "reverted", "never sent", "the pool is gone"])
    async def test_an_unwinding_that_failed_gives_the_exchange_a_turn_and_then_another_is_tried(
        self, ledger: Ledger, fails: str
    ) -> None:
        venues, exchange = market(), ScriptedExchange([fills_nothing] * 5)
        on = desk(ledger, exchange, on=venues)
        intent, _ = await settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await at_block(on, number)
        if fails == "the pool is gone":
            venues.remove(POOL.address, "not understood")
            assert await at_block(on, 15) == ([], []) and "unwind_impossible" in names(ledger)
            venues.add_pool(POOL, 15)
        else:
            _, (first,) = await at_block(on, 15)
            await _fail(on, ledger, first, fails)
        assert len(exchange.placed) == 4
        assert await at_block(on, 16) == ([], []) and len(exchange.placed) == 5
        assert ledger.intent(intent).exposure is Exposure.OWED
        _, (second,) = await at_block(on, 17)
        assert second.block_number == 17 and len(exchange.placed) == 5

    async def test_what_failed_through_some_pools_is_tried_through_others_and_then_through_the_first_again(
        self, ledger: Ledger
    ) -> None:
        other = samples.v2(9, WETH, USDC, (1_000 * ETHER, 2_000_000 * 10**6))
        on = desk(ledger, ScriptedExchange([fills_nothing] * 8), on=samples.market(POOL, other, BOOK))
        await settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await at_block(on, number)
        tried = []
        for number in (15, 17, 19):
            _, (unwind,) = await at_block(on, number)
            tried.append(unwind.pools)
            await _fail(on, ledger, unwind, "refused")
            assert await at_block(on, number + 1) == ([], [])
        assert tried == [{other.address}, {POOL.address}, {other.address}]

    async def test_the_exchange_may_take_in_its_turn_what_the_chain_did_not(self, ledger: Ledger) -> None:
        exchange = ScriptedExchange([*[fills_nothing] * 4, fills_all])
        on = desk(ledger, exchange)
        intent, _ = await settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await at_block(on, number)
        _, (unwind,) = await at_block(on, 15)
        on.unwind_failed(unwind.id)
        assert await at_block(on, 16) == ([Exposure.HEDGED], [])
        assert ledger.intent(intent).exposure is Exposure.HEDGED and not on.owes

    @pytest.mark.parametrize("status", [0, 1])
    async def test_an_unwinding_that_a_reorganisation_takes_back_is_owed_again_if_it_comes_to_nothing(
        self, ledger: Ledger, status: int
    ) -> None:
        on = desk(ledger, ScriptedExchange([*[fills_nothing] * 4, fills_all]))
        intent, _ = await settled(on, ledger, sells_on_chain(), block=11)
        for number in (12, 13, 14):
            await at_block(on, number)
        _, (unwind,) = await at_block(on, 15)
        back = pending(ledger, unwind)
        await on_settled(on, settle(ledger, back, unwind, 16))
        assert ledger.intent(intent).exposure is Exposure.UNWOUND and not on.owes
        ledger.undo_block(head(16).hash)
        assert await on_settled(on, settle(ledger, back, unwind, 17, status=status)) == []
        assert ledger.intent(intent).is_exposed == on.owes == (status == 0)
        assert ("unwound_in_vain" in names(ledger)) == on.owes
        assert await at_block(on, 17) == ([Exposure.HEDGED] if status == 0 else [], [])

    async def test_a_book_that_cannot_take_it_is_waited_for(self, ledger: Ledger) -> None:
        venues = market(book=samples.book([("1999", "50")], [("2000", "0.5")]))
        exchange = ScriptedExchange([fills_all])
        on = desk(ledger, exchange, on=venues)
        _, closed = await settled(on, ledger, sells_on_chain())
        assert closed == [] and exchange.placed == []
        assert on.ordered() == set(), "what is only owed there keeps nobody else from it"
        venues.set_book(BOOK)
        assert await at_block(on, 12) == ([Exposure.HEDGED], [])
        assert (on.ordered(), on.ordered()) == ({"binance:ETH/USDT"}, set())


async def _fail(on: HedgeDesk, ledger: Ledger, unwind: Plan, how: str) -> None:
    if how == "refused":
        on.unwind_failed(unwind.id)
    elif how == "reverted":
        assert await on_settled(on, settle(ledger, pending(ledger, unwind), unwind, 16, status=0)) == []
    else:
        ledger.release(ledger.reserve(unwind, OPERATOR, ledger.next_nonce(OPERATOR), WORST, FEES).id, how)


async def test_profit_is_what_both_sides_came_to_after_gas_and_fees(ledger: Ledger) -> None:
    """One ETH sold on the chain and bought back for 2000 USDT, whose fee is a thousandth of the ETH."""
    plan = sells_on_chain()
    intent, _ = await settled(desk(ledger, ScriptedExchange([fills_all])), ledger, plan)
    dollars = plan.swaps[0].amount_out - 2_000 * 10**6
    gas = 100_000 * 10 * GWEI
    assert ledger.profit_of(intent) == dollars * ETHER // (2_000 * 10**6) - ETHER // 1_000 - gas


async def test_an_unknown_exchange_symbol_is_an_error_with_a_name(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="not in the ledger"):
        ledger.order("binance", "isthmus-none-1")
