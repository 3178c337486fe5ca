"""What gas costs: rounded up, exact, and in a coin that is ETH nothing but itself."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.gas import ETHER, GasCoin

marks = st.fractions(min_value=Fraction(1, 10**12), max_value=Fraction(10**6))
amounts = st.integers(0, 10**30)


@given(mark=marks, coins=amounts)
def test_a_cost_is_rounded_up_and_a_worth_down_by_less_than_a_wei(mark: Fraction, coins: int) -> None:
    coin = GasCoin(mark)
    assert coin.cost_wei(coins) - 1 < mark * coins <= coin.cost_wei(coins)
    assert coin.worth_wei(coins) <= mark * coins < coin.worth_wei(coins) + 1


@given(mark=marks, wei=amounts)
def test_what_wei_pay_for_costs_no_more_than_them_and_one_coin_more_would(mark: Fraction, wei: int) -> None:
    coin = GasCoin(mark)
    assert coin.cost_wei(coin.coins(wei)) <= wei < mark * (coin.coins(wei) + 1)


@given(mark=marks, coins=st.integers(1, 10**30))
def test_only_nothing_costs_nothing(mark: Fraction, coins: int) -> None:
    assert GasCoin(mark).cost_wei(coins) > 0 == GasCoin(mark).cost_wei(0)


@given(amount=amounts)
def test_an_ether_is_an_ether(amount: int) -> None:
    assert ETHER.cost_wei(amount) == ETHER.worth_wei(amount) == ETHER.coins(amount) == amount


@pytest.mark.parametrize("mark", [Fraction(0), Fraction(-1, 5)])
def test_a_coin_is_worth_something(mark: Fraction) -> None:
    with pytest.raises(ValueError, match="not above zero"):
        GasCoin(mark)
