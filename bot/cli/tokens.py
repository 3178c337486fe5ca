"""`isthmus tokens`: what a token does to those who hold it, measured on a fork."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import Verbs, command
from bot.cli.errors import ExitCode
from bot.cli.output import emit
from bot.cli.parameters import ADDRESS, config_option, found_config, network_named, node_options, node_url

if TYPE_CHECKING:
    from bot.safety.report import TokenReport
    from chains.networks import Network

tokens = Verbs(
    "tokens",
    verbs={"check": ("bot.cli.tokens:check", "Measure a token on a fork, and say whether it may be held.")},
    help="Measure tokens before they are held.",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to measure, and the ledger that is to remember it."""

    network: Network
    url: str
    ledger_url: str | None


@command(
    "check",
    examples=[
        "isthmus tokens check 0xdAC17F958D2ee523a2206206994597C13D831ec7",
        "isthmus tokens check 0xdAC17F958D2ee523a2206206994597C13D831ec7 --node http://127.0.0.1:8545 --json",
        "isthmus tokens check 0xdAC17F958D2ee523a2206206994597C13D831ec7 --config isthmus.toml",
    ],
)
@click.argument("token", type=ADDRESS, metavar="ADDRESS")
@click.option("--pool", type=ADDRESS, metavar="ADDRESS", help="The Uniswap V2 or V3 pool to try it in. [the deepest]")
@click.option("--ledger", "ledger_url", metavar="URL", help="Remember it in this ledger. [the run file's]")
@node_options
@config_option
async def check(
    token: str,
    pool: str | None,
    ledger_url: str | None,
    node: str | None,
    network: str | None,
    config_path: Path | None,
    as_json: bool,
) -> ExitCode:
    """Buy, hold, move and sell a token on a fork of the node, and say whether it may be held; exit 3 if not.

    The node is --node, or else the run file's, or else a twin that is started for it. Exit 1 if it stays untested.
    """
    from bot.safety.lab import TokenLab
    from bot.safety.report import Standing
    from bot.snapshot.taking import source_at
    from chains.assets import Address

    async with place_named(node, network, config_path) as place, source_at(place.network, place.url) as source:
        async with TokenLab(place.network, place.url) as lab:
            report = await lab.measure(Address(token), await source.head(None), Address(pool) if pool else None)
        genesis = await source.head(0)
    kept_in = ledger_url or place.ledger_url
    if kept_in is not None:
        _remember(report, kept_in, genesis.hash)
    if as_json:
        emit(report.document())
    else:
        _tell(report)
    codes = {Standing.SUPPORTED: ExitCode.OK, Standing.REFUSED: ExitCode.REFUSED, Standing.UNTESTED: ExitCode.ERROR}
    return codes[report.standing]


@asynccontextmanager
async def place_named(node: str | None, network: str | None, config_path: Path | None) -> AsyncIterator[Place]:
    """The node that was named, the run file's, or a twin that is started."""
    from bot.clock import SystemClock
    from bot.config.load import load
    from bot.config.values import plain
    from bot.world.nodes import node_of
    from chains.node.gateway import Gateway

    if node is not None:
        yield Place(network_named(network, config_path), node_url(node), None)
        return
    loaded = load(found_config(config_path))
    settings = loaded.config
    if settings.node.endpoints:
        kept_in = plain(settings.ledger.url) if settings.ledger.url is not None else None
        async with node_of(settings, loaded.network, SystemClock()) as pool, Gateway(pool) as gateway:
            yield Place(loaded.network, gateway.url, kept_in)
        return
    from chains.twin.client import TwinProcess

    click.echo("no node named; starting a twin", err=True)
    twin = settings.twin
    async with TwinProcess(
        seed=twin.seed,
        block_time_s=twin.block_time_s,
        pace_s=twin.pace_s,
        stepped=True,
        taker_fee_ppm=twin.exchange_taker_fee_ppm,
    ) as started:
        yield Place(loaded.network, started.descriptor["rpc_http"], None)


def _remember(report: TokenReport, ledger_url: str, instance: str) -> None:
    from bot.clock import SystemClock
    from bot.ledger.ledger import Ledger

    ledger = Ledger.open(ledger_url, SystemClock())
    try:
        ledger.record_token_report(report, instance)
    finally:
        ledger.close()


def _tell(report: TokenReport) -> None:
    click.echo(f"{report.token} on {report.place}, as of block {report.block_number}: {report.standing}")
    for note in report.notes:
        click.echo(f"  {note}")
    if report.pool is None:
        return
    taxes = report.taxes
    ways = (("buy", taxes.buy_ppm), ("sell", taxes.sell_ppm), ("transfer", taxes.transfer_ppm))
    lines = {
        "tried in": f"{report.pool} against {report.base}",
        "tax in ppm": ", ".join(f"{way} {'not measured' if ppm is None else ppm}" for way, ppm in ways),
        "held a day": f"changes by {report.rebasing_ppm} ppm",
        "decimals": report.decimals,
        "transfer": f"answers {report.returns}, {report.transfer_gas} gas, of zero: {_yes(report.zero_transfer)}",
        "approvals": report.approvals,
        "keeper may": ", ".join(_powers(report)) or "nothing that it tells of",
        "code": f"implementation {report.code.implementation}" if report.code.implementation else "not a known proxy",
    }
    for name, value in lines.items():
        click.echo(f"  {name:<11} {value}")


def _powers(report: TokenReport) -> list[str]:
    powers = {
        "pause it": report.pausable,
        "blacklist holders": report.blacklist,
        "replace its code": report.code.implementation is not None,
        "let anyone mint for the length of a call": report.flash_mintable,
    }
    return [power for power, has in powers.items() if has]


def _yes(value: bool | None) -> str:
    return "unknown" if value is None else "yes" if value else "reverts"
