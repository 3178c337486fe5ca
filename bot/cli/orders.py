"""`isthmus orders`: exchange orders that may still trade, a person's word on those that nobody knows of, and trades
whose other side a person sees to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import Verbs, command
from bot.cli.control import person
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import BECAUSE, config_option
from bot.cli.which import ledger_option, which_ledger

if TYPE_CHECKING:
    from bot.ledger.ledger import Ledger
    from bot.ledger.records import PlacedOrder, TradeFill

_TOO_MUCH = 2**128
"""No exchange has so many base units of anything."""

orders = Verbs(
    "orders",
    verbs={
        "list": ("bot.cli.orders:listed", "List orders that may still trade."),
        "settle": ("bot.cli.orders:settle", "Say what became of an order that nobody knows of."),
        "waive": ("bot.cli.orders:waive", "See to a trade's other side yourself."),
    },
    help="List exchange orders, settle those that nobody knows of, and waive what cannot be ordered any more.",
)


@command("list", examples=["isthmus orders list", "isthmus orders list --json"])
@config_option
@ledger_option
def listed(config_path: Path | None, ledger_url: str | None, as_json: bool) -> None:
    """List orders that may still trade, those of unknown fate and in quarantine among them."""
    from bot.clock import SystemClock
    from bot.ledger.ledger import Ledger

    which = which_ledger(config_path, ledger_url)
    ledger = Ledger.view(which.url, SystemClock())
    try:
        which.attach(ledger)
        found = ledger.open_orders()
        lines = [f"{it.state:<12} {it.client_id}  {it.exchange}  {_asked(ledger, it)}" for it in found]
    finally:
        ledger.close()
    if as_json:
        emit({"orders": [_document(order) for order in found]})
        return
    for line in lines:
        click.echo(line)
    if not found:
        click.echo("no order may still trade")


@command(
    "settle",
    examples=[
        'isthmus orders settle isthmus3f9a… --never-traded --because "not in the exchange\'s history, ticket 4711"',
        'isthmus orders settle isthmus3f9a… --traded 0.5 --for 1000.25 --fee "0.23 USDT" --because "statement of May"',
    ],
)
@click.argument("client_id", metavar="CLIENT_ID")
@config_option
@ledger_option
@click.option("--never-traded", is_flag=True, help="The exchange never had it, or it traded no more than is booked.")
@click.option("--traded", metavar="BASE", help="How much base currency it traded beyond what is booked, before fees.")
@click.option("--for", "quoted", metavar="QUOTE", help="For how much of the quote currency, before fees.")
@click.option("--fee", metavar="AMOUNT", help='What was charged besides, such as "0.23 USDT".')
@click.option(
    "--because",
    "reason",
    type=BECAUSE,
    required=True,
    metavar="TEXT",
    help="How that is known; it is kept in the ledger.",
)
def settle(
    client_id: str,
    config_path: Path | None,
    ledger_url: str | None,
    never_traded: bool,
    traded: str | None,
    quoted: str | None,
    fee: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Settle an order that nobody knows of on your word: that it never traded, or what it traded.

    A run on this ledger takes it up at its next block, and hedges or unwinds what is still owed.
    """

    if never_traded == (traded is not None) or (traded is None) != (quoted is None):
        raise click.UsageError("say either --never-traded, or --traded BASE --for QUOTE")
    which = which_ledger(config_path, ledger_url)
    ledger = which.open()
    try:
        which.attach(ledger)
        order = _found(ledger, client_id)
        fills = [_fill(ledger, order, traded, quoted, fee)] if traded is not None and quoted is not None else []
        settled = ledger.settle_order(order.exchange, order.client_id, fills, by=person(), because=reason)
    finally:
        ledger.close()
    if as_json:
        emit(_document(settled))
    else:
        click.echo(f"{settled.client_id} at {settled.exchange} is {settled.state}; a run goes on from there")


@command("waive", examples=['isthmus orders waive 17 --because "delisted; bought back at another exchange"'])
@click.argument("intent_id", metavar="INTENT", type=click.IntRange(min=1))
@config_option
@ledger_option
@click.option("--because", "reason", type=BECAUSE, required=True, metavar="TEXT", help="Why; it is kept in the ledger.")
def waive(intent_id: int, config_path: Path | None, ledger_url: str | None, reason: str, as_json: bool) -> None:
    """See to the other side of the trade INTENT yourself: it is neither hedged nor unwound any more.

    For what cannot be ordered any more, such as where an exchange trades the symbol no longer. Stop the run first. What
    the trade left stays in the inventory; what you trade by hand, book with `isthmus reconcile --book`.
    """

    which = which_ledger(config_path, ledger_url)
    ledger = which.open()
    try:
        which.attach(ledger)
        # A run knows what it owes by heart.
        ledger.hold(ledger.run.network)
        intent = ledger.waive_exposure(intent_id, by=person(), because=reason)
        resting = [order for order in ledger.open_orders() if order.intent_id == intent.id]
    finally:
        ledger.close()
    if as_json:
        emit({"intent": intent.id, "exposure": intent.exposure, "open_orders": [_document(order) for order in resting]})
        return
    click.echo(f"intent {intent.id} of {intent.strategy}: its other side is yours now")
    for order in resting:
        click.echo(f"cancel {order.client_id} at {order.exchange}: it was open there when it was last asked about")


def _found(ledger: Ledger, client_id: str) -> PlacedOrder:
    """The order of that id, whichever exchange it was for."""
    order = next((order for order in ledger.open_orders() if order.client_id == client_id), None)
    if order is None:
        message = f"{client_id} is no order that may still trade; `isthmus orders list` says which are"
        raise CommandFailed(message, ExitCode.USAGE)
    return order


def _fill(ledger: Ledger, order: PlacedOrder, traded: str, quoted: str, fee: str | None) -> TradeFill:
    """All it traded, as one trade named after the order itself."""
    from bot.ledger.orders import BY_HAND
    from bot.ledger.records import TradeFill
    from bot.plan import Side

    charged, _, currency = (fee or "0").partition(" ")
    decimals = _decimals(ledger, order)
    base, quote = _units(traded, decimals), _units(quoted, decimals)
    beyond = quote - base * order.limit_price if order.side is Side.BUY else base * order.limit_price - quote
    if beyond >= 1:
        raise click.UsageError(
            f"{traded} for {quoted} is worse than the order's limit; it was to {_asked(ledger, order)}"
        )
    # As the exchange writes it, or the fee would lie in an account that nobody has.
    ours = {account.token.upper(): account.token for account in ledger.accounts() if account.place == order.exchange}
    paid_in = ours.get(currency.upper(), currency.upper()) or order.quote
    return TradeFill(f"{BY_HAND}{order.client_id}", base, quote, paid_in, _units(charged, decimals, least=0))


def _decimals(ledger: Ledger, order: PlacedOrder) -> int:
    """How exactly the order's exchange accounts for currencies, by the plan that it is of."""
    from chains.exchanges.books import CURRENCY_DECIMALS

    orders = ledger.plan(ledger.intent(order.intent_id).plan_id).orders
    return next((each.base.decimals for each in orders if each.exchange == order.exchange), CURRENCY_DECIMALS)


def _units(text: str, decimals: int, least: int = 1) -> int:
    """An exchange's currency in its base units, exactly."""
    from decimal import Decimal

    try:
        units = Decimal(text).scaleb(decimals)
    except ArithmeticError:
        raise click.UsageError(f"{text!r} is not an amount; write a number, such as 0.5") from None
    if not units.is_finite() or not least <= units < _TOO_MUCH or units != int(units):
        raise click.UsageError(f"{text!r} is not an amount of at most {decimals} decimals above zero")
    return int(units)


def _asked(ledger: Ledger, order: PlacedOrder) -> str:
    from decimal import Decimal

    amount = Decimal(order.amount).scaleb(-_decimals(ledger, order))
    return f"{order.side} {amount:f} {order.symbol} at {order.limit_price:f}"


def _document(order: PlacedOrder) -> dict[str, Any]:
    return {
        "client_id": order.client_id,
        "exchange": order.exchange,
        "intent": order.intent_id,
        "state": order.state,
        "symbol": order.symbol,
        "side": order.side,
        "amount": str(order.amount),
        "limit_price": format(order.limit_price, "f"),
        "filled": str(order.filled_units),
    }
