"""`isthmus relays`: what goes where, and whether it answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.ledger.deliveries import Handed
from tests.bot.config.writing import RUN, written
from tests.bot.execution.given import cycle, open_ledger, pending, receipt
from tests.chains.relays.blocks import Blocks
from tests.chains.relays.local import LocalRelay

_RELAYS = """
[execution]
send_to = ["mempool", "local"]

[[relays]]
name = "local"
url = "{url}"
networks = ["twin"]
{more}
"""


class Lacking(LocalRelay):
    """A server that has not got the methods named."""

    lacks: tuple[str, ...] = ()

    async def _answer(self, method: str, params: list[Any]) -> Any:
        return await super()._answer("nothing" if method in self.lacks else method, params)


@pytest.fixture
def url() -> Iterator[str]:
    """A relay without a chain: it checks signatures, and simulates nothing."""
    yield from served(LocalRelay(cast(Blocks, None)))


@pytest.fixture
def lacking(request: pytest.FixtureRequest) -> Iterator[str]:
    server = Lacking(cast(Blocks, None))
    server.lacks = request.param
    yield from served(server)


def served(relay: LocalRelay) -> Iterator[str]:
    loop, started = asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        async with relay:
            started.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    yield relay.url
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def invoked(tmp_path: Path, *words: str, url: str, more: str = "") -> Result:
    path = written(tmp_path, run=RUN + _RELAYS.format(url=url, more=more))
    return CliRunner().invoke(main, ["relays", *words, "--config", str(path)])


def said(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(result.stdout)
    return document


def test_what_goes_where_is_listed_without_secrets(tmp_path: Path) -> None:
    result = invoked(tmp_path, "list", "--json", url="https://user@relay.example/path")
    assert result.exit_code == 0, result.output
    (relay,) = said(result)["relays"]
    assert relay["url"] == "https://relay.example" and relay["kind"] == "bundle"
    assert list(said(result)["send_to"].values()) == [["mempool", "local"]]


def test_a_relay_that_answers_and_takes_the_signature_is_in_order(tmp_path: Path, url: str) -> None:
    result = invoked(tmp_path, "test", "--json", url=url)
    assert result.exit_code == 0, result.output
    (relay,) = said(result)["relays"]
    assert relay["reachable"] and relay["signature_accepted"] and relay["latency_ms"] > 0


def test_a_relay_that_wants_a_signature_and_gets_none_is_told(tmp_path: Path, url: str) -> None:
    result = invoked(tmp_path, "test", "--json", url=url, more="signed = false")
    assert result.exit_code == 4
    (relay,) = said(result)["relays"]
    assert relay["reachable"] and not relay["signature_accepted"]


@pytest.mark.parametrize(
    ("lacking", "is_one"),
    [(("eth_callBundle",), True), (("eth_callBundle", "eth_sendBundle"), False)],
    indirect=["lacking"],
)
def test_what_has_not_the_method_of_its_kind_is_no_relay_and_what_only_simulates_nothing_is(
    tmp_path: Path, lacking: str, is_one: bool
) -> None:
    result = invoked(tmp_path, "test", "--json", url=lacking)
    (relay,) = said(result)["relays"]
    assert (relay["reachable"], relay["method_known"], result.exit_code == 0) == (True, is_one, is_one)
    assert is_one or "has no eth_sendBundle; correct its URL or its kind" in relay["said"]


def test_a_relay_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = invoked(tmp_path, "test", "--json", url="http://127.0.0.1:9")
    assert result.exit_code == 4
    assert not said(result)["relays"][0]["reachable"]


def test_what_landed_is_counted_by_destination_and_pool(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db")
    plan = cycle()
    intent = pending(ledger, plan)
    ledger.record_deliveries(intent.id, 1, [Handed("mempool", "accepted"), Handed("local", "unknown")], plan.pools, 0)
    ledger.record_mined(intent.id, receipt(intent, 11, status=0), {})
    ledger.close()
    result = CliRunner().invoke(main, ["relays", "landed", "--ledger", str(tmp_path / "ledger.db"), "--json"])
    assert result.exit_code == 0, result.output
    (pool,) = plan.pools
    assert said(result)["outcomes"] == [
        {"destination": "mempool", "pool": pool, "taken": 1, "landed": 1},
        {"destination": "mempool", "pool": "all", "taken": 1, "landed": 1},
    ]


@pytest.mark.parametrize(
    ("words", "remedy"), [(("test", "locla"), "there are local"), (("tset",), "did you mean 'test'")]
)
def test_a_name_that_is_none_is_a_usage_error(tmp_path: Path, words: tuple[str, ...], remedy: str) -> None:
    result = invoked(tmp_path, *words, url="http://127.0.0.1:9")
    assert result.exit_code == 2 and remedy in result.output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('send_to = ["mempool", "locla"]', "did you mean 'local'?"),
        ('send_to = ["far"]', "relay 'far' reaches ethereum, not twin"),
    ],
)
def test_a_destination_that_takes_nothing_is_refused_before_anything_runs(
    tmp_path: Path, text: str, problem: str
) -> None:
    far = '[[relays]]\nname = "far"\nurl = "https://far.example"\n'
    run = RUN + _RELAYS.format(url="https://relay.example", more=far).replace('send_to = ["mempool", "local"]', text)
    result = CliRunner().invoke(main, ["config", "check", str(written(tmp_path, run=run))])
    assert result.exit_code == 2 and problem in result.output, result.output
