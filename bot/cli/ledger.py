"""`isthmus ledger`: prove that the ledger is what was written, copy it while it is in use, put a copy back."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import Verbs, command
from bot.cli.errors import ExitCode
from bot.cli.output import TerminalReporter, emit
from bot.cli.parameters import config_option, found_config
from bot.cli.which import ledger_option, which_ledger

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

_beside_option = click.option(
    "--beside",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the signer's journals are. [beside the ledger's file; a server's: in `ledger.folder`]",
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
@ledger_option
@_beside_option
@click.option("--accept", is_flag=True, help="Make the head file say what the ledger says, if its rows are whole.")
def verify(
    config_path: Path | None, ledger_url: str | None, beside: Path | None, accept: bool, as_json: bool
) -> ExitCode:
    """Hold every row against its seal, and the newest seal against the head file; name the first bad row; exit 1.

    So too with what the signer keeps beside it, unless it is in use.
    """
    from bot.clock import SystemClock
    from bot.ledger.ledger import Ledger
    from bot.signer.looking import prove_journals

    url = which_ledger(config_path, ledger_url).url
    view = Ledger.view(url, SystemClock(), head_file=_head_file(config_path, url))
    try:
        telling = partial(TerminalReporter().progress, "checking the ledger")
        found = view.accept(telling) if accept else view.verified(telling)
    finally:
        view.close()
    journals = prove_journals(beside or _folder(config_path, url), accept=accept)
    _tell(view.where, found, journals, as_json=as_json)
    return ExitCode.OK if found.whole and not any(it.problem for it in journals) else ExitCode.ERROR


@command("backup", examples=["isthmus ledger backup safe/ledger-monday.sqlite3"])
@config_option
@ledger_option
@_beside_option
@click.argument("to", type=click.Path(path_type=Path), metavar="FILE")
def backup(config_path: Path | None, ledger_url: str | None, beside: Path | None, to: Path, as_json: bool) -> None:
    """Copy the ledger into the new FILE, its head file and the signer's journals beside it; each copy is verified.

    It may be in use, and so may they.
    """
    from bot.ledger.backup import backup as copy
    from bot.ledger.database import parse_url, place
    from bot.signer.copies import copy_journals

    url = which_ledger(config_path, ledger_url).url
    where, copied = place(parse_url(url)), copy(url, to, TerminalReporter().progress)
    journals = copy_journals(beside or _folder(config_path, url), to)
    if as_json:
        signers = [{"journal": it.path, "rows": it.rows} for it in journals]
        found = {
            "backup": to,
            "ledger": where,
            "rows": copied.rows,
            "seal": copied.head.id,
            "hash": copied.head.hash.hex(),
        }
        emit({**found, "signers": signers})
        return
    click.echo(f"{to}: {copied.rows} rows of {where} up to seal {copied.head.id}, verified; keep {to}-head beside it")
    for journal in journals:
        click.echo(f"{journal.path}: {journal.rows} rows, verified; keep it and its head file beside it")
    if not journals:
        click.echo("no signer's journal is there to be copied", err=True)


@command(
    "restore",
    examples=["isthmus ledger restore safe/ledger-monday.sqlite3 --to var/runs/ethereum/ledger.sqlite3"],
)
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE")
@config_option
@click.option("--to", "ledger_url", required=True, metavar="URL", help="Where: a file or an SQLAlchemy URL.")
@_beside_option
def restore(source: Path, config_path: Path | None, ledger_url: str, beside: Path | None, as_json: bool) -> None:
    """Put the backup FILE where no ledger is, with the signer's journals. A run on it trades once a person resumes it.

    Before that its books must equal the chain and the exchanges. What a journal's copy may not know counts as lost.
    """
    from bot.clock import SystemClock
    from bot.execution.signing import signer_id_of
    from bot.ledger.backup import intents_signed, require_empty, require_whole
    from bot.ledger.backup import restore as put_back
    from bot.signer.copies import restoring
    from bot.signer.looking import journals as there

    clock, folder, tell = SystemClock(), beside or _folder(config_path, ledger_url), TerminalReporter().progress
    whole = require_whole(source, tell)
    require_empty(ledger_url)
    # Before the ledger: without it nothing trades, and without them budgets would begin anew.
    known = {signer_id_of(number, plan) for number, plan in intents_signed(source)}
    journals = restoring(source, folder).put(clock, f"restored from {source}; reconcile, then resume", known)
    copied = put_back(source, ledger_url, clock, _head_file(config_path, ledger_url), tell, whole)
    if as_json:
        told = [{"journal": it.path, "rows": it.rows, "kept": it.kept, "given_up": it.given_up} for it in journals]
        emit({"restored": source, "rows": copied.rows, "seal": copied.head.id, "signers": told})
        return
    click.echo(f"{copied.rows} rows restored; a run on this ledger reconciles before it trades")
    for journal in journals:
        what = "was there already, and went on from the backup" if journal.kept else f"{journal.rows} rows restored"
        click.echo(f"{journal.path}: {what}")
        if journal.given_up:
            click.echo(f"{journal.given_up} trades that the backup does not know count as lost at their worst")
    if known and not there(folder):
        click.echo(f"no signer's journal is beside {source}: what was signed counts as lost at its worst", err=True)
    click.echo(f"everything is halted: `isthmus resume --run {folder} --because …` lets it go on")


def _folder(config_path: Path | None, url: str) -> Path:
    """Where the signer's journals are that belong to a ledger: beside its file, or among what lasts of the network."""
    from bot.config.load import load
    from bot.ledger.database import file_of

    file = file_of(url)
    if file is not None:
        return file.parent
    loaded = load(found_config(config_path))
    return loaded.config.ledger.folder / loaded.network.name


def _head_file(config_path: Path | None, url: str) -> Path | None:
    """Where the runs of this configuration keep the head file of a server's ledger; None of what is a file."""
    from bot.config.load import load
    from bot.ledger.database import file_of, parse_url
    from bot.ledger.headfile import head_file_among

    if file_of(url) is not None:
        return None
    return head_file_among(load(found_config(config_path)).config.ledger.folder, parse_url(url))


def _tell(where: str, found: Verified, journals: Sequence[Proven], *, as_json: bool) -> None:
    if as_json:
        faults = [
            {"table": fault.relation, "row": fault.row, "seal": fault.seal, "what": fault.what}
            for fault in found.faults
        ]
        signers = [
            {"journal": it.path, "whole": not it.problem, "in_use": it.in_use, "rows": it.rows, "problem": it.problem}
            for it in journals
        ]
        whole = {"ledger": where, "whole": found.whole, "rows": found.rows, "seal": found.head.id, "faults": faults}
        emit({**whole, "signers": signers})
        return
    for journal in journals:
        click.echo(str(journal), err=bool(journal.problem))
    if found.whole:
        click.echo(f"{where}: {found.rows} rows, {found.head.id} seals, each as it was written")
        return
    click.echo(f"first bad row: {found.faults[0]}")
    for fault in found.faults[1:_SHOWN]:
        click.echo(f"  {fault}")
    click.echo(f"{len(found.faults)} rows are not what was written; restore a backup", err=True)
