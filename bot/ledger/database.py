"""The database under the ledger: SQLite in WAL mode by default, PostgreSQL by URL; migrated by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

from bot.ledger.errors import LedgerError, explained
from bot.ledger.types import SqliteSum

LEDGER_FILE = "ledger.sqlite3"
"""What a ledger is called in the folder of a run, or of what lasts."""
BUSY_TIMEOUT_MS = 5_000
"""How long another writer is waited for, in milliseconds."""

_TO_SERVER = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""What a connection to a server begins with, unless its URL says otherwise: the run stands still while it waits, so a
server that a network swallows is given up.
"""
# A commit has to be on the disk when it returns, whatever the server or the database is set to.
_DURABLE = """SELECT set_config('synchronous_commit', 'local', false)
    WHERE current_setting('synchronous_commit') = 'off'"""
# Servers before version 14 say 0 of a table that was never counted.
_UNCOUNTED = """SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND reltuples <= 0
    AND pg_relation_size(oid) > 0 AND pg_has_role(relowner, 'USAGE')"""
_MIGRATIONS = Path(__file__).parent / "migrations"


def parse_url(url: str) -> URL:
    """A database URL, or the path of an SQLite file. Raises `LedgerError`."""
    try:
        parsed = make_url(url) if "://" in url else url_of(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        # The rest may hold a password.
        scheme, _, _ = url.partition("://")
        raise LedgerError(
            f"{scheme}://…: not a database URL; write sqlite:///PATH or postgresql+psycopg://…"
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise LedgerError(f"{url}: names no file; what is kept in memory would not survive a crash")
    return parsed


def url_of(file: Path | str) -> URL:
    """Of the SQLite file of that name: in the text of a URL, `?` and `%` would mean something else."""
    return URL.create("sqlite", database=str(file))


def file_of(url: str) -> Path | None:
    """The file of an SQLite ledger; None where a server has it. Raises `LedgerError`."""
    parsed = parse_url(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def require_there(url: URL) -> None:
    """Raises `LedgerError` where there is no ledger: who opened it would make an empty one."""
    if url.get_backend_name() == "sqlite":
        if not Path(str(url.database)).is_file():
            raise LedgerError(f"ledger {url.database}: there is no such file; a run creates it")
        return
    where, engine = place(url), connect(url, read_only=True)
    try:
        with explained(where), engine.connect() as connection:
            if _version(connection) is None:
                raise LedgerError(f"ledger {where}: it holds no ledger; a run creates one")
    finally:
        engine.dispose()


def connect(url: URL, *, read_only: bool = False, one: bool = False) -> Engine:
    """An engine whose commits are on the disk when they return. Nothing is opened yet. Raises `LedgerError`.

    With `one`, all that a file's writer does goes over one connection, and so by one thread.
    """
    if url.get_backend_name() != "sqlite":
        return _connect_server(url, read_only=read_only)
    engine = create_engine(url, poolclass=StaticPool if one else None)
    event.listen(engine, "connect", _prepare_reader if read_only else _prepare_writer)
    # sqlite3's own implicit BEGIN is deferred: two writers could then fail at their first write, half-way.
    event.listen(engine, "begin", _begin_reading if read_only else _begin_writing)
    return engine


def upgrade(engine: Engine) -> None:
    """Brings the schema to the newest version; does nothing when it is there. Raises `LedgerError`."""
    where = place(engine.url)
    with explained(where), engine.begin() as connection:
        bring_up_to_date(connection, where)


def bring_up_to_date(connection: Connection, where: str) -> None:
    """As `upgrade`, as a part of a transaction of the ledger at `where`. Raises what the database raises too."""
    _require_all_text(connection, where)
    if is_newest(connection):
        return
    # Here, because of all starts only the first of a version needs it.
    from bot.ledger.migrating import Unmigrated, migrate

    try:
        migrate(connection, _MIGRATIONS)
    except Unmigrated as error:
        raise LedgerError(f"ledger {where}: {error}; it was made by a newer isthmus, or is damaged") from error


def count_rows(engine: Engine) -> None:
    """Has a server that never counted the rows of a table do so, as after a restore: it searches through all of them
    otherwise where it could look a few up, for as long as its own maintenance does not come by.
    """
    if engine.dialect.name != "postgresql":
        return
    with explained(place(engine.url)), engine.begin() as connection:
        uncounted = connection.exec_driver_sql(_UNCOUNTED).scalars().all()
        for table in uncounted:
            # What the server's maintenance has locked it counts itself.
            connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {table}")


def _require_all_text(connection: Connection, where: str) -> None:
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise LedgerError(
            f"ledger {where}: the database holds text as {encoding}, which cannot hold all there is; make one with "
            "`createdb --encoding UTF8 --template template0`"
        )


def is_newest(connection: Connection) -> bool:
    """Whether the schema is of the newest version."""
    return _version(connection) == _newest_version()


def _newest_version() -> str:
    """By the names of the migrations, so that a start does not have to load them."""
    return max(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("v*.py"))


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return None if found is None else str(found)


def check_pages(engine: Engine) -> None:
    """Raises `LedgerError` when SQLite finds its own file damaged. Other databases check themselves.

    It reads every page: `engine` is one that only reads, or nobody could write meanwhile.
    """
    if engine.dialect.name != "sqlite":
        return
    where = place(engine.url)
    with explained(where), engine.connect() as connection:
        finding = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    if finding != "ok":
        raise LedgerError(f"ledger {where}: the database is corrupt ({finding}); restore a backup or move it away")


def place(url: URL) -> str:
    """Where the ledger is, for a person: the file, or the URL without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.difference_update_query(("password",)).render_as_string(hide_password=True)


def _connect_server(url: URL, *, read_only: bool) -> Engine:
    given = {name: value for name, value in _TO_SERVER.items() if name not in url.query}
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            connect_args=given,
            # Who reads sees one moment, as in SQLite: a run goes on writing between two of the reader's questions. Who
            # writes sees all that was committed before his turn, whatever the server is set to.
            isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
            execution_options={"postgresql_readonly": read_only},
        )
    except ModuleNotFoundError as error:
        raise LedgerError(f"ledger {place(url)}: the driver {error.name} is missing; install it with pip") from error
    # Here, since its driver is needed for a server alone.
    from bot.ledger.patience import connect_patiently

    event.listen(engine, "do_connect", connect_patiently)
    event.listen(engine, "connect", _prepare_server_reader if read_only else _prepare_server_writer)
    return engine


def _prepare_server_reader(connection: Any, _record: object) -> None:
    _say_to_server(connection, f"SET lock_timeout = {BUSY_TIMEOUT_MS}")


def _prepare_server_writer(connection: Any, _record: object) -> None:
    _say_to_server(connection, f"SET lock_timeout = {BUSY_TIMEOUT_MS}", _DURABLE)


def _say_to_server(connection: Any, *statements: str) -> None:
    """For as long as the connection lasts, whatever becomes of its transactions."""
    connection.autocommit = True
    for statement in statements:
        connection.execute(statement)
    connection.autocommit = False


def _prepare(connection: Any, *, synchronous: bool) -> None:
    connection.isolation_level = None
    connection.create_aggregate("exact_sum", 1, SqliteSum)
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    if synchronous:
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
    else:
        cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def _prepare_writer(connection: Any, _record: object) -> None:
    _prepare(connection, synchronous=True)


def _prepare_reader(connection: Any, _record: object) -> None:
    _prepare(connection, synchronous=False)


def _begin_writing(connection: Connection) -> None:
    _begin(connection, "BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    _begin(connection, "BEGIN")


def _begin(connection: Connection, how: str) -> None:
    # Straight to the driver: a head begins dozens of times.
    driver: Any = connection.connection.dbapi_connection
    driver.execute(how)
