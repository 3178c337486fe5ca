"""The books' tables: double entry, opening marks, observed balances, results and halts. Rows are only ever added."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.ledger.models import Base, key, wei

_READ = text("read_at_block IS NOT NULL")


class EntryRow(Base):
    """A group of postings that sums to zero per place and token. `reverses` names the entry it takes back.

    `read_at_block` is the block at which an opening, or what came from outside, was read.
    """

    __tablename__ = "entries"
    __table_args__ = (
        Index(None, "instance", "strategy"),
        Index("ix_entries_read", "instance", "read_at_block", sqlite_where=_READ, postgresql_where=_READ),
    )

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    instance: Mapped[str] = mapped_column(String(160))
    kind: Mapped[str] = mapped_column(String(16))
    strategy: Mapped[str | None] = mapped_column(String(80))
    intent_id: Mapped[int | None] = mapped_column(ForeignKey("intents.id"), index=True)
    source: Mapped[str] = mapped_column(String(120))
    block_hash: Mapped[str | None] = mapped_column(String(66), index=True)
    read_at_block: Mapped[int | None]
    reverses: Mapped[int | None] = mapped_column(ForeignKey("entries.id"), unique=True)
    at_ms: Mapped[int]
    head_s: Mapped[int]


class PostingRow(Base):
    """`account` is `assets:OWNER`, `equity:opening`, `equity:external`, or `trading:`, `gas:`, `fees:` + strategy."""

    __tablename__ = "postings"
    __table_args__ = (Index(None, "instance", "account", "place", "token"),)

    id: Mapped[int] = key()
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), index=True)
    instance: Mapped[str] = mapped_column(String(160))
    account: Mapped[str] = mapped_column(String(120))
    place: Mapped[str] = mapped_column(String(40))
    token: Mapped[str] = mapped_column(String(80))
    units: Mapped[int] = wei()


class MarkRow(Base):
    """An opening price, in wei of ETH per base unit, as an exact fraction."""

    __tablename__ = "marks"
    __table_args__ = (UniqueConstraint("run_id", "place", "token"),)

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    place: Mapped[str] = mapped_column(String(40))
    token: Mapped[str] = mapped_column(String(80))
    numerator: Mapped[int] = wei()
    denominator: Mapped[int] = wei()


class BalanceRow(Base):
    """What a chain or an exchange said an account holds."""

    __tablename__ = "balances"

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    at_ms: Mapped[int]
    block_number: Mapped[int]
    place: Mapped[str] = mapped_column(String(40))
    owner: Mapped[str] = mapped_column(String(80))
    token: Mapped[str] = mapped_column(String(80))
    units: Mapped[int] = wei()


class ResultRow(Base):
    """What closing an intent changed: its profit, its gas, its loss (profit below zero), and the strategy's totals.

    A reorg or a late fill adds a row with the difference. `high_water_wei` is the greatest `cumulative_wei` since
    the strategy was last resumed; a resume is a row without an intent.
    """

    __tablename__ = "results"
    __table_args__ = (Index(None, "instance", "strategy", "head_s"), Index(None, "instance", "strategy", "id"))

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    instance: Mapped[str] = mapped_column(String(160))
    strategy: Mapped[str] = mapped_column(String(80))
    intent_id: Mapped[int | None] = mapped_column(ForeignKey("intents.id"), index=True)
    at_ms: Mapped[int]
    head_s: Mapped[int]
    profit_wei: Mapped[int] = wei()
    gas_wei: Mapped[int] = wei()
    loss_wei: Mapped[int] = wei()
    cumulative_wei: Mapped[int] = wei()
    high_water_wei: Mapped[int] = wei()


class HaltRow(Base):
    """A strategy was stopped, or allowed to trade again. The newest row says which."""

    __tablename__ = "halts"
    __table_args__ = (Index(None, "instance", "strategy"),)

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    instance: Mapped[str] = mapped_column(String(160))
    strategy: Mapped[str] = mapped_column(String(80))
    at_ms: Mapped[int]
    halted: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
