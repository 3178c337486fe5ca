"""Every run on a ledger, and every command, holds it against one head file, wherever the database lies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.config.load import load
from bot.doctor import surroundings
from bot.doctor.checks import Check, Status
from bot.ledger.database import parse_url
from bot.ledger.errors import LedgerError
from bot.ledger.headfile import head_file_among
from bot.ledger.ledger import Ledger
from bot.world.world import _open_ledger
from chains.networks import load_network
from tests.bot.config.writing import RUN, written
from tests.bot.ledger.given import StandingClock, begin, pending
from tests.postgres import Postgres

NETWORK = load_network("ethereum")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return written(tmp_path, RUN)


@pytest.fixture
def runs(config: Path) -> Path:
    """The folder of the runs of `config`."""
    return config.parent / "var" / "runs"


def opened(url: str, runs: Path, network: str = "ethereum") -> Ledger:
    """As a run of that network opens it."""
    folder = runs / "one-run"
    folder.mkdir(parents=True, exist_ok=True)
    return _open_ledger(url, runs, load_network(network), folder, StandingClock())


def traded(url: str, runs: Path) -> None:
    with closing(opened(url, runs)) as ledger:
        begin(ledger)
        pending(ledger, 1)


def typed(config: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["ledger", *map(str, words), "--config", str(config)])


def named(url: str) -> str:
    """As a run file names it."""
    return url if "://" in url else f"sqlite:///{url}"


def test_a_later_run_and_one_of_another_network_open_the_same_ledger(url: str, runs: Path) -> None:
    traded(named(url), runs)
    for network in ("ethereum", "base"):
        opened(named(url), runs, network).close()


def test_a_head_file_that_an_earlier_version_kept_with_the_network_is_gone_on_with(url: str, runs: Path) -> None:
    before = runs / NETWORK.name / "ledger-head"
    before.parent.mkdir(parents=True)
    with closing(Ledger.open(named(url), StandingClock(), head_file=before)) as ledger:
        begin(ledger)
    opened(named(url), runs).close()
    assert not before.exists()


def test_a_run_takes_a_ledger_that_was_looked_at_before_there_was_any(url: str, runs: Path, config: Path) -> None:
    config.write_text(config.read_text() + f'[ledger]\nurl = "{named(url)}"\n')
    for words in (["reconcile"], ["orders", "settle", "isthmus1", "--never-traded", "--because", "nobody knows it"]):
        refused = CliRunner().invoke(main, [*words, "--config", str(config)])
        assert refused.exit_code == 4 and "a run creates" in refused.stderr
    (well,) = asyncio.run(_database(config))
    assert well.status is Status.OK
    traded(named(url), runs)


async def _database(config: Path) -> Iterable[Check]:
    return await surroundings.database(load(config).config, StandingClock())


def test_a_lost_head_file_is_accepted_by_the_command_that_the_refusal_names(url: str, runs: Path, config: Path) -> None:
    traded(named(url), runs)
    head_file_among(runs, parse_url(url)).unlink()
    with pytest.raises(LedgerError, match="isthmus ledger verify --accept"):
        opened(named(url), runs)
    assert typed(config, "verify", "--ledger", url).exit_code == 4
    assert typed(config, "verify", "--ledger", url, "--accept").exit_code == 0
    opened(named(url), runs).close()


def test_a_run_opens_what_was_restored_into_a_new_database(
    server: tuple[Postgres, str], runs: Path, config: Path, tmp_path: Path
) -> None:
    running, _ = server
    lost, new = (running.url(running.database()) for _ in range(2))
    traded(lost, runs)
    for words in (("backup", tmp_path / "copy", "--ledger", lost), ("restore", tmp_path / "copy", "--to", new)):
        done = typed(config, *words)
        assert done.exit_code == 0, done.stderr
    opened(new, runs).close()


def test_what_is_verified_is_named_without_its_password(server: tuple[Postgres, str], runs: Path, config: Path) -> None:
    running, _ = server
    url = running.url(running.database()).replace("postgres:@", "postgres:planted@")
    traded(url, runs)
    for words in ((), ("--json",)):
        done = typed(config, "verify", "--ledger", url, *words)
        assert done.exit_code == 0 and "planted" not in done.output, done.output
