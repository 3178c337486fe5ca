"""Anvil as a watched subprocess with its JSON-RPC: the twin's node and the simulator's fork are both one of these."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson

from chains.printing import one_line
from chains.tools import foundry

_LISTENING = re.compile(rb"Listening on ([0-9.]+):(\d+)")
_PR_SET_PDEATHSIG = 1
_STATES = "isthmus-anvil-"


class AnvilFailed(RuntimeError):
    """Anvil did not start, or it ended."""


class RpcError(RuntimeError):
    """A JSON-RPC error answer. `code`, `message` and `data` are the node's own, the message as `one_line` has it."""

    def __init__(self, method: str, code: int, message: str, data: Any = None) -> None:
        said = one_line(message)
        super().__init__(f"{method}: {said} ({code})")
        self.code = code
        self.message = said
        self.data = data


def die_with_parent() -> None:
    """In the child: have the kernel kill it when its parent dies, however that happens (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _OldStates:
    """A folder for the states of blocks long past, which an Anvil leaves where it put them. Locked while it is used."""

    def __init__(self) -> None:
        self._remove_left()
        # Under another name until it is locked, so that no other process takes it for one that was left.
        new = Path(tempfile.mkdtemp(prefix=f"new-{_STATES}"))
        self._lock = os.open(new, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = new.rename(new.with_name(new.name.removeprefix("new-")))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    @staticmethod
    def _remove_left() -> None:
        """Those of processes that were killed."""
        for folder in Path(tempfile.gettempdir()).glob(f"{_STATES}*"):
            with suppress(OSError):
                lock = os.open(folder, os.O_RDONLY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(lock)


class Anvil:
    """One Anvil process on a free loopback port. An async context manager; `close` ends the process.

    `arguments` are Anvil's own, such as `["--no-mining", "--fork-url", url]`. Dev accounts are off unless asked
    for, because a fork overwrites their balances.
    """

    def __init__(self, arguments: Sequence[str] = (), *, port: int = 0, start_timeout_s: float = 60.0) -> None:
        self._arguments = [*arguments]
        self._port = port
        self._start_timeout_s = start_timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._ids = 0
        self._states: _OldStates | None = None
        self.host = "127.0.0.1"
        self.port = port

    @property
    def http_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start and wait until it listens. Raises `AnvilFailed` with Anvil's last words, `MissingTool`."""
        self._states = _OldStates()
        command = [str(foundry("anvil")), "--host", self.host, "--port", str(self._port), "--no-request-size-limit"]
        command += ["--cache-path", str(self._states.path)]
        if "--accounts" not in self._arguments:
            command += ["--accounts", "0"]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            *self._arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=die_with_parent,
            process_group=0,  # a terminal's Ctrl-C is for whoever started this, who ends it when done
        )
        try:
            # Not by `wait_for`, which can swallow a cancellation (Python 3.11).
            async with asyncio.timeout(self._start_timeout_s):
                self.port = await self._listening()
        except TimeoutError:
            await self.close()
            raise AnvilFailed(f"anvil did not listen within {self._start_timeout_s:g} s") from None
        except BaseException:
            await self.close()
            raise
        self._session = aiohttp.ClientSession(json_serialize=lambda value: orjson.dumps(value).decode())
        self._drain = asyncio.create_task(self._discard_output())

    async def _listening(self) -> int:
        assert self._process is not None and self._process.stdout is not None
        last_words: list[bytes] = []
        async for line in self._process.stdout:
            match = _LISTENING.search(line)
            if match:
                return int(match[2])
            last_words = [*last_words[-4:], line.strip()]
        await self._process.wait()
        text = b" ".join(last_words).decode(errors="replace")
        raise AnvilFailed(f"anvil ended before it listened: {text or 'no output'}")

    async def _discard_output(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        while await self._process.stdout.read(1 << 16):
            pass

    async def close(self) -> None:
        """End the process, by its pid, and wait for it; what it kept on the disk goes with it."""
        if self._session:
            await self._session.close()
            self._session = None
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._drain:
            await self._drain
            self._drain = None
        if self._states:
            self._states.remove()
            self._states = None

    async def rpc(self, method: str, *params: Any, timeout_s: float = 60.0) -> Any:
        """One JSON-RPC call. Raises `RpcError` for an error answer, `AnvilFailed` when Anvil is gone."""
        return (await self.batch([(method, params)], timeout_s=timeout_s))[0]

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]], *, timeout_s: float = 60.0) -> list[Any]:
        """Several calls in one request, answers in order. Anvil works a batch concurrently. Raises as `rpc`."""
        if self._session is None:
            raise AnvilFailed("anvil is not running")
        first = self._ids
        self._ids += len(calls)
        requests = [
            {"jsonrpc": "2.0", "id": first + i, "method": method, "params": list(params)}
            for i, (method, params) in enumerate(calls)
        ]
        body = orjson.dumps(requests[0] if len(requests) == 1 else requests)
        try:
            async with self._session.post(
                self.http_url,
                data=body,
                headers={"content-type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                answer = orjson.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            raise AnvilFailed(f"anvil at {self.http_url} did not answer: {error!r}") from error
        answers = answer if isinstance(answer, list) else [answer]
        by_id = {item["id"]: item for item in answers}
        results = []
        for request in requests:
            item = by_id.get(request["id"])
            if item is None:
                said = next((each["error"]["message"] for each in answers if "error" in each), "nothing")
                raise AnvilFailed(f"anvil at {self.http_url} did not answer {request['method']}; it said: {said}")
            if "error" in item:
                error_ = item["error"]
                raise RpcError(str(request["method"]), error_["code"], error_["message"], error_.get("data"))
            results.append(item["result"])
        return results
