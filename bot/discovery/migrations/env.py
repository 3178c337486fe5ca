"""Run by Alembic, on the connection `bot.discovery.store` hands over."""

from __future__ import annotations

from alembic import context

from bot.discovery.models import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
