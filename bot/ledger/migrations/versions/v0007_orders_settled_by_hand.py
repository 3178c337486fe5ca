"""Who settled an order of unknown fate by hand, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        orders.add_column(sa.Column("settled_by", sa.String(80), nullable=True))
        orders.add_column(sa.Column("settled_because", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("settled_because")
        orders.drop_column("settled_by")
