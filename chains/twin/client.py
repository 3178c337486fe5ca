"""The twin as its user sees it: started as a process of its own, and moved through its control API."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import aiohttp
import orjson

from chains.assets import Address
from chains.tools import ROOT
from chains.twin.errors import TwinUnavailable

_START_TIMEOUT_S = 180.0
_END_TIMEOUT_S = 5.0
_CALL_TIMEOUT_S = 60.0
_LAST_WORDS_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """One block the twin made."""

    number: int
    hash: str


class TwinProcess:
    """A running twin. `descriptor` is what it said of itself. An async context manager."""

    def __init__(self, *, seed: int, block_time_s: int, pace_s: float, stepped: bool, taker_fee_ppm: int) -> None:
        self._options = [
            *("--seed", str(seed), "--block-time", str(block_time_s), "--pace", str(pace_s)),
            *("--taker-fee-ppm", str(taker_fee_ppm), *(["--stepped"] if stepped else []), "--json"),
        ]
        self._process: Process | None = None
        self._ending: asyncio.Task[str] | None = None
        self._session: aiohttp.ClientSession | None = None
        self.descriptor: Mapping[str, Any] = {}

    async def __aenter__(self) -> Self:
        """Start it and wait until it is ready. Raises `TwinUnavailable` with its last words."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chains.twin", *self._options),
            stdin=DEVNULL,
            stdout=PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            # Not by `wait_for`, which can swallow a cancellation (Python 3.11).
            async with asyncio.timeout(_START_TIMEOUT_S):
                self.descriptor = await self._announced()
        except BaseException:
            await self.__aexit__()
            raise
        self._ending = asyncio.create_task(self._last_words(self._process))
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CALL_TIMEOUT_S))
        return self

    async def _announced(self) -> Mapping[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise TwinUnavailable(f"the twin ended before it was ready (exit code {await self._process.wait()})")
        announced: Mapping[str, Any] = orjson.loads(line)
        if "error" in announced:
            raise TwinUnavailable(announced["error"])
        return announced

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _END_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._ending is not None:
            await self._ending

    async def ended(self) -> str:
        """Wait until the process ends by itself; why it did, in one line."""
        assert self._ending is not None, "used outside `async with`"
        return await asyncio.shield(self._ending)

    @staticmethod
    async def _last_words(process: Process) -> str:
        assert process.stdout is not None
        said = await process.stdout.readline()
        code = await process.wait()
        told: Mapping[str, Any] = orjson.loads(said) if said else {}
        return str(told.get("error", f"the twin ended by itself (exit code {code}); start the run again"))

    async def advance(self) -> Mapping[str, int]:
        """Move the exchange to the next block's time; the last update id per market id, such as `ETHUSDT`."""
        books: Mapping[str, int] = (await self._post("advance"))["books"]
        return books

    async def mine(self) -> Step:
        """Let the traders act, and make the block."""
        made = await self._post("mine")
        return Step(made["number"], made["hash"])

    async def fund(self, account: Address, native_wei: int, tokens: Mapping[Address, int]) -> None:
        """Give an account exactly so much: wei, and base units per token."""
        units = {token: str(amount) for token, amount in tokens.items()}
        await self._post("fund", {"address": account, "native": str(native_wei), "tokens": units})

    async def deposit(self, api_key: str, secret: str, currency: str, amount: int) -> None:
        """Credit `amount` units of 10^-8 at the exchange to the account of `api_key`, made if it is new."""
        await self._post("deposit", {"api_key": api_key, "secret": secret, "currency": currency, "amount": str(amount)})

    async def _post(self, act: str, body: Mapping[str, Any] | None = None) -> Any:
        assert self._session is not None, "used outside `async with`"
        try:
            async with self._session.post(f"{self.descriptor['control']}/twin/{act}", json=body or {}) as response:
                answer = orjson.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise await self._gone(type(error).__name__) from None
        if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise await self._gone(answer["error"])
        if response.status != HTTPStatus.OK:
            raise TwinUnavailable(f"the twin refuses to {act}: {answer.get('error', response.reason)}")
        return answer

    async def _gone(self, why: str) -> TwinUnavailable:
        """What to raise when it does not answer: its last words, if it has any."""
        with suppress(TimeoutError):
            return TwinUnavailable(await asyncio.wait_for(self.ended(), _LAST_WORDS_TIMEOUT_S))
        return TwinUnavailable(f"the twin does not answer ({why}); start the run again")
