"""`isthmus halt` and `isthmus flatten`: nothing more is signed; or nothing but what takes back, and then nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.control import control_folders, person, require_strategy, run_option
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import SAID, config_option

if TYPE_CHECKING:
    from bot.signer.switch import KillSwitch, Switch

_STRATEGY = click.argument("strategy", required=False, default="")
_BECAUSE = click.option(
    "--because", "reason", type=SAID, default="a person said so", metavar="TEXT", help="Why; it is kept."
)


@command("halt", examples=["isthmus halt", 'isthmus halt dex_arbitrage --because "looks wrong"'])
@config_option
@run_option
@_STRATEGY
@_BECAUSE
def halt(config_path: Path | None, run_folder: Path | None, strategy: str, reason: str, as_json: bool) -> None:
    """Let nothing be signed any more, for STRATEGY or for all, until `isthmus resume`. It holds across restarts."""
    _set(config_path, run_folder, strategy, reason, flatten=False, as_json=as_json)


@command("flatten", examples=["isthmus flatten", 'isthmus flatten cex_dex_arbitrage --because "going home"'])
@config_option
@run_option
@_STRATEGY
@_BECAUSE
def flatten(config_path: Path | None, run_folder: Path | None, strategy: str, reason: str, as_json: bool) -> None:
    """Begin nothing new for STRATEGY or for all; cover or take back what is open, and then halt."""
    _set(config_path, run_folder, strategy, reason, flatten=True, as_json=as_json)


def _set(
    config_path: Path | None, run_folder: Path | None, strategy: str, reason: str, *, flatten: bool, as_json: bool
) -> None:
    from bot.signer.presence import is_running
    from bot.signer.switch import KillSwitch, SwitchUnwritten

    folders = control_folders(config_path, run_folder)
    require_strategy(strategy, folders, config_path, run_folder)
    set_to, failed = {}, []
    for folder in folders:
        try:
            set_to[str(folder)] = _set_one(KillSwitch(folder), strategy, reason, flatten=flatten)
        except SwitchUnwritten as error:
            # What can be stopped is stopped.
            failed.append(str(error))
    left = [told for folder in set_to for told in _left(Path(folder), strategy)] if flatten else []
    waits = [folder for folder in set_to if not is_running(Path(folder))] if flatten else []
    if as_json and not failed:
        switches = {folder: str(switch) for folder, switch in set_to.items()}
        emit({"strategy": strategy or None, "switches": switches, "still_halted": left, "waits_for_a_run": waits})
        return
    for where, switch in set_to.items():
        click.echo(f"{strategy or 'all strategies'} {switch}; {where}", err=as_json)
    for where in waits:
        click.echo(f"nothing runs there now, so that what is owed waits for the next run: {where}", err=as_json)
    for told in left:
        click.echo(f"still halted, so that nothing is taken back: {told}", err=as_json)
    if failed:
        raise CommandFailed("\n".join(failed), ExitCode.ENVIRONMENT)


def _left(folder: Path, strategy: str) -> list[str]:
    """What is halted by another switch than `strategy`'s: what it owes is not taken back."""
    from bot.signer.switch import TOTAL, KillSwitch, Trading

    return [
        f"{folder}: {name or 'all strategies'} {switch}; `{' '.join(['isthmus flatten', name]).strip()}`"
        for name, switch in KillSwitch(folder).read().switches.items()
        if switch.state is Trading.HALTED and name != strategy and TOTAL in (name, strategy)
    ]


def _set_one(switch: KillSwitch, strategy: str, reason: str, *, flatten: bool) -> Switch:
    from bot.clock import SystemClock
    from bot.signer.switch import TOTAL, SwitchUnwritten, Trading

    state = Trading.REDUCING if flatten else Trading.HALTED
    try:
        return switch.set(strategy, state, by=person(), because=reason, at_s=SystemClock().wall_s(), then_halt=flatten)
    except SwitchUnwritten as error:
        if flatten or strategy != TOTAL:
            raise
        return switch.halt_by_file(error)
