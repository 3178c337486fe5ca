"""Which ledger a command is about, and which of its runs, where nobody says so: what trades live, if anything does."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.control import network_of
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.parameters import found_config

if TYPE_CHECKING:
    from bot.config.load import Loaded
    from bot.ledger.ledger import Ledger

ledger_option = click.option(
    "--ledger",
    "ledger_url",
    metavar="URL",
    help="File or SQLAlchemy URL of the ledger. [that of the network's live runs, or else of its latest run]",
)


@dataclass(frozen=True, slots=True)
class Which:
    """The ledger at `url`. `network` is whose runs are meant; None where a person named the ledger."""

    url: str
    network: str | None = None

    def open(self) -> Ledger:
        """The ledger, to write to it. Raises `LedgerError`, also where no run has made it yet."""
        from bot.clock import SystemClock
        from bot.ledger.database import parse_url, require_there
        from bot.ledger.ledger import Ledger

        require_there(parse_url(self.url))
        return Ledger.open(self.url, SystemClock())

    def attach(self, ledger: Ledger, run_id: int | None = None) -> None:
        """Stand on the run of that number, or else on the latest meant; say which, where nobody named the ledger.

        Raises `CommandFailed` where it holds runs of other networks only, whose money and trades are not meant.
        """
        run = ledger.attach(run_id, network=self.network)
        if self.network is not None:
            if run_id is None and run.network != self.network:
                message = f"ledger {ledger.where}: holds no run of network {self.network}; --run names one of another"
                raise CommandFailed(message, ExitCode.USAGE)
            click.echo(f"ledger {ledger.where}, run {run.id} ({run.mode}); --ledger names another", err=True)


def which_ledger(config_path: Path | None, named: str | None) -> Which:
    """The ledger `named`, or the one that the configuration's network is traded on. Raises `CommandFailed`."""
    from bot.config.load import load

    return Which(named) if named is not None else which_of(load(found_config(config_path)))


def which_of(loaded: Loaded) -> Which:
    """The one that the network of `loaded` is traded on. Raises `CommandFailed`."""
    return Which(_url(loaded), loaded.network.name)


def _url(loaded: Loaded) -> str:
    """The configured one; that of what lasts, which later dry runs and runs on forks do not hide, once a live run has
    begun; the newest run's of the network.
    """
    from bot.config.values import plain
    from bot.ledger.database import LEDGER_FILE

    if loaded.config.ledger.url is not None:
        return plain(loaded.config.ledger.url)
    folder, name = loaded.config.ledger.folder, loaded.network.name
    live = folder / name / LEDGER_FILE
    if live.is_file() and _has_run(live):
        return str(live)
    found = (path for path in folder.glob(f"*/{LEDGER_FILE}") if network_of(path.parent) == name)
    newest = max(found, key=lambda path: (path != live, path.stat().st_mtime), default=None)
    if newest is None:
        message = f"{folder}: no ledger of network {name} yet; start a run with `isthmus run`, or name one by --ledger"
        raise CommandFailed(message, ExitCode.USAGE)
    return str(newest)


def _has_run(file: Path) -> bool:
    """Whether a run ever began there, and not only a start that failed; also where that cannot be told."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as ledger:
        return ledger.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is not None
    return True
