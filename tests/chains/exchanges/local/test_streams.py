from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from chains.exchanges.local import LocalExchange
from tests.chains.exchanges.making import Caller, rebuilt, rows


@asynccontextmanager
async def listening(local: LocalExchange, path: str) -> AsyncIterator[ClientWebSocketResponse]:
    async with ClientSession() as session, session.ws_connect(local.ws_url + path) as socket:
        yield socket


async def heard(socket: ClientWebSocketResponse) -> list[Any]:
    """Everything that is on its way."""
    messages = []
    while True:
        try:
            messages.append(await asyncio.wait_for(socket.receive_json(), 0.2))
        except TimeoutError:
            return messages


async def test_depth_events_are_the_recorded_ones_re_anchored(local: LocalExchange) -> None:
    recorded = [event for event in rebuilt("ETHUSDT").events if 0 < event["E"] - local.start_ms <= 1_000]
    async with listening(local, "/ws/ethusdt@depth@100ms") as socket:
        await local.advance(1_000)
        events = await heard(socket)
    assert [(event["E"], event["U"], event["u"]) for event in events] == [
        (event["E"], event["U"], event["u"]) for event in recorded
    ]
    assert {event["e"] for event in events} == {"depthUpdate"}
    assert events[0].keys() == recorded[0].keys()


async def test_nothing_moves_until_the_clock_is_advanced(local: LocalExchange) -> None:
    async with listening(local, "/ws/ethusdt@depth@100ms") as socket:
        assert await heard(socket) == []


async def test_a_combined_stream_names_each_message(local: LocalExchange) -> None:
    async with listening(local, "/stream?streams=ethusdt@trade/btcusdt@bookTicker") as socket:
        await local.advance(2_000)
        messages = await heard(socket)
    assert {message["stream"] for message in messages} == {"ethusdt@trade", "btcusdt@bookTicker"}
    trades = [message["data"] for message in messages if message["stream"] == "ethusdt@trade"]
    assert [trade["t"] for trade in trades] == list(range(trades[0]["t"], trades[0]["t"] + len(trades)))
    assert all(Decimal(1880) < Decimal(trade["p"]) < Decimal(1900) for trade in trades)


async def test_subscribing_and_unsubscribing_are_obeyed_and_acknowledged(local: LocalExchange) -> None:
    async with listening(local, "/ws") as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["ethusdt@depth@100ms"], "id": 7})
        assert await socket.receive_json() == {"result": None, "id": 7}
        await local.advance(200)
        assert {message["e"] for message in await heard(socket)} == {"depthUpdate"}
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 8})
        assert await socket.receive_json() == {"result": ["ethusdt@depth@100ms"], "id": 8}
        await socket.send_json({"method": "UNSUBSCRIBE", "params": ["ethusdt@depth@100ms"], "id": 9})
        assert await socket.receive_json() == {"result": None, "id": 9}
        await local.advance(1_000)
        assert await heard(socket) == []


async def test_nonsense_is_answered_with_an_error(local: LocalExchange) -> None:
    async with listening(local, "/ws") as socket:
        for nonsense in ("{", "[]", '{"method": "DANCE", "id": 1}', '{"method": "SUBSCRIBE", "params": 5}'):
            await socket.send_str(nonsense)
            assert (await socket.receive_json())["code"] == 2


async def test_a_ping_is_answered(local: LocalExchange) -> None:
    async with ClientSession() as session, session.ws_connect(local.ws_url + "/ws", autoping=False) as socket:
        await socket.ping(b"still there?")
        answer = await socket.receive(timeout=2)
    assert (answer.type, bytes(answer.data)) == (WSMsgType.PONG, b"still there?")


async def test_the_slow_depth_stream_says_the_same_once_a_second(local: LocalExchange, caller: Caller) -> None:
    _, snapshot = await caller.get("/api/v3/depth", symbol="ETHUSDT", limit="5000")
    async with listening(local, "/ws/ethusdt@depth") as socket:
        await local.advance(5_000)
        events = await heard(socket)
    assert 4 <= len(events) <= 6
    sides = {"bids": dict(snapshot["bids"]), "asks": dict(snapshot["asks"])}
    last = snapshot["lastUpdateId"]
    for event in events:
        assert event["U"] == last + 1
        last = event["u"]
        sides["bids"].update(event["b"])
        sides["asks"].update(event["a"])
    expected = rebuilt("ETHUSDT").at(events[-1]["E"])
    kept = {name: [level for level in rows(list(side.items())) if level[1]] for name, side in sides.items()}
    assert (last, sorted(kept["bids"], reverse=True), sorted(kept["asks"])) == expected


async def test_the_ticker_follows_the_best_prices_of_the_book(local: LocalExchange, caller: Caller) -> None:
    async with listening(local, "/ws/ethusdt@bookTicker") as socket:
        await local.advance(1_000)
        last = (await heard(socket))[-1]
    _, ticker = await caller.get("/api/v3/ticker/bookTicker", symbol="ETHUSDT")
    assert (last["b"], last["B"], last["a"], last["A"]) == (
        ticker["bidPrice"],
        ticker["bidQty"],
        ticker["askPrice"],
        ticker["askQty"],
    )


async def test_a_market_that_runs_free_follows_the_machines_clock(local: LocalExchange) -> None:
    async with listening(local, "/ws/ethusdt@depth@100ms") as socket:
        running = asyncio.create_task(local.run_free(speed=10))
        first = await socket.receive_json(timeout=5)
        running.cancel()
    assert first["E"] > local.start_ms


async def test_the_clock_does_not_go_back(local: LocalExchange) -> None:
    await local.advance(500)
    with pytest.raises(ValueError, match="the event clock stands at 500 ms and cannot go back to 499 ms"):
        await local.advance(499)
