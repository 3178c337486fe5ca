"""Pools written to a file and read back unchanged, whatever their family."""

from chains.snapshot.document import LeftOut, Recorded, Snapshot, read, write
from chains.snapshot.errors import SnapshotError

__all__ = ["LeftOut", "Recorded", "Snapshot", "SnapshotError", "read", "write"]
