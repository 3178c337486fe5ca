"""A node that answers and has stopped following its chain is told of, once for each block it stands at."""

from __future__ import annotations

import pytest

from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerFull
from bot.run.standstill import Standstill
from chains.blocks import Head
from tests.told import Told


def _came(number: int, at_s: int) -> Head:
    return Head(number, f"0x{number:064x}", "0x", 1, 1, 0, 30_000_000, arrived_ns=at_s * 10**9)


@pytest.mark.parametrize(("block_time_s", "max_age_s", "longest_s"), [(12.0, 30.0, 48), (2.0, 30.0, 30)])
def test_a_chain_that_stands_still_is_told_of_once_and_again_when_it_stops_anew(
    block_time_s: float, max_age_s: float, longest_s: int
) -> None:
    now_s, events, out = [100], list[tuple[Level, str]](), Told()
    still = Standstill.of(
        block_time_s,
        max_age_s,
        lambda: now_s[0] * 10**9,
        lambda level, name, detail: events.append((level, name)),
        out.line,
    )
    for number in (7, 8):
        head = _came(number, now_s[0])
        now_s[0] += longest_s
        still.look(head)
        assert len(events) == number - 7
        for _ in range(3):
            now_s[0] += 1
            still.look(head)
        assert len(events) == number - 6
    assert set(events) == {(Level.WARNING, "chain_still")}
    assert out[0].startswith(f"chain still: block 7 came {longest_s + 1} s ago, and none since")


def test_where_it_cannot_be_written_down_it_is_told_all_the_same() -> None:
    def full(level: Level, name: str, detail: str) -> None:
        raise LedgerFull("no space")

    out = Told()
    Standstill.of(1.0, 5.0, lambda: 10 * 10**9, full, out.line).look(_came(1, 0))
    assert len(out) == 1
