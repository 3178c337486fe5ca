"""The paper account of fork and dry runs, by itself."""

from __future__ import annotations

from decimal import Decimal

import pytest

from chains.exchanges.orders import ExchangeOrder
from chains.exchanges.paper import PaperExchange
from tests.chains.exchanges.making import COIN, ETH, book


async def test_of_the_orders_that_were_placed_the_newest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chains.exchanges.paper.REPORTS_KEPT", 3)
    paper = PaperExchange("binance", lambda symbol: book([(299_900, 1_000)], [(300_000, 1_000)]), {"ETH": COIN})
    for number in range(5):
        await paper.place(ExchangeOrder(ETH, "sell", COIN // 100, Decimal(2_999), f"order-{number}"))
    found = [await paper.find(f"order-{number}", ETH) for number in range(5)]
    assert [report is not None for report in found] == [False, False, True, True, True]
    assert (await paper.balances())["ETH"] == COIN - 5 * COIN // 100
