"""Amounts in the lines for a person."""

from __future__ import annotations

import pytest

from bot.telling import eth


@pytest.mark.parametrize(
    ("wei", "told"),
    [
        (0, "+0.000000 ETH"),
        (123_456_789 * 10**10, "+1.234568 ETH"),
        (-123_456 * 10**9, "-0.000123 ETH"),
        (-4_215 * 10**8, "-0.000000422 ETH"),
        (1, "+0.000000000000000001 ETH"),
    ],
)
def test_what_a_trade_came_to_is_never_told_as_nothing(wei: int, told: str) -> None:
    assert eth(wei) == told
