"""What the server tells: the state, pages of decisions, and what changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from bot.dashboard import app, security
from bot.dashboard.audience import MAX_PAGES, MAX_WAITING
from bot.dashboard.source import Venue, VenueKind, VenueState
from tests.bot.dashboard.samples import HOSTILE_SYMBOL, SampleRun
from tests.bot.dashboard.serving import Served, dashboard_of


def amounts(document: Any) -> list[Any]:
    """Everything in `document` that stands under the name of an amount."""
    if isinstance(document, list):
        return [amount for item in document for amount in amounts(item)]
    if not isinstance(document, dict):
        return []
    own = [value for key, value in document.items() if key.endswith(("_wei", "_units"))]
    return own + [amount for value in document.values() for amount in amounts(value)]


def moved_on(state: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """What a page makes of a message of changes."""
    assert changes["number"] == state["number"] + 1
    tables = {name: {row["id"]: row for row in rows} for name, rows in state["tables"].items()}
    for name, change in changes["tables"].items():
        tables[name] |= {row["id"]: row for row in change["rows"]}
        for gone in change["gone"]:
            del tables[name][gone]
    series = {name: state["series"].get(name, []) + points for name, points in changes["series"].items()}
    return {
        "type": "state",
        "number": changes["number"],
        "values": state["values"] | changes["values"],
        "tables": {name: list(table.values()) for name, table in tables.items()},
        "series": state["series"] | series,
    }


def in_order(state: dict[str, Any]) -> dict[str, Any]:
    tables = {name: sorted(rows, key=lambda row: str(row["id"])) for name, rows in state["tables"].items()}
    return {**state, "tables": tables, "number": None}


async def test_amounts_are_decimal_strings_everywhere(served: Served, run: SampleRun) -> None:
    settled = next(row for row in await run.decisions(100) if row.realised_wei is not None)
    for path in ("/api/state", "/api/decisions", f"/api/decision/{settled.id}", "/api/graph"):
        found = amounts(await served.json(path))
        assert found
        assert all(amount is None or (isinstance(amount, str) and str(int(amount)) == amount) for amount in found)
    series = (await served.json("/api/state"))["series"]
    assert series["dex_arbitrage"]
    assert all(isinstance(wei, str) for points in series.values() for _, wei in points)


async def test_decisions_come_in_pages_newest_first(served: Served, run: SampleRun) -> None:
    whole = [row.id for row in await run.decisions(10_000)]
    read: list[int] = []
    before = ""
    while page := (await served.json(f"/api/decisions?limit=7{before}"))["decisions"]:
        assert len(page) <= 7
        read += [row["id"] for row in page]
        before = f"&before={read[-1]}"
    assert read == whole


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1e2", "limit=٣", "before=0", f"before={2**63}"]
)
async def test_a_page_that_cannot_be_is_refused_with_a_reason(served: Served, query: str) -> None:
    async with served.client.get(f"{served.url}/api/decisions?{query}") as answer:
        assert answer.status == 400
        assert "must be a whole number from 1 to" in (await answer.json())["error"]


async def test_an_unknown_decision_is_not_found(served: Served) -> None:
    async with served.client.get(f"{served.url}/api/decision/424242") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "no decision 424242"})


async def test_a_page_that_applies_every_change_knows_the_state(served: Served, run: SampleRun) -> None:
    async with served.listen() as socket:
        state = await socket.receive_json()
        assert state["type"] == "state"
        for _ in range(11):
            run.advance()
            served.dashboard.tell()
            state = moved_on(state, await socket.receive_json())
        fresh = asyncio.create_task(served.json("/api/state"))
        state = moved_on(state, await socket.receive_json())
        known, told = in_order(state), in_order(await fresh)
    # A page may keep decisions that the server's window has left behind.
    kept = {row["id"]: row for row in known["tables"].pop("decisions")}
    window = {row["id"]: row for row in told["tables"].pop("decisions")}
    assert known == told
    assert kept == window


async def test_a_change_tells_only_what_changed(served: Served, run: SampleRun) -> None:
    async with served.listen() as socket:
        whole = await socket.receive_str()
        run.advance()
        served.dashboard.tell()
        changes = await socket.receive_str()
    assert len(changes) < len(whole) / 10


async def test_every_page_gets_the_same_message(served: Served, run: SampleRun) -> None:
    async with served.listen() as one, served.listen() as other:
        await one.receive_json()
        while (await one.receive_json())["number"] < 2:  # the second page's arrival moved the first one on
            pass
        await other.receive_json()
        run.advance()
        served.dashboard.tell()
        assert await one.receive_str() == await other.receive_str()


async def test_ages_are_told_again_when_no_head_comes(served: Served) -> None:
    async with served.listen() as socket:
        await socket.receive_json()
        assert (await socket.receive_json(timeout=5))["type"] == "changes"


async def test_nothing_is_read_while_nobody_looks(served: Served, run: SampleRun) -> None:
    for _ in range(3):
        served.dashboard.tell()
        await asyncio.sleep(0.25)
    assert run.times_read == 0
    await served.json("/api/state")
    assert run.times_read == 1


async def test_a_source_that_fails_is_told_without_its_secrets_and_recovers(served: Served, run: SampleRun) -> None:
    async with served.listen() as socket:
        await socket.receive_json()
        run.broken = RuntimeError("postgres://user:hunter2@db is gone")
        served.dashboard.tell()
        assert await socket.receive_json() == {
            "type": "trouble",
            "text": "the run cannot be read: RuntimeError",
        }
        async with served.client.get(f"{served.url}/api/state") as answer:
            assert (answer.status, await answer.text()) == (500, '{"error":"the run cannot be read: RuntimeError"}')
        run.broken = None
        served.dashboard.tell()
        assert (await socket.receive_json())["type"] == "changes"


async def test_a_page_that_does_not_read_is_dropped_and_the_others_go_on(served: Served, run: SampleRun) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: {served.own}\r\nOrigin: {served.url}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    audience = served.dashboard._audience
    async with served.listen() as socket:
        await socket.receive_json()
        big = b'"' + b"x" * 2_000_000 + b'"'
        for _ in range(2 * MAX_WAITING):
            audience.tell(big)
            while (await asyncio.wait_for(socket.receive(), 5)).data != big.decode():
                pass
        assert audience.dropped == 1
        assert len(audience) == 1
    await asyncio.wait_for(until_cut(reader), 5)
    writer.close()


async def until_cut(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(1 << 20):
            pass


async def test_a_page_that_speaks_is_shown_the_door(served: Served) -> None:
    async with served.listen() as socket:
        await socket.receive_json()
        await socket.send_str('{"act":"resume"}')
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.POLICY_VIOLATION)


async def test_too_many_pages_are_told_so(served: Served) -> None:
    sockets = [await served.listen() for _ in range(MAX_PAGES)]
    assert await served.handshake(Origin=served.url) == 503
    await sockets[0].close()
    await asyncio.sleep(0.1)
    assert await served.handshake(Origin=served.url) == 101
    for socket in sockets:
        await socket.close()


async def test_connections_do_not_use_up_the_open_files_that_the_bot_needs(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_CONNECTIONS", 2)
    answer = ""
    async with served.listen() as one, served.listen() as other:
        await one.receive_json()
        await other.receive_json()
        with suppress(ConnectionError):
            answer = await served.raw(f"GET /healthz HTTP/1.1\r\nHost: {served.own}\r\nConnection: close\r\n\r\n")
    assert answer == ""


@pytest.mark.parametrize("request_line", [f"GET /?{'a' * 5_000} HTTP/1.1", "GET / HTTP/9.9", "nonsense"])
async def test_what_is_no_request_is_refused_without_a_word_in_the_terminal(
    served: Served, caplog: pytest.LogCaptureFixture, request_line: str
) -> None:
    assert " 400 " in await served.raw(f"{request_line}\r\nHost: {served.own}\r\n\r\n")
    assert caplog.records == []


async def test_what_fails_in_the_server_itself_is_told_in_one_line(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(security._HEADERS, "X-Broken", "two\nlines")
    await served.raw(f"GET /healthz HTTP/1.1\r\nHost: {served.own}\r\n\r\n")
    (told,) = caplog.records
    assert told.getMessage().startswith("dashboard: ")
    assert told.exc_info is None


async def test_pages_are_told_when_the_bot_ends(served: Served) -> None:
    async with served.listen() as socket:
        await socket.receive_json()
        closing = asyncio.create_task(served.dashboard.close())
        while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.data == aiohttp.WSCloseCode.GOING_AWAY
        await asyncio.wait_for(closing, 5)


class Endless(SampleRun):
    """A run with more of everything than a page can show."""

    async def venues(self) -> Sequence[Venue]:
        return [
            Venue(str(number), "\N{RIGHT-TO-LEFT OVERRIDE}\0" + "x" * 10_000, VenueKind.POOL, VenueState.FRESH)
            for number in range(5_000)
        ]


async def test_no_market_makes_a_message_large() -> None:
    dashboard = dashboard_of(Endless(blocks=400))
    url = await dashboard.start()
    async with Served(dashboard, url) as served:
        async with served.client.get(f"{url}api/state") as answer:
            body = await answer.read()
        state = await served.json("/api/state")
    await dashboard.close()
    assert len(body) < 400_000
    assert len(state["tables"]["venues"]) == 120
    assert all(venue["name"].isprintable() and len(venue["name"]) <= 400 for venue in state["tables"]["venues"])


async def test_symbols_are_cut_to_what_a_label_holds(served: Served) -> None:
    symbols = [node["symbol"] for node in (await served.json("/api/graph"))["nodes"]]
    assert HOSTILE_SYMBOL in symbols
    assert all(len(symbol) <= 32 and symbol.isprintable() for symbol in symbols)
