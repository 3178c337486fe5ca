"""Recorded layouts into one snapshot: a file, or every file of a folder and its folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.snapshot.found import Found, Layout, gathered
from bot.snapshot.layouts import calls, market, pools
from chains.pools.registry import FAMILIES, Family
from chains.printing import one_line
from chains.snapshot import LeftOut, Snapshot
from chains.snapshot.document import FORMAT, from_json, read_json, read_whole
from chains.snapshot.errors import SnapshotError

LAYOUTS: Sequence[Layout] = (market.rows, market.extract, market.events, calls.calls, pools.pool, pools.ticks_only)

_TABLES = (".csv", ".csv.gz")
SUFFIXES = (".json", ".json.gz", *_TABLES)


class UnknownLayout(SnapshotError):
    """A file that is of no recorded layout this program knows."""


class NothingRecorded(SnapshotError):
    """A file or folder in which no pool's state is recorded."""


def imported(source: Path) -> Snapshot:
    """Everything recorded in `source`: of a pool recorded twice, the later state.

    Raises `UnknownLayout`, `NothingRecorded`, `NotASnapshot`, `OSError`.
    """
    if source.is_dir():
        snapshot = gathered(found for file in _files(source) for found in _tolerated(file))
    else:
        snapshot = gathered(_found(source))
    return _with_pools(snapshot, source)


def opened(file: Path, families: Mapping[str, Family] = FAMILIES) -> Snapshot:
    """The snapshot in `file`, or one of what is recorded there. Raises `SnapshotError`, `OSError`."""
    if file.name.endswith(_TABLES):
        return imported(file)
    document = read_json(file)
    if _is_snapshot(document):
        return from_json(document, families, str(file))
    return _with_pools(gathered(_of_layout(document, file)), file)


def _with_pools(snapshot: Snapshot, source: Path) -> Snapshot:
    if not snapshot.pools:
        why = (
            f"; the first of {len(snapshot.left_out)} reasons: {snapshot.left_out[0].reason}"
            if snapshot.left_out
            else ""
        )
        raise NothingRecorded(f"{source}: no pool's state is recorded there{why}")
    return snapshot


def _is_snapshot(document: Any) -> bool:
    return isinstance(document, dict) and document.get("format") == FORMAT


def _files(folder: Path) -> list[Path]:
    """The recordings under `folder`, in an order that does not depend on the disk."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(SUFFIXES))


def _tolerated(file: Path) -> Iterator[Found]:
    """What a file of a folder holds; a file of another kind only leaves a word."""
    try:
        return _found(file)
    except SnapshotError as error:
        return iter([LeftOut(file.name, str(error))])


def _found(file: Path) -> Iterator[Found]:
    if file.name.endswith(_TABLES):
        return _table(file)
    document = read_json(file)
    if _is_snapshot(document):
        snapshot = from_json(document, where=str(file))
        return iter([*snapshot.pools, *snapshot.left_out])
    return _of_layout(document, file)


def _of_layout(document: Any, file: Path) -> Iterator[Found]:
    for layout in LAYOUTS:
        try:
            found = layout(document)
            if found is not None:
                return iter(list(found))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            what = one_line(f"{type(error).__name__}: {error}")
            raise UnknownLayout(f"{file}: not a whole recording of {layout.__name__}: {what}") from error
    raise UnknownLayout(f"{file}: of no layout this program knows; docs/snapshot.md lists them")


def _table(file: Path) -> Iterator[Found]:
    rows = market.read_table(read_whole(file).decode(errors="replace"))
    if rows is None:
        raise UnknownLayout(f"{file}: a table, but not of curves; docs/snapshot.md lists the layouts")
    return market.curves(rows)
