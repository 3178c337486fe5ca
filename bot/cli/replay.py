"""`isthmus replay`: a recorded run once more, as it was or as it would have been."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import TerminalReporter, emit
from bot.cli.pairs import tell_pairs
from bot.cli.parameters import config_option, found_config

if TYPE_CHECKING:
    from bot.replay.compare import Comparison
    from bot.replay.replaying import Replayed, Supposed


@command(
    "replay",
    examples=[
        "isthmus replay                                          the latest run, to the same decisions bit for bit",
        "isthmus replay var/runs/20261121-…-ab12                 another run, by its folder",
        "isthmus replay --set dex_arbitrage.min_profit='0.01 ETH'  what it would have come to",
    ],
)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the run file (execution.tip_gwei=2), or of a strategy (NAME.min_profit, NAME.budget.per_trade).",
)
@config_option
async def replay(run: Path | None, changes: tuple[str, ...], config_path: Path | None, as_json: bool) -> ExitCode:
    """Run a recording through the same road again. Exit 1 when the replay is not as the run was."""
    from bot.config.load import load
    from bot.replay import replaying
    from bot.replay.compare import compare
    from bot.replay.recordings import find, latest
    from bot.replay.settings import Settings

    runs = load(found_config(config_path)).config.ledger.folder
    folder = latest(runs) if run is None else find(run, runs)
    out = TerminalReporter(lines_to_stderr=True) if as_json else TerminalReporter()
    settings = Settings.parse(changes)
    if not changes:
        replayed = await replaying.replay(folder, out)
        _tell_replayed(folder, replayed, as_json)
        return ExitCode.OK if replayed.difference is None else ExitCode.ERROR
    was = await replaying.replay(folder)
    if was.difference is not None:
        raise CommandFailed(f"the run cannot be replayed as it was: {was.difference}", ExitCode.ERROR)
    supposed = await replaying.suppose(folder, settings, out)
    compared = compare(supposed.recorded, supposed.decisions)
    _tell_supposed(folder, was, supposed, compared, as_json)
    return ExitCode.OK


def _tell_replayed(folder: Path, replayed: Replayed, as_json: bool) -> None:
    same = replayed.difference is None
    if as_json:
        emit(
            {
                "run": str(folder),
                "same": same,
                "difference": replayed.difference,
                "complete": replayed.complete,
                "blocks": replayed.blocks,
                "decisions": len(replayed.decisions),
                "digest": replayed.digest,
                "recorded_digest": replayed.recorded_digest,
                "net_profit_wei": _wei(replayed.result.net_profit_wei),
            }
        )
        return
    ended = "" if replayed.complete else " (the run ended before its recording did)"
    head = f"replayed {replayed.blocks} blocks, {len(replayed.decisions)} decisions{ended}"
    click.echo(f"{head}: {'the same, bit for bit' if same else f'not as the run was: {replayed.difference}'}")
    click.echo(f"decisions {replayed.digest}")


def _tell_supposed(folder: Path, was: Replayed, supposed: Supposed, compared: Comparison, as_json: bool) -> None:
    before, after = was.result.net_profit_wei, supposed.result.net_profit_wei
    if as_json:
        emit(
            {
                "run": str(folder),
                "blocks": supposed.blocks,
                "supposed": supposed.supposed,
                "net_profit_wei": {"run": _wei(before), "supposed": _wei(after)},
                "same": compared.same,
                "different": [pair.document for pair in compared.pairs],
            }
        )
        return
    tell_pairs(compared)
    from bot.telling import eth

    click.echo(f"{compared.same} decisions the same, {len(compared.pairs)} not; {supposed.supposed} answers supposed")
    for name in sorted({*before, *after}):
        difference = after.get(name, 0) - before.get(name, 0)
        click.echo(f"{name}: {eth(before.get(name, 0))} in the run, {eth(after.get(name, 0))} so: {eth(difference)}")


def _wei(amounts: Mapping[str, int]) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}
