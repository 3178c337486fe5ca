from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.ledger.ledger import Ledger
from tests.bot.ledger.given import START_S, open_ledger
from tests.postgres import Postgres, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[Postgres, str]]:
    """A PostgreSQL server, and a database in it that holds a ledger ready to trade."""
    with postgres() as running:
        template = running.database()
        open_ledger(running.url(template)).close()
        yield running, template


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite ledger ready to trade, in a folder with what lies beside it, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    open_ledger(folder / "ledger.db").close()
    return folder


@pytest.fixture
def in_file(made: Path, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger ready to trade, in SQLite."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    yield from _used(str(tmp_path / "ledger.db"))


@pytest.fixture
def on_server(server: tuple[Postgres, str]) -> Iterator[Ledger]:
    """A ledger ready to trade, in PostgreSQL."""
    running, template = server
    name = running.database(template)
    yield from _used(running.url(name))
    running.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a ledger is to be made: nothing is there yet."""
    if request.param == "sqlite":
        yield str(tmp_path / "ledger.db")
        return
    running: Postgres = request.getfixturevalue("server")[0]
    name = running.database()
    yield running.url(name)
    running.drop(name)


@pytest.fixture(params=["in_file", "on_server"], ids=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """A ledger ready to trade. Whatever a test does to it, each row must be what its seal says."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def _used(url: str) -> Iterator[Ledger]:
    ledger = open_ledger(url, start=False)
    ledger.attach()
    ledger.at_head(1, START_S)
    yield ledger
    assert ledger.verified().faults == ()
    ledger.close()
