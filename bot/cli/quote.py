"""`isthmus quote`: exact amounts from a snapshot, without any node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from bot.cli.command import command
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import family_file_option

if TYPE_CHECKING:
    from bot.quotes import Quotes

_LONGEST = 1 << 16
"""Characters of a line of requests."""


@command(
    "quote",
    examples=[
        "isthmus quote --state pools.json.gz --in WETH --out USDC --amount 1000000000000000000",
        "isthmus quote --state pools.json.gz --in WETH --out USDC --amount 2000000000 --exact-out",
        "isthmus quote --state pools.json.gz --requests requests.jsonl",
    ],
)
@click.option(
    "--state", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The snapshot to quote from."
)
@click.option("--in", "token_in", metavar="TOKEN", help="What is paid: an address, or a symbol if only one has it.")
@click.option("--out", "token_out", metavar="TOKEN", help="What is received.")
@click.option("--amount", metavar="N", help="Base units of the token paid; with --exact-out, of the one received.")
@click.option("--exact-out", is_flag=True, help="Ask what must be paid for exactly this amount.")
@click.option("--pool", metavar="ADDRESS", help="Ask this pool, by address or id; left out, the best single pool.")
@click.option(
    "--requests", type=click.Path(path_type=Path), metavar="FILE", help="Answer a file of requests, one JSON a line."
)
@family_file_option
def quote(
    state: Path,
    token_in: str | None,
    token_out: str | None,
    amount: str | None,
    exact_out: bool,
    pool: str | None,
    requests: Path | None,
    family_files: tuple[Path, ...],
    as_json: bool,
) -> ExitCode:
    """Say what a swap pays, or asks for, exactly as the pool's contract would compute it.

    A request of --requests is an object with `token_in`, `token_out`, `amount` and, if wanted, `pool` and
    `exact_out`. Each is answered, in order, by one line of JSON: `amount` as a decimal string, or `refused` and
    `detail`.
    """
    from bot.quotes import Quotes
    from bot.snapshot.importing import opened
    from chains.pools.extension import families_with

    single = (token_in, token_out, amount)
    if requests is not None and (any(single) or pool or exact_out):
        raise click.UsageError("--requests brings its own tokens, amounts and pools; leave the others out")
    if requests is None and not all(single):
        raise click.UsageError("give --in, --out and --amount, or --requests")
    quotes = Quotes(opened(state, families_with(family_files)))
    if requests is not None:
        with requests.open(encoding="utf-8-sig", errors="replace") as lines:
            for line in _bounded(lines, requests):
                if line.strip():
                    emit(_answer_line(quotes, line))
        return ExitCode.OK
    return _answer_one(quotes, str(token_in), str(token_out), str(amount), exact_out, pool, as_json)


def _bounded(lines: TextIO, file: Path) -> Iterator[str]:
    """Line by line, so that a pipe is answered as it goes. Raises `CommandFailed` for what is no line of a request."""
    for number, line in enumerate(iter(lambda: lines.readline(_LONGEST + 1), ""), 1):
        if len(line) > _LONGEST:
            message = f"{file}: line {number} is of more than {_LONGEST:,} characters; write one request a line"
            raise CommandFailed(message, ExitCode.USAGE)
        yield line


def _answer_line(quotes: Quotes, line: str) -> dict[str, str]:
    from bot.quotes import QuoteRefused, parse_request

    try:
        return {"amount": str(quotes.answer(parse_request(line)).amount)}
    except QuoteRefused as refusal:
        return {"refused": refusal.code, "detail": str(refusal)}


def _answer_one(
    quotes: Quotes, token_in: str, token_out: str, amount: str, exact_out: bool, pool: str | None, as_json: bool
) -> ExitCode:
    from bot.quotes import QuoteRefused, QuoteRequest, parse_amount

    try:
        quoted = quotes.answer(QuoteRequest(token_in, token_out, parse_amount(amount), exact_out, pool))
    except QuoteRefused as refusal:
        if as_json:
            emit({"refused": refusal.code, "detail": str(refusal)})
        click.echo(f"refused: {refusal.code}: {refusal}", err=True)
        return ExitCode.ERROR
    if as_json:
        emit({"amount": str(quoted.amount), "pool": quoted.pool.venue, "family": quoted.pool.family})
    else:
        click.echo(f"{quoted.amount}  from {quoted.pool.family} {quoted.pool.venue}")
    return ExitCode.OK
