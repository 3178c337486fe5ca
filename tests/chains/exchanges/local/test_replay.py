from __future__ import annotations

import itertools

import pytest

from chains.exchanges.local import LocalExchange
from chains.exchanges.local.replay import DepthEvent, TradeEvent, tapes
from tests.chains.exchanges.making import ANCHORS, Caller, rebuilt, rows


def test_ids_have_no_gap_within_a_round_and_one_where_it_starts_over() -> None:
    _, loop_ms, loaded = tapes(["ETHUSDT"])
    tape = loaded["ETHUSDT"]
    last, restarts = 0, []
    while tape.next_ms <= 2 * loop_ms + 1_000:
        event = tape.pop()
        if isinstance(event, DepthEvent):
            if event.restarts:
                restarts.append((event.first_id - last, event.at_ms))
            elif last:
                assert event.first_id == last + 1
            last = event.last_id
    assert [jump > 1 for jump, _ in restarts] == [True, True]
    assert [at_ms // loop_ms for _, at_ms in restarts] == [1, 2]


def test_time_and_trade_ids_never_go_back() -> None:
    _, loop_ms, loaded = tapes(["BTCUSDT"])
    tape = loaded["BTCUSDT"]
    trades = []
    while tape.next_ms <= loop_ms + 5_000:
        event = tape.pop()
        if isinstance(event, TradeEvent):
            trades.append(event)
    assert all(before.trade_id < after.trade_id for before, after in itertools.pairwise(trades))
    assert trades[-1].at_ms > loop_ms


@pytest.mark.parametrize("elapsed_ms", [0, 100, 61_234, 650_000])
async def test_the_served_book_equals_the_recording_rebuilt_apart(
    local: LocalExchange, caller: Caller, elapsed_ms: int
) -> None:
    ids = await local.advance(elapsed_ms)
    for symbol in ANCHORS:
        last, bids, asks = rebuilt(symbol).at(local.start_ms + elapsed_ms)
        status, served = await caller.get("/api/v3/depth", symbol=symbol, limit="5000")
        assert status == 200
        assert ids[symbol] == served["lastUpdateId"] == last
        assert rows(served["bids"]) == bids
        assert rows(served["asks"]) == asks
        assert bids[0][0] < asks[0][0]
