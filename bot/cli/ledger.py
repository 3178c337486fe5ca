"""`isthmus ledger`: prove that the ledger is what was written, copy it while it is in use, put a copy back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import Verbs, command
from bot.cli.errors import ExitCode
from bot.cli.output import emit
from bot.cli.parameters import config_option, found_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.ledger.verify import Verified
    from bot.signer.looking import Proven

ledger = Verbs(
    "ledger",
    verbs={
        "verify": ("bot.cli.ledger:verify", "Prove that every row is what was written."),
        "backup": ("bot.cli.ledger:backup", "Copy the ledger, also while a run writes to it."),
        "restore": ("bot.cli.ledger:restore", "Put a backup in the place of a ledger that is lost."),
    },
    help="Verify, back up and restore the ledger.",
)

_ledger_option = click.option(
    "--ledger", "ledger_url", metavar="URL", help="File or SQLAlchemy URL of the ledger. [the latest run's]"
)
_SHOWN = 20


@command(
    "verify",
    examples=[
        "isthmus ledger verify                       the latest run's ledger, also while the run goes on",
        "isthmus ledger verify --ledger old.sqlite3  any other",
    ],
)
@config_option
@_ledger_option
@click.option("--accept", is_flag=True, help="Make the head file say what the ledger says, if its rows are whole.")
def verify(config_path: Path | None, ledger_url: str | None, accept: bool, as_json: bool) -> ExitCode:
    """Hold every row against its seal, and the newest seal against the head file; name the first bad row; exit 1.

    So too with what the signer keeps beside an SQLite ledger, unless it is in use.
    """
    from bot.clock import SystemClock
    from bot.ledger.ledger import Ledger
    from bot.signer.looking import prove_journals

    url = _found(config_path, ledger_url)
    view = Ledger.view(url, SystemClock())
    try:
        found = view.accept() if accept else view.verified()
    finally:
        view.close()
    journals = [] if "://" in url else prove_journals(Path(url).parent, accept=accept)
    _tell(url, found, journals, as_json=as_json)
    return ExitCode.OK if found.whole and not any(it.problem for it in journals) else ExitCode.ERROR


@command("backup", examples=["isthmus ledger backup safe/ledger-monday.sqlite3"])
@config_option
@_ledger_option
@click.argument("to", type=click.Path(path_type=Path), metavar="FILE")
def backup(config_path: Path | None, ledger_url: str | None, to: Path, as_json: bool) -> None:
    """Copy the ledger into the new FILE, and its head file beside it. The copy is verified before it counts."""
    from bot.ledger.backup import backup as copy

    copied = copy(_found(config_path, ledger_url), to)
    if as_json:
        emit({"backup": to, "rows": copied.rows, "seal": copied.head.id, "hash": copied.head.hash.hex()})
    else:
        click.echo(f"{to}: {copied.rows} rows up to seal {copied.head.id}, verified; keep {to}-head beside it")


@command(
    "restore",
    examples=["isthmus ledger restore safe/ledger-monday.sqlite3 --to var/runs/ethereum/ledger.sqlite3"],
)
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--to", "ledger_url", required=True, metavar="URL", help="Where: a file or an SQLAlchemy URL.")
def restore(source: Path, ledger_url: str, as_json: bool) -> None:
    """Put the backup FILE where no ledger is. A run on it trades once its books equal the chain and the exchanges."""
    from bot.clock import SystemClock
    from bot.ledger.backup import restore as put_back

    copied = put_back(source, ledger_url, SystemClock())
    if as_json:
        emit({"restored": source, "rows": copied.rows, "seal": copied.head.id})
    else:
        click.echo(f"{copied.rows} rows restored; a run on this ledger reconciles before it trades")


def _found(config_path: Path | None, ledger_url: str | None) -> str:
    from bot.cli.reconcile import latest_ledger
    from bot.config.load import load

    return ledger_url or latest_ledger(load(found_config(config_path)))


def _tell(url: str, found: Verified, journals: Sequence[Proven], *, as_json: bool) -> None:
    if as_json:
        faults = [
            {"table": fault.relation, "row": fault.row, "seal": fault.seal, "what": fault.what}
            for fault in found.faults
        ]
        signers = [
            {"journal": it.path, "whole": not it.problem, "in_use": it.in_use, "rows": it.rows, "problem": it.problem}
            for it in journals
        ]
        whole = {"ledger": url, "whole": found.whole, "rows": found.rows, "seal": found.head.id, "faults": faults}
        emit({**whole, "signers": signers})
        return
    for journal in journals:
        click.echo(str(journal), err=bool(journal.problem))
    if found.whole:
        click.echo(f"{url}: {found.rows} rows, {found.head.id} seals, each as it was written")
        return
    click.echo(f"first bad row: {found.faults[0]}")
    for fault in found.faults[1:_SHOWN]:
        click.echo(f"  {fault}")
    click.echo(f"{len(found.faults)} rows are not what was written; restore a backup", err=True)
