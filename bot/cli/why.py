"""`isthmus why`: one decision on one screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import config_option
from bot.cli.which import ledger_option, which_ledger

if TYPE_CHECKING:
    from bot.ledger.history import History
    from bot.ledger.ledger import Ledger
    from bot.replay.why import Circumstances

_AMOUNTS = ("_wei", "_units", "amount_in", "amount_out")
"""How the names of amounts end."""


@command(
    "why",
    examples=[
        "isthmus why 0x6eae92bd96                     by a transaction's hash, or as much of it as is unique",
        "isthmus why 3f9a12                           by a plan's id",
        "isthmus why 17                               by a decision's number on the dashboard",
        "isthmus why 17 --ledger var/runs/…/ledger.sqlite3 --json",
    ],
)
@click.argument("decision", metavar="ID")
@config_option
@ledger_option
@click.option("--run", "run_id", type=click.IntRange(min=1), metavar="ID", help="A run in it. [the latest]")
def why(decision: str, config_path: Path | None, ledger_url: str | None, run_id: int | None, as_json: bool) -> ExitCode:
    """Show a decision: prices along its route, fees, gas, budget left, verdict, each refusal, and what came of it."""
    from bot.clock import SystemClock
    from bot.ledger.ledger import Ledger
    from bot.replay.why import screen

    which = which_ledger(config_path, ledger_url)
    ledger = Ledger.view(which.url, SystemClock())
    try:
        which.attach(ledger, run_id)
        found = _history(ledger, decision)
        known = _circumstances(which.url, found)
        if as_json:
            _emit(found, known)
        else:
            for line in screen(found, known):
                click.echo(line)
    finally:
        ledger.close()
    return ExitCode.OK


def _history(ledger: Ledger, decision: str) -> History:
    from bot.ledger.history import history, named

    number = int(decision) if decision.isdigit() and len(decision) < 12 else None
    found = history(ledger, number) if number is not None else None
    if found is not None:
        return found
    ids = named(ledger, decision)
    if len(ids) > 1:
        raise CommandFailed(
            f"{decision} begins {len(ids)} decisions of run {ledger.run.id}; write more of it", ExitCode.USAGE
        )
    found = history(ledger, ids[0]) if ids else None
    if found is None:
        message = f"run {ledger.run.id} has no decision {decision}; its lines and its dashboard show their hashes"
        raise CommandFailed(message, ExitCode.USAGE)
    return found


def _circumstances(url: str, found: History) -> Circumstances | None:
    """What the recording beside the ledger adds, where there is one."""
    from bot.replay.opening import FOLDER, TAPE
    from bot.replay.tape import NoTape
    from bot.replay.why import circumstances

    tape = Path(url).parent / FOLDER / TAPE
    try:
        return circumstances(tape, found) if tape.is_file() else None
    except NoTape as error:
        click.echo(f"without prices and budgets: {error}", err=True)
        return None


def _emit(found: History, known: Circumstances | None) -> None:
    from dataclasses import asdict

    from bot.plan import encode_plan

    document = asdict(found)
    document["plan"] = encode_plan(found.plan).decode()
    document["explanation"] = known.explanation if known else None
    document["budget_left_wei"] = known.left() if known else {}
    emit(_plain(document))  # type: ignore[arg-type]


def _plain(value: object, name: str = "") -> object:
    """Amounts, small ones too, as decimal strings, so that no reader rounds them. `name` is the field it stands in."""
    if isinstance(value, dict):
        return {str(key): _plain(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    return str(value) if isinstance(value, int) and name.endswith(_AMOUNTS) else value
