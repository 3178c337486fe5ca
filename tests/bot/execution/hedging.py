"""Both sides of a trade: sent, mined as planned, and block after block until the exchange did its part."""

from __future__ import annotations

from bot.execution.debts import Closed
from bot.execution.hedges import HedgeDesk
from bot.execution.settling import Settled
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.records import Account
from bot.ledger.states import Exposure
from bot.plan import Plan
from tests.bot.execution.given import (
    head,
    pending,
    settle,
)
from tests.bot.ledger.given import GWEI
from tests.bot.market.samples import USD_AT_EXCHANGE

GAS_PRICE = 10 * GWEI
ONE_ETH = 10**8
USD_ACCOUNT = Account.of("binance", USD_AT_EXCHANGE)


async def on_settled(on: HedgeDesk, *settled: Settled) -> list[Closed]:
    """As the engine does it: booked and ordered in one commit, sent, and what was answered in another."""
    with on.together(acts=True):
        placed = on.owe(settled)
    return on.book(placed, await on.pay(settled, placed))


async def settled(on: HedgeDesk, ledger: Ledger, plan: Plan, block: int = 11) -> tuple[int, list[Exposure]]:
    """`plan` sent and mined as planned; its intent, and what closed at once."""
    intent = pending(ledger, plan)
    closed = await on_settled(on, settle(ledger, intent, plan, block))
    return intent.id, [done.exposure for done in closed]


async def at_block(on: HedgeDesk, number: int) -> tuple[list[Exposure], list[Plan]]:
    closed, unwinds = await on.on_block(head(number), GAS_PRICE)
    return [done.exposure for done in closed], unwinds


def names(ledger: Ledger) -> list[str]:
    return [event.name for event in events(ledger)]
