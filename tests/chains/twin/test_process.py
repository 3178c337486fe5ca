"""The twin as a process: what it prints, what it answers, and that it never outlives who needs it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import orjson
import pytest

from chains.twin.build import TwinState
from chains.twin.prices import USDC

_BOT = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


def _started(*arguments: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    command = [sys.executable, "-m", "chains.twin", "--json", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, orjson.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def descriptor(state: TwinState) -> Iterator[dict[str, Any]]:
    """A stepped twin as it described itself; it must end at once, and with its node, when it is told to."""
    process, described = _started("--stepped", "--seed", "5")
    yield described
    process.terminate()
    assert process.wait(5) == 0
    assert not _listens(described["rpc_http"])


@pytest.fixture
async def session(descriptor: dict[str, Any]) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(descriptor["control"]) as opened:
        yield opened


def _listens(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


async def test_the_control_api_steps_funds_and_describes(
    session: aiohttp.ClientSession, descriptor: dict[str, Any]
) -> None:
    async with session.get("/twin") as answer:
        assert await answer.json() == descriptor
    assert (descriptor["chain_id"], descriptor["seed"], descriptor["stepped"]) == (31337, 5, True)
    assert descriptor["pools"] == {"recorded": 1779, "filled": 0, "range_filled": 636}
    fund = {"address": _BOT, "native": str(10**18), "tokens": {USDC: "5000000"}}
    deposit = {"api_key": "key", "secret": "secret", "currency": "USDT", "amount": "100000000"}
    for path, body in (("/twin/fund", fund), ("/twin/deposit", deposit)):
        async with session.post(path, json=body) as answer:
            assert (answer.status, await answer.json()) == (200, {})
    async with session.post("/twin/advance") as answer:
        advanced = await answer.json()
    assert advanced["time_ms"] == 1000 and set(advanced["books"]) == {"ETHUSDT", "BTCUSDT"}
    async with session.post("/twin/mine") as answer:
        mined = await answer.json()
    assert mined["number"] == descriptor["block"] + 1 and mined["timestamp"] == descriptor["timestamp_s"] + 1


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/twin/fund", {"address": "0x12", "native": "1"}, "not a 20-byte hex address"),
        ("/twin/fund", {"address": _BOT, "native": "-1"}, "decimal string of base units"),
        ("/twin/fund", {"address": _BOT, "native": 1.5}, "decimal string of base units"),
        ("/twin/fund", {"address": _BOT, "native": "0", "tokens": {_BOT: "1"}}, "the twin has no token"),
        ("/twin/fund", {"native": "0"}, "lacks 'address'"),
        ("/twin/deposit", {"api_key": "key"}, "lacks 'secret'"),
        ("/twin/nothing", {}, "Not Found"),
    ],
)
async def test_a_bad_request_is_answered_by_what_is_wrong_with_it(
    session: aiohttp.ClientSession, path: str, body: dict[str, Any], error: str
) -> None:
    async with session.post(path, json=body) as answer:
        assert answer.status in (400, 404)
        assert error in (await answer.json())["error"]


async def test_a_web_page_cannot_reach_the_control_api(session: aiohttp.ClientSession) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        async with session.post("/twin/mine", headers=headers) as answer:
            assert answer.status == 403


async def test_free_running_it_makes_blocks_by_itself_and_cannot_be_stepped(state: TwinState) -> None:
    process, descriptor = _started("--pace", "0.1")
    async with aiohttp.ClientSession(descriptor["control"]) as session:
        while True:
            async with session.get("/twin") as answer:
                if (await answer.json())["block"] >= descriptor["block"] + 3:
                    break
            await asyncio.sleep(0.05)
        async with session.post("/twin/mine") as answer:
            assert answer.status == 404
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 0


async def test_it_ends_when_its_parent_is_killed(state: TwinState) -> None:
    parent_code = (
        "import subprocess, sys\n"
        "twin = subprocess.Popen([sys.executable, '-m', 'chains.twin', '--json'], stdout=subprocess.PIPE)\n"
        "print(twin.pid, twin.stdout.readline().decode(), flush=True)\n"
        "twin.wait()\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", parent_code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid, text = (await parent.stdout.readline()).split(b" ", 1)
    parent.kill()
    await parent.wait()
    for _ in range(50):
        if not _runs(int(pid)) and not _listens(orjson.loads(text)["rpc_http"]):
            return
        await asyncio.sleep(0.1)
    os.kill(int(pid), signal.SIGKILL)
    pytest.fail("the twin outlived its parent by five seconds")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


async def test_a_taken_port_is_one_line_and_exit_code_four(state: TwinState) -> None:
    holder = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = str(holder.sockets[0].getsockname()[1])
    for option in ("--rpc-port", "--exchange-port", "--control-port"):
        command = [sys.executable, "-m", "chains.twin", option, port]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, said = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 4
        assert said.count(b"\n") == 1 and b"address already in use" in said.lower()
    holder.close()
