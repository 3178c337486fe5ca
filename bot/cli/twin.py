"""`isthmus twin`: the local mainnet twin as a process of its own, for tools that want to talk to it."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.command import command
from bot.cli.output import TerminalReporter, emit


@command(
    "twin",
    examples=[
        "isthmus twin                            run it until Ctrl-C; it prints where it listens",
        "isthmus twin --seed 7 --stepped --json  another market, moved block by block through its control API",
        "isthmus twin --build-only               only build its state file, in about a minute",
    ],
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the market.")
@click.option(
    "--block-time",
    "block_time_s",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two blocks.",
)
@click.option("--stepped/--free", help="Mine only when told over the control API, or by the clock (the default).")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the node; 0 takes any free one.")
@click.option("--control-port", type=click.IntRange(0, 65535), default=0, help="Port of the control API.")
@click.option("--exchange-port", type=click.IntRange(0, 65535), default=0, help="Port of the local exchange.")
@click.option("--state", type=click.Path(path_type=Path), metavar="DIR", help="Folder of its state. [var/twin]")
@click.option("--build-only", is_flag=True, help="Build the state if it is missing or stale, and end.")
async def twin(
    seed: int,
    block_time_s: int,
    stepped: bool,
    port: int,
    control_port: int,
    exchange_port: int,
    state: Path | None,
    build_only: bool,
    as_json: bool,
) -> None:
    """Build the local twin of mainnet if needed, and run it: a node, a local exchange and a control API."""
    from chains.tools import ROOT
    from chains.twin.build import ensure_state

    folder = state or ROOT / "var" / "twin"
    reporter = TerminalReporter(lines_to_stderr=as_json)
    if build_only:
        built = await ensure_state(folder, lambda what, share: reporter.progress(what, int(share * 100), 100))
        counts = built.manifest["counts"]
        if as_json:
            emit({"state": built.state_file, "manifest": built.manifest_file, **counts})
        else:
            click.echo(f"the twin is built in {folder}: {counts['pools']} pools, {counts['recorded']} as recorded")
        return
    raise NotImplementedError
