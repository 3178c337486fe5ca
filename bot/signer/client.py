"""The engine's side of the signer: starts its process, asks it, and never sees the key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bot.reasons import Reason, Refusal
from bot.signer.account import Account
from bot.signer.awaking import Awaking
from bot.signer.policy import SignerPolicy
from bot.signer.protocol import (
    HEADER_BYTES,
    Cancel,
    Cover,
    Denial,
    Heartbeat,
    Replace,
    Request,
    Response,
    Settle,
    Settled,
    Signed,
    SignRequest,
    Status,
    StatusRequest,
    body_length,
    frame,
    parse_response,
)
from bot.signer.sources import KeySource
from bot.signer.switch import KillSwitch
from bot.signer.wire import InvalidMessage
from chains.assets import Address

ANSWER_TIMEOUT_S = 5.0
_SILENT_S = 1.0
"""For so long after an answer that did not come nothing is asked: a head waits for it once, and not for each intent."""

Answer = TypeVar("Answer", Signed, Settled, Status)


class SignerClient:
    """A running signer. Requests are answered one at a time, in order."""

    def __init__(self, awake: Awaking, operator: Address) -> None:
        self.address = operator
        self.switch = KillSwitch(awake.control)
        self._awake = awake
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._silent_until_s = 0.0

    @classmethod
    async def start(
        cls,
        *,
        keystore: Path | KeySource,
        passphrase: str,
        policy: SignerPolicy,
        directory: Path,
        journal: Path | None = None,
        control: Path | None = None,
        account: Account | None = None,
        further_keys: Sequence[KeySource] = (),
    ) -> Self:
        """Start the signer's process and wait until it answers; the account of its first key is `address`.

        `keystore` is a keystore's file, or wherever else the key is kept; `further_keys` are those of the policy's
        further operators, in order; `passphrase` opens each of them.
        `directory` becomes private (mode 0700) and holds socket, policy and log; `journal` must outlive restarts and
        belongs to one chain's history, by default `directory/signer.db`. `control` is the folder of its kill switch and
        grants, by default `control` beside the journal. `account`: the user it is to be, which takes root; `directory`
        and the journal's folder become its own. Raises `SignerError`, and `OSError` where that cannot be.
        """
        awaking = await Awaking.begin(
            keystore=keystore,
            further_keys=further_keys,
            directory=directory,
            journal=journal,
            control=control,
            account=account,
        )
        return await cls.of(awaking, passphrase, policy)

    @classmethod
    async def of(cls, awaking: Awaking, passphrase: str, policy: SignerPolicy) -> Self:
        """The signer whose process has begun, once it answers. Raises `SignerError`."""
        return cls(awaking, await awaking.ready(passphrase, policy))

    @property
    def pid(self) -> int:
        return self._awake.process.pid

    async def sign(self, request: SignRequest) -> Signed | Refusal:
        """The signed transaction, or why not. Asking again for the same intent gives the same bytes."""
        return await self._ask(request, Signed)

    async def replace(self, request: Replace | Cancel) -> Signed | Refusal:
        """What is to stand in place of a signed transaction, or why not. Asking again gives the same bytes."""
        return await self._ask(request, Signed)

    async def settle(self, settle: Settle) -> Settled | Refusal:
        """Release an intent's reservation, on evidence. The same evidence twice is the same as once."""
        return await self._ask(settle, Settled)

    async def cover(self, cover: Cover) -> Settled | Refusal:
        """Release an intent's exposure, or take it up again."""
        return await self._ask(cover, Settled)

    async def heartbeat(self) -> Status | Refusal:
        """Tell it that the books were found to be true: its dead man's switch is wound up again."""
        return await self._ask(Heartbeat(), Status)

    async def status(self) -> Status | Refusal:
        """The signer's budgets, counts and protections."""
        return await self._ask(StatusRequest(), Status)

    async def ended(self) -> str:
        """Wait until the process ends by itself; one line that says so."""
        code = await self._awake.process.wait()
        return f"the signer's process ended with {code}; see {self._awake.log}, and start again"

    async def close(self) -> None:
        """End the process; what it signed stays in its journal."""
        await self._disconnect()
        await self._awake.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, request: Request, expected: type[Answer]) -> Answer | Refusal:
        try:
            message = frame(request)
        except InvalidMessage as error:
            return Refusal(Reason.SIGNER_MALFORMED, str(error))
        try:
            async with self._turn:
                response = await self._answer(message)
        except (OSError, EOFError, TimeoutError, InvalidMessage) as error:
            return Refusal(Reason.SIGNER_UNREACHABLE, self._trouble(error))
        if isinstance(response, Denial):
            return Refusal(response.reason, response.detail)
        if not isinstance(response, expected):
            return Refusal(Reason.SIGNER_UNREACHABLE, f"the signer answered {type(response).__name__}")
        return response

    async def _answer(self, message: bytes) -> Response:
        """As `_exchange`. Raises `TimeoutError` as well: at once where one was, a moment ago."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._silent_until_s:
            raise TimeoutError
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._exchange(message)
        except TimeoutError:
            self._silent_until_s = loop.time() + _SILENT_S
            raise

    async def _exchange(self, message: bytes) -> Response:
        if self._connection is None:
            self._connection = await asyncio.open_unix_connection(str(self._awake.socket))
        reader, writer = self._connection
        try:
            writer.write(message)
            await writer.drain()
            header = await reader.readexactly(HEADER_BYTES)
            return parse_response(await reader.readexactly(body_length(header)))
        except BaseException:
            # An answer given up on would be taken for the next one's.
            await self._disconnect()
            raise

    async def _disconnect(self) -> None:
        if self._connection is None:
            return
        _, writer = self._connection
        self._connection = None
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()

    def _trouble(self, error: Exception) -> str:
        code = self._awake.process.returncode
        if code is not None:
            return f"the signer's process ended with {code}"
        if isinstance(error, TimeoutError):
            return f"the signer gave no answer within {ANSWER_TIMEOUT_S} s"
        return f"the signer hung up: {error}"
