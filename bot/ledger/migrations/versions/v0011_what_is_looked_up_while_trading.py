"""Indexes by which a block's fills, what stands above a block, and when balances were read, are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_READ = sa.text("read_at_block IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_fills_block_hash", "fills", ["block_hash"])
    op.create_index("ix_intents_instance_block_number", "intents", ["instance", "block_number"])
    op.create_index(
        "ix_entries_read", "entries", ["instance", "read_at_block"], sqlite_where=_READ, postgresql_where=_READ
    )


def downgrade() -> None:
    op.drop_index("ix_entries_read", "entries")
    op.drop_index("ix_intents_instance_block_number", "intents")
    op.drop_index("ix_fills_block_hash", "fills")
