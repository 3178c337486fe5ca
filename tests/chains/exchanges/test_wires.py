"""Orders at exchanges other than Binance, through ccxt as it speaks to each of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from chains.exchanges.adapter import Exchange
from chains.exchanges.orders import ExchangeOrder, OrderStatus
from chains.exchanges.troubles import ExchangeMisconfigured
from tests.chains.exchanges.making import COIN
from tests.chains.exchanges.wires import ETH, Bybit, Gate, Kraken, Okx, Wire, at

ORDER = ExchangeOrder(ETH, "buy", COIN, Decimal("2000.01"), "isthmus0123456789abcdefx1")


@pytest.mark.parametrize(
    ("kind", "fees"),
    [(Okx, {"ETH": 50_000}), (Bybit, {"ETH": 50_000}), (Gate, {"ETH": 50_000}), (Kraken, {"USDT": COIN})],
)
async def test_what_an_order_did_is_known_at_once_and_one_that_rests_is_cancelled(
    kind: type[Wire], fees: dict[str, int]
) -> None:
    """Some say of an order only that they took it, some are asked for lists alone, some cancel by their own ids."""
    wire = kind()
    async with at(wire) as exchange:
        assert await exchange.find(ORDER.client_id, ETH) is None
        placed = await exchange.place(ORDER)
        assert (placed.status, placed.order_id) == (OrderStatus.CANCELLED, wire.order_id)
        assert (placed.filled, placed.cost) == (COIN // 2, 1_000 * COIN)
        assert {fill.fee_currency: placed.fee(fill.fee_currency) for fill in placed.fills} == fees
        assert await exchange.find(ORDER.client_id, ETH) == placed
        wire.resting.add(ORDER.client_id)
        resting = await exchange.find(ORDER.client_id, ETH)
        assert resting is not None and resting.status is OrderStatus.OPEN
        assert await exchange.cancel(ORDER.client_id, ETH) == placed


async def test_an_order_that_ends_before_it_is_cancelled_is_what_it_did() -> None:
    wire = Gate()
    wire.too_late = True
    async with at(wire) as exchange:
        placed = await exchange.place(ORDER)
        wire.resting.add(ORDER.client_id)
        assert await exchange.cancel(ORDER.client_id, ETH) == placed


async def test_an_order_that_is_there_already_is_not_taken_for_refused() -> None:
    async with at(Okx()) as exchange:
        await exchange.place(ORDER)
        assert (await exchange.place(ORDER)).status is OrderStatus.UNKNOWN


async def test_the_passphrase_of_a_key_is_sent_and_asked_for_by_its_name_in_the_file() -> None:
    wire = Okx()
    async with at(wire):
        assert wire.headers["OK-ACCESS-PASSPHRASE"] == "a passphrase"
    with pytest.raises(ExchangeMisconfigured, match=r"okx: its API keys have a passphrase; .* `api_passphrase`"):
        Exchange("okx", "okx", [ETH], api_key="a key", secret="a secret")
    Exchange("okx", "okx", [ETH])
