"""Seals over every row, and the lease to write. What is there already is sealed as it is found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ONLY_ADDED = ("seals", "entries", "postings")


def upgrade() -> None:
    op.create_table(
        "seals",
        sa.Column("id", _BIG, autoincrement=False, nullable=False),
        sa.Column("relation", sa.String(40), nullable=False),
        sa.Column("row", sa.String(220), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_seals"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("token", _BIG, nullable=False),
        sa.Column("holder", sa.String(160), nullable=False),
        sa.Column("expires_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.execute("INSERT INTO leases (name, token, holder, expires_ms) VALUES ('writer', 0, '', 0)")
    if op.get_bind().dialect.name == "sqlite":
        for table in _ONLY_ADDED:
            for act in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_{act.lower()} BEFORE {act} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are only ever added'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION only_added() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME; END $$"
    )
    for table in _ONLY_ADDED:
        op.execute(
            f"CREATE TRIGGER {table}_only_added BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION only_added()"
        )


def downgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    for table in _ONLY_ADDED[1:]:
        for trigger in [f"{table}_only_added ON {table}"] if postgres else [f"{table}_update", f"{table}_delete"]:
            op.execute(f"DROP TRIGGER {trigger}")
    op.drop_table("leases")
    op.drop_table("seals")
    if postgres:
        op.execute("DROP FUNCTION only_added()")
