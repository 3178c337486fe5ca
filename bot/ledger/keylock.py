"""One process per key on one machine, whatever ledger it writes to: two would hand out the same nonces."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.ledger.errors import LedgerHeld
from bot.ledger.lease import FileLock
from chains.assets import Address


@contextmanager
def key_in_use(chain: str, operator: Address) -> Iterator[None]:
    """Holds `operator` on the chain named by `chain`, its instance. Raises `LedgerHeld`, at once."""
    name = hashlib.sha256(f"{chain}|{operator}".encode()).hexdigest()[:32]
    lock = FileLock(_folder() / f"{name}.lock")
    if not lock.acquire():
        raise LedgerHeld(f"key {operator}: another process on this machine trades with it; stop that one first")
    try:
        yield
    finally:
        lock.release()


def _folder() -> Path:
    """Where this user's locks are: gone with a reboot, as the processes are."""
    parent = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder = parent / f"isthmus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise LedgerHeld(f"{folder}: belongs to somebody else; set XDG_RUNTIME_DIR to a folder of your own")
    return folder
