"""Whether a signer is running beside a kill switch, and where it answers: written down by itself, for who looks."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.signer import wire
from bot.signer.files import OWNER_ONLY, share
from bot.signer.wire import InvalidMessage

FILE = "signer.json"
_TRIES, _BETWEEN_S = 4, 0.001


@dataclass(frozen=True, slots=True)
class Presence:
    """Where a signer answers and what it was started with."""

    pid: int
    socket: str
    journal: str
    policy: str


@contextmanager
def announced(folder: Path, presence: Presence) -> Iterator[None]:
    """Say so in `folder` for as long as this lasts. Raises `OSError`."""
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
    try:
        # One journal has one signer; should an older one still be ending, its words make room for ours.
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        share(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, wire.encode(presence), 0)
        yield
    finally:
        os.close(descriptor)


def last_seen(folder: Path) -> Presence | None:
    """What the last signer in `folder` said of itself."""
    try:
        return wire.decode(Presence, (folder / FILE).read_bytes())
    except (OSError, InvalidMessage):
        return None


def is_running(folder: Path) -> bool:
    """Whether it is there now: the kernel takes its lock away when it ends, however that is."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Who else asks this holds it as well, for a moment.
        return not any(_locks(descriptor) for _ in range(_TRIES))
    finally:
        os.close(descriptor)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_BETWEEN_S)
        return False
    return True
