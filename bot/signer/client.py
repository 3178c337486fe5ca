"""The engine's side of the signer: starts its process, asks it, and never sees the key."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import bot
from bot.reasons import Reason, Refusal
from bot.signer.account import Account, settle
from bot.signer.policy import SignerPolicy, encode_policy
from bot.signer.protocol import (
    HEADER_BYTES,
    Cancel,
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
from bot.signer.server import MAX_PATH_BYTES
from bot.signer.sources import KeySource, Kind
from bot.signer.switch import CONTROL_NAME, KillSwitch
from bot.signer.wire import InvalidMessage
from chains.assets import Address, address

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 5.0
END_TIMEOUT_S = 5.0

SOCKET_NAME = "signer.sock"
POLICY_NAME = "policy.json"
JOURNAL_NAME = "signer.db"
LOG_NAME = "signer.log"


Answer = TypeVar("Answer", Signed, Settled, Status)

_ROOT = Path(bot.__path__[0]).resolve().parent


class SignerError(RuntimeError):
    """The signer did not start. One line, its own."""


class SignerClient:
    """A running signer. Requests are answered one at a time, in order."""

    def __init__(self, process: Process, socket: Path, log: Path, operator: Address, switch: KillSwitch) -> None:
        self.address = operator
        self.switch = switch
        self._process = process
        self._socket = socket
        self._log = log
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

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
    ) -> Self:
        """Start the signer's process and wait until it answers; its account is `address`.

        `keystore` is a keystore's file, or wherever else the key is kept; `passphrase` what opens it.
        `directory` becomes private (mode 0700) and holds socket, policy and log; `journal` must outlive restarts and
        belongs to one chain's history, by default `directory/signer.db`. `control` is the folder of its kill switch and
        grants, by default `control` beside the journal. `account`: the user it is to be, which takes root; `directory`
        and the journal's folder become its own. Raises `SignerError`, and `OSError` where that cannot be.
        """
        _prepare(directory, policy)
        socket = _socket_path(directory)
        journal = journal or directory / JOURNAL_NAME
        journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        control = control or journal.parent / CONTROL_NAME
        key = keystore if isinstance(keystore, KeySource) else KeySource(Kind.KEYSTORE, str(keystore))
        if account is not None:
            settle(account, own={directory, journal.parent, socket.parent}, shared=control)
        options: dict[str, Path | KeySource] = {
            "--socket": socket,
            "--key": key,
            "--policy": directory / POLICY_NAME,
            "--journal": journal,
            "--control": control,
        }
        log = directory / LOG_NAME
        process = await _spawn(options, passphrase, log, key, account)
        try:
            operator = await _ready_address(process)
        except BaseException:
            await _end(process)
            _remove(socket, directory)
            raise
        if operator is None:
            _remove(socket, directory)
            raise SignerError(_last_line(log) or f"signer: ended with {process.returncode} before it was ready")
        return cls(process, socket, log, operator, KillSwitch(control))

    @property
    def pid(self) -> int:
        return self._process.pid

    async def sign(self, request: SignRequest) -> Signed | Refusal:
        """The signed transaction, or why not. Asking again for the same intent gives the same bytes."""
        return await self._ask(request, Signed)

    async def replace(self, request: Replace | Cancel) -> Signed | Refusal:
        """What is to stand in place of a signed transaction, or why not. Asking again gives the same bytes."""
        return await self._ask(request, Signed)

    async def settle(self, settle: Settle) -> Settled | Refusal:
        """Release an intent's reservation, on evidence. The same evidence twice is the same as once."""
        return await self._ask(settle, Settled)

    async def heartbeat(self) -> Status | Refusal:
        """Tell it that the books were found to be true: its dead man's switch is wound up again."""
        return await self._ask(Heartbeat(), Status)

    async def status(self) -> Status | Refusal:
        """The signer's budgets, counts and protections."""
        return await self._ask(StatusRequest(), Status)

    async def ended(self) -> str:
        """Wait until the process ends by itself; one line that says so."""
        code = await self._process.wait()
        return f"the signer's process ended with {code}; see {self._log}, and start again"

    async def close(self) -> None:
        """End the process; what it signed stays in its journal."""
        await self._disconnect()
        await _end(self._process)
        _remove(self._socket, self._log.parent)

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
            async with self._turn, asyncio.timeout(ANSWER_TIMEOUT_S):
                response = await self._exchange(message)
        except (OSError, EOFError, TimeoutError, InvalidMessage) as error:
            return Refusal(Reason.SIGNER_UNREACHABLE, self._trouble(error))
        if isinstance(response, Denial):
            return Refusal(response.reason, response.detail)
        if not isinstance(response, expected):
            return Refusal(Reason.SIGNER_UNREACHABLE, f"the signer answered {type(response).__name__}")
        return response

    async def _exchange(self, message: bytes) -> Response:
        if self._connection is None:
            self._connection = await asyncio.open_unix_connection(str(self._socket))
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
        if self._process.returncode is not None:
            return f"the signer's process ended with {self._process.returncode}"
        if isinstance(error, TimeoutError):
            return f"the signer gave no answer within {ANSWER_TIMEOUT_S} s"
        return f"the signer hung up: {error}"


async def _spawn(
    options: dict[str, Path | KeySource], passphrase: str, log: Path, key: KeySource, account: Account | None
) -> Process:
    """The process, with an environment of its own, out of reach of the terminal's Ctrl-C."""
    reading, writing = os.pipe()
    try:
        command = [sys.executable, "-P", "-m", "bot.signer", "--passphrase-fd", str(reading)]
        command += [str(word) for option in options.items() for word in option]
        with ExitStack() as stack:
            passed = [reading]
            if account is not None and key.kind is Kind.KEYSTORE:
                passed.append(stack.enter_context(_opened(key)))
                command += ["--key-fd", str(passed[-1])]
            process = await asyncio.create_subprocess_exec(
                *(command if account is None else account.command(command)),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=stack.enter_context(log.open("wb")),
                pass_fds=passed,
                env={"PYTHONPATH": str(_ROOT)},
                start_new_session=True,
            )
        with suppress(BrokenPipeError):
            os.write(writing, passphrase.encode())
    finally:
        os.close(reading)
        os.close(writing)
    return process


@contextmanager
def _opened(keystore: KeySource) -> Iterator[int]:
    """A descriptor of a file that the signer's user may not open; what is in it, only the signer reads."""
    try:
        descriptor = os.open(keystore.place, os.O_RDONLY)
    except OSError as error:
        raise SignerError(f"signer: cannot read keystore {keystore.place}: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _ready_address(process: Process) -> Address | None:
    """The account the process announces; None when it ended without. Raises `SignerError` when it does neither."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            announcement = await process.stdout.readline()
            if announcement:
                return address(announcement.decode().split()[-1])
            await process.wait()
            return None
    except TimeoutError:
        raise SignerError(f"the signer was not ready within {START_TIMEOUT_S} s") from None


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(END_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _socket_path(directory: Path) -> Path:
    """In `directory` or, where that is too long for a socket, in a private one with a short name."""
    path = directory / SOCKET_NAME
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    return Path(tempfile.mkdtemp(prefix="isthmus-")) / SOCKET_NAME


def _remove(socket: Path, directory: Path) -> None:
    """The short directory of a socket that did not fit into `directory`."""
    if socket.parent != directory:
        shutil.rmtree(socket.parent, ignore_errors=True)


def _prepare(directory: Path, policy: SignerPolicy) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    (directory / POLICY_NAME).write_bytes(encode_policy(policy))


def _last_line(log: Path) -> str | None:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else None
