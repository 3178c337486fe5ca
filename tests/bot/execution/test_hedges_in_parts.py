"""What one block may not release of the inventory is unwound over several, each part counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.execution.hedges import HedgeDesk
from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent
from bot.ledger.states import Exposure
from bot.plan import Plan
from chains.assets import Token
from tests.bot.execution.given import (
    ScriptedExchange,
    begin,
    buys_on_chain,
    desk,
    fills_nothing,
    head,
    inventory,
    open_ledger,
    pending,
    sells_on_chain,
    settle,
)
from tests.bot.execution.hedging import at_block, on_settled
from tests.bot.ledger.given import ETHER, StandingClock
from tests.bot.market.samples import USDC, WETH

CAPS = {WETH: 4 * ETHER // 10, USDC: 800 * 10**6}
"""Four tenths of what the trades move."""


class InParts:
    """A trade that no order filled, overdue at block 15."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan
        self.ledger = open_ledger(path)
        self.exchange = ScriptedExchange([fills_nothing] * 5)
        self.on = self._desk()

    def _desk(self) -> HedgeDesk:
        spending = inventory(self.ledger, weth_cap=CAPS[WETH], usdc_cap=CAPS[USDC])
        return desk(self.ledger, self.exchange, spending=spending)

    async def overdue(self) -> tuple[Intent, Plan]:
        """Its intent, and the first plan that unwinds a part of it."""
        intent = pending(self.ledger, self.plan)
        await on_settled(self.on, settle(self.ledger, intent, self.plan, 11))
        for number in (12, 13, 14):
            await at_block(self.on, number)
        return intent, await self.unwinding(15)

    async def unwinding(self, number: int) -> Plan:
        closed, (unwind,) = await at_block(self.on, number)
        assert closed == []
        return unwind

    async def unwound(self, unwind: Plan, number: int, *, status: int = 1) -> list[Exposure]:
        done = await on_settled(
            self.on, settle(self.ledger, pending(self.ledger, unwind), unwind, number, status=status)
        )
        return [closed.exposure for closed in done]

    def killed(self, number: int) -> None:
        """The process ends here, and another opens the same ledger at block `number`."""
        self.ledger.close()
        self.ledger = Ledger.open(str(self.path), StandingClock())
        begin(self.ledger)
        self.on = self._desk()
        self.on.start(head(number))

    def taken_back(self, *unwinds: Plan) -> float:
        """The share of the trade's ether."""
        weth = sum(_weth(unwind) for unwind in unwinds)
        return weth / _weth(self.plan)


def _weth(plan: Plan) -> int:
    swap = plan.swaps[0]
    return swap.amount_in if swap.token_in == WETH else swap.amount_out


@pytest.fixture(params=[sells_on_chain, buys_on_chain], ids=["sold on the chain", "bought on the chain"])
def trade(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InParts]:
    make: Callable[[], Plan] = request.param
    trade = InParts(tmp_path / "ledger.db", make())
    yield trade
    trade.ledger.close()


async def test_each_block_unwinds_what_it_may_until_nothing_is_owed(trade: InParts) -> None:
    intent, first = await trade.overdue()
    spent: Token = first.swaps[0].token_in
    assert 0.98 * CAPS[spent] < first.swaps[0].amount_in <= CAPS[spent]
    assert await trade.unwound(first, 16) == []
    second = await trade.unwinding(16)
    assert await trade.unwound(second, 17) == []
    third = await trade.unwinding(17)
    assert await trade.unwound(third, 18) == [Exposure.UNWOUND]
    assert trade.taken_back(first, second, third) == pytest.approx(1, abs=1e-4)
    assert not trade.ledger.intent(intent.id).is_exposed and not trade.on.owes
    assert len(trade.exchange.placed) == 4, "the exchange had its turn until the deadline, and no other was needed"


async def test_a_part_counts_once_when_its_block_is_replaced(trade: InParts) -> None:
    intent, first = await trade.overdue()
    back = pending(trade.ledger, first)
    assert await on_settled(trade.on, settle(trade.ledger, back, first, 16)) == []
    trade.ledger.undo_block(head(16).hash)
    assert await on_settled(trade.on, settle(trade.ledger, back, first, 17)) == []
    second = await trade.unwinding(17)
    await trade.unwound(second, 18)
    third = await trade.unwinding(18)
    assert trade.taken_back(first, second, third) == pytest.approx(1, abs=1e-4)
    assert await trade.unwound(third, 19) == [Exposure.UNWOUND]
    assert not trade.ledger.intent(intent.id).is_exposed


async def test_a_part_that_a_replaced_block_undid_for_good_is_owed_again(trade: InParts) -> None:
    _, first = await trade.overdue()
    back = pending(trade.ledger, first)
    await on_settled(trade.on, settle(trade.ledger, back, first, 16))
    trade.ledger.undo_block(head(16).hash)
    assert await on_settled(trade.on, settle(trade.ledger, back, first, 17, status=0)) == []
    parts = []
    for number in (17, 18, 19):
        parts.append(await trade.unwinding(number))
        closed = await trade.unwound(parts[-1], number + 1)
    assert closed == [Exposure.UNWOUND]
    assert trade.taken_back(*parts) == pytest.approx(1, abs=1e-4)


async def test_killed_between_two_parts_the_rest_is_tried_at_the_exchange_and_then_unwound(trade: InParts) -> None:
    intent, first = await trade.overdue()
    await trade.unwound(first, 16)
    trade.killed(30)
    trade.exchange.replies = [fills_nothing] * 3
    for number in (31, 32, 33):
        assert await at_block(trade.on, number) == ([], [])
    rest = {order.amount for order in trade.exchange.placed[4:]}
    assert len(rest) == 1 and rest.pop() / trade.exchange.placed[0].amount == pytest.approx(0.6, abs=0.02)
    second = await trade.unwinding(34)
    await trade.unwound(second, 35)
    assert await trade.unwound(await trade.unwinding(35), 36) == [Exposure.UNWOUND]
    assert not trade.ledger.intent(intent.id).is_exposed
