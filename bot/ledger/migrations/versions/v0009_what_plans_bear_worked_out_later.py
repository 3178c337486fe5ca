"""What a plan comes to where its pools move, where that is worked out once it has left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "bearings",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("plan_row", _BIG, nullable=False),
        sa.Column("tx_digest", sa.String(64), nullable=False),
        sa.Column("moved", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["plan_row"], ["plans.id"], name="fk_bearings_plan_row_plans"),
        sa.PrimaryKeyConstraint("id", name="pk_bearings"),
    )
    op.create_index("ix_bearings_plan_row", "bearings", ["plan_row"])


def downgrade() -> None:
    op.drop_table("bearings")
