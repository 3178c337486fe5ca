"""`isthmus resume`: a strategy that reached its drawdown limit may trade again, because a person says so."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.command import command
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import config_option, found_config


@command(
    "resume",
    examples=['isthmus resume dex_arbitrage --because "one bad pool, now filtered out"'],
)
@config_option
@click.option("--ledger", "ledger_url", metavar="URL", help="File or SQLAlchemy URL of the ledger. [the latest run's]")
@click.argument("strategy")
@click.option("--because", "reason", required=True, metavar="TEXT", help="Why; it is kept in the ledger.")
def resume(config_path: Path | None, ledger_url: str | None, strategy: str, reason: str, as_json: bool) -> None:
    """Let STRATEGY, which is halted, trade again. Its drawdown is counted anew from what it has earned so far."""
    from bot.cli.reconcile import latest_ledger
    from bot.clock import SystemClock
    from bot.config.load import load
    from bot.ledger.ledger import Ledger

    ledger = Ledger.open(ledger_url or latest_ledger(load(found_config(config_path))), SystemClock())
    try:
        run = ledger.attach()
        halted = ledger.halted_because(strategy)
        if halted is None:
            message = (
                f"{strategy} is not halted in run {run.id} of this ledger; name a strategy that is, or another ledger"
            )
            raise CommandFailed(message, ExitCode.USAGE)
        ledger.resume(strategy, reason)
    finally:
        ledger.close()
    if as_json:
        emit({"strategy": strategy, "was_halted": halted, "because": reason})
    else:
        click.echo(f"{strategy} may trade again; it was halted: {halted}")
