"""The block at which a balance was read that an entry brings into the books."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("entries") as entries:
        entries.add_column(sa.Column("read_at_block", _BIG, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("entries") as entries:
        entries.drop_column("read_at_block")
