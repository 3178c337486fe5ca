"""`isthmus snapshot`: pools into a file, from a node or from what others recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import Verbs, command
from bot.cli.output import TerminalReporter, emit
from bot.cli.parameters import VENUE, family_file_option, network_named, node_options, node_url, store_option

if TYPE_CHECKING:
    from chains.snapshot import Snapshot

snapshot = Verbs(
    "snapshot",
    verbs={
        "take": ("bot.cli.snapshot:take", "Take one from a node, as of a block."),
        "import": ("bot.cli.snapshot:import_", "Convert recorded layouts, a file or whole folders."),
    },
    help="Take a snapshot of pools, or import recorded ones.",
)

_OUTPUT = click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write it; compressed if it ends in .gz.",
)
_SHOWN_REASONS = 8


@command(
    "take",
    examples=[
        "isthmus snapshot take --node http://127.0.0.1:8545 -o pools.json.gz",
        "isthmus snapshot take --node ws://127.0.0.1:8545 --network twin --block 17675950 -o pools.json.gz",
        "isthmus snapshot take --node http://127.0.0.1:8545 --store var/pools/ethereum.sqlite3 -o pools.json.gz",
    ],
)
@node_options
@click.option("--block", type=click.IntRange(min=0), metavar="N", help="As of this block. [the latest]")
@click.option("--pool", "pools", multiple=True, type=VENUE, metavar="ADDRESS", help="Only this pool; may be repeated.")
@store_option
@family_file_option
@_OUTPUT
async def take(
    node: str | None,
    network: str | None,
    block: int | None,
    pools: tuple[str, ...],
    store: str | None,
    family_files: tuple[Path, ...],
    output: Path,
    as_json: bool,
) -> None:
    """Write every known pool of the network, as it was after one block, to a file.

    Known are the pools of the list that comes with Isthmus, or those in the store of `isthmus discover`.
    """
    from bot.snapshot.taking import discovered, source_at
    from bot.snapshot.taking import take as taken
    from chains.pools.extension import families_with
    from chains.snapshot import write

    terminal = TerminalReporter(lines_to_stderr=True)
    async with source_at(network_named(network), node_url(node)) as source:
        head = await source.head(block)
        known = await discovered(source, store) if store is not None else None
        made = await taken(
            source,
            head,
            lambda done, total: terminal.progress("loading pools", done, total),
            pools,
            known,
            families_with(family_files),
        )
    write(made, output)
    _tell(made, output, as_json)


@command(
    "import",
    examples=[
        "isthmus snapshot import pools_17675948.json.gz -o pools.json.gz",
        "isthmus snapshot import recordings/ -o pools.json.gz   every file of a folder; of a pool, its latest state",
    ],
)
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="FILE|FOLDER")
@_OUTPUT
def import_(source: Path, output: Path, as_json: bool) -> None:
    """Convert what others recorded into a snapshot. What cannot be quoted exactly is left out, with the reason."""
    from bot.snapshot.importing import imported
    from chains.snapshot import write

    made = imported(source)
    write(made, output)
    _tell(made, output, as_json)


def _tell(made: Snapshot, output: Path, as_json: bool) -> None:
    families = Counter(recorded.pool.family for recorded in made.pools)
    reasons = Counter(left.reason for left in made.left_out)
    if as_json:
        emit(
            {
                "file": output,
                "pools": len(made.pools),
                "families": dict(sorted(families.items())),
                "tokens": len(made.tokens),
                "left_out": len(made.left_out),
            }
        )
        return
    click.echo(f"{output}: {len(made.pools):,} pools of {len(made.tokens):,} tokens")
    for family, count in sorted(families.items()):
        click.echo(f"  {family:<24} {count:>6,}")
    if reasons:
        click.echo(f"left out: {len(made.left_out):,}", err=True)
    for reason, count in reasons.most_common(_SHOWN_REASONS):
        click.echo(f"  {count:>6,}  {reason}", err=True)
