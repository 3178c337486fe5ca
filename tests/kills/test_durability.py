"""No signed transaction leaves before the log is on the disk; an unsynced ledger is found out."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Counted
from tests.kills.strace import missing
from tests.torture.apart import played

ONLY_THE_FIRST = 400


def test_a_traced_trade_is_synced_before_it_is_sent_and_an_unsynced_twin_is_found_out(counted: Counted) -> None:
    """Besides, a worker is struck at its first call of each kind."""
    if why_not := missing():
        pytest.skip(f"NOT RUN: {why_not}")
    last = played("durability", "--every", str(ONLY_THE_FIRST))
    found = re.search(r"0 wrong; 0 of (\d+) transactions left unsynced, by the broken twin (\d+) of", last)
    assert found and all(int(count) > 0 for count in found.groups()), last
    counted("durability", last)
