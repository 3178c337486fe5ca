"""The kill switch: ACTIVE, REDUCING or HALTED, for all strategies and for each, in a file that outlives every process.

The signer reads it before each signature. What cannot be read halts everything. A file named `HALT`, made by hand
beside it or in one of the two folders above, halts everything too, for as long as it is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bot.signer import wire
from bot.signer.files import OWNER_ONLY, append_synced, make_folder, replace_synced
from bot.signer.wire import InvalidMessage

CONTROL_NAME = "control"
FILE = "switch.json"
AUDIT = "switch.log"
LOCK, GATE = "switch.lock", "switch.gate"
HALT = "HALT"
TOTAL = ""
"""The name under which the switch of all strategies together is kept."""

LOCK_TIMEOUT_S = 0.5
_LOCK_STEP_S = 0.001
_FOLDERS_ABOVE = 2
_READ_BYTES = 64 * 1024
_MOST_SAID = 1000
"""Characters kept of why: it is told with every refusal, and of each strategy in every status."""

_VERSION = 1


class Trading(StrEnum):
    """What may be begun: everything; only what takes back or covers; nothing."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


_SEVERITY = {Trading.ACTIVE: 0, Trading.REDUCING: 1, Trading.HALTED: 2}


@dataclass(frozen=True, slots=True)
class Switch:
    """How the switch stands, by whom it was set, and why. `then_halt`: HALTED as soon as nothing is owed any more."""

    state: Trading
    by: str = ""
    because: str = ""
    at_s: float = 0.0
    then_halt: bool = False

    def __str__(self) -> str:
        return f"{self.state} by {self.by}: {self.because}" if self.by else str(self.state)


ACTIVE = Switch(Trading.ACTIVE)


@dataclass(frozen=True, slots=True)
class Switches:
    """Every switch that was ever set, by strategy; the one of all together under `TOTAL`."""

    version: int = _VERSION
    switches: Mapping[str, Switch] = field(default_factory=dict)

    def of(self, strategy: str) -> Switch:
        """What holds for `strategy`: the graver of its own switch and the total one."""
        total, own = (self.switches.get(name, ACTIVE) for name in (TOTAL, strategy))
        return own if _SEVERITY[own.state] > _SEVERITY[total.state] else total


@dataclass(frozen=True, slots=True)
class Look:
    """What persons and breakers `stored`; None where it cannot be read. `over` it all: a halt that nobody set there."""

    stored: Switches | None
    over: Switch | None

    @property
    def standing(self) -> Switches:
        """Every switch as it is to be obeyed."""
        stored = self.stored.switches if self.stored is not None else {}
        return Switches(switches={**stored, **({TOTAL: self.over} if self.over is not None else {})})


class SwitchUnwritten(RuntimeError):
    """The switch could not be set. One line."""


class KillSwitch:
    """The switches of one journal, in `folder`. Any number of processes may read and set them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        above = folder.absolute().parents[:_FOLDERS_ABOVE]
        self.path = folder / FILE
        self._stored_at = str(self.path)
        self._halt_files = tuple(str(place / HALT) for place in (folder, *above))
        self._locks = str(folder / GATE), str(folder / LOCK)
        self._newest: tuple[bytes, Switches] | None = None

    def establish(self, at_s: float) -> None:
        """Set everything to ACTIVE where no switch was ever set here. Raises `SwitchUnwritten`."""
        with self._writing():
            log = self.folder / AUDIT
            if not os.path.lexists(self.path) and not os.path.lexists(log):
                # The log last: a log without a file, where this was cut short, would be a switch that has gone.
                replace_synced(self.path, wire.encode(Switches()))
                append_synced(log, _audit_line(log, at_s, "established"))

    def read(self) -> Switches:
        """All switches as they stand now. Never raises: what cannot be read is HALTED."""
        return self.look().standing

    def look(self) -> Look:
        """As `read`, and what was set apart from what stands above it."""
        try:
            by_hand = self._halt_file()
            stored = self._decoded(_content(self._stored_at))
            if stored.version != _VERSION:
                raise InvalidMessage(f"version {stored.version} is not {_VERSION}")
        except (OSError, InvalidMessage) as error:
            why = f"{self.path} cannot be read: {getattr(error, 'strerror', None) or error}"
            return Look(None, Switch(Trading.HALTED, "the signer", why))
        because = f"{by_hand} is there; remove it to go on"
        return Look(stored, Switch(Trading.HALTED, "a file", because) if by_hand else None)

    def of(self, strategy: str) -> Switch:
        """How it stands for `strategy`, the total switch included."""
        return self.read().of(strategy)

    def set(
        self,
        strategy: str,
        state: Trading,
        *,
        by: str,
        because: str,
        at_s: float,
        then_halt: bool = False,
        tightens: bool = False,
    ) -> Switch:
        """Set the switch of `strategy`, or `TOTAL`, on the disk before this returns. Raises `SwitchUnwritten`.

        Setting it to what it is already keeps who set it first, and why, in so many words as every answer has room for.
        What only `tightens` leaves what is graver.
        """
        # A file's name in it may be bytes that are no text.
        told = because.encode(errors="backslashreplace").decode()
        wanted = Switch(state, by, told[:_MOST_SAID], at_s, then_halt)
        with self._writing():
            before = self._stored()
            kept = before.switches if before is not None else {TOTAL: _unreadable()}
            standing = kept.get(strategy, ACTIVE)
            same = (standing.state, standing.then_halt) == (state, then_halt) and state is not Trading.ACTIVE
            if (same and before is not None) or (tightens and _SEVERITY[state] < _SEVERITY[standing.state]):
                return standing
            after = Switches(switches={**kept, strategy: wanted})
            self._commit(after, at_s, f"{strategy or 'all'} {wanted}")
        return wanted

    def halt_by_file(self, unwritten: SwitchUnwritten) -> Switch:
        """Halt everything by the file `HALT`, which is empty: it is made on a full disk too, where `unwritten` tells
        that the switch was not set. Raises `unwritten` where it cannot be made either.
        """
        try:
            append_synced(self.folder / HALT, b"")
        except OSError:
            raise unwritten from None
        return self.of(TOTAL)

    @contextmanager
    def signing(self) -> Iterator[None]:
        """Hold off whoever sets a switch: what is signed meanwhile was signed before. Never waits longer than that."""
        with self._locked(fcntl.LOCK_SH):
            yield

    def _stored(self) -> Switches | None:
        try:
            return wire.decode(Switches, _content(self._stored_at))
        except (OSError, InvalidMessage):
            return None

    def _decoded(self, content: bytes) -> Switches:
        """What the file says; the same bytes, which are read each time, say the same. Raises `InvalidMessage`."""
        if self._newest is None or content != self._newest[0]:
            self._newest = content, wire.decode(Switches, content)
        return self._newest[1]

    def _halt_file(self) -> str | None:
        for file in self._halt_files:
            with suppress(FileNotFoundError):
                os.lstat(file)
                return file
        return None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            make_folder(self.folder)
            with self._locked(fcntl.LOCK_EX):
                yield
        except OSError as error:
            raise SwitchUnwritten(f"cannot set the switch {self.path}: {error.strerror or error}") from None

    def _commit(self, switches: Switches, at_s: float, what: str) -> None:
        log = self.folder / AUDIT
        append_synced(log, _audit_line(log, at_s, what))
        replace_synced(self.path, wire.encode(switches))

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        """With the lock; without it when its holder does not let go in time: a halt must not wait for the halted.

        Whoever sets the switch keeps the gate shut meanwhile, so that a signer that is always busy lets them in.
        """
        setting, (gate, lock) = kind == fcntl.LOCK_EX, self._locks
        with _flocked(gate, kind) as close_gate, _flocked(lock, kind):
            if not setting:
                close_gate()
            yield


def _content(path: str) -> bytes:
    """All that is in a file, without a file object: it is read twice for each signature. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(descriptor, _READ_BYTES), b""))
    finally:
        os.close(descriptor)


@contextmanager
def _flocked(path: str, kind: int) -> Iterator[Callable[[], None]]:
    """`path` locked, or given up on; what is yielded lets go of it early."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
    try:
        deadline_s = time.monotonic() + LOCK_TIMEOUT_S
        while time.monotonic() < deadline_s:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOCK_STEP_S)
        yield lambda: fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _unreadable() -> Switch:
    return Switch(Trading.HALTED, "the signer", "the switch could not be read when another was set")


def _audit_line(log: Path, at_s: float, what: str) -> bytes:
    """`time, what, hash`: each line's hash covers the line before, so that none can be taken out unseen."""
    before = ""
    with suppress(FileNotFoundError):
        lines = log.read_text(errors="replace").splitlines()
        before = lines[-1].rpartition(" ")[2] if lines else ""
    said = f"{at_s:.3f} {' '.join(what.split())}"
    return f"{said} {hashlib.sha256(f'{before} {said}'.encode()).hexdigest()}\n".encode()


def audited(log: Path) -> list[str]:
    """The lines of an audit file, without their hashes. Raises `ValueError` naming the first line that was changed."""
    before, told = "", list[str]()
    for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1):
        said, _, found = line.rpartition(" ")
        if hashlib.sha256(f"{before} {said}".encode()).hexdigest() != found:
            raise ValueError(f"{log}:{number}: this line or one before it was changed, or one is missing")
        before = found
        told.append(said)
    return told
