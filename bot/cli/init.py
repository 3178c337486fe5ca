"""`isthmus init`: a first configuration, to read and to change."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit

if TYPE_CHECKING:
    from chains.networks import Network

_TWIN = "twin"
_RUN_FILE = "isthmus.toml"
_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_STRATEGIES = {_TWIN: ("dex_arbitrage", "cex_dex_arbitrage")}
_STRATEGIES_ELSEWHERE = ("dex_arbitrage",)
_USUAL_TIP_GWEI = 10
_DISCOVERED = """\
[pools]
# The list that comes with Isthmus is Ethereum's; elsewhere pools are found by their factories. `isthmus discover` fills
# the store before the first run.
discover = true

"""
_VENUES = re.compile(r"(?m)^venues = .*$")
"""Of a strategy's file: the protocols of Ethereum's list."""


@command(
    "init",
    examples=[
        "isthmus init                 the local twin, in this folder",
        "isthmus init mybot --network ethereum --node ws://127.0.0.1:8546 --node env:SECOND_NODE",
    ],
)
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.option("--network", default=_TWIN, show_default=True, help="The network to trade on: its name, or a .toml file.")
@click.option(
    "--node", "nodes", multiple=True, metavar="URL", help="An endpoint of your node, or env:NAME; repeatable."
)
def init(folder: Path, network: str, nodes: tuple[str, ...], as_json: bool) -> None:
    """Write isthmus.toml and its strategy files into DIR. Nothing that exists is overwritten."""
    from bot.config.model import RunFile
    from bot.config.reading import parsed, validated
    from chains.networks import load_network

    known = load_network(network)
    own = network.endswith(".toml")
    named = os.path.relpath(Path(network).resolve(), folder.resolve()) if own else network
    files = _files(named, nodes, known)
    validated(parsed(files[_RUN_FILE], str(folder / _RUN_FILE), folder), RunFile)
    existing = [str(folder / name) for name in files if (folder / name).exists()]
    if existing:
        raise CommandFailed(f"{', '.join(existing)}: already there; name another folder", ExitCode.USAGE)
    written: list[Path] = []
    try:
        for name, text in files.items():
            written.append(folder / name)
            written[-1].parent.mkdir(parents=True, exist_ok=True)
            written[-1].write_text(text, encoding="utf-8")
    except OSError:
        # Half a configuration would be in the way of the next attempt.
        for path in written:
            with suppress(OSError):
                path.unlink()
        raise
    if as_json:
        emit({"written": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(_next_steps(folder, network))


def _files(network: str, nodes: tuple[str, ...], known: Network) -> dict[str, str]:
    """What to write, by path under the folder."""
    from bot.config.writing import toml_value
    from bot.opening import MAINNET_POOLS
    from chains.tools import ROOT

    listed = known.chain_id in MAINNET_POOLS
    if network == _TWIN:
        if nodes:
            raise click.UsageError("the twin brings its own node; --node goes with another --network")
        run_file = (_TEMPLATES / "twin.toml").read_text(encoding="utf-8")
    else:
        if not nodes:
            raise click.UsageError(f"{network} needs a node; give --node, once for each endpoint")
        run_file = (_TEMPLATES / "network.toml").read_text(encoding="utf-8")
        marks = {
            '"@network@"': toml_value(network),
            "@network@": known.name,
            '["@endpoints@"]': toml_value(nodes),
            "# @pools@\n": "" if listed else _DISCOVERED,
            '["@profit_tokens@"]': toml_value(_profit_tokens(known)),
            '"@max_tip_gwei@"': str(max(_USUAL_TIP_GWEI, -(-2 * known.gas.least_tip_wei // 10**9))),
        }
        for mark, value in marks.items():
            run_file = run_file.replace(mark, value)
    names = _STRATEGIES.get(network, _STRATEGIES_ELSEWHERE)
    strategies = {
        f"strategies/{name}.toml": (ROOT / "strategies" / f"{name}.toml").read_text(encoding="utf-8") for name in names
    }
    if not listed:
        strategies = {name: _VENUES.sub("venues = []", text) for name, text in strategies.items()}
    return {_RUN_FILE: run_file, **strategies}


def _profit_tokens(network: Network) -> tuple[str, ...]:
    """The tokens that cycles start from: ether first, then what else most pools there trade."""
    from bot.execution.settings import MAX_TOKENS

    named = {network.assets.of(token).symbol: name for name, token in reversed(tuple(network.tokens.items()))}
    hubs = dict.fromkeys(("ETH", network.assets.of(network.wrapped).symbol, "USDC", "USDT", "BTC"))
    return tuple(named[hub] for hub in hubs if hub in named)[:MAX_TOKENS]


def _next_steps(folder: Path, network: str) -> str:
    change = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    mode = "" if network == _TWIN else " --mode dry"
    return f"\nNext:\n  {change}isthmus config check\n  isthmus doctor\n  isthmus run{mode}"
