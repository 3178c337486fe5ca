"""The ledger's tables: what was seen and decided, and what was done about it. The books are in `book_models`.

`at_ms` is wall time; `head_s` is the time of the head the bot stood on, which is what budgets count by.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from bot.ledger.types import Units

_Wei = Units()


def big() -> TypeEngine[int]:
    """A 64-bit integer, which in SQLite alone may be a rowid."""
    return BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """The root of all models; `Base.metadata` must equal what the migrations build."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {int: big()}  # noqa: RUF012 - SQLAlchemy reads a plain dict here


def key() -> Mapped[int]:
    return mapped_column(big(), primary_key=True, autoincrement=True)


def wei(**options: Any) -> Mapped[Any]:
    return mapped_column(_Wei, **options)


class RunRow(Base):
    __tablename__ = "runs"

    id: Mapped[int] = key()
    instance: Mapped[str] = mapped_column(String(160), index=True)
    mode: Mapped[str] = mapped_column(String(8))
    network: Mapped[str] = mapped_column(String(40))
    chain_id: Mapped[int]
    seed: Mapped[int | None]
    config_digest: Mapped[str] = mapped_column(String(80))
    started_ms: Mapped[int]
    finished_ms: Mapped[int | None]
    summary: Mapped[str | None] = mapped_column(Text)


class PlanRow(Base):
    """`document` is the canonical JSON of the plan, `digest` its id; equal decisions are one row per instance."""

    __tablename__ = "plans"
    __table_args__ = (UniqueConstraint("instance", "digest"),)

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    instance: Mapped[str] = mapped_column(String(160))
    digest: Mapped[str] = mapped_column(String(64))
    strategy: Mapped[str] = mapped_column(String(80))
    at_ms: Mapped[int]
    block_number: Mapped[int]
    block_hash: Mapped[str] = mapped_column(String(66))
    deadline_block: Mapped[int]
    atomic: Mapped[bool]
    expected_profit_wei: Mapped[int] = wei()
    min_profit_wei: Mapped[int] = wei()
    note: Mapped[str] = mapped_column(Text)
    document: Mapped[bytes] = mapped_column(LargeBinary)


class OpportunityRow(Base):
    __tablename__ = "opportunities"

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    plan_row: Mapped[int | None] = mapped_column(ForeignKey("plans.id"))
    strategy: Mapped[str] = mapped_column(String(80))
    at_ms: Mapped[int]
    block_number: Mapped[int]
    route: Mapped[str] = mapped_column(Text)
    expected_profit_wei: Mapped[int] = wei()


class VerdictRow(Base):
    """JSON: `deltas` is `{account: {token: "units"}}`, `moved` is `[{"bps": 10, "left_wei": "1", "settles": true}]`."""

    __tablename__ = "verdicts"

    id: Mapped[int] = key()
    plan_row: Mapped[int] = mapped_column(ForeignKey("plans.id"), index=True)
    at_ms: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(16))
    tx_digest: Mapped[str] = mapped_column(String(64))
    block_number: Mapped[int]
    block_hash: Mapped[str] = mapped_column(String(66))
    gas_used: Mapped[int]
    gas_price_wei: Mapped[int] = wei()
    deltas: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    moved: Mapped[str | None] = mapped_column(Text)


class BearingRow(Base):
    """`VerdictRow.moved` of the verdict on `tx_digest`, where it was worked out only after that was acted on."""

    __tablename__ = "bearings"

    id: Mapped[int] = key()
    plan_row: Mapped[int] = mapped_column(ForeignKey("plans.id"), index=True)
    tx_digest: Mapped[str] = mapped_column(String(64))
    moved: Mapped[str] = mapped_column(Text)


class RefusalRow(Base):
    __tablename__ = "refusals"

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    plan_row: Mapped[int | None] = mapped_column(ForeignKey("plans.id"), index=True)
    strategy: Mapped[str] = mapped_column(String(80))
    at_ms: Mapped[int]
    block_number: Mapped[int]
    reason: Mapped[str] = mapped_column(String(48))
    detail: Mapped[str] = mapped_column(Text)


class SenderRow(Base):
    """The first nonce the journal may give out for a sender: the chain's count when the bot took it over."""

    __tablename__ = "senders"

    instance: Mapped[str] = mapped_column(String(160), primary_key=True)
    sender: Mapped[str] = mapped_column(String(42), primary_key=True)
    first_nonce: Mapped[int]


ASKING = "state IN ('reserved', 'signed', 'sending', 'pending', 'mined') OR exposure = 'owed'"
"""Which intents are not over: a few of all that ever were, which each head looks for."""


class IntentRow(Base):
    """One per plan that may spend, and one per nonce; only a released intent gives its nonce back."""

    __tablename__ = "intents"
    __table_args__ = (
        Index(
            "uq_intents_nonce",
            "instance",
            "sender",
            "nonce",
            unique=True,
            sqlite_where=text("state <> 'released'"),
            postgresql_where=text("state <> 'released'"),
        ),
        Index(None, "instance", "strategy", "state"),
        Index(None, "instance", "block_number"),
        Index("ix_intents_asking", "instance", sqlite_where=text(ASKING), postgresql_where=text(ASKING)),
    )

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    plan_row: Mapped[int] = mapped_column(ForeignKey("plans.id"), unique=True)
    instance: Mapped[str] = mapped_column(String(160))
    strategy: Mapped[str] = mapped_column(String(80))
    network: Mapped[str] = mapped_column(String(40))
    chain_id: Mapped[int]
    sender: Mapped[str] = mapped_column(String(42))
    nonce: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    two_sided: Mapped[bool]
    exposure: Mapped[str] = mapped_column(String(16))
    worst_loss_wei: Mapped[int] = wei()
    worst_gas_wei: Mapped[int] = wei()
    capital_wei: Mapped[int] = wei()
    gas_limit: Mapped[int]
    max_fee_wei: Mapped[int] = wei()
    tip_wei: Mapped[int] = wei()
    decided_block: Mapped[int]
    deadline_block: Mapped[int]
    reserved_head_s: Mapped[int]
    reserved_ms: Mapped[int]
    mined_as: Mapped[str | None] = mapped_column(String(16))
    block_number: Mapped[int | None]
    block_hash: Mapped[str | None] = mapped_column(String(66), index=True)
    gas_used: Mapped[int | None]
    settled_ms: Mapped[int | None]
    released_because: Mapped[str | None] = mapped_column(Text)


class AttemptRow(Base):
    """Signed bytes, committed before any of them leaves the machine."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("intent_id", "number"),)

    id: Mapped[int] = key()
    intent_id: Mapped[int] = mapped_column(ForeignKey("intents.id"))
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(8))
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    tx_hash: Mapped[str] = mapped_column(String(66), index=True)
    gas_limit: Mapped[int]
    max_fee_wei: Mapped[int] = wei()
    tip_wei: Mapped[int] = wei()
    state: Mapped[str] = mapped_column(String(16))
    signed_ms: Mapped[int]


class OrderRow(Base):
    """An exchange order; its client id is committed before it is sent. `settled_by`: the person whose word ended it."""

    __tablename__ = "orders"
    __table_args__ = (UniqueConstraint("instance", "exchange", "client_id"),)

    id: Mapped[int] = key()
    instance: Mapped[str] = mapped_column(String(160))
    intent_id: Mapped[int] = mapped_column(ForeignKey("intents.id"), index=True)
    exchange: Mapped[str] = mapped_column(String(40))
    client_id: Mapped[str] = mapped_column(String(64))
    exchange_order_id: Mapped[str | None] = mapped_column(String(80))
    purpose: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str] = mapped_column(String(80))
    symbol: Mapped[str] = mapped_column(String(40))
    side: Mapped[str] = mapped_column(String(4))
    base: Mapped[str] = mapped_column(String(80))
    quote: Mapped[str] = mapped_column(String(80))
    amount: Mapped[int] = wei()
    limit_price: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16), index=True)
    placed_ms: Mapped[int]
    updated_ms: Mapped[int]
    settled_by: Mapped[str | None] = mapped_column(String(80))
    settled_because: Mapped[str | None] = mapped_column(Text)


class FillRow(Base):
    """What really happened to a leg. `venue` is a pool or an exchange; `trade_id` names the fill there.

    A swap's trade id is `tx hash:leg`, and `block_hash` the block it stands in; `undone` once that block is not
    canonical.
    """

    __tablename__ = "fills"
    __table_args__ = (UniqueConstraint("instance", "venue", "trade_id", "block_hash"),)

    id: Mapped[int] = key()
    instance: Mapped[str] = mapped_column(String(160))
    intent_id: Mapped[int] = mapped_column(ForeignKey("intents.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"), index=True)
    venue: Mapped[str] = mapped_column(String(80))
    trade_id: Mapped[str] = mapped_column(String(120))
    block_hash: Mapped[str] = mapped_column(String(66), index=True)
    token_in: Mapped[str] = mapped_column(String(80))
    amount_in: Mapped[int] = wei()
    token_out: Mapped[str] = mapped_column(String(80))
    amount_out: Mapped[int] = wei()
    fee_token: Mapped[str | None] = mapped_column(String(80))
    fee_units: Mapped[int] = wei()
    undone: Mapped[bool]
    at_ms: Mapped[int]


class EventRow(Base):
    """A happening with a name: a reorg, a gap, a stale book, a halted venue, a start, a stop."""

    __tablename__ = "events"

    id: Mapped[int] = key()
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    at_ms: Mapped[int]
    block_number: Mapped[int]
    level: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(80))
    detail: Mapped[str] = mapped_column(Text)


class TimingRow(Base):
    """Nanoseconds on the monotonic clock from a head's arrival to a stage of one intent."""

    __tablename__ = "timings"

    intent_id: Mapped[int] = mapped_column(ForeignKey("intents.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(40), primary_key=True)
    elapsed_ns: Mapped[int]
