"""Files that are on the disk when the call returns: a halt, a grant or a revocation must survive the power going."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_ONLY = 0o600


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
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
