"""`isthmus compare`: two recorded runs decision by decision, such as a live one and its dry shadow."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.command import command
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.pairs import tell_pairs
from bot.cli.parameters import config_option, found_config


@command(
    "compare",
    examples=[
        "isthmus compare LIVE_RUN DRY_RUN         which decisions differ, and why; exit 1 when one does",
        "isthmus compare LIVE_RUN DRY_RUN --json  all of them",
    ],
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@config_option
def compare(run: Path, other: Path, config_path: Path | None, as_json: bool) -> ExitCode:
    """Compare what two recorded runs decided on the blocks that both heard. Exit 1 when a decision differs.

    A shadow run beside a live one is `isthmus run --mode dry` on the same node, with the strategy as it is to be.
    """
    from bot.config.load import load
    from bot.replay.compare import compare as compared_with
    from bot.replay.compare import on_blocks
    from bot.replay.recordings import find
    from bot.replay.remembered import blocks_of, decisions_of

    runs = load(found_config(config_path)).config.ledger.folder
    one, second = find(run, runs), find(other, runs)
    heard = blocks_of(one), blocks_of(second)
    both = heard[0] & heard[1]
    if not both:
        raise CommandFailed(
            f"{run} and {other} heard no block in common; let them run at the same time", ExitCode.USAGE
        )
    compared = compared_with(on_blocks(decisions_of(one), both), on_blocks(decisions_of(second), both))
    alone = [len(blocks - both) for blocks in heard]
    if as_json:
        emit(
            {
                "run": str(one),
                "other": str(second),
                "blocks": len(both),
                "blocks_of_one_alone": alone,
                "same": compared.same,
                "different": [pair.document for pair in compared.pairs],
            }
        )
    else:
        tell_pairs(compared)
        told = f"{len(both)} blocks heard by both ({alone[0]} and {alone[1]} by one alone)"
        click.echo(f"{told}: {compared.same} decisions the same, {len(compared.pairs)} not")
    return ExitCode.ERROR if compared.pairs else ExitCode.OK
