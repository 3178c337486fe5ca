"""`isthmus twin`: the local mainnet twin as a process of its own, for tools that want to talk to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bot.cli.command import command
from bot.cli.output import emit

_PORT = click.IntRange(0, 65535)


@command(
    "twin",
    examples=[
        "isthmus twin                            run it until Ctrl-C; it prints where it listens",
        "isthmus twin --seed 7 --stepped --json  another market, moved block by block through its control API",
        "isthmus twin --build-only               only build its state file, in about a minute",
    ],
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Seed of the market.")
@click.option(
    "--block-time",
    "block_time_s",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two blocks.",
)
@click.option(
    "--pace",
    "pace_s",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds of real time between two blocks; with --stepped, none.",
)
@click.option("--stepped", is_flag=True, help="Mine only when the control API asks for it, not by the clock.")
@click.option("--rpc-port", type=_PORT, default=0, help="Port of the node; 0 takes any free one.")
@click.option("--control-port", type=_PORT, default=0, help="Port of the control API; 0 takes any free one.")
@click.option("--exchange-port", type=_PORT, default=0, help="Port of the local exchange; 0 takes any free one.")
@click.option("--state", type=click.Path(path_type=Path), metavar="DIR", help="Folder of its state. [var/twin]")
@click.option("--build-only", is_flag=True, help="Build the state if it is missing or stale, and end.")
async def twin(
    seed: int,
    block_time_s: int,
    pace_s: float,
    stepped: bool,
    rpc_port: int,
    control_port: int,
    exchange_port: int,
    state: Path | None,
    build_only: bool,
    as_json: bool,
) -> None:
    """Build the local twin of mainnet if needed, and run it: a node, a local exchange and a control API."""
    from chains.twin.build import ensure_state
    from chains.twin.progress import ProgressBar
    from chains.twin.server import serve
    from chains.twin.twin import STATE_FOLDER, TwinOptions

    folder = state or STATE_FOLDER
    if build_only:
        built = await ensure_state(folder, ProgressBar())
        counts = built.manifest["counts"]
        if as_json:
            emit({"state": built.state_file, "manifest": built.manifest_file, **counts})
        else:
            click.echo(f"the twin is built in {folder}: {counts['pools']} pools, {counts['recorded']} as recorded")
        return
    options = TwinOptions(
        seed=seed,
        block_time_s=block_time_s,
        pace_s=pace_s,
        stepped=stepped,
        rpc_port=rpc_port,
        control_port=control_port,
        exchange_port=exchange_port,
        folder=folder,
    )
    await serve(options, emit if as_json else _announce, ProgressBar())


def _announce(descriptor: Mapping[str, Any]) -> None:
    """Where everything listens, in the words of the options that take it."""
    pools = descriptor["pools"]
    click.echo(f"twin: chain id {descriptor['chain_id']}, {pools['recorded']} recorded pools, {pools['filled']} filled")
    for name in ("rpc_http", "rpc_ws", "exchange_http", "exchange_ws", "control"):
        click.echo(f"{name:<14} {descriptor[name]}")
