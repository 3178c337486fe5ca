"""The ledger equals the world to the last unit, or says exactly where it does not."""

from __future__ import annotations

import pytest

from bot.ledger.ledger import Ledger
from bot.ledger.reconcile import reconcile
from bot.ledger.records import Account
from tests.bot.ledger.given import INVENTORY_WETH, NETWORK, SPOT_USDT, pending, receipt


async def test_equal_balances_reconcile(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: 10**16})
    world = ledger.accounts()
    asked: dict[str, list[Account]] = {"chain": [], "exchange": []}

    async def chain(account: Account) -> int:
        asked["chain"].append(account)
        return world[account]

    async def exchange(account: Account) -> int:
        asked["exchange"].append(account)
        return world[account]

    reconciliation = await reconcile(ledger, chain, exchange)
    assert reconciliation.equal
    assert len(reconciliation.rows) == len(world)
    assert {account.place for account in asked["chain"]} == {NETWORK}
    assert {account.place for account in asked["exchange"]} == {"binance"}


async def test_one_missing_unit_is_named(ledger: Ledger) -> None:
    world = ledger.accounts() | {SPOT_USDT: ledger.balance(SPOT_USDT) - 1}

    async def ask(account: Account) -> int:
        return world[account]

    reconciliation = await reconcile(ledger, ask, ask)
    assert not reconciliation.equal
    (row,) = reconciliation.differing
    assert (row.account, row.difference) == (SPOT_USDT, -1)


async def test_a_source_that_does_not_answer_is_no_zero(ledger: Ledger) -> None:
    async def dead(account: Account) -> int:
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError):
        await reconcile(ledger, dead, dead)
