"""What a plan comes to where its pools move, beside its verdict."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("verdicts", sa.Column("moved", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("verdicts") as verdicts:
        verdicts.drop_column("moved")
