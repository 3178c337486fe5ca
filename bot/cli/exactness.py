"""`isthmus exactness`: every pool family held against the answers of the real contracts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.errors import ExitCode
from bot.cli.output import TerminalReporter, emit
from bot.cli.parameters import family_file_option

if TYPE_CHECKING:
    from collections.abc import Collection

    from bot.exactness.report import FamilyReport


@command(
    "exactness",
    examples=[
        "isthmus exactness                           all families, in a minute or so",
        "isthmus exactness --family concentrated     only one",
        "isthmus exactness --into README.md          bring the README's table up to date",
    ],
)
@click.option("--family", "families", multiple=True, metavar="NAME", help="Only this family; may be repeated.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a Markdown table.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Write the Markdown table into FILE, between its two exactness comments.",
)
@family_file_option
def exactness(
    families: tuple[str, ...], as_markdown: bool, into: Path | None, family_files: tuple[Path, ...], as_json: bool
) -> ExitCode:
    """Ask every pool family what real contracts were asked, and count where the answers differ.

    The contracts are deployed from their npm packages on a local Anvil, or their answers were recorded. Exit code 1
    if any answer differs.
    """
    from bot.exactness import proofs_with
    from bot.exactness.report import exactness as held_against_contracts
    from bot.exactness.report import listed, markdown, tables_replaced
    from chains.pools.extension import families_with
    from chains.pools.registry import loader

    page = into.read_text(encoding="utf-8") if into is not None else ""
    if into is not None:
        try:
            tables_replaced(page, "")
        except ValueError as error:
            raise click.UsageError(f"{into}: {error}") from None
    known = families_with(family_files)
    for family in families:
        loader(family, known)
    lost = listed(page) & known.keys() - set(families) if families else ()
    if lost:
        raise click.UsageError(
            f"{into} lists {', '.join(sorted(lost))} as well, which would be lost; leave out --family"
        )
    terminal = TerminalReporter(lines_to_stderr=True)
    report = held_against_contracts(
        families or known,
        proofs_with(family_files),
        progress=lambda done, total: terminal.progress("asking the contracts", done, total),
    )
    if into is not None:
        into.write_text(tables_replaced(page, markdown(report)), encoding="utf-8")
    if as_json:
        emit({"families": [_row(row) for row in report]})
    elif as_markdown:
        click.echo(markdown(report))
    else:
        _print(report)
    return ExitCode.ERROR if any(row.mismatches for row in report) else ExitCode.OK


def _row(row: FamilyReport) -> dict[str, object]:
    return {"family": row.family, "cases": row.cases, "mismatches": row.mismatches, "source": row.source}


def _print(report: Collection[FamilyReport]) -> None:
    width = max(len(row.family) for row in report)
    click.echo(f"{'family':<{width}}  {'cases':>8}  {'mismatches':>10}  source")
    for row in report:
        click.echo(f"{row.family:<{width}}  {row.cases:>8,}  {row.mismatches:>10,}  {row.source}")
        for case in row.examples:
            click.echo(f"  {case.name}: the contract gives {case.expected}, the pool {case.got}", err=True)
