"""Between places an asset moves at a cost and after a time, and nothing takes that for a trade of now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.market import Transfer
from bot.market.transfers import NotTransferred, chains_of
from chains.assets import Token
from tests.bot.market.samples import (
    ETH_AT_EXCHANGE,
    USD_AT_EXCHANGE,
    USDC,
    WETH,
    book,
    market,
    v2,
)
from tests.chains.pools.samples import token

WEI = 10**18
WITHDRAWAL = Transfer(ETH_AT_EXCHANGE, WETH, fee=40_000, least=200_000, delay_s=300.0)
"""0.0004 ETH, 0.002 at the least."""
DEPOSIT = Transfer(WETH, ETH_AT_EXCHANGE, delay_s=180.0, gas=21_000)
USD_DEPOSIT = Transfer(USDC, USD_AT_EXCHANGE, delay_s=180.0, gas=65_000)
POOL = v2(1, WETH, USDC, (1_000 * WEI, 2_000_000 * 10**6))


def test_what_arrives_is_what_was_sent_less_the_fee_to_the_unit() -> None:
    assert WITHDRAWAL.arrives(10**8) == (10**8 - 40_000) * 10**10
    assert DEPOSIT.arrives(WEI + 10**10 - 1) == 10**8
    assert Transfer(WETH, ETH_AT_EXCHANGE, fee_ppm=1).arrives(WEI + 1) == (WEI + 1 - 10**12 - 1) // 10**10


@pytest.mark.parametrize(
    ("transfer", "amount"),
    [(WITHDRAWAL, 199_999), (WITHDRAWAL, 0), (WITHDRAWAL, -1), (DEPOSIT, 10**10 - 1)],
)
def test_what_is_too_little_is_not_transferred(transfer, amount) -> None:
    with pytest.raises(NotTransferred):
        transfer.arrives(amount)


@given(st.integers(1, 10**30), st.integers(0, 10**12), st.integers(0, 10**6), st.integers(0, 36), st.integers(0, 36))
def test_nothing_is_gained_on_the_way(amount, fee, fee_ppm, decimals_in, decimals_out) -> None:
    transfer = Transfer(Token("one", "A", "A", decimals_in), Token("other", "A", "A", decimals_out), fee, fee_ppm)
    try:
        arrived = transfer.arrives(amount)
    except NotTransferred:
        return
    assert 0 < transfer.target.whole(arrived) <= transfer.source.whole(amount - fee)


def test_a_transfer_within_one_place_or_that_costs_less_than_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="from one place to another"):
        Transfer(WETH, USDC)
    with pytest.raises(ValueError, match="less than nothing"):
        Transfer(WETH, ETH_AT_EXCHANGE, fee=-1)
    with pytest.raises(ValueError, match="different assets"):
        market(POOL).set_transfer(Transfer(WETH, USD_AT_EXCHANGE))


def test_no_cycle_and_no_price_takes_a_transfer_for_a_trade() -> None:
    plain, joined = (market(POOL, book([("2100", "5")], [("2101", "5")])) for _ in range(2))
    for transfer in (WITHDRAWAL, DEPOSIT, USD_DEPOSIT):
        joined.set_transfer(transfer)
    assert list(joined.cycles(max_hops=4)) == list(plain.cycles(max_hops=4)) == []
    assert list(joined.cycles(books=1)) == list(plain.cycles(books=1)) != []
    for asset in plain.graph.asset_of:
        assert joined.price(asset) == plain.price(asset)


def test_an_order_between_two_places_tells_what_arrives_and_when() -> None:
    made = market(POOL, book([("2100", "50")], [("2101", "50")]))
    for transfer in (WITHDRAWAL, DEPOSIT, USD_DEPOSIT):
        made.set_transfer(transfer)
    by_dollars, by_ether = made.journeys(USDC, ETH_AT_EXCHANGE, 4_000 * 10**6)[::-1]
    (deposited, bought), (swapped, sent) = by_dollars.stages, by_ether.stages
    assert deposited.transfer == USD_DEPOSIT and bought.book is not None
    exchange = made.book("binance", "ETH/USDT")
    assert bought.amount_out == exchange.buy_base(exchange.affordable(4_000 * 10**8)).received
    assert swapped.amount_out == POOL.quote(USDC, 4_000 * 10**6) and sent.amount_out == swapped.amount_out // 10**10
    assert by_dollars.amount_out < by_ether.amount_out
    assert by_ether.delay_s == 180.0 and by_ether.gas == swapped.gas + 21_000 > 21_000
    assert "after 180 s by WETH@twin to binance" in str(by_ether)


def test_a_journey_that_takes_too_long_or_goes_where_it_may_not_is_not_told() -> None:
    made = market(POOL, book([("2100", "50")], [("2101", "50")]))
    made.set_transfer(WITHDRAWAL)
    (journey,) = made.journeys(ETH_AT_EXCHANGE, USDC, 10**8)
    assert journey.amount_out == POOL.quote(WETH, (10**8 - 40_000) * 10**10)
    assert made.journeys(ETH_AT_EXCHANGE, USDC, 10**8, within_s=299.0) == []
    assert made.journeys(ETH_AT_EXCHANGE, USDC, 10**8, allowed=lambda venue, token: ">" not in venue) == []
    assert made.journeys(ETH_AT_EXCHANGE, USDC, 100_000) == []
    made.remove(WITHDRAWAL.venue, "withdrawals are suspended")
    assert made.journeys(ETH_AT_EXCHANGE, USDC, 10**8) == []
    assert made.refused == {WITHDRAWAL.venue: "withdrawals are suspended"}
    made.set_transfer(WITHDRAWAL)
    assert made.journeys(ETH_AT_EXCHANGE, USDC, 10**8) == [journey] and not made.refused


def test_an_exchange_joins_two_networks() -> None:
    elsewhere = Token("base", WETH.address, "WETH", 18)
    onwards = Transfer(ETH_AT_EXCHANGE, elsewhere, fee=10_000, delay_s=60.0)
    paths = list(chains_of([WITHDRAWAL, DEPOSIT, onwards], WETH.place, "base", 2))
    assert paths == [(DEPOSIT, onwards)]
    assert list(chains_of([WITHDRAWAL, DEPOSIT, onwards], WETH.place, "base", 1)) == []
    assert list(chains_of([DEPOSIT], token(1, "A").place, "nowhere", 2)) == []
