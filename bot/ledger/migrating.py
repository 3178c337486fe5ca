"""Alembic, which a start needs only where the schema is not the newest."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection


class Unmigrated(RuntimeError):
    """The schema cannot be brought to the newest version."""


def migrate(connection: Connection, scripts: Path) -> None:
    """Run what is missing of the migrations in `scripts`. Raises `Unmigrated`."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unmigrated(str(error)) from error
