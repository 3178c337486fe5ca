"""One Anvil process, and what it is asked."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chains.anvil import Anvil, AnvilFailed, RpcError


async def test_a_state_of_several_megabytes_is_taken() -> None:
    async with Anvil() as anvil:
        with pytest.raises(RpcError, match="decode state dump"):
            await anvil.rpc("anvil_loadState", "0x" + "00" * 3_000_000)


async def test_an_answer_to_nothing_that_was_asked_is_a_failure_with_what_it_said() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid request"}}
        )

    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server, Anvil() as anvil:
        assert server.port is not None
        anvil.port = server.port
        with pytest.raises(AnvilFailed, match="eth_chainId; it said: Invalid request"):
            await anvil.rpc("eth_chainId")


async def test_one_that_takes_too_long_to_listen_is_a_failure_like_any_other_and_is_ended() -> None:
    anvil = Anvil(start_timeout_s=0)
    with pytest.raises(AnvilFailed, match="did not listen within 0 s"):
        await anvil.start()
    assert not anvil.alive


def test_an_error_of_several_lines_is_told_in_one() -> None:
    assert (
        str(RpcError("eth_call", -32603, "invalid type\nerror: null")) == "eth_call: invalid type error: null (-32603)"
    )
    assert RpcError("eth_call", -32000, "\x1b]0;mine\x07 \x9b2J").message == "\ufffd]0;mine\ufffd \ufffd2J"


def _kept() -> set[Path]:
    return {*Path(tempfile.gettempdir()).glob("isthmus-anvil-*")}


async def test_what_it_keeps_of_old_blocks_goes_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with Anvil(["--no-mining"]) as anvil:
        await anvil.rpc("anvil_mine", hex(1_200))
        (kept,) = _kept()
        assert any(file.is_file() for file in kept.rglob("*"))
    assert not _kept()


async def test_what_a_killed_process_left_is_removed_by_the_next_and_what_is_used_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = Path(tempfile.mkdtemp(prefix="isthmus-anvil-"))
    async with Anvil():
        (used,) = _kept()
        assert used != left
        async with Anvil():
            assert used in _kept() and len(_kept()) == 2
    assert not _kept()
