"""Connections to a database server that are given up when it says nothing: the run stands still while it waits."""

from __future__ import annotations

from typing import Any, TypeVar

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from bot.ledger.errors import SILENT

LONGEST_S = 30.0
"""How long an answer is waited for: longer than a start takes for any one question about a ledger of years."""

T = TypeVar("T")


class Patient(Connection[Any]):
    """A connection that ends when an answer takes `LONGEST_S`, as from a server that hangs or whose disk does."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, LONGEST_S if timeout is None else timeout)
        except OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise OperationalError(f"its server {SILENT}") from error


def connect_patiently(_dialect: object, _record: object, given: list[Any], named: dict[str, Any]) -> Patient:
    """What SQLAlchemy asks for a connection."""
    return Patient.connect(*given, **named)
