"""`isthmus discover`: find a network's pools and keep them, without running the bot."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import command
from bot.cli.output import TerminalReporter, emit
from bot.cli.parameters import config_option, found_config, node_options

if TYPE_CHECKING:
    from bot.config.pools import PoolSettings
    from bot.discovery.discovery import Outcome
    from bot.discovery.opening import Opened
    from bot.discovery.store import PoolStore

_SHOWN_REASONS = 12


@command(
    "discover",
    examples=[
        "isthmus discover",
        "isthmus discover --node http://127.0.0.1:8545 --network ethereum --from-block 17000000",
        "isthmus discover --config isthmus.toml --json",
    ],
)
@click.option(
    "--from-block",
    type=click.IntRange(min=0),
    metavar="N",
    help="First block to look in. [the run file's, or where each factory was made]",
)
@click.option("--store", "store_url", metavar="URL", help="Database to keep them in. [the run file's]")
@node_options
@config_option
async def discover(
    from_block: int | None,
    store_url: str | None,
    node: str | None,
    network: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Read factories' events and registries up to the head, measure every pool, and keep all of it.

    The node is --node, or else the run file's, or else a twin that is started for it. It can be ended and goes on where
    it was; what lies before the block where its store began is not read later.
    """
    from bot.cli.tokens import place_named
    from bot.discovery.start import open_discoverer
    from bot.snapshot.taking import source_at

    settings = _settings(node, config_path, from_block, store_url)
    out = TerminalReporter(lines_to_stderr=True)
    async with place_named(node, network, config_path) as where, source_at(where.network, where.url) as source:
        head = await source.head(None)
        with await open_discoverer(settings, where.network, source.reads) as discoverer:
            outcome = await discoverer.discovery.advance(head, out.progress)
            opened = await discoverer.book.open(head, out.progress, measure_all=True)
            document = _document(where.network.name, outcome, opened, discoverer.store)
    if as_json:
        emit(document)
    else:
        _tell(document)


def _settings(
    node: str | None, config_path: Path | None, from_block: int | None, store_url: str | None
) -> PoolSettings:
    """The run file's `[pools]`, or what holds without one; and what the options say instead."""
    from bot.config.load import load
    from bot.config.pools import PoolSettings

    alone = node is not None and config_path is None
    settings = PoolSettings() if alone else load(found_config(config_path)).config.pools
    said: dict[str, Any] = {}
    if from_block is not None:
        said["from_block"] = from_block
    if store_url is not None:
        said["url"] = store_url
    return settings.model_copy(update=said)


def _document(network: str, outcome: Outcome, opened: Opened, store: PoolStore) -> dict[str, Any]:
    refused = store.refusals()
    return {
        "network": network,
        "block": outcome.to_block,
        "found": outcome.found,
        "known": len(opened.kept) + len(opened.left_out),
        "kept": len(opened.kept),
        "protocols": dict(sorted(Counter(pool.protocol for pool in opened.kept).items())),
        "left_out": dict(sorted(opened.left_out.items())),
        "refused": refused,
    }


def _tell(document: dict[str, Any]) -> None:
    where = f"{document['network']}, block {document['block']}"
    known = f"{document['known']:,} known, of which {document['kept']:,} pass the filters"
    click.echo(f"{where}: {document['found']:,} new pools, {known}")
    for protocol, count in document["protocols"].items():
        click.echo(f"  {protocol:<16} {count:>8,}")
    for title in ("left_out", "refused"):
        reasons = document[title]
        if reasons:
            click.echo(f"{title.replace('_', ' ')}: {len(reasons):,}")
        for subject, reason in list(reasons.items())[:_SHOWN_REASONS]:
            click.echo(f"  {subject}: {reason}")
        if len(reasons) > _SHOWN_REASONS:
            click.echo(f"  … {len(reasons) - _SHOWN_REASONS:,} more with --json")
