"""What was measured of tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "token_reports",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("instance", sa.String(160), nullable=False),
        sa.Column("place", sa.String(40), nullable=False),
        sa.Column("token", sa.String(42), nullable=False),
        sa.Column("at_ms", _BIG, nullable=False),
        sa.Column("block_number", _BIG, nullable=False),
        sa.Column("block_hash", sa.String(66), nullable=False),
        sa.Column("standing", sa.String(16), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_token_reports"),
    )
    op.create_index("ix_token_reports_instance_place_token", "token_reports", ["instance", "place", "token"])


def downgrade() -> None:
    op.drop_table("token_reports")
