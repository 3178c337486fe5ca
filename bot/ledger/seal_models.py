"""The tables that keep the ledger honest: a seal per change of a row, and who may write."""

from __future__ import annotations

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from bot.ledger.models import Base, big


class SealRow(Base):
    """One change of one row, chained to the change before it. Only ever added, with contiguous ids from 1.

    `relation` and `row` name the row: its table and its primary key. `content` is the row as it then was, kept where
    it may change later; elsewhere the row itself says it. `digest` is of the content, `hash` of all of this and the
    hash before.
    """

    __tablename__ = "seals"

    id: Mapped[int] = mapped_column(big(), primary_key=True, autoincrement=False)
    relation: Mapped[str] = mapped_column(String(40))
    row: Mapped[str] = mapped_column(String(220))
    content: Mapped[str | None] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class LeaseRow(Base):
    """Who may write: the one row, `writer`. Each taking raises `token`; who writes with an older one is refused.

    `expires_ms` is wall time, moved on while the holder lives; it alone is not sealed.
    """

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    token: Mapped[int]
    holder: Mapped[str] = mapped_column(String(160))
    expires_ms: Mapped[int]
