"""The signer's process from its first moment until it answers: it loads its programs while its policy is being made."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import bot
from bot.signer.account import Account, settle
from bot.signer.policy import SignerPolicy, encode_policy
from bot.signer.server import MAX_PATH_BYTES
from bot.signer.sources import KeySource, Kind
from bot.signer.switch import CONTROL_NAME
from chains.assets import Address, address

START_TIMEOUT_S = 60.0
PROVEN_BYTES_A_S = 4_000_000
"""A journal is proven before anything is signed: how much of it in a second, on a slow and busy machine."""
END_TIMEOUT_S = 5.0

SOCKET_NAME = "signer.sock"
POLICY_NAME = "policy.json"
JOURNAL_NAME = "signer.db"
LOG_NAME = "signer.log"

_LIBRARY_SETTINGS = (
    *("SOFTHSM2_CONF", "YUBIHSM_PKCS11_CONF", "OPENSC_CONF", "P11NETHSM_CONFIG_FILE", "ChrystokiConfigurationPath"),
    *("CS_PKCS11_R3_CFG", "P11_KIT_SERVER_ADDRESS"),
)
"""What tells PKCS#11 libraries where their settings are: a signer that has not got it finds no token."""

_ROOT = Path(bot.__path__[0]).resolve().parent


class SignerError(RuntimeError):
    """The signer did not start. One line, its own."""


class Awaking:
    """A signer's process that has begun. It gets its passphrase, and reads its policy, when `ready` is asked for."""

    def __init__(
        self,
        process: Process,
        saying: int | None,
        socket: Path,
        directory: Path,
        control: Path,
        account: Account | None = None,
        patience_s: float = START_TIMEOUT_S,
    ) -> None:
        """`saying` is where it is told its passphrase; None once it was. It must be ready within `patience_s`."""
        self.process = process
        self.socket = socket
        self.directory = directory
        self.control = control
        self._account = account
        self._saying = saying
        self._patience_s = patience_s

    @classmethod
    async def begin(
        cls,
        *,
        keystore: Path | KeySource,
        directory: Path,
        journal: Path | None = None,
        control: Path | None = None,
        account: Account | None = None,
        further_keys: Sequence[KeySource] = (),
    ) -> Self:
        """Start the process, with an environment of its own, out of reach of the terminal's Ctrl-C.

        The arguments are those of `SignerClient.start`. Raises `SignerError`, `OSError`.
        """
        _make_private(directory)
        socket = _socket_path(directory)
        journal = journal or directory / JOURNAL_NAME
        _make_folder(journal.parent)
        control = control or journal.parent / CONTROL_NAME
        first = keystore if isinstance(keystore, KeySource) else KeySource(Kind.KEYSTORE, str(keystore))
        keys = (first, *further_keys)
        if account is not None:
            settle(account, own={directory, journal.parent, socket.parent}, shared=control)
        options: list[tuple[str, Path | KeySource]] = [
            ("--socket", socket),
            *(("--key", key) for key in keys),
            ("--policy", directory / POLICY_NAME),
            ("--journal", journal),
            ("--control", control),
        ]
        reading, saying = os.pipe()
        try:
            command = [sys.executable, "-P", "-m", "bot.signer", "--passphrase-fd", str(reading)]
            command += [str(word) for option in options for word in option]
            with ExitStack() as stack:
                passed = [reading]
                for key in keys if account is not None else ():
                    if key.kind is Kind.KEYSTORE:
                        passed.append(stack.enter_context(_opened(key)))
                        command += ["--key-fd", str(passed[-1])]
                process = await asyncio.create_subprocess_exec(
                    *(command if account is None else account.command(command)),
                    stdin=DEVNULL,
                    stdout=PIPE,
                    stderr=stack.enter_context((directory / LOG_NAME).open("wb")),
                    pass_fds=passed,
                    env=_environment(keys),
                    start_new_session=True,
                )
        except BaseException:
            os.close(saying)
            raise
        finally:
            os.close(reading)
        return cls(process, saying, socket, directory, control, account, patience_for(journal))

    @property
    def log(self) -> Path:
        return self.directory / LOG_NAME

    async def ready(self, passphrase: str, policy: SignerPolicy) -> Address:
        """Let it read `policy` and open its keys; its first account, once it answers. Raises `SignerError`."""
        told = self.directory / POLICY_NAME
        told.write_bytes(encode_policy(policy))
        if self._account is not None:
            os.chown(told, self._account.uid, os.getegid())
        assert self._saying is not None, "it is made ready once"
        with suppress(BrokenPipeError):
            os.write(self._saying, passphrase.encode())
        self._hang_up()
        try:
            operator = await self._announced()
        except BaseException:
            await self.end()
            raise
        if operator is None:
            self.tidy()
            raise SignerError(
                _last_line(self.log) or f"signer: ended with {self.process.returncode} before it was ready"
            )
        return operator

    async def end(self) -> None:
        """End the process, whatever it has come to."""
        self._hang_up()
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.terminate()
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self.tidy()

    def tidy(self) -> None:
        """Remove the short directory of a socket that did not fit into `directory`."""
        if self.socket.parent != self.directory:
            shutil.rmtree(self.socket.parent, ignore_errors=True)

    async def _announced(self) -> Address | None:
        """The first account it announces; None when it ended without. Raises `SignerError` when neither comes."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(self._patience_s):
                announcement = await self.process.stdout.readline()
                if announcement:
                    return address(announcement.decode().split()[1])
                await self.process.wait()
                return None
        except TimeoutError:
            raise SignerError(f"the signer was not ready within {self._patience_s:.0f} s") from None

    def _hang_up(self) -> None:
        if self._saying is not None:
            os.close(self._saying)
            self._saying = None


def patience_for(journal: Path) -> float:
    """How long a signer with that journal may take until it is ready, in seconds."""
    length = journal.stat().st_size if journal.exists() else 0
    return START_TIMEOUT_S + length / PROVEN_BYTES_A_S


def _environment(keys: Sequence[KeySource]) -> dict[str, str]:
    """Nothing of our own but what the library of an HSM is told by it."""
    device = any(key.kind is Kind.PKCS11 for key in keys)
    told = {name: os.environ[name] for name in _LIBRARY_SETTINGS if device and name in os.environ}
    return {"PYTHONPATH": str(_ROOT), **told}


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _make_private(folder: Path) -> None:
    _make_folder(folder)
    folder.chmod(0o700)


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


def _socket_path(directory: Path) -> Path:
    """In `directory` or, where that is too long for a socket, in a private one with a short name."""
    path = directory / SOCKET_NAME
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    return Path(tempfile.mkdtemp(prefix="isthmus-")) / SOCKET_NAME


def _last_line(log: Path) -> str | None:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else None
