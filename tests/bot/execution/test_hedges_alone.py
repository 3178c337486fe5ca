"""A hedge whose chain side did not come back from a reorganisation is traded back, once, and then nothing is out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.execution.hedges import HedgeDesk
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Intent, Purpose
from bot.ledger.states import Exposure
from bot.plan import Plan, Side
from chains.exchanges.orders import OrderStatus
from tests.bot.execution.given import (
    BOOK,
    Reply,
    ScriptedExchange,
    begin,
    buys_on_chain,
    desk,
    fills,
    fills_all,
    fills_nothing,
    head,
    inventory,
    open_ledger,
    pending,
    rejects,
    report,
    says_nothing,
    sells_on_chain,
    settle,
)
from tests.bot.execution.hedging import ONE_ETH, at_block, names, on_settled
from tests.bot.ledger.given import StandingClock
from tests.bot.market.samples import ETH_AT_EXCHANGE, WETH

BASE = Account.of("binance", ETH_AT_EXCHANGE)


class Alone:
    """A plan that was hedged in full, whose block was dropped, and which then reverted in another."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan
        self.ledger = open_ledger(path)
        self.exchange = ScriptedExchange([fills_all])
        self.desk = desk(self.ledger, self.exchange)

    async def hedged(self) -> Intent:
        intent = pending(self.ledger, self.plan)
        closed = await on_settled(self.desk, settle(self.ledger, intent, self.plan, 11))
        assert [done.exposure for done in closed] == [Exposure.HEDGED]
        self.ledger.undo_block(head(11).hash)
        return intent

    async def left(self, *replies: Reply) -> tuple[Intent, list[Exposure]]:
        """It reverts; the exchange answers what is placed from then on as `replies` say."""
        intent = await self.hedged()
        self.exchange.replies = list(replies)
        closed = await on_settled(self.desk, settle(self.ledger, intent, self.plan, 12, status=0))
        return intent, [done.exposure for done in closed]

    async def overdue(self) -> tuple[Intent, Intent, Plan]:
        """In block 11 and not hedged by the deadline: the trade, and what is pending to unwind it, with its plan."""
        intent = pending(self.ledger, self.plan)
        await on_settled(self.desk, settle(self.ledger, intent, self.plan, 11))
        for number in (12, 13, 14):
            await at_block(self.desk, number)
        _, (unwind,) = await at_block(self.desk, 15)
        return intent, pending(self.ledger, unwind), unwind

    def killed(self) -> HedgeDesk:
        """The process ends here, and another opens the same ledger."""
        self.ledger.close()
        self.ledger = Ledger.open(str(self.path), StandingClock())
        begin(self.ledger)
        self.desk = desk(self.ledger, self.exchange)
        self.desk.start(head(30))
        return self.desk

    def out(self, intent: Intent) -> bool:
        return self.ledger.intent(intent.id).is_exposed

    @property
    def base(self) -> int:
        return self.ledger.accounts()[BASE]


@pytest.fixture(params=[sells_on_chain, buys_on_chain], ids=["sold on the chain", "bought on the chain"])
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Alone]:
    alone = Alone(tmp_path / "ledger.db", request.param())
    yield alone
    alone.ledger.close()


async def test_it_is_traded_back_at_once_and_the_exposure_ends_closed(alone: Alone) -> None:
    before = alone.base
    intent, closed = await alone.left(fills_all)
    hedge, back = alone.ledger.orders_of(intent.id)
    assert (hedge.purpose, back.purpose, back.amount) == (Purpose.HEDGE, Purpose.UNWIND, hedge.filled_units)
    assert {hedge.side, back.side} == {Side.BUY, Side.SELL}
    assert closed == [Exposure.NONE] and back.filled_units == hedge.filled_units
    assert before - alone.base == hedge.filled_units // 1_000, "the fee of what was bought, and no more"
    assert not alone.out(intent) and not alone.desk.owes and alone.ledger.open_intents() == ()
    assert "hedged_alone" in names(alone.ledger)
    assert alone.ledger.profit_of(intent.id) is not None


async def test_where_the_fee_of_what_was_bought_is_missing_what_is_there_is_traded_back(tmp_path: Path) -> None:
    alone = Alone(tmp_path / "ledger.db", sells_on_chain())
    spending = inventory(alone.ledger)
    alone.desk = desk(alone.ledger, alone.exchange, spending=spending)
    spending.hold_back("all that was there before", ETH_AT_EXCHANGE, alone.base)
    intent, closed = await alone.left(fills_all)
    hedge, back = alone.ledger.orders_of(intent.id)
    assert back.amount == hedge.filled_units * 999 // 1_000
    assert closed == [Exposure.NONE] and not alone.out(intent) and not alone.desk.owes
    assert names(alone.ledger).count("hedge_short") == 1
    alone.ledger.close()


async def test_what_nothing_is_there_for_is_not_ordered_until_there_is_and_told_once(tmp_path: Path) -> None:
    alone = Alone(tmp_path / "ledger.db", sells_on_chain())
    spending = inventory(alone.ledger)
    alone.desk = desk(alone.ledger, alone.exchange, spending=spending)
    intent = await alone.hedged()
    spending.hold_back("all there is", ETH_AT_EXCHANGE, alone.base)
    await on_settled(alone.desk, settle(alone.ledger, intent, alone.plan, 12, status=0))
    assert await at_block(alone.desk, 13) == ([], []) and len(alone.exchange.placed) == 1
    assert names(alone.ledger).count("hedge_short") == 1 and alone.desk.resting.why("binance") is None
    spending.give_back("all there is")
    alone.exchange.replies = [fills_all]
    assert await at_block(alone.desk, 14) == ([Exposure.NONE], [])
    alone.ledger.close()


async def test_it_is_priced_within_the_same_tolerance_as_a_hedge(alone: Alone) -> None:
    await alone.left(fills_all)
    for order in alone.exchange.placed:
        assert 1_990 <= order.limit_price <= 2_010


async def test_what_is_not_filled_goes_on_block_after_block_and_past_any_deadline(alone: Alone) -> None:
    intent, closed = await alone.left(rejects, fills(3 * 10**7), fills_all)
    hedged = alone.ledger.orders_of(intent.id)[0].filled_units
    assert closed == [] and alone.out(intent) and alone.desk.owes
    assert await at_block(alone.desk, 13) == ([], [])
    assert await at_block(alone.desk, 99) == ([Exposure.NONE], [])
    assert [order.amount for order in alone.exchange.placed[1:]] == [hedged, hedged, hedged - 3 * 10**7]
    assert not alone.out(intent)


async def test_killed_before_anything_was_placed_it_is_traded_back_once(alone: Alone) -> None:
    intent = await alone.hedged()
    settle(alone.ledger, intent, alone.plan, 12, status=0)
    on = alone.killed()
    alone.exchange.replies = [fills_all]
    assert await at_block(on, 31) == ([Exposure.NONE], [])
    assert await at_block(alone.killed(), 32) == ([], []) and len(alone.exchange.placed) == 2
    assert not alone.out(intent)


async def test_killed_while_the_order_back_was_on_its_way_it_is_looked_up_and_not_placed_again(alone: Alone) -> None:
    intent, closed = await alone.left(says_nothing)
    assert closed == []
    on = alone.killed()
    assert await at_block(on, 31) == ([], []) and len(alone.exchange.placed) == 2
    back = alone.exchange.placed[1]
    alone.exchange.known[back.client_id] = fills_all(back)
    assert await at_block(on, 32) == ([Exposure.NONE], []) and len(alone.exchange.placed) == 2
    assert not alone.out(intent)


async def test_killed_after_a_part_was_traded_back_the_rest_is(alone: Alone) -> None:
    intent, _ = await alone.left(fills(4 * 10**7))
    hedged = alone.ledger.orders_of(intent.id)[0].filled_units
    alone.exchange.replies = [fills_all]
    assert await at_block(alone.killed(), 31) == ([Exposure.NONE], [])
    assert alone.exchange.placed[-1].amount == hedged - 4 * 10**7 and not alone.out(intent)


async def test_a_hedge_of_which_it_was_not_known_yet_counts_once_it_is(tmp_path: Path) -> None:
    alone = Alone(tmp_path / "ledger.db", sells_on_chain())
    alone.exchange.replies = [says_nothing]
    intent = pending(alone.ledger, alone.plan)
    await on_settled(alone.desk, settle(alone.ledger, intent, alone.plan, 11))
    alone.ledger.undo_block(head(11).hash)
    assert await on_settled(alone.desk, settle(alone.ledger, intent, alone.plan, 12, status=0)) == []
    first = alone.exchange.placed[0]
    alone.exchange.known[first.client_id] = report(first, OrderStatus.CANCELLED, 6 * 10**7)
    alone.exchange.replies = [fills_all]
    assert await at_block(alone.desk, 13) == ([], []), "now it is known what it traded"
    assert await at_block(alone.desk, 14) == ([Exposure.NONE], [])
    assert alone.exchange.placed[1].amount == 6 * 10**7 and not alone.out(intent)
    alone.ledger.close()


async def test_while_halted_nothing_is_placed_and_it_stays_out(alone: Alone) -> None:
    intent = await alone.hedged()
    alone.desk._may_order = lambda strategy: False
    await on_settled(alone.desk, settle(alone.ledger, intent, alone.plan, 12, status=0))
    assert await at_block(alone.desk, 13) == ([], []) and len(alone.exchange.placed) == 1
    assert alone.out(intent) and alone.desk.owes


async def test_a_chain_side_that_comes_back_after_all_is_hedged_anew(alone: Alone) -> None:
    intent, _ = await alone.left(fills_all)
    alone.ledger.undo_block(head(12).hash)
    alone.exchange.replies = [fills_all]
    closed = await on_settled(alone.desk, settle(alone.ledger, intent, alone.plan, 13))
    assert [done.exposure for done in closed] == [Exposure.HEDGED]
    hedge, _, again = alone.ledger.orders_of(intent.id)
    assert (again.side, again.amount, again.purpose) == (hedge.side, hedge.amount, Purpose.HEDGE)


async def test_what_was_never_hedged_owes_nothing_back(tmp_path: Path) -> None:
    alone = Alone(tmp_path / "ledger.db", sells_on_chain())
    alone.exchange.replies = [rejects]
    intent = pending(alone.ledger, alone.plan)
    await on_settled(alone.desk, settle(alone.ledger, intent, alone.plan, 11))
    alone.ledger.undo_block(head(11).hash)
    closed = await on_settled(alone.desk, settle(alone.ledger, intent, alone.plan, 12, status=0))
    assert [done.exposure for done in closed] == [Exposure.NONE] and len(alone.exchange.placed) == 1
    assert not alone.out(intent) and alone.exchange.placed[0].amount == ONE_ETH
    alone.ledger.close()


@pytest.mark.parametrize("make", [sells_on_chain, buys_on_chain], ids=["sold on the chain", "bought on the chain"])
@pytest.mark.parametrize("last", ["trade", "unwinding"])
@pytest.mark.parametrize("killed", [False, True])
async def test_what_unwound_a_trade_that_did_not_come_back_is_traded_back_once(
    tmp_path: Path, make: Callable[[], Plan], last: str, killed: bool
) -> None:
    alone = Alone(tmp_path / "ledger.db", make())
    alone.exchange.replies = [fills_nothing] * 4 + [fills_all]
    intent, back, unwind = await alone.overdue()
    await on_settled(alone.desk, settle(alone.ledger, back, unwind, 16))
    assert alone.ledger.intent(intent.id).exposure is Exposure.UNWOUND
    for number in (16, 11):
        alone.ledger.undo_block(head(number).hash)
    if killed:
        alone.killed()
    again, closed = [(intent, alone.plan, 0), (back, unwind, 1)], []
    for number, (which, plan, status) in enumerate(again if last == "unwinding" else again[::-1], 31):
        done = await on_settled(alone.desk, settle(alone.ledger, which, plan, number, status=status))
        closed += [one.exposure for one in done]
    assert await at_block(alone.desk, 33) == ([Exposure.NONE] if last == "unwinding" else [], [])
    assert closed == ([Exposure.NONE] if last == "trade" else [])
    *tried, traded = alone.ledger.orders_of(intent.id)
    assert {order.filled_units for order in tried} == {0}
    assert traded.side is not tried[0].side and traded.purpose is Purpose.UNWIND
    swap = unwind.swaps[0]
    weth = swap.amount_in if swap.token_in == WETH else swap.amount_out
    assert traded.filled_units == BOOK.whole_lots(weth // 10 ** (WETH.decimals - ETH_AT_EXCHANGE.decimals))
    assert not alone.out(intent) and not alone.desk.owes
    assert names(alone.ledger).count("hedged_alone") == 1
    alone.ledger.close()


@pytest.mark.parametrize("make", [sells_on_chain, buys_on_chain], ids=["sold on the chain", "bought on the chain"])
@pytest.mark.parametrize("killed", [False, True])
async def test_an_unwinding_that_came_to_nothing_and_after_a_reorganisation_to_something_is_traded_back_once(
    tmp_path: Path, make: Callable[[], Plan], killed: bool
) -> None:
    """Its trade was hedged meanwhile: both would leave it out by all of it, the other way."""
    alone = Alone(tmp_path / "ledger.db", make())
    alone.exchange.replies = [fills_nothing] * 4 + [fills_all] * 2
    intent, back, unwind = await alone.overdue()
    await on_settled(alone.desk, settle(alone.ledger, back, unwind, 16, status=0))
    assert await at_block(alone.desk, 16) == ([Exposure.HEDGED], [])
    alone.ledger.undo_block(head(16).hash)
    again = settle(alone.ledger, back, unwind, 17)
    if killed:
        alone.killed()
    else:
        await on_settled(alone.desk, again)
    assert await at_block(alone.desk, 31) == ([Exposure.UNWOUND], [])
    *_, hedge, traded = alone.ledger.orders_of(intent.id)
    assert (traded.purpose, traded.side is hedge.side) == (Purpose.UNWIND, False)
    assert abs(traded.filled_units - hedge.filled_units) < BOOK.lot
    assert not alone.out(intent) and not alone.desk.owes
    assert await at_block(alone.desk, 32) == ([], [])
    alone.ledger.close()
