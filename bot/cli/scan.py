"""`isthmus scan`: what there was to gain in recorded markets, without any node."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.errors import CommandFailed, ExitCode, exit_code, explained
from bot.cli.output import emit
from bot.cli.parameters import GAS_PRICE, family_file_option

if TYPE_CHECKING:
    from bot.market.dual.venues import Venue
    from bot.scan.books_file import Books
    from chains.assets import Token
    from chains.pools.registry import Family
    from chains.snapshot import Snapshot

_SUFFIXES = (".json", ".json.gz")


@command(
    "scan",
    examples=[
        "isthmus scan --state pools.json.gz",
        "isthmus scan --state pools.json.gz --books books.json --gas-price 20 --json",
        "isthmus scan --state blocks/   every snapshot of a folder; one line of JSON each with --json",
        "isthmus scan --state pools.json.gz --why 0x0d4a…,0xB4e1…   why that cycle is not an opportunity",
    ],
)
@click.option(
    "--state",
    "states",
    multiple=True,
    required=True,
    metavar="FILE",
    help="A snapshot, a folder of them, or a pattern such as 'blocks/*.json.gz'; may be repeated.",
)
@click.option("--books", type=click.Path(path_type=Path), metavar="FILE", help="Order books of the same moment.")
@click.option("--gas-price", type=GAS_PRICE, default="0", show_default=True, metavar="GWEI", help="What gas costs.")
@click.option("--max-hops", default=8, show_default=True, type=click.IntRange(min=2, max=64), help="Hops per cycle.")
@click.option("--budget", metavar="N", help="The greatest input of one cycle, in whole numeraire. [no limit]")
@click.option("--refuse", "refused", multiple=True, metavar="POOL", help="Do not trade this pool; may be repeated.")
@click.option("--numeraire", metavar="TOKEN", help="What gains are counted in. [the network's wrapped coin]")
@click.option("--why", "cycle", metavar="POOL,POOL[,…]", help="Say why this cycle is not an opportunity.")
@family_file_option
def scan(
    states: tuple[str, ...],
    books: Path | None,
    gas_price: int,
    max_hops: int,
    budget: str | None,
    refused: tuple[str, ...],
    numeraire: str | None,
    cycle: str | None,
    family_files: tuple[Path, ...],
    as_json: bool,
) -> ExitCode:
    """Find what could be gained in a snapshot, bound it, and say what part can be captured and why not the rest.

    Opportunities are exact, in the order in which they are to be made: each is quoted on what those before it leave.
    A file of several that cannot be scanned is told at the end, and the others are scanned.
    """
    from bot.market.dual.capture import Terms
    from bot.scan.books_file import Books, read_books
    from bot.scan.report import document, lines
    from bot.scan.scan import pays_gas
    from bot.scan.scan import scan as scanned
    from chains.pools.extension import families_with
    from chains.snapshot.errors import SnapshotError

    families = families_with(family_files)
    most = math.inf if budget is None else float(_number("--budget", budget))
    failed: list[Exception] = []
    for file in _files(states):
        try:
            snapshot, unit, avoided = _market_in(file, families, numeraire, refused)
        except (SnapshotError, OSError, click.UsageError) as error:
            failed.append(error)
            continue
        if gas_price and not pays_gas(unit, snapshot):
            raise click.UsageError(f"--gas-price: gas is not paid in {unit}; leave it or --numeraire out")
        found = Books() if books is None else read_books(books, snapshot.tokens)
        if cycle is not None:
            _tell_why(snapshot, found, unit, cycle, gas_price, as_json)
            continue
        terms = Terms(gas_price, max_hops, most * 10.0**unit.decimals, avoided)
        result = scanned(snapshot, found, unit, terms)
        if as_json:
            emit({"state": file, **document(result)})
        else:
            click.echo("\n".join([str(file), *lines(result)]))
            for venue, reason in found.refused.items():
                click.echo(f"left out: {venue}: {reason}", err=True)
            if more := len(result.left_out) - len(found.refused):
                click.echo(f"left out: {more:,} pools; --json names them", err=True)
    if len(failed) > 1:
        raise CommandFailed("\n".join(map(_told, failed)), ExitCode(max(map(_code, failed)))) from failed[0]
    if failed:
        raise failed[0]
    return ExitCode.OK


def _market_in(
    file: Path, families: Mapping[str, Family], numeraire: str | None, refused: tuple[str, ...]
) -> tuple[Snapshot, Token, dict[str, str]]:
    """The pools of a file, what gains are counted in there, and the pools not to be traded.

    Raises `SnapshotError`, `OSError`, `click.UsageError`.
    """
    from bot.scan.scan import NoNumeraire, numeraire_of
    from bot.snapshot.importing import opened
    from bot.snapshot.wrapping import with_wrappers

    snapshot = with_wrappers(opened(file, families))
    try:
        unit = numeraire_of(snapshot, numeraire)
    except NoNumeraire as error:
        raise click.UsageError(f"{file}: {error}") from None
    known = {venue.lower(): venue for venue in snapshot.by_venue}
    for name in refused:
        if name.lower() not in known:
            raise click.UsageError(f"{file}: --refuse {name}: no such pool in the snapshot")
    return snapshot, unit, {known[name.lower()]: "refused by --refuse" for name in refused}


def _tell_why(snapshot: Snapshot, books: Books, unit: Token, cycle: str, gas_price_wei: int, as_json: bool) -> None:
    from bot.market.why import why
    from bot.scan.report import told

    venues: dict[str, Venue] = {recorded.pool.venue: recorded.pool for recorded in snapshot.pools}
    venues.update((venue.venue, venue) for venue in books.venues)
    absent = {left.venue: left.reason for left in snapshot.left_out} | dict(books.refused)
    names = [name.strip() for name in cycle.split(",") if name.strip()]
    if len(names) < 2:
        raise click.UsageError(f"--why {cycle!r} names no cycle; write two pools or more, with commas between")
    reasons = why(venues, names, (unit,), gas_price_wei, absent)
    if as_json:
        emit({"cycle": names, "reasons": [{"code": str(one.answer), "detail": one.detail} for one in reasons]})
        return
    for one in reasons:
        click.echo(f"{one.answer}: {one.detail}")
        if one.trade is not None:
            click.echo("\n".join(told(one.trade, unit, gas_price_wei)))


def _files(states: tuple[str, ...]) -> Iterator[Path]:
    """The files that are meant, in order. Raises `click.UsageError` for a folder or pattern without any."""
    import glob

    for state in states:
        path = Path(state)
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.name.endswith(_SUFFIXES))
        elif path.exists() or not glob.has_magic(state):
            found = [path]
        else:
            found = sorted(map(Path, glob.glob(state)))
        if not found:
            raise click.UsageError(f"{state}: no snapshot there; name a file, or a folder of .json or .json.gz files")
        yield from found


def _told(error: Exception) -> str:
    return error.message if isinstance(error, click.UsageError) else explained(error)


def _code(error: Exception) -> ExitCode:
    return ExitCode.USAGE if isinstance(error, click.UsageError) else exit_code(error)


def _number(option: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise click.UsageError(f"{option} {text!r} is not a number of 0 or more")
    return value
