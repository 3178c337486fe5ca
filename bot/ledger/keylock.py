"""One run per key on one machine, whatever ledger it writes to: two would hand out the same nonces."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bot.ledger.errors import LedgerHeld
from bot.ledger.lease import FileLock
from chains.assets import Address

_HOLDER = "{holder}"
"""Stands in a refusal for the process that has what is asked for."""


@contextmanager
def key_in_use(chain: str, operator: Address) -> Iterator[None]:
    """Holds `operator` on the chain named by `chain`, its instance. Raises `LedgerHeld`, at once."""
    taken = f"key {operator}: {_HOLDER} on this machine trades with it; stop that one first"
    with _held(f"{chain}|{operator}", taken):
        yield


@contextmanager
def account_in_use(exchange: str, place: str, api_key: str) -> Iterator[None]:
    """Holds the account of `api_key` at the exchange called `exchange`, which `place` tells from all others: two
    ledgers would each spend all that lies there. Raises `LedgerHeld`, at once.
    """
    remedy = "give each run, on whatever network, a sub-account there with a key of its own"
    taken = f"{exchange}: {_HOLDER} on this machine trades with this API key; {remedy}"
    with _held(f"{place}|{api_key}", taken):
        yield


@contextmanager
def _held(what: str, taken: str) -> Iterator[None]:
    name = hashlib.sha256(what.encode()).hexdigest()[:32]
    with ExitStack() as every:
        for folder in _folders():
            every.enter_context(_locked(FileLock(folder / f"{name}.lock"), taken))
        yield


@contextmanager
def _locked(lock: FileLock, taken: str) -> Iterator[None]:
    if not lock.acquire():
        pid = lock.path.read_text(encoding="ascii", errors="replace")
        raise LedgerHeld(taken.replace(_HOLDER, f"process {pid}" if pid.isdecimal() else "another process"))
    try:
        with suppress(OSError):  # a full disk costs only the name
            lock.path.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()


def _folders() -> list[Path]:
    """Where this user's locks are: gone with a reboot, as the processes are.

    A service has no XDG_RUNTIME_DIR, and that of a login may be gone with it: the one folder that all processes know is
    among them, unless somebody else made it.
    """
    named, name = os.environ.get("XDG_RUNTIME_DIR"), f"isthmus-{os.getuid()}"
    folders = [Path(parent) / name for parent in dict.fromkeys(filter(None, (named, tempfile.gettempdir())))]
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True)
    ours = [folder for folder in folders if not folder.is_symlink() and folder.stat().st_uid == os.getuid()]
    if not ours:
        raise LedgerHeld(f"{folders[-1]}: belongs to somebody else; set XDG_RUNTIME_DIR to a folder of your own")
    return ours
