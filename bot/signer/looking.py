"""How a signer is, asked from outside: over its socket while it runs, from its journal while it does not."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from bot.clock import Clock
from bot.signer.files import SIGNER_FOLDER
from bot.signer.journal import Journal, JournalError, JournalLocked
from bot.signer.key import SignedTransaction
from bot.signer.policy import SignerPolicy, read_policy
from bot.signer.presence import Presence, is_running
from bot.signer.protocol import HEADER_BYTES, Denial, Status, StatusRequest, body_length, frame, parse_response
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.signer.wire import InvalidMessage
from bot.transaction import UnsignedTransaction
from chains.assets import Address

TIMEOUT_S = 5.0


class Unanswered(RuntimeError):
    """The signer runs and does not answer. One line."""


def look(folder: Path, presence: Presence, clock: Clock) -> tuple[Status, SignerPolicy]:
    """How the signer of the kill switch in `folder` is, and the policy it enforces.

    Raises `Unanswered`, `InvalidPolicy`, `JournalError`.
    """
    policy, _ = read_policy(Path(presence.policy))
    if is_running(folder):
        return _asked(presence), policy
    if not Path(presence.journal).is_file():
        raise JournalError(f"journal {presence.journal}: it is gone; put the newest back with its head file")
    with Journal(Path(presence.journal), TIMEOUT_S) as journal:
        signer = Signer(
            policy=policy,
            policy_digest="",
            key=_NoKey(policy.operator),
            further_keys=[_NoKey(operator) for operator in policy.further_operators],
            journal=journal,
            switch=KillSwitch(folder),
            clock=clock,
            protections={},
        )
        status = signer.answer(frame(StatusRequest())[HEADER_BYTES:])
    if not isinstance(status, Status):
        raise Unanswered(f"the journal {presence.journal} cannot be read: {status}")
    return status, policy


@dataclass(frozen=True, slots=True)
class Proven:
    """What was found of a journal: `rows` that are what was written; or the `problem`. In use, its signer proved it."""

    path: Path
    rows: int
    in_use: bool = False
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return self.problem
        if self.in_use:
            return f"{self.path}: in use by a signer, which proved it at its start"
        return f"{self.path}: {self.rows} rows, each as it was written"


def prove_journals(folder: Path, *, accept: bool = False) -> list[Proven]:
    """Hold every signer's journal beside a ledger in `folder` against its chain; with `accept`, each as it is first."""
    return [_proven(path, accept) for path in journals(folder)]


def journals(folder: Path) -> list[Path]:
    """The signers' journals that belong to a ledger in `folder`."""
    return sorted((*folder.glob("signer-*.db"), *folder.glob(f"{SIGNER_FOLDER}/signer-*.db")))


def _proven(path: Path, accept: bool) -> Proven:
    try:
        with Journal(path) as journal:
            if accept:
                journal.accept()
            return Proven(path, journal.verify())
    except JournalLocked:
        return Proven(path, 0, in_use=True)
    except JournalError as error:
        return Proven(path, 0, problem=str(error))


class _NoKey:
    """Nothing is signed by who only looks."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        raise PermissionError("whoever only looks signs nothing")


def _asked(presence: Presence) -> Status:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(presence.socket)
            connection.sendall(frame(StatusRequest()))
            answer = parse_response(_exactly(connection, body_length(_exactly(connection, HEADER_BYTES))))
    except (OSError, InvalidMessage) as error:
        raise Unanswered(f"the signer (process {presence.pid}) does not answer: {error}") from None
    if isinstance(answer, Denial):
        raise Unanswered(f"the signer (process {presence.pid}) refuses: {answer.detail}")
    if not isinstance(answer, Status):
        raise Unanswered(f"the signer (process {presence.pid}) answered something else")
    return answer


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise OSError("it hung up")
        data += chunk
    return data
