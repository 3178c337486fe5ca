"""Why a snapshot is refused. Every refusal says where in the file it is."""

from __future__ import annotations

from chains.printing import one_line


class SnapshotError(ValueError):
    """A snapshot that cannot be used. Its subclasses say why."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class NotASnapshot(SnapshotError):
    """No JSON object of this format: another file, or a damaged one."""


class UnsupportedVersion(SnapshotError):
    """A snapshot of this format, in a version this program does not read."""


class MissingField(SnapshotError):
    """A field of the format, or of the pool's family, is not there."""


class UnknownField(SnapshotError):
    """A field that neither the format nor the pool's family has."""


class WrongValue(SnapshotError):
    """A value of the wrong kind, or one that no such pool can have."""


class UnknownPoolFamily(SnapshotError):
    """A pool of a family that this program does not know."""


class DuplicatePool(SnapshotError):
    """Two states of one pool: which is right?"""
