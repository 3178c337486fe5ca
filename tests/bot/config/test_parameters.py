"""A strategy's parameters get the types its class annotates, or are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.parameters import checked, converted
from bot.config.schema import parameter_schema
from bot.execution.loans import LoanFrom
from chains.assets import Amount


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (3, int, 3),
        (3, float, 3.0),
        (Decimal("0.5"), float, 0.5),
        (3, Decimal, Decimal(3)),
        ("x", str, "x"),
        (True, bool, True),
        ("0.5 ETH", Amount, Amount(Decimal("0.5"), "ETH")),
        (["a", "b"], list[str], ["a", "b"]),
        ([1, 2], tuple[int, ...], (1, 2)),
        (["1 ETH"], list[Amount], [Amount(Decimal(1), "ETH")]),
        (3, int | None, 3),
        ("aave_v3", LoanFrom, LoanFrom.AAVE_V3),
    ],
)
def test_values_become_what_the_class_annotates(value: Any, kind: Any, result: Any) -> None:
    converted_value = converted(value, kind)
    assert converted_value == result
    assert type(converted_value) is type(result)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, int),
        (1, bool),
        ("1", int),
        (1, str),
        (Decimal("1.5"), int),
        (Decimal("nan"), float),
        (Decimal("inf"), Decimal),
        (Decimal("1e400"), float),
        ("x", list[str]),
        ([1], list[str]),
        (1, Amount),
        ("-1 ETH", Amount),
        (-1, int),
        (-1, float),
        (1, dict[str, int]),
        (1, int | str),
    ],
)
def test_what_does_not_fit_is_refused(value: Any, kind: Any) -> None:
    with pytest.raises(ValueError, match=r"expected|write|annotate"):
        converted(value, kind)


def test_a_number_may_be_negative_where_its_default_is() -> None:
    assert converted(-2, int, default=-1) == -2
    with pytest.raises(ValueError, match="write zero or more, such as 1"):
        converted(-2, int, default=1)


def test_a_parameter_without_a_default_must_be_written() -> None:
    values, complaints = checked({}, {"pair": str, "hops": int}, {"hops": 3})
    assert values == {}
    assert complaints == [("pair", "missing; the strategy has no default for it, so write text in quotes")]


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.none() | st.integers() | st.just("text") | st.booleans())
)
def test_every_written_parameter_is_either_taken_or_complained_of(written: dict[str, Any]) -> None:
    values, complaints = checked(written, {"a": int, "b": str}, {"a": 1, "b": "x"})
    assert sorted([*values, *(name for name, _ in complaints)]) == sorted(written)


@pytest.mark.parametrize(
    ("written", "remedy"), [("aave_v2", "did you mean 'aave_v3'"), (3, "known here: aave_v3"), ("nobody", "cheapest")]
)
def test_a_word_that_is_none_of_the_choices_is_answered_with_them(written: Any, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"is none of its choices; .*{remedy}"):
        converted(written, LoanFrom)


def test_a_number_of_few_is_one_of_them_and_the_schema_says_which() -> None:
    kind = Literal[2, 3]
    assert converted(3, kind) == 3 and parameter_schema(kind) == {"enum": [2, 3]}
    for written in (4, "3", [3], None):
        with pytest.raises(ValueError, match="is none of its choices; write one of 2, 3"):
            converted(written, kind)
