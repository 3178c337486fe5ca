"""Planted secrets, driven through commands that fail in every way a provider can: none turns up anywhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import main
from bot.rpc import HttpRpc
from bot.signer.keystore import seal
from chains.anvil import RpcError
from chains.concealing import HIDDEN, Concealing
from chains.exchanges.adapter import Exchange
from chains.exchanges.troubles import ExchangeMisconfigured, ExchangeUnavailable
from chains.relays.client import RelayClient
from tests.bot.config.writing import STRATEGY
from tests.bot.planting import (
    API_KEY,
    API_SECRET,
    PASSPHRASE,
    PLANTED,
    RAW_KEY,
    RPC_KEY,
    WRONG_PASSPHRASE,
    Provider,
    leaks,
    leaks_below,
    provider,
)
from tests.bot.signer.making import EXECUTOR

RUN = """\
network = "ethereum"
strategies = ["dex.toml"]

[node]
endpoints = ["env:PLANTED_RPC"]

[[exchanges]]
name = "binance"
symbols = ["ETH/USDT"]
api_key = "env:PLANTED_API_KEY"
api_secret = "env:PLANTED_API_SECRET"

[exchanges.urls]
api = {{ public = "{url}/api/v3", private = "{url}/api/v3", sapi = "{url}/sapi/v1" }}

[executor]
address = "{executor}"
profit_tokens = ["WETH"]
inventory_caps = ["20 WETH"]

[signer]
keystore = "operator.json"

[ledger]
folder = "runs"

[dashboard]
enabled = false
"""
WAYS = ("json", "html", "rpc")


@dataclass
class Place:
    """Where everything lies; `kept` are the files in which the secrets belong."""

    folder: Path
    provider: Provider
    log: pytest.LogCaptureFixture

    @property
    def kept(self) -> frozenset[Path]:
        return frozenset(self.folder / name for name in ("passphrase", "wrong"))

    def typed(self, *words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, [word.replace("@", f"{self.folder}/") for word in words])
        return result.exit_code, result.output + result.stderr

    def leaked(self, *said: str) -> set[str]:
        below = leaks_below(self.folder, self.kept)
        return leaks("\n".join((*said, self.log.text))).union(*below.values())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Place]:
    caplog.set_level(logging.DEBUG)
    for name, passphrase in (("passphrase", PASSPHRASE), ("wrong", WRONG_PASSPHRASE)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(passphrase)
    (tmp_path / "operator.json").touch(mode=0o600)
    (tmp_path / "operator.json").write_bytes(seal(bytes.fromhex(RAW_KEY), PASSPHRASE.encode(), light=True))
    (tmp_path / "dex.toml").write_text(STRATEGY)
    with provider() as bad:
        (tmp_path / "isthmus.toml").write_text(RUN.format(url=bad.url, executor=EXECUTOR))
        for name, value in (("RPC", f"{bad.url}/v3/{RPC_KEY}"), ("API_KEY", API_KEY), ("API_SECRET", API_SECRET)):
            monkeypatch.setenv(f"PLANTED_{name}", value)
        yield Place(tmp_path, bad, caplog)


def fail_everywhere(place: Place) -> list[str]:
    """What is said by commands that all go wrong, with a trace of where."""
    config, live = ("--config", "@isthmus.toml", "--debug"), ("--mode", "live", "--live-on-chain-id", "1")
    said = []
    for way in WAYS:
        place.provider.way = way
        for words, code in (
            (("run", *config, "--mode", "dry", "--for", "1s"), 4),
            (("run", *config, *live, "--passphrase-file", "@passphrase", "--for", "1s"), 4),
        ):
            ended, text = place.typed(*words)
            assert ended == code, text
            said.append(text)
    for words, code in (
        (("doctor", *config, "--json"), 4),
        (("keys", "check", "@operator.json", "--passphrase-file", "@wrong", "--debug"), 2),
        (("run", *config, *live, "--passphrase-file", "@wrong", "--for", "1s"), 4),
        (("keys", "import", "@new.json", "--from-file", "@passphrase", "--passphrase-file", "@wrong", "--debug"), 2),
        (("config", "show", "@isthmus.toml", "--json"), 0),
        (("reconcile", *config), 4),
    ):
        ended, text = place.typed(*words)
        assert ended == code, text
        said.append(text)
    return said


def test_commands_that_fail_say_and_keep_no_secret(place: Place) -> None:
    said = fail_everywhere(place)
    assert any(RPC_KEY in asked for asked in place.provider.asked), "the key was sent, and repeated by the provider"
    assert place.leaked(*said) == set()


async def failing_exchange(url: str) -> str:
    """What an exchange account says that may look at prices, and whose key is refused with everything repeated."""
    exchange = Exchange(
        "spot",
        "binance",
        ["ETH/USDT"],
        urls={"api": {"public": f"{url}/api/v3", "private": f"{url}/api/v3", "sapi": f"{url}/sapi/v1"}},
        api_key=API_KEY,
        secret=API_SECRET,
    )
    said = []
    try:
        for asking in (exchange.connect(), exchange.balances(), exchange.find("isthmus-1", "ETH/USDT")):
            with pytest.raises((ExchangeUnavailable, ExchangeMisconfigured)) as found:
                await asking
            said.append(str(found.value))
    finally:
        await exchange.close()
    return "\n".join(said)


@pytest.mark.parametrize("way", ["json", "html"])
def test_an_exchange_that_repeats_its_key_is_not_repeated(place: Place, way: str) -> None:
    place.provider.way = way
    said = asyncio.run(failing_exchange(place.provider.url))
    assert any(API_KEY in asked for asked in place.provider.asked)
    assert place.leaked(said) == set()


async def refused_by_rpc(url: str) -> str:
    async with HttpRpc(f"{url}/v3/{RPC_KEY}") as rpc, RelayClient(f"{url}/?token={RPC_KEY}", None) as relay:
        with pytest.raises(RpcError) as node:
            await rpc.rpc("eth_chainId")
        with pytest.raises(RpcError) as by_relay:
            await relay.request("eth_sendBundle", {})
    return f"{node.value} {node.value.data} {by_relay.value}"


def test_a_node_and_a_relay_that_repeat_the_key_in_their_url_are_not_repeated(place: Place) -> None:
    place.provider.way = "rpc"
    said = asyncio.run(refused_by_rpc(place.provider.url))
    assert "[hidden]" in said
    assert place.leaked(said) == set()


def test_without_the_hiding_each_of_these_would_tell(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: what providers repeat is believed to hold nothing secret."""
    monkeypatch.setattr(Concealing, "__call__", lambda self, text: text)
    monkeypatch.setattr(Concealing, "raw", lambda self, data: data)
    place.provider.way = "rpc"
    assert leaks(asyncio.run(refused_by_rpc(place.provider.url))) == {"the key in a node's URL"}
    code, said = place.typed("run", "--config", "@isthmus.toml", "--mode", "dry", "--for", "1s")
    assert code == 4, said
    assert leaks(said) == {"the key in a node's URL"}


@pytest.mark.parametrize("secret", PLANTED.values())
def test_the_search_finds_what_was_planted_wherever_it_lies(secret: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.bin").write_bytes(b"\xff\x00" + secret.upper().encode() + b"\x00")
    assert len(leaks_below(tmp_path, frozenset())) == 1
    assert len(leaks(f"0x{secret}")) == 1


@pytest.mark.parametrize(
    ("url", "told", "hidden"),
    [
        ("https://node.example.org/v3/0123456789abcdef", "bad /v3/0123456789ABCDEF", "bad /v3/[hidden]"),
        ("wss://x.io/?apikey=s3cr3t-s3cr3t", "key s3cr3t-s3cr3t", "key [hidden]"),
        ("https://me:pw@x.io", "me and pw", "me and [hidden]"),
        ("https://x.io/a%2Fb%2Fc%2Fd%2Fe%2Ff", "a/b/c/d/e/f", "[hidden]"),
        ("http://127.0.0.1:8545/mainnet", "mainnet", "mainnet"),
    ],
)
def test_what_a_url_may_hold_secret_is_hidden_and_its_words_are_not(url: str, told: str, hidden: str) -> None:
    conceal = Concealing.of_url(url)
    assert (conceal(told), conceal.raw(told.encode())) == (hidden, hidden.encode())


@given(st.lists(st.tuples(st.binary(max_size=40), st.sampled_from([str, str.lower, str.upper, str.swapcase]))))
def test_a_secret_in_bytes_is_hidden_in_whatever_case_and_wherever_it_stands(
    parts: list[tuple[bytes, Callable[[str], str]]],
) -> None:
    conceal = Concealing(["Key0123-abcdeF", "another-secret"])
    told = b"".join(around + spelt("Key0123-abcdeF").encode() for around, spelt in parts)
    assert conceal.raw(told) == b"".join(around + HIDDEN.encode() for around, _ in parts)
