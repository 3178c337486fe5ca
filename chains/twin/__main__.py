"""`python -m chains.twin`: builds the twin if need be, and runs it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click
import orjson

from chains.anvil import AnvilFailed
from chains.tools import MissingTool
from chains.twin.build import ensure_state
from chains.twin.errors import TwinUnavailable
from chains.twin.progress import ProgressBar
from chains.twin.server import serve
from chains.twin.twin import STATE_FOLDER, TwinOptions

ENVIRONMENT = 4
"""Exit code: a tool, a file or a port is not as it must be."""


@click.command()
@click.option("--seed", default=1, show_default=True, help="Seed of the market.")
@click.option("--block-time", default=1, show_default=True, help="Seconds between the timestamps of two blocks.")
@click.option("--pace", default=1.0, show_default=True, help="Seconds of real time between two blocks.")
@click.option("--stepped", is_flag=True, help="Mine only when the control API is asked to.")
@click.option("--rpc-port", default=0, help="Port of the node; 0 takes a free one.")
@click.option("--control-port", default=0, help="Port of the control API; 0 takes a free one.")
@click.option("--exchange-port", default=0, help="Port of the exchange; 0 takes a free one.")
@click.option("--taker-fee-ppm", default=230, show_default=True, help="The exchange's taker fee.")
@click.option("--folder", type=click.Path(path_type=Path), default=STATE_FOLDER, help="Where the state file is kept.")
@click.option("--build-only", is_flag=True, help="Build the state file and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the descriptor, or the error, as one line of JSON.")
def main(
    seed: int,
    block_time: int,
    pace: float,
    stepped: bool,
    rpc_port: int,
    control_port: int,
    exchange_port: int,
    taker_fee_ppm: int,
    folder: Path,
    build_only: bool,
    as_json: bool,
) -> None:
    """Run the local twin of mainnet."""
    options = TwinOptions(
        seed=seed,
        block_time_s=block_time,
        pace_s=pace,
        stepped=stepped,
        rpc_port=rpc_port,
        control_port=control_port,
        exchange_port=exchange_port,
        taker_fee_ppm=taker_fee_ppm,
        folder=folder,
    )
    try:
        if build_only:
            asyncio.run(_build(folder, as_json))
        else:
            asyncio.run(serve(options, lambda descriptor: _announce(descriptor, as_json), ProgressBar()))
    except (AnvilFailed, MissingTool, TwinUnavailable) as error:
        if as_json:
            click.echo(orjson.dumps({"error": str(error)}))
        else:
            click.echo(f"error: {error}", err=True)
        sys.exit(ENVIRONMENT)


async def _build(folder: Path, as_json: bool) -> None:
    state = await ensure_state(folder, ProgressBar())
    counts = state.manifest["counts"]
    if as_json:
        click.echo(orjson.dumps({"state": str(state.state_file), **counts}))
    else:
        click.echo(f"the twin is built: {counts['recorded']} recorded pools, in {state.state_file}")


def _announce(descriptor: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(descriptor))
        return
    pools = descriptor["pools"]
    click.echo(
        f"twin ready: chain {descriptor['chain_id']} at {descriptor['rpc_http']}, exchange at "
        f"{descriptor['exchange_http']}, control at {descriptor['control']}; {pools['recorded']} recorded pools, "
        f"{pools['range_filled']} of them over a filled range, {pools['filled']} filled"
    )


if __name__ == "__main__":
    main()
