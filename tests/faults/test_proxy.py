"""Each fault does what its name says, over HTTP and over a WebSocket, before a real Anvil."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from chains.anvil import Anvil
from tests.faults.fault import Fault, InvalidFault, Kind, Schedule
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Upstreams

ASK = {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId", "params": []}
BRIEF_S = 0.3


@pytest.fixture
async def anvil() -> AsyncIterator[Anvil]:
    async with Anvil(["--no-mining", "--chain-id", "31337"]) as anvil:
        yield anvil


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(Upstreams(anvil.http_url)) as proxy:
        yield proxy


async def _post(proxy: FaultProxy, body: Any = ASK) -> tuple[int, bytes, dict[str, str]]:
    timeout = aiohttp.ClientTimeout(total=BRIEF_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(proxy.http_url, data=orjson.dumps(body)) as response,
    ):
        return response.status, await response.read(), dict(response.headers)


async def _over_socket(proxy: FaultProxy, body: Any = ASK) -> aiohttp.WSMessage:
    async with aiohttp.ClientSession() as session, session.ws_connect(proxy.ws_url) as ws:
        await ws.send_str(orjson.dumps(body).decode())
        return await ws.receive(timeout=BRIEF_S)


async def test_without_a_fault_it_answers_as_the_node_does(proxy: FaultProxy) -> None:
    status, body, _ = await _post(proxy)
    assert status == 200 and orjson.loads(body) == {"jsonrpc": "2.0", "id": 7, "result": "0x7a69"}
    assert orjson.loads((await _over_socket(proxy)).data)["result"] == "0x7a69"
    assert [item["id"] for item in orjson.loads((await _post(proxy, [ASK, {**ASK, "id": 8}]))[1])] == [7, 8]


CLOSED = frozenset({aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR})


def on(kind: Kind, *methods: str, **schedule: Any) -> Fault:
    return Fault(kind, frozenset(methods or {"eth_chainId"}), **schedule)


@pytest.mark.parametrize("kind", [Kind.LOST_REPLY, Kind.RESET])
async def test_a_connection_drops_before_the_answer(proxy: FaultProxy, kind: Kind) -> None:
    proxy.schedule.plan(on(kind))
    with pytest.raises(aiohttp.ClientError):
        await _post(proxy)
    assert (await _over_socket(proxy)).type in CLOSED


@pytest.mark.parametrize("kind", [Kind.BLACKHOLE, Kind.HALF_OPEN])
async def test_no_answer_ever_comes(proxy: FaultProxy, kind: Kind) -> None:
    proxy.schedule.plan(on(kind))
    for ask in (_post, _over_socket):
        with pytest.raises(TimeoutError):
            await ask(proxy)


async def test_a_half_open_socket_says_nothing_more_even_after_the_fault(proxy: FaultProxy) -> None:
    proxy.schedule.plan(on(Kind.HALF_OPEN, requests=1))
    async with aiohttp.ClientSession() as session, session.ws_connect(proxy.ws_url) as ws:
        for _ in range(2):
            await ws.send_str(orjson.dumps(ASK).decode())
            with pytest.raises(TimeoutError):
                await ws.receive(timeout=BRIEF_S)
        assert not ws.closed
    assert (await _post(proxy))[0] == 200


@pytest.mark.parametrize(("kind", "patience"), [(Kind.RATE_LIMITED, None), (Kind.RATE_LIMITED_FOR, "1")])
async def test_a_rate_limit_says_how_long_or_does_not(proxy: FaultProxy, kind: Kind, patience: str | None) -> None:
    proxy.schedule.plan(on(kind))
    status, body, headers = await _post(proxy)
    assert status == 429 and headers.get("Retry-After") == patience
    assert orjson.loads(body)["error"]["code"] == 429
    assert orjson.loads((await _over_socket(proxy)).data)["error"]["code"] == 429


async def test_a_gateway_error_is_503_and_ends_a_socket(proxy: FaultProxy) -> None:
    proxy.schedule.plan(on(Kind.UNAVAILABLE))
    assert (await _post(proxy))[0] == 503
    assert (await _over_socket(proxy)).type in CLOSED


async def test_html_and_truncated_json_are_no_json(proxy: FaultProxy) -> None:
    proxy.schedule.plan(on(Kind.HTML))
    assert (await _post(proxy))[1].startswith(b"<!DOCTYPE html>")
    assert str((await _over_socket(proxy)).data).startswith("<!DOCTYPE html>")
    proxy.schedule.clear()
    proxy.schedule.plan(on(Kind.TRUNCATE))
    with pytest.raises(aiohttp.ClientPayloadError):
        await _post(proxy)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads((await _over_socket(proxy)).data)


async def test_slow_answers_are_right_and_late(proxy: FaultProxy) -> None:
    proxy.schedule.plan(on(Kind.SLOW_400_MS))
    with pytest.raises(TimeoutError):
        await _post(proxy)
    proxy.schedule.clear()
    proxy.schedule.plan(on(Kind.SLOW_40_MS))
    assert orjson.loads((await _post(proxy))[1])["result"] == "0x7a69"


async def test_answers_come_from_another_node(proxy: FaultProxy) -> None:
    async with Anvil(["--chain-id", "5"]) as other:
        proxy.upstreams.others[Kind.WRONG_CHAIN] = other.http_url
        proxy.schedule.plan(on(Kind.WRONG_CHAIN))
        assert orjson.loads((await _post(proxy))[1])["result"] == "0x5"


async def test_null_and_hollow_answers_look_like_answers(proxy: FaultProxy) -> None:
    proxy.schedule.plan(on(Kind.NULL), on(Kind.BLACKHOLE_OK, "eth_call"))
    assert orjson.loads((await _post(proxy))[1])["result"] is None
    assert orjson.loads((await _post(proxy, {**ASK, "method": "eth_call"}))[1])["result"] == "0x"


async def test_heads_come_through_and_are_struck_one_by_one(proxy: FaultProxy, anvil: Anvil) -> None:
    subscribe = {**ASK, "method": "eth_subscribe", "params": ["newHeads"]}
    async with aiohttp.ClientSession() as session, session.ws_connect(proxy.ws_url) as ws:
        await ws.send_str(orjson.dumps(subscribe).decode())
        name = orjson.loads((await ws.receive(timeout=1)).data)["result"]
        proxy.schedule.plan(on(Kind.BLACKHOLE, "eth_subscribe", after=1, requests=1))
        seen = []
        for _ in range(3):
            await anvil.rpc("evm_mine")
            await asyncio.sleep(0.05)
        for _ in range(2):
            frame = orjson.loads((await ws.receive(timeout=1)).data)
            assert frame["params"]["subscription"] == name
            seen.append(int(frame["params"]["result"]["number"], 16))
    assert seen == [1, 3]


async def test_a_fault_on_everything_refuses_the_handshake(proxy: FaultProxy) -> None:
    proxy.schedule.plan(Fault(Kind.UNAVAILABLE))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(proxy.ws_url)
    assert refused.value.status == 503


def test_a_schedule_strikes_when_and_as_often_as_it_says() -> None:
    times = iter([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 3.5, 3.5])
    schedule = Schedule(times.__next__, [on(Kind.NULL, start_s=1, seconds=2, after=1, requests=2)])
    drawn = [schedule.draw("eth_chainId") for _ in range(6)]
    assert drawn == [None, None, Kind.NULL, Kind.NULL, None, None]
    assert schedule.draw("eth_call") is None and schedule.over


def test_a_schedule_with_chances_is_repeated_by_its_seed() -> None:
    def drawn(seed: int) -> list[Kind | None]:
        schedule = Schedule(lambda: 0.0, [on(Kind.NULL, chance=0.5, seed=seed)])
        return [schedule.draw("eth_chainId") for _ in range(64)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 16 < drawn(1).count(Kind.NULL) < 48


def test_a_fault_is_written_as_it_is_read() -> None:
    text = "lost_reply,methods=eth_call|eth_getLogs,from=1,for=2.5,after=3,requests=4,chance=0.5,seed=6"
    methods = frozenset({"eth_call", "eth_getLogs"})
    assert Fault.parse(text) == Fault(Kind.LOST_REPLY, methods, 1.0, 2.5, 3, 4, 0.5, 6)
    for wrong in ("nonsense", "null,for=soon", "null,often=1", "null,for"):
        with pytest.raises(InvalidFault):
            Fault.parse(wrong)
