"""Values at the opening marks: exact, rounded down, and never guessed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.marks import Marks, NoMark
from tests.bot.market.samples import USDC, WBTC, WETH

marks = st.fractions(min_value=Fraction(1, 10**12), max_value=Fraction(10**18))
amounts = st.integers(-(2**128), 2**128)


@given(marks, amounts)
def test_a_value_is_rounded_down_by_less_than_a_wei(mark: Fraction, units: int) -> None:
    value = Marks({USDC: mark}).wei(USDC, units)
    assert 0 <= mark * units - value < 1


@given(marks, amounts)
def test_units_are_rounded_down_by_less_than_one(mark: Fraction, wei: int) -> None:
    units = Marks({USDC: mark}).units(USDC, wei)
    assert 0 <= wei - mark * units < mark


@given(marks, amounts)
def test_the_least_units_worth_an_amount_are_worth_it_and_one_less_is_not(mark: Fraction, wei: int) -> None:
    units = Marks({USDC: mark}).units_worth(USDC, wei)
    assert mark * (units - 1) < wei <= mark * units


@given(amounts)
def test_a_token_worth_a_wei_per_unit_is_its_own_value(units: int) -> None:
    own = Marks({WETH: Fraction(1)})
    assert own.wei(WETH, units) == own.units(WETH, units) == units


def test_a_token_without_a_mark_cannot_be_valued() -> None:
    for question in (Marks({}).wei, Marks({}).units, Marks({}).units_worth):
        with pytest.raises(NoMark, match="no opening price"):
            question(WBTC, 1)
