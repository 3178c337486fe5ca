"""What was handed to which destination."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("instance", sa.String(160), nullable=False),
        sa.Column("intent_id", _BIG, nullable=False),
        sa.Column("attempt", _BIG, nullable=False),
        sa.Column("destination", sa.String(40), nullable=False),
        sa.Column("at_ms", _BIG, nullable=False),
        sa.Column("block_number", _BIG, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(40), nullable=True),
        sa.Column("share_ppm", _BIG, nullable=False),
        sa.Column("pools", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intents.id"], name="fk_deliveries_intent_id_intents"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_intent_id_attempt", "deliveries", ["intent_id", "attempt"])
    op.create_index("ix_deliveries_instance", "deliveries", ["instance"])


def downgrade() -> None:
    op.drop_table("deliveries")
