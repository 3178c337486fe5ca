"""Profit in wei of ETH at opening marks, exact until one rounding at the end."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from bot.ledger.ledger import Ledger
from bot.ledger.pnl import net_profit, valued
from bot.ledger.reading import events
from bot.ledger.records import Account
from chains.assets import ZERO_ADDRESS
from tests.bot.ledger.given import (
    ETHER,
    EXECUTOR,
    GAS_COST_WEI,
    INVENTORY_USDT,
    INVENTORY_WETH,
    NETWORK,
    pending,
    receipt,
    sell_plan,
)

MOVES = st.lists(st.tuples(st.sampled_from(["WETH", "USDT", "DAI"]), st.integers(-(2**200), 2**200)), max_size=8)
PRICES = {
    (NETWORK, "WETH"): Fraction(1),
    (NETWORK, "USDT"): Fraction(ETHER, 3000 * 10**6),
    (NETWORK, "DAI"): Fraction(1, 3001),
}


@given(moves=MOVES)
def test_value_is_exact_and_rounded_down_once(moves: list[tuple[str, int]]) -> None:
    exact = sum((units * PRICES[NETWORK, token] for token, units in moves), Fraction(0))
    profit = valued([(NETWORK, token, units) for token, units in moves], PRICES)
    assert profit.wei <= exact < profit.wei + 1


def test_the_native_coin_is_worth_itself_without_a_mark() -> None:
    assert valued([(NETWORK, ZERO_ADDRESS, -7)], {}).wei == -7


def test_what_has_no_mark_is_named_and_worth_nothing() -> None:
    profit = valued([(NETWORK, "WETH", 5), (NETWORK, "SCAM", 10**30)], PRICES)
    assert (profit.wei, profit.unmarked) == (5, ((NETWORK, "SCAM", 10**30),))


def test_a_token_that_arrives_unmarked_raises_an_event_and_no_profit(ledger: Ledger) -> None:
    scam = Account(NETWORK, EXECUTOR, "0xScam")
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: 9, scam: 10**30})
    with ledger.read() as connection:
        assert net_profit(connection, ledger.run.id)["dex_arbitrage"].wei == 9 - GAS_COST_WEI
    assert "unmarked_token" in {event.name for event in events(ledger)}
    assert ledger.balance(scam) == 10**30


def test_an_open_two_sided_intent_counts_as_it_stands(ledger: Ledger) -> None:
    sold = {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6}
    ledger.record_mined(pending(ledger, 1, sell_plan(1)).id, receipt(1), sold)
    with ledger.read() as connection:
        profit = net_profit(connection, ledger.run.id)["cex_dex_arbitrage"]
    assert profit.wei == 5 * 10**15 - GAS_COST_WEI


def test_opening_balances_and_deposits_are_no_profit(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert net_profit(connection, ledger.run.id) == {}
