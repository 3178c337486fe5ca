"""The hash chain over every change of every row: what a seal says, and how one follows the other.

A row's content is the JSON object of its columns that are not NULL, in the order of their names, each value as text:
the same for every database, and unchanged when a later version adds a column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Table, insert, select

from bot.ledger import quick
from bot.ledger.seal_models import SealRow

CHANGING = frozenset({"runs", "senders", "intents", "attempts", "orders", "fills", "leases"})
"""Tables whose rows change: their seals keep what a row was at each change."""

UNSEALED_COLUMNS = frozenset({("leases", "expires_ms")})

_NUMBERS, _BYTES = (int, Decimal), (bytes, memoryview)
_AS_TEXT: Mapping[type, Callable[[Any], str]] = {str: str, int: str, bytes: lambda value: "0x" + value.hex()}
"""How the types that nearly every value has are written."""

_NEWEST = select(SealRow.id, SealRow.hash).order_by(SealRow.id.desc()).limit(1)
_AT = select(SealRow.hash)
_INSERT = insert(SealRow.__table__)  # type: ignore[arg-type]  # a mapped class's table is never a join here


@dataclass(frozen=True, slots=True)
class SealHead:
    """The newest seal: everything before it is implied."""

    id: int
    hash: bytes


GENESIS = SealHead(0, bytes(32))


@dataclass(frozen=True, slots=True)
class Change:
    """A row as a transaction left it."""

    relation: str
    row: str
    content: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.content).digest()


def change_of(table: Table, values: Mapping[str, Any]) -> Change:
    """The row of `table` with `values`, by column name; columns left out are NULL."""
    names, key = _columns(table)
    content = {}
    for name in names:
        value = values.get(name)
        if value is not None:
            content[name] = _AS_TEXT.get(type(value), as_text)(value)
    row = "|".join([as_text(values.get(name)) for name in key])
    return Change(table.name, row, orjson.dumps(content))


@cache
def _columns(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns whose values are sealed, in the order of their names, and those of the key."""
    sealed = (column.name for column in table.columns if (table.name, column.name) not in UNSEALED_COLUMNS)
    return tuple(sorted(sealed)), tuple(column.name for column in table.primary_key)


def as_text(value: Any) -> str:
    """A column's value, the same from every database. Raises `TypeError` for a type no column has."""
    if isinstance(value, str):
        return value
    if isinstance(value, _NUMBERS):
        return str(int(value))
    if isinstance(value, _BYTES):
        return "0x" + value.hex()
    raise TypeError(f"a column cannot hold {type(value).__name__}")


def following(head: SealHead, relation: str, row: str, digest: bytes) -> SealHead:
    """The seal after `head`."""
    number = head.id + 1
    said = b"\0".join((head.hash, str(number).encode(), relation.encode(), row.encode(), digest))
    return SealHead(number, hashlib.sha256(said).digest())


def read_head(connection: Connection) -> SealHead:
    """The newest seal in the database."""
    newest = quick.first(connection, _NEWEST, {})
    return GENESIS if newest is None else SealHead(newest.id, bytes(newest.hash))


def hash_at(connection: Connection, number: int) -> bytes | None:
    """The hash of seal `number`; None if there is none."""
    if number == GENESIS.id:
        return GENESIS.hash
    found = connection.execute(_AT.where(SealRow.id == number)).scalar_one_or_none()
    return None if found is None else bytes(found)


def append(connection: Connection, changes: Iterable[Change]) -> SealHead:
    """Seals `changes`, in order, in the transaction they belong to; the new head."""
    head = read_head(connection)
    rows = []
    for change in changes:
        digest = change.digest
        head = following(head, change.relation, change.row, digest)
        kept = change.content.decode() if change.relation in CHANGING else None
        rows.append(
            {
                "id": head.id,
                "relation": change.relation,
                "row": change.row,
                "content": kept,
                "digest": digest,
                "hash": head.hash,
            }
        )
    if rows:
        quick.write_all(connection, _INSERT, rows)
    return head
