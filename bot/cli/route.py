"""`isthmus route`: the best execution of an order through a snapshot, without any node."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import command
from bot.cli.errors import ExitCode
from bot.cli.output import emit
from bot.cli.parameters import GAS_PRICE, family_file_option

if TYPE_CHECKING:
    from bot.market.parts import Path as Part
    from bot.market.routing import Routed
    from chains.assets import Token
    from chains.snapshot import Snapshot

_LITTLE_WEI = 10**16


@command(
    "route",
    examples=[
        "isthmus route --state pools.json.gz --in WETH --out USDC --amount 1000000000000000000000",
        "isthmus route --state pools.json.gz --in WETH --out USDC --amount 1000000000000000000 --gas-price 20",
        "isthmus route --state pools.json.gz --in WETH --out USDC --amount 2000000000 --exact-out --json",
    ],
)
@click.option(
    "--state", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The snapshot to route through."
)
@click.option("--in", "token_in", required=True, metavar="TOKEN", help="What is paid: an address, or a symbol.")
@click.option("--out", "token_out", required=True, metavar="TOKEN", help="What is received.")
@click.option("--amount", required=True, metavar="N", help="Base units of the token paid; with --exact-out, received.")
@click.option("--exact-out", is_flag=True, help="Ask what must be paid for at least this amount.")
@click.option(
    "--gas-price",
    type=GAS_PRICE,
    default="0",
    show_default=True,
    metavar="GWEI",
    help="What gas costs: no more paths than pay for theirs.",
)
@click.option("--max-hops", default=4, show_default=True, type=click.IntRange(min=1, max=16), help="Hops per path.")
@family_file_option
def route(
    state: Path,
    token_in: str,
    token_out: str,
    amount: str,
    exact_out: bool,
    gas_price: int,
    max_hops: int,
    family_files: tuple[Path, ...],
    as_json: bool,
) -> ExitCode:
    """Split an order over all pools so that it pays most, or asks least, and compare that with the best single path.

    The paths are exact and to be taken in the order given: each is quoted on what those before it leave.
    """
    from bot.market.routing import NoRoute
    from bot.market.routing import route as routed
    from bot.quotes import QuoteRefused, Quotes, parse_amount, require_amount
    from bot.snapshot.importing import opened
    from bot.snapshot.wrapping import with_wrappers
    from chains.pools.extension import families_with

    snapshot = with_wrappers(opened(state, families_with(family_files)))
    try:
        quotes = Quotes(snapshot)
        paid, received = quotes.token(token_in), quotes.token(token_out)
        units = parse_amount(amount)
        if units:
            require_amount(units)
        if paid == received or not units:
            raise QuoteRefused("no_trade", f"an order of {units} {token_in} for {token_out} trades nothing")
        pools = [recorded.pool for recorded in snapshot.pools]
        price = _price_of_gas(snapshot, paid if exact_out else received, gas_price)
        found = routed(pools, paid, received, units, exact_out=exact_out, max_hops=max_hops, gas_price=price)
    except (QuoteRefused, NoRoute) as refusal:
        code = refusal.code if isinstance(refusal, QuoteRefused) else "no_route"
        if as_json:
            emit({"refused": code, "detail": str(refusal)})
        click.echo(f"refused: {code}: {refusal}", err=True)
        return ExitCode.ERROR
    if as_json:
        emit(_document(found) | ({"gas_cost": str(math.ceil(found.gas * price))} if price else {}))
    else:
        _tell(found, exact_out=exact_out)
        burnt = f", {_shown(math.ceil(found.gas * price), paid if exact_out else received)}" if price else ""
        click.echo(f"about {found.gas:,} gas{burnt}")
    return ExitCode.OK


def _price_of_gas(snapshot: Snapshot, token: Token, gas_price_wei: int) -> Fraction:
    """Base units of the token for a unit of gas, at what a little of the network's coin buys of it."""
    from bot.market.routing import NoRoute, best_path
    from bot.scan.scan import NoNumeraire, numeraire_of, pays_gas

    if not gas_price_wei or pays_gas(token, snapshot):
        return Fraction(gas_price_wei)
    pools = [recorded.pool for recorded in snapshot.pools]
    try:
        bought = best_path(pools, numeraire_of(snapshot, None), token, _LITTLE_WEI)
    except (NoRoute, NoNumeraire):
        raise click.UsageError(
            f"--gas-price: nothing here says what gas costs in {token.symbol or token.address}; leave it out"
        ) from None
    return Fraction(gas_price_wei * bought.amount_out, _LITTLE_WEI)


def _tell(found: Routed, *, exact_out: bool) -> None:
    click.echo(f"{_shown(found.amount_in, found.token_in)} -> {_shown(found.amount_out, found.token_out)}")
    for part in found.paths:
        share = part.amount_in / found.amount_in
        click.echo(
            f"  {share:7.2%}  {_shown(part.amount_in, found.token_in)} -> {_shown(part.amount_out, found.token_out)}"
        )
        for step in part.steps:
            click.echo(
                f"           {step.venue}: {_shown(step.amount_in, step.token_in)} -> "
                f"{_shown(step.amount_out, step.token_out)}; marginal {step.rate:.9g}, average {step.average:.9g}, "
                f"fee {step.fee_ppm / 10_000:g} %"
            )
    if found.single is None:
        click.echo("no single path takes the whole amount")
    elif exact_out:
        click.echo(f"the best single path asks {_shown(found.single.amount_in, found.token_in)}")
    else:
        click.echo(f"the best single path pays {_shown(found.single.amount_out, found.token_out)}")


def _document(found: Routed) -> dict[str, Any]:
    return {
        "amount_in": str(found.amount_in),
        "amount_out": str(found.amount_out),
        "gas": found.gas,
        "paths": [_part(part) for part in found.paths],
        "single": None if found.single is None else _part(found.single),
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "amount_in": str(part.amount_in),
        "amount_out": str(part.amount_out),
        "route": [
            {
                "pool": step.venue,
                "token_in": step.token_in.address,
                "token_out": step.token_out.address,
                "marginal_price": step.rate,
                "fee_ppm": step.fee_ppm,
            }
            for step in part.steps
        ],
        "amounts": [[str(step.amount_in), str(step.amount_out)] for step in part.steps],
    }


def _shown(units: int, token: Token) -> str:
    return f"{token.whole(units):f} {token.symbol}"
