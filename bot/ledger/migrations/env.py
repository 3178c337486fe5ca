"""Run by Alembic, on the connection `bot.ledger.database.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from bot.ledger import book_models
from bot.ledger.models import Base

assert book_models.EntryRow.metadata is Base.metadata
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
