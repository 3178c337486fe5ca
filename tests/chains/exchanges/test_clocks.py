"""A machine whose clock differs from the exchange's: what is asked bears the exchange's time."""

from __future__ import annotations

import asyncio
import time

import pytest

from chains.exchanges.adapter import Exchange
from chains.exchanges.local import LocalExchange
from chains.exchanges.orders import OrderStatus
from tests.chains.exchanges.making import ANCHORS, COIN, ETH, an_order, broken


class Apart(LocalExchange):
    """Its clock is `ahead_ms` ahead of the machine's."""

    def __init__(self, ahead_ms: int) -> None:
        super().__init__(ANCHORS, wall_ms=lambda: time.time_ns() // 10**6 + self.ahead_ms)
        self.ahead_ms = ahead_ms


@pytest.mark.parametrize("ahead_ms", [-1_500, -3_600_000, 60_000])
async def test_an_account_is_used_whatever_this_machines_clock_says(ahead_ms: int) -> None:
    async with broken(Apart(ahead_ms)) as exchange:
        placed = await exchange.place(an_order(await exchange.fetch_book(ETH), "buy", COIN))
        assert (placed.status, await exchange.find("one", ETH)) == (OrderStatus.FILLED, placed)
        assert abs(await exchange.clock_skew_ms() - ahead_ms) < 1_000


async def test_clocks_that_part_while_it_runs_cost_one_order() -> None:
    local = Apart(0)
    async with broken(local) as exchange:
        order = an_order(await exchange.fetch_book(ETH), "buy", COIN)
        local.ahead_ms = -5_000
        refused = await exchange.place(order)
        assert (refused.status, refused.detail[:12]) == (OrderStatus.REJECTED, "InvalidNonce")
        async with asyncio.timeout(20):
            while (placed := await exchange.place(order)).status is OrderStatus.REJECTED:
                pass
        assert placed.status is OrderStatus.FILLED


async def test_a_request_that_only_asks_mends_the_time_too() -> None:
    local = Apart(0)
    async with broken(local) as exchange:
        local.ahead_ms = -5_000
        with pytest.raises(ConnectionError, match="set this machine's clock"):
            await exchange.balances()
        async with asyncio.timeout(20):
            while not await _answers(exchange):
                pass


async def _answers(exchange: Exchange) -> bool:
    try:
        return bool(await exchange.balances())
    except ConnectionError:
        return False


async def test_books_alone_need_no_time() -> None:
    local = Apart(-60_000)
    await local.start()
    exchange = Exchange("binance", "binance", [ETH], urls=local.ccxt_urls)
    await exchange.connect()
    assert exchange.calls_made == 1
    await exchange.close()
    await local.close()
