"""The twin as its user sees it: started as a process of its own, and moved through its control API."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import orjson

from chains.assets import Address
from chains.tools import ROOT
from chains.twin.errors import TwinUnavailable

_START_TIMEOUT_S = 180.0
_END_TIMEOUT_S = 5.0
_CALL_TIMEOUT_S = 60.0


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
            self.descriptor = await asyncio.wait_for(self._announced(), _START_TIMEOUT_S)
        except BaseException:
            await self.__aexit__()
            raise
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CALL_TIMEOUT_S))
        return self

    async def _announced(self) -> Mapping[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise TwinUnavailable("the twin ended before it was ready; its own words are above")
        announced: Mapping[str, Any] = orjson.loads(line)
        return announced

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _END_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()

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
            raise TwinUnavailable(f"the twin does not answer ({type(error).__name__}); start it again") from None
        if response.status != 200:
            raise TwinUnavailable(f"the twin refuses to {act}: {answer.get('error', response.reason)}")
        return answer
