"""Copies of signers' journals: taken while they are in use, proved before they count, and put back never the looser.

A copy is made of the files as they lie there, without a lock: a signer waits for nobody. What was caught between two
writes does not prove itself, and is taken again.
"""

from __future__ import annotations

import glob
import math
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from bot.clock import Clock
from bot.signer.chain import HEAD_SUFFIX, BrokenChain, Link, LinkFile
from bot.signer.entries import Settlement
from bot.signer.files import SIGNER_FOLDER
from bot.signer.gap import RESTORED
from bot.signer.journal import Journal, JournalError
from bot.signer.looking import journals
from bot.signer.switch import CONTROL_NAME, TOTAL, KillSwitch, Trading

_TRIES = 20
_REST_S = 0.05
_PARTS = (HEAD_SUFFIX, "", "-wal")
"""The head first: what it knows, the rest must hold."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A journal's copy, or what was put back from it. `kept`: what lay there was not older, and was not written over.

    `given_up` signatures count as lost at their worst: the ledger put back with it knows nothing of them.
    """

    path: Path
    rows: int
    kept: bool = False
    given_up: int = 0


def copy_journals(folder: Path, ledger_copy: Path) -> list[Copied]:
    """Copy the journals that belong to a ledger in `folder` beside its copy. Raises `JournalError`.

    Taken after the ledger's, they know of all that it does.
    """
    return [_copy(journal, ledger_copy.with_name(f"{ledger_copy.name}-{journal.name}")) for journal in journals(folder)]


@dataclass(frozen=True, slots=True)
class Restoring:
    """Proven copies, and the folder in which they are to be put back."""

    copies: Sequence[tuple[Path, Path, Link]]
    folder: Path

    def put(self, clock: Clock, because: str, known: Collection[str]) -> list[Copied]:
        """Halt what trades in the folder, and put back what is not there. Raises `JournalError`, `SwitchUnwritten`.

        What a copy does not know counts as lost, and so does what is reserved for an intent that is none of `known`,
        those of the ledger's copy: nobody would ever tell the signer what became of it. When a person lets it go on,
        its failures and drawdown begin anew.
        """
        now_s = clock.wall_s()
        switch = KillSwitch(self.folder / CONTROL_NAME)
        switch.set(TOTAL, Trading.HALTED, by="isthmus ledger restore", because=because, at_s=now_s)
        return [_put(copy, journal, now_s, known) for copy, journal, _ in self.copies]


def restoring(ledger_copy: Path, folder: Path) -> Restoring:
    """The journals copied beside `ledger_copy`, proved, with where each belongs. Raises `JournalError`.

    It does so too where another journal is already, unless that one went on from the copy.
    """
    prefix = f"{ledger_copy.name}-"
    found = sorted(ledger_copy.parent.glob(f"{glob.escape(prefix)}signer-*.db"))
    copies = [(copy, _place(folder, copy.name.removeprefix(prefix)), _proved(copy)) for copy in found]
    for copy, journal, newest in copies:
        if journal.exists():
            _require_later(journal, newest, copy)
    return Restoring(copies, folder)


def _place(folder: Path, name: str) -> Path:
    before = folder / name
    return before if before.exists() else folder / SIGNER_FOLDER / name


def _copy(journal: Path, to: Path) -> Copied:
    if to.exists():
        raise JournalError(f"backup {to}: there is a file already; name another one")
    part = to.with_name(f"{to.name}.part")
    try:
        for left in reversed(range(_TRIES)):
            try:
                _copy_files(journal, part)
                rows = _settled(part)
                break
            except (JournalError, sqlite3.Error) as error:
                if not left:
                    raise JournalError(f"journal {journal}: no whole copy could be made: {error}") from None
                time.sleep(_REST_S)
        for suffix in (HEAD_SUFFIX, ""):
            part.with_name(part.name + suffix).rename(to.with_name(to.name + suffix))
    finally:
        _remove(part)
    return Copied(to, rows)


def _copy_files(journal: Path, to: Path) -> None:
    _remove(to)
    try:
        for suffix in _PARTS:
            with suppress(FileNotFoundError):
                target = to.with_name(to.name + suffix)
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                shutil.copyfile(journal.with_name(journal.name + suffix), target)
    except OSError as error:
        raise JournalError(f"journal {journal}: cannot be copied to {to}: {error.strerror}") from None


def _settled(copy: Path) -> int:
    """How many rows it has, proved; it is one file and its head file afterwards, both synced. Raises `JournalError`."""
    with Journal(copy) as journal:
        rows = journal.verify()
        journal.accept()
    try:
        with closing(sqlite3.connect(copy)) as database:
            ((said,),) = database.execute("PRAGMA integrity_check(1)")
    except sqlite3.Error as error:
        raise JournalError(f"journal {copy}: cannot be read again: {error}") from None
    if said != "ok":
        raise JournalError(f"journal {copy}: {said}")
    for suffix in (HEAD_SUFFIX, ""):
        with copy.with_name(copy.name + suffix).open("rb") as file:
            os.fsync(file.fileno())
    return rows


def _proved(copy: Path) -> Link:
    """The newest link of a copy that is whole, found without touching it. Raises `JournalError`."""
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        looked_at = Path(folder) / copy.name
        _copy_files(copy, looked_at)
        with Journal(looked_at) as journal:
            journal.verify()
        try:
            newest = LinkFile(copy.with_name(copy.name + HEAD_SUFFIX)).read()
        except BrokenChain as error:
            raise JournalError(f"journal {copy}: {error}") from None
        return newest


def _require_later(journal: Path, newest: Link, copy: Path) -> None:
    with Journal(journal) as there:
        there.verify()
        if not there.holds(newest):
            raise JournalError(
                f"journal {journal}: is there already and did not go on from {copy}; move away the one that is wrong"
            )


def _put(copy: Path, journal: Path, now_s: float, known: Collection[str]) -> Copied:
    if journal.exists():
        with Journal(journal) as there:
            there.verify()
            given_up = _give_up(there, now_s, known)
            return Copied(journal, there.verify(), kept=True, given_up=given_up)
    journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = journal.with_name(f"{journal.name}.part")
    try:
        _copy_files(copy, part)
        with Journal(part) as put:
            put.note(now_s, RESTORED, repr(put.newest_time_s()))
            given_up = _give_up(put, now_s, known)
        rows = _settled(part)
        for suffix in (HEAD_SUFFIX, ""):
            part.with_name(part.name + suffix).rename(journal.with_name(journal.name + suffix))
    finally:
        _remove(part)
    return Copied(journal, rows, given_up=given_up)


def _give_up(journal: Journal, now_s: float, known: Collection[str]) -> int:
    """Settle at its worst what is none of `known`; how many that were.

    Their nonces are free: the ledger gives out again each that the chain does not count, and of all that was signed
    with one the chain takes one at most.
    """
    at_s = max(now_s, journal.newest_time_s())
    unknown = [it for it in journal.entries() if it.settlement is None and it.intent_id not in known]
    for entry in unknown:
        # Never the same moment twice, as the signer settles.
        at_s = math.nextafter(at_s, math.inf)
        journal.settle(entry.intent_id, Settlement(0, -entry.worst_case_wei, at_s))
    return len(unknown)


def _remove(copy: Path) -> None:
    for suffix in _PARTS:
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
