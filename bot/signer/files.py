"""Files that are on the disk when the call returns: a halt, a grant or a revocation must survive the power going.

They are their owner's alone, except in a folder that is shared with a signer that is a user of its own: there they are
the group's too.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

SIGNER_FOLDER = "signer"
"""In it lies what is the signer's own: socket, policy and log in a run's folder, journals in that of what lasts."""

OWNER_ONLY = 0o600
SHARED = 0o660
SHARED_FOLDER = 0o2770
"""A shared folder's mode: what is made in it is of its group."""

_PRIVATE_FOLDER = 0o700


def make_folder(folder: Path) -> None:
    """`folder`, shared if the one above it is, or else its owner's alone. Raises `OSError`."""
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    if _is_shared(folder.parent) and folder.stat().st_uid == os.geteuid():
        folder.chmod(SHARED_FOLDER)


def share(descriptor: int, folder: Path) -> None:
    """Make the file that this process just made in `folder` the group's too, where the folder is. Raises `OSError`."""
    if _is_shared(folder) and os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, SHARED)


def _is_shared(folder: Path) -> bool:
    return stat.S_IMODE(folder.stat().st_mode) == SHARED_FOLDER


def replace_synced(path: Path, data: bytes) -> None:
    """`data` at `path`, whole or not at all. Raises `OSError`."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write_synced(beside, data, os.O_TRUNC)
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def append_synced(path: Path, data: bytes) -> None:
    """`data` behind what `path` holds. Raises `OSError`."""
    _write_synced(path, data, os.O_APPEND)
    _sync_folder(path.parent)


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode, OWNER_ONLY)
    try:
        share(descriptor, path.parent)
        before = os.fstat(descriptor).st_size
        try:
            # The last of the space takes a part of it, and says so only of the rest.
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            os.ftruncate(descriptor, before)
            raise
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
