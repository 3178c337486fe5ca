"""Double entry: nothing appears, nothing vanishes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot.ledger import accounts
from bot.ledger.book_models import BalanceRow, PostingRow
from bot.ledger.errors import Unbalanced
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Posting
from bot.ledger.types import exact_sum
from bot.mode import Mode
from tests.bot.ledger.given import (
    ETHER,
    EXECUTOR,
    GAS_COST_WEI,
    INSTANCE,
    INVENTORY_WETH,
    MARKS,
    NATIVE,
    NETWORK,
    SPOT_ETH,
    WETH,
    begin,
    pending,
    receipt,
)

LARGE = st.integers(min_value=-(2**256), max_value=2**256)


def sums_per_token(ledger: Ledger) -> dict[tuple[str, str], int]:
    grouped = select(PostingRow.place, PostingRow.token, exact_sum(PostingRow.units)).group_by(
        PostingRow.place, PostingRow.token
    )
    with ledger.read() as connection:
        return {(place, token): units for place, token, units in connection.execute(grouped)}


def test_an_opening_balance_is_posted_once_whatever_is_said_later(ledger: Ledger) -> None:
    ledger.open_account(NATIVE, 99 * ETHER)
    assert ledger.balance(NATIVE) == 10 * ETHER


def test_an_account_opened_empty_is_ours_to_reconcile(ledger: Ledger) -> None:
    empty = Account(NETWORK, EXECUTOR, "0xToken")
    ledger.open_account(empty, 0)
    assert ledger.accounts()[empty] == 0


def test_an_account_nobody_opened_holds_nothing(ledger: Ledger) -> None:
    assert ledger.balance(Account(NETWORK, EXECUTOR, "0xUnknown")) == 0


def test_the_same_account_in_another_instance_is_another_account(ledger: Ledger) -> None:
    begin(ledger, instance="0xother")
    ledger.post("deposit", [accounts.asset(NATIVE, 5), Posting(accounts.EXTERNAL, NETWORK, NATIVE.token, -5)], "faucet")
    assert ledger.balance(NATIVE) == 10 * ETHER + 5
    begin(ledger)
    assert ledger.balance(NATIVE) == 10 * ETHER


@given(units=LARGE, off_by=st.integers().filter(bool))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_group_that_does_not_sum_to_zero_is_refused_whole(ledger: Ledger, units: int, off_by: int) -> None:
    before = ledger.accounts()
    lines = [
        accounts.asset(INVENTORY_WETH, units),
        Posting(accounts.EXTERNAL, NETWORK, WETH.address, -units + off_by),
    ]
    with pytest.raises(Unbalanced, match=rf"sum to {off_by}, not to zero"):
        ledger.post("deposit", lines, "test")
    assert ledger.accounts() == before


def test_equal_amounts_of_different_tokens_do_not_balance(ledger: Ledger) -> None:
    lines = [accounts.asset(INVENTORY_WETH, 7), accounts.asset(SPOT_ETH, -7)]
    with pytest.raises(Unbalanced):
        ledger.post("transfer", lines, "test")


@given(amounts=st.lists(LARGE, min_size=1, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_balances_are_the_sum_of_all_postings_and_every_token_sums_to_zero(ledger: Ledger, amounts: list[int]) -> None:
    before = ledger.balance(INVENTORY_WETH)
    with ledger.batch():
        for units in amounts:
            ledger.post("deposit", accounts.moved({INVENTORY_WETH: units}, accounts.EXTERNAL), "test")
    assert ledger.balance(INVENTORY_WETH) == before + sum(amounts)
    assert set(sums_per_token(ledger).values()) == {0}


def test_observed_balances_are_kept_beside_the_books(ledger: Ledger) -> None:
    ledger.record_balances({NATIVE: 3, SPOT_ETH: 4})
    with ledger.read() as connection:
        assert connection.execute(select(func.count(BalanceRow.id))).scalar_one() == 2
    assert ledger.balance(NATIVE) == 10 * ETHER


def test_inside_a_batch_what_it_posted_is_seen_and_what_fails_takes_all_of_it_back(ledger: Ledger) -> None:
    deposit = accounts.moved({INVENTORY_WETH: 7}, accounts.EXTERNAL)
    with pytest.raises(ZeroDivisionError), ledger.batch():
        ledger.post("deposit", deposit, "test")
        assert ledger.balance(INVENTORY_WETH) == 5 * ETHER + 7
        raise ZeroDivisionError
    assert ledger.balance(INVENTORY_WETH) == 5 * ETHER


def test_marks_set_in_a_batch_price_what_is_booked_in_it(ledger: Ledger) -> None:
    ledger.start_run(Mode.LIVE, NETWORK, 31337, 7, "digest", INSTANCE)
    intent = pending_in(ledger)
    with ledger.batch():
        ledger.set_marks(MARKS)
        ledger.record_mined(intent, receipt(1), {INVENTORY_WETH: GAS_COST_WEI + 5})
    assert ledger.totals("dex_arbitrage") == (5, 5)


def pending_in(ledger: Ledger) -> int:
    """An intent of the run before, which had its marks."""
    run = ledger.run
    ledger.attach(run.id - 1)
    intent = pending(ledger, 1)
    ledger.attach(run.id)
    return intent.id
