"""The first tables: decisions, the intent journal, orders, the books."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from bot.ledger.types import Units

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_HOLDS_ITS_NONCE = sa.text("state <> 'released'")
_TABLES = (
    "runs",
    "senders",
    "balances",
    "events",
    "halts",
    "marks",
    "plans",
    "intents",
    "opportunities",
    "refusals",
    "verdicts",
    "attempts",
    "entries",
    "orders",
    "results",
    "timings",
    "fills",
    "postings",
)


def _id() -> sa.Column[int]:
    return sa.Column("id", _BIG, autoincrement=True, nullable=False)


def _column(name: str, kind: sa.types.TypeEngine[Any], *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable)


def _reference(name: str, target: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _BIG, sa.ForeignKey(target), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "runs",
        _id(),
        _column("instance", sa.String(160)),
        _column("mode", sa.String(8)),
        _column("network", sa.String(40)),
        _column("chain_id", _BIG),
        _column("seed", _BIG, nullable=True),
        _column("config_digest", sa.String(80)),
        _column("started_ms", _BIG),
        _column("finished_ms", _BIG, nullable=True),
        _column("summary", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_instance", "runs", ["instance"])
    op.create_table(
        "senders",
        _column("instance", sa.String(160)),
        _column("sender", sa.String(42)),
        _column("first_nonce", _BIG),
        sa.PrimaryKeyConstraint("instance", "sender", name="pk_senders"),
    )
    op.create_table(
        "balances",
        _id(),
        _reference("run_id", "runs.id"),
        _column("at_ms", _BIG),
        _column("block_number", _BIG),
        _column("place", sa.String(40)),
        _column("owner", sa.String(80)),
        _column("token", sa.String(80)),
        _column("units", Units()),
        sa.PrimaryKeyConstraint("id", name="pk_balances"),
    )
    op.create_index("ix_balances_run_id", "balances", ["run_id"])
    op.create_table(
        "events",
        _id(),
        _reference("run_id", "runs.id"),
        _column("at_ms", _BIG),
        _column("block_number", _BIG),
        _column("level", sa.String(8)),
        _column("name", sa.String(80)),
        _column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_run_id", "events", ["run_id"])
    op.create_table(
        "halts",
        _id(),
        _reference("run_id", "runs.id"),
        _column("instance", sa.String(160)),
        _column("strategy", sa.String(80)),
        _column("at_ms", _BIG),
        _column("halted", sa.Boolean()),
        _column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_halts"),
    )
    op.create_index("ix_halts_instance_strategy", "halts", ["instance", "strategy"])
    op.create_table(
        "marks",
        _id(),
        _reference("run_id", "runs.id"),
        _column("place", sa.String(40)),
        _column("token", sa.String(80)),
        _column("numerator", Units()),
        _column("denominator", Units()),
        sa.UniqueConstraint("run_id", "place", "token", name="uq_marks_run_id_place_token"),
        sa.PrimaryKeyConstraint("id", name="pk_marks"),
    )
    op.create_table(
        "plans",
        _id(),
        _reference("run_id", "runs.id"),
        _column("instance", sa.String(160)),
        _column("digest", sa.String(64)),
        _column("strategy", sa.String(80)),
        _column("at_ms", _BIG),
        _column("block_number", _BIG),
        _column("block_hash", sa.String(66)),
        _column("deadline_block", _BIG),
        _column("atomic", sa.Boolean()),
        _column("expected_profit_wei", Units()),
        _column("min_profit_wei", Units()),
        _column("note", sa.Text()),
        _column("document", sa.LargeBinary()),
        sa.UniqueConstraint("instance", "digest", name="uq_plans_instance_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_plans"),
    )
    op.create_index("ix_plans_run_id", "plans", ["run_id"])
    op.create_table(
        "intents",
        _id(),
        _reference("run_id", "runs.id"),
        _reference("plan_row", "plans.id"),
        _column("instance", sa.String(160)),
        _column("strategy", sa.String(80)),
        _column("network", sa.String(40)),
        _column("chain_id", _BIG),
        _column("sender", sa.String(42)),
        _column("nonce", _BIG),
        _column("state", sa.String(16)),
        _column("two_sided", sa.Boolean()),
        _column("exposure", sa.String(16)),
        _column("worst_loss_wei", Units()),
        _column("worst_gas_wei", Units()),
        _column("capital_wei", Units()),
        _column("gas_limit", _BIG),
        _column("max_fee_wei", Units()),
        _column("tip_wei", Units()),
        _column("decided_block", _BIG),
        _column("deadline_block", _BIG),
        _column("reserved_head_s", _BIG),
        _column("reserved_ms", _BIG),
        _column("mined_as", sa.String(16), nullable=True),
        _column("block_number", _BIG, nullable=True),
        _column("block_hash", sa.String(66), nullable=True),
        _column("gas_used", _BIG, nullable=True),
        _column("settled_ms", _BIG, nullable=True),
        _column("released_because", sa.Text(), nullable=True),
        sa.UniqueConstraint("plan_row", name="uq_intents_plan_row"),
        sa.PrimaryKeyConstraint("id", name="pk_intents"),
    )
    op.create_index("ix_intents_block_hash", "intents", ["block_hash"])
    op.create_index("ix_intents_instance_strategy_state", "intents", ["instance", "strategy", "state"])
    op.create_index("ix_intents_run_id", "intents", ["run_id"])
    op.create_index(
        "uq_intents_nonce",
        "intents",
        ["instance", "sender", "nonce"],
        unique=True,
        sqlite_where=_HOLDS_ITS_NONCE,
        postgresql_where=_HOLDS_ITS_NONCE,
    )
    op.create_table(
        "opportunities",
        _id(),
        _reference("run_id", "runs.id"),
        _reference("plan_row", "plans.id", nullable=True),
        _column("strategy", sa.String(80)),
        _column("at_ms", _BIG),
        _column("block_number", _BIG),
        _column("route", sa.Text()),
        _column("expected_profit_wei", Units()),
        sa.PrimaryKeyConstraint("id", name="pk_opportunities"),
    )
    op.create_index("ix_opportunities_run_id", "opportunities", ["run_id"])
    op.create_table(
        "refusals",
        _id(),
        _reference("run_id", "runs.id"),
        _reference("plan_row", "plans.id", nullable=True),
        _column("strategy", sa.String(80)),
        _column("at_ms", _BIG),
        _column("block_number", _BIG),
        _column("reason", sa.String(48)),
        _column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_refusals"),
    )
    op.create_index("ix_refusals_plan_row", "refusals", ["plan_row"])
    op.create_index("ix_refusals_run_id", "refusals", ["run_id"])
    op.create_table(
        "verdicts",
        _id(),
        _reference("plan_row", "plans.id"),
        _column("at_ms", _BIG),
        _column("outcome", sa.String(16)),
        _column("tx_digest", sa.String(64)),
        _column("block_number", _BIG),
        _column("block_hash", sa.String(66)),
        _column("gas_used", _BIG),
        _column("gas_price_wei", Units()),
        _column("deltas", sa.Text()),
        _column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_plan_row", "verdicts", ["plan_row"])
    op.create_table(
        "attempts",
        _id(),
        _reference("intent_id", "intents.id"),
        _column("number", _BIG),
        _column("raw", sa.LargeBinary()),
        _column("tx_hash", sa.String(66)),
        _column("gas_limit", _BIG),
        _column("max_fee_wei", Units()),
        _column("tip_wei", Units()),
        _column("state", sa.String(16)),
        _column("signed_ms", _BIG),
        sa.UniqueConstraint("intent_id", "number", name="uq_attempts_intent_id_number"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_tx_hash", "attempts", ["tx_hash"])
    op.create_table(
        "entries",
        _id(),
        _reference("run_id", "runs.id"),
        _column("instance", sa.String(160)),
        _column("kind", sa.String(16)),
        _column("strategy", sa.String(80), nullable=True),
        _reference("intent_id", "intents.id", nullable=True),
        _column("source", sa.String(120)),
        _column("block_hash", sa.String(66), nullable=True),
        _reference("reverses", "entries.id", nullable=True),
        _column("at_ms", _BIG),
        _column("head_s", _BIG),
        sa.UniqueConstraint("reverses", name="uq_entries_reverses"),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
    )
    op.create_index("ix_entries_block_hash", "entries", ["block_hash"])
    op.create_index("ix_entries_instance_strategy", "entries", ["instance", "strategy"])
    op.create_index("ix_entries_intent_id", "entries", ["intent_id"])
    op.create_index("ix_entries_run_id", "entries", ["run_id"])
    op.create_table(
        "orders",
        _id(),
        _column("instance", sa.String(160)),
        _reference("intent_id", "intents.id"),
        _column("exchange", sa.String(40)),
        _column("client_id", sa.String(64)),
        _column("exchange_order_id", sa.String(80), nullable=True),
        _column("purpose", sa.String(16)),
        _column("owner", sa.String(80)),
        _column("symbol", sa.String(40)),
        _column("side", sa.String(4)),
        _column("base", sa.String(80)),
        _column("quote", sa.String(80)),
        _column("amount", Units()),
        _column("limit_price", sa.String(80)),
        _column("state", sa.String(16)),
        _column("placed_ms", _BIG),
        _column("updated_ms", _BIG),
        sa.UniqueConstraint("instance", "exchange", "client_id", name="uq_orders_instance_exchange_client_id"),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
    )
    op.create_index("ix_orders_intent_id", "orders", ["intent_id"])
    op.create_index("ix_orders_state", "orders", ["state"])
    op.create_table(
        "results",
        _id(),
        _reference("run_id", "runs.id"),
        _column("instance", sa.String(160)),
        _column("strategy", sa.String(80)),
        _reference("intent_id", "intents.id", nullable=True),
        _column("at_ms", _BIG),
        _column("head_s", _BIG),
        _column("profit_wei", Units()),
        _column("gas_wei", Units()),
        _column("loss_wei", Units()),
        _column("cumulative_wei", Units()),
        _column("high_water_wei", Units()),
        sa.PrimaryKeyConstraint("id", name="pk_results"),
    )
    op.create_index("ix_results_instance_strategy_head_s", "results", ["instance", "strategy", "head_s"])
    op.create_index("ix_results_intent_id", "results", ["intent_id"])
    op.create_index("ix_results_run_id", "results", ["run_id"])
    op.create_table(
        "timings",
        _reference("intent_id", "intents.id"),
        _column("stage", sa.String(40)),
        _column("elapsed_ns", _BIG),
        sa.PrimaryKeyConstraint("intent_id", "stage", name="pk_timings"),
    )
    op.create_table(
        "fills",
        _id(),
        _column("instance", sa.String(160)),
        _reference("intent_id", "intents.id"),
        _reference("order_id", "orders.id", nullable=True),
        _column("venue", sa.String(80)),
        _column("trade_id", sa.String(120)),
        _column("block_hash", sa.String(66)),
        _column("token_in", sa.String(80)),
        _column("amount_in", Units()),
        _column("token_out", sa.String(80)),
        _column("amount_out", Units()),
        _column("fee_token", sa.String(80), nullable=True),
        _column("fee_units", Units()),
        _column("undone", sa.Boolean()),
        _column("at_ms", _BIG),
        sa.UniqueConstraint(
            "instance", "venue", "trade_id", "block_hash", name="uq_fills_instance_venue_trade_id_block_hash"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_fills"),
    )
    op.create_index("ix_fills_intent_id", "fills", ["intent_id"])
    op.create_index("ix_fills_order_id", "fills", ["order_id"])
    op.create_table(
        "postings",
        _id(),
        _reference("entry_id", "entries.id"),
        _column("instance", sa.String(160)),
        _column("account", sa.String(120)),
        _column("place", sa.String(40)),
        _column("token", sa.String(80)),
        _column("units", Units()),
        sa.PrimaryKeyConstraint("id", name="pk_postings"),
    )
    op.create_index("ix_postings_entry_id", "postings", ["entry_id"])
    op.create_index("ix_postings_instance_account_place_token", "postings", ["instance", "account", "place", "token"])


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
