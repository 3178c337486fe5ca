"""`isthmus pools`: which pools there are, what state each is in, and why one is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import Verbs, command
from bot.cli.errors import ExitCode
from bot.cli.output import emit
from bot.cli.parameters import Decorated, family_file_option, network_named, node_options, node_url, store_option

if TYPE_CHECKING:
    from chains.snapshot import Recorded, Snapshot

pools = Verbs(
    "pools",
    verbs={
        "list": ("bot.cli.pools:list_", "List pools, one line each."),
        "show": ("bot.cli.pools:show", "Show one pool's whole state."),
        "why": ("bot.cli.pools:why", "Say whether a pool may be traded, and why not."),
    },
    help="List, show and explain the pools of a snapshot or of a node.",
)

_VENUE = click.argument("venue", metavar="ADDRESS")


def _source_options(callback: Decorated) -> Decorated:
    """`--state FILE`, or the options that name a node and its pools; and `--family-file`."""
    state = click.option(
        "--state", type=click.Path(path_type=Path), metavar="FILE", help="A snapshot, instead of a node."
    )
    return state(node_options(store_option(family_file_option(callback))))


@command(
    "list",
    examples=[
        "isthmus pools list --state pools.json.gz",
        "isthmus pools list --state pools.json.gz --token WETH --family concentrated",
        "isthmus pools list --node http://127.0.0.1:8545 --network twin",
        "isthmus pools list --store var/pools/base.sqlite3 --network base",
    ],
)
@_source_options
@click.option("--token", metavar="TOKEN", help="Only pools that trade it: an address or a symbol.")
@click.option("--family", metavar="NAME", help="Only pools of this family.")
async def list_(
    state: Path | None,
    node: str | None,
    network: str | None,
    store: str | None,
    family_files: tuple[Path, ...],
    token: str | None,
    family: str | None,
    as_json: bool,
) -> None:
    """List pools: address or id, family, fee and tokens."""
    from bot.config.errors import did_you_mean
    from chains.pools.extension import families_with

    known = families_with(family_files)
    if family is not None and family not in known:
        raise click.UsageError(f"--family {family!r} is not an AMM family; {did_you_mean(family, known)}")
    made = await _snapshot(state, node, network, store, family_files)

    def wanted(recorded: Recorded) -> bool:
        pool = recorded.pool
        named = token is None or any(token.lower() in (one.symbol.lower(), one.address.lower()) for one in pool.tokens)
        return named and family in (None, pool.family)

    chosen = [recorded for recorded in made.pools if wanted(recorded)]
    if as_json:
        emit({"pools": [_row(recorded) for recorded in chosen], "left_out": len(made.left_out)})
        return
    for recorded in chosen:
        pool = recorded.pool
        symbols = "/".join(one.symbol for one in pool.tokens)
        click.echo(f"{pool.venue:<42}  {pool.family:<20} {pool.fee_ppm:>6} ppm  {symbols}")
    click.echo(f"{len(chosen):,} of {len(made.pools):,} pools; {len(made.left_out):,} were left out", err=True)


@command("show", examples=["isthmus pools show 0xBb2b8038a1640196FbE3e38816F3e67Cba72D940 --state pools.json.gz"])
@_VENUE
@_source_options
async def show(
    venue: str,
    state: Path | None,
    node: str | None,
    network: str | None,
    store: str | None,
    family_files: tuple[Path, ...],
    as_json: bool,
) -> ExitCode:
    """Show one pool: its tokens, its marginal prices, and its state as a snapshot writes it."""
    from bot.quotes import QuoteRefused, Quotes
    from chains.snapshot.codec import encode

    made = await _snapshot(state, node, network, store, family_files)
    try:
        pool = Quotes(made).pool(venue)
    except QuoteRefused as refusal:
        return _absent(str(refusal), as_json)
    recorded = made.by_venue[pool.venue]
    if as_json:
        emit({**_row(recorded), "state": encode(pool)})
        return ExitCode.OK
    click.echo(f"{pool.venue}  {pool.family}, {pool.fee_ppm} ppm, after block {recorded.block}")
    for one in pool.tokens:
        click.echo(f"  {one.symbol:<12} {one.address}  {one.decimals} decimals")
    for one in pool.tokens:
        for other in pool.tokens:
            if one != other:
                price = pool.marginal_price(one, other) * 10.0 ** (one.decimals - other.decimals)
                click.echo(f"  1 {one.symbol} buys {price:.10g} {other.symbol}, at the margin and after the fee")
    for name, value in encode(pool).items():
        click.echo(f"  {name} = {_short(value)}")
    return ExitCode.OK


@command("why", examples=["isthmus pools why 0xBb2b8038a1640196FbE3e38816F3e67Cba72D940 --state pools.json.gz"])
@_VENUE
@_source_options
async def why(
    venue: str,
    state: Path | None,
    node: str | None,
    network: str | None,
    store: str | None,
    family_files: tuple[Path, ...],
    as_json: bool,
) -> ExitCode:
    """Say whether a pool may be traded, and if not, why not; exit 1 if not."""
    from bot.exactness import proofs_with
    from bot.snapshot.reasons import verdict

    made = await _snapshot(state, node, network, store, family_files)
    found = verdict(made, venue, proofs_with(family_files))
    if as_json:
        emit({"pool": found.venue, "tradable": found.tradable, "reasons": list(found.reasons)})
    else:
        click.echo(f"{found.venue}: {'may be traded' if found.tradable else 'is not traded'}")
        for reason in found.reasons:
            click.echo(f"  {reason}")
    return ExitCode.OK if found.tradable else ExitCode.ERROR


async def _snapshot(
    state: Path | None, node: str | None, network: str | None, store: str | None, family_files: tuple[Path, ...]
) -> Snapshot:
    """The pools of a file, of a node now, or of a store as it was saved."""
    from bot.snapshot.importing import opened
    from chains.pools.extension import families_with

    families = families_with(family_files)
    if state is not None:
        if node is not None or store is not None:
            raise click.UsageError("--state excludes --node and --store")
        return opened(state, families)
    from bot.snapshot.taking import discovered, source_at, take

    if store is not None and node is None:
        return _stored(store, network, family_files)
    if node is None:
        raise click.UsageError("no source; give --state FILE, --store URL or --node URL")
    async with source_at(network_named(network), node_url(node)) as source:
        known = await discovered(source, store) if store is not None else None
        return await take(source, await source.head(None), _silent, known=known, families=families)


def _stored(store: str, network: str | None, family_files: tuple[Path, ...]) -> Snapshot:
    from bot.config.pools import PoolSettings
    from bot.discovery.stored import stored
    from bot.exactness import proofs_with
    from chains.pools.extension import families_with

    return stored(store, network_named(network), PoolSettings(), families_with(family_files), proofs_with(family_files))


_silent: Callable[[int, int], None] = lambda done, total: None  # noqa: E731


def _row(recorded: Recorded) -> dict[str, Any]:
    pool = recorded.pool
    return {
        "pool": pool.venue,
        "family": pool.family,
        "fee_ppm": pool.fee_ppm,
        "block": recorded.block,
        "tokens": [{"address": one.address, "symbol": one.symbol, "decimals": one.decimals} for one in pool.tokens],
    }


def _absent(detail: str, as_json: bool) -> ExitCode:
    if as_json:
        emit({"refused": "unknown_pool", "detail": detail})
    click.echo(f"error: {detail}; `isthmus pools why` says more", err=True)
    return ExitCode.ERROR


def _short(value: Any) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}…"
