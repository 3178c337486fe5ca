"""Pools, their tokens and states, what was refused, and how far everything is read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bot.ledger.types import Units

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pools",
        sa.Column("venue", sa.String(66), nullable=False),
        sa.Column("protocol", sa.String(40), nullable=False),
        sa.Column("family", sa.String(40), nullable=False),
        sa.Column("address", sa.String(42), nullable=False),
        sa.Column("tokens", sa.Text(), nullable=False),
        sa.Column("fee_ppm", _BIG, nullable=False),
        sa.Column("pool_id", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("created_block", _BIG, nullable=False),
        sa.Column("liquidity_wei", Units(), nullable=True),
        sa.Column("measured_block", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("venue", name="pk_pools"),
    )
    op.create_index("ix_pools_created_block", "pools", ["created_block"])
    op.create_table(
        "tokens",
        sa.Column("address", sa.String(42), nullable=False),
        sa.Column("symbol", sa.String(32), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_tokens"),
    )
    op.create_table(
        "states",
        sa.Column("venue", sa.String(66), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("venue", name="pk_states"),
    )
    op.create_table(
        "refusals",
        sa.Column("subject", sa.String(66), nullable=False),
        sa.Column("origin", sa.String(100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("block_number", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_refusals"),
    )
    op.create_table(
        "progress",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("position", _BIG, nullable=False),
        sa.Column("block_hash", sa.String(66), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_progress"),
    )


def downgrade() -> None:
    for table in ("progress", "refusals", "states", "tokens", "pools"):
        op.drop_table(table)
