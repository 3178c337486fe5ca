"""Indexes by which what is not over, and a strategy's newest result, are found among all that ever was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ASKING = sa.text("state IN ('reserved', 'signed', 'sending', 'pending', 'mined') OR exposure = 'owed'")


def upgrade() -> None:
    op.create_index("ix_intents_asking", "intents", ["instance"], sqlite_where=_ASKING, postgresql_where=_ASKING)
    op.create_index("ix_results_instance_strategy_id", "results", ["instance", "strategy", "id"])


def downgrade() -> None:
    op.drop_index("ix_results_instance_strategy_id", "results")
    op.drop_index("ix_intents_asking", "intents")
