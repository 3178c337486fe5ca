"""`isthmus resume`: what was halted, by a breaker or by a person, may trade again, because a person says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from bot.cli.command import command
from bot.cli.control import control_folders, network_of, person, require_strategy, run_of_network_option
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import BECAUSE, config_option, found_config
from bot.cli.which import ledger_option, which_ledger


@command(
    "resume",
    examples=[
        'isthmus resume dex_arbitrage --because "one bad pool, now filtered out"',
        'isthmus resume account:0x… --because "it was my own wallet"',
    ],
)
@config_option
@run_of_network_option
@ledger_option
@click.argument("strategy", required=False, default="")
@click.option("--because", "reason", type=BECAUSE, required=True, metavar="TEXT", help="Why; it is kept in the ledger.")
def resume(
    config_path: Path | None,
    run_folder: Path | None,
    ledger_url: str | None,
    strategy: str,
    reason: str,
    as_json: bool,
) -> None:
    """Let STRATEGY, or everything, trade again on the run file's network, or where --run says. Drawdown and failures
    are counted anew from what was earned so far.

    What is running takes it up by itself; where nothing runs, a strategy that its drawdown halted is resumed in the
    ledger. A file named HALT must be removed by hand first.
    """
    try:
        folders = [] if ledger_url else control_folders(config_path, run_folder)
    except CommandFailed:
        if not strategy:
            raise
        folders = []
    elsewhere: Sequence[Path] = []
    if folders and run_folder is None:
        folders, elsewhere = _here_and_elsewhere(config_path, folders)
    if folders:
        require_strategy(strategy, folders, config_path, run_folder, or_account=True)
    was = [f"{folder}: {before}" for folder in folders if (before := _resumed(folder, strategy, reason)) is not None]
    halted = None if was or not strategy else _resumed_in_ledger(config_path, ledger_url, strategy, reason)
    if not was and halted is None:
        raise CommandFailed("nothing is halted here; `isthmus budget show` shows every switch", ExitCode.USAGE)
    still = [f"{folder}: {stopped}" for folder in (*folders, *elsewhere) for stopped in _still(folder, strategy)]
    before = halted or "; ".join(was)
    if as_json:
        emit({"strategy": strategy or None, "was_halted": before, "still_stopped": still, "because": reason})
    else:
        now = "may trade again" if not still else "is resumed"
        click.echo(f"{strategy or 'everything'} {now}; it was halted: {before}")
    for stopped in still:
        click.echo(f"still stopped: {stopped}", err=as_json)


def _here_and_elsewhere(config_path: Path | None, folders: Sequence[Path]) -> tuple[Sequence[Path], Sequence[Path]]:
    """Of the run file's network, and of others: why those were halted, nobody has read who resumes this one."""
    from bot.config.load import load

    network = load(found_config(config_path)).network.name
    here = [folder for folder in folders if network_of(folder.parent) == network]
    return here, [folder for folder in folders if folder not in here]


def _resumed(folder: Path, strategy: str, reason: str) -> str | None:
    """Set the switch to ACTIVE; how it stood, or None where nothing is to be resumed."""
    from bot.clock import SystemClock
    from bot.signer.presence import is_running
    from bot.signer.switch import ACTIVE, HALT, KillSwitch, Trading

    switch = KillSwitch(folder)
    switches = switch.read()
    before = switches.switches.get(strategy, ACTIVE)
    if before.state is not Trading.ACTIVE and before.by == "a file":
        raise CommandFailed(f"{before.because} (a file named {HALT})", ExitCode.USAGE)
    # A run keeps a strategy's drawdown in its ledger, which only it may write: it is told in any case.
    if before.state is Trading.ACTIVE and not (strategy and is_running(folder)):
        return None
    switch.set(strategy, Trading.ACTIVE, by=person(), because=reason, at_s=SystemClock().wall_s())
    return "by no switch; in the ledger of its run, if at all" if before.state is Trading.ACTIVE else str(before)


def _still(folder: Path, strategy: str) -> list[str]:
    """What keeps `strategy`, or where that is all of them any, from trading all the same."""
    from bot.signer.switch import TOTAL, KillSwitch, Trading

    standing = KillSwitch(folder).read().switches
    return [
        f"{name or 'all strategies'} {switch}"
        for name, switch in standing.items()
        if switch.state is not Trading.ACTIVE and (strategy == TOTAL or name in (TOTAL, strategy))
    ]


def _resumed_in_ledger(config_path: Path | None, ledger_url: str | None, strategy: str, reason: str) -> str | None:

    which = which_ledger(config_path, ledger_url)
    ledger = which.open()
    try:
        which.attach(ledger)
        halted = ledger.halted_because(strategy)
        if halted is None:
            message = (
                f"{strategy} is not halted in run {ledger.run.id} of ledger {ledger.where}; name a strategy that is, "
                "or another ledger"
            )
            raise CommandFailed(message, ExitCode.USAGE)
        ledger.resume(strategy, reason)
        return halted
    finally:
        ledger.close()
