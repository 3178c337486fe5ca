"""`isthmus reconcile`: the ledger against the chain and the exchanges, to the last unit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import BECAUSE, config_option, found_config
from bot.cli.which import Which, ledger_option, which_of

if TYPE_CHECKING:
    from bot.balances import CurrencyReader
    from bot.config.load import Loaded
    from bot.ledger.ledger import Ledger
    from bot.ledger.reconcile import BalanceSource, FinalBlock, Reconciliation, Row
    from bot.ledger.records import Account
    from chains.blocks import Head


@dataclass(frozen=True, slots=True)
class Sources:
    """Who is asked about accounts on the chain and at exchanges, and how that is called.

    `head` and `final` are the chain's newest block and the newest that nothing can undo, where there is a chain to ask.
    """

    chain: BalanceSource
    exchanges: BalanceSource
    called: str
    head: Head | None = None
    final: FinalBlock | None = None


@command(
    "reconcile",
    examples=[
        "isthmus reconcile                          the latest run; on the twin or a fork, as it was at the end",
        "isthmus reconcile --config isthmus.toml    against your node and your exchanges, as they are now",
        'isthmus reconcile --book "deposit of 3 May"   what differs came from outside, or went there',
        'isthmus reconcile --gone kraken --book "account closed"   and so did all that lay there',
    ],
)
@config_option
@ledger_option
@click.option("--run", "run_id", type=click.IntRange(min=1), metavar="ID", help="A run in it. [the latest]")
@click.option(
    "--book", "reason", type=BECAUSE, metavar="REASON", help="Book what differs as come from outside, or gone there."
)
@click.option("--gone", multiple=True, metavar="EXCHANGE", help="One without an account any more; with --book.")
async def reconcile(
    config_path: Path | None,
    ledger_url: str | None,
    run_id: int | None,
    reason: str | None,
    gone: tuple[str, ...],
    as_json: bool,
) -> ExitCode:
    """Compare every balance in the ledger with the chain's and the exchanges' own; exit 1 when one differs."""
    from bot.config.load import load
    from bot.ledger.reconcile import book_differences
    from bot.ledger.reconcile import reconcile as compare
    from bot.mode import Mode

    loaded = load(found_config(config_path))
    named = {settings.name for settings in loaded.config.exchanges}.intersection(gone)
    if named:
        raise click.UsageError(f"{', '.join(sorted(named))}: an exchange that is gone is not in the run file")
    if gone and reason is None:
        raise click.UsageError("--gone goes with --book")
    which = Which(ledger_url) if ledger_url is not None else which_of(loaded)
    ledger = which.open()
    try:
        which.attach(ledger, run_id)
        if ledger.run.mode is Mode.DRY:
            _tell_dry(ledger.run.id, as_json)
            return ExitCode.OK
        async with _sources(loaded, ledger, gone) as asked:
            found = await compare(ledger, asked.chain, asked.exchanges, asked.final)
        if asked.head is not None:
            ledger.at_head(asked.head.number, asked.head.timestamp_s)
        if reason is not None:
            book_differences(ledger, found, reason)
        in_flight = len(ledger.open_intents())
        _tell(found, run=ledger.run.id, asked=asked.called, in_flight=in_flight, booked=reason, as_json=as_json)
    finally:
        ledger.close()
    return ExitCode.OK if found.equal or reason is not None else ExitCode.ERROR


@asynccontextmanager
async def _sources(loaded: Loaded, ledger: Ledger, gone: Iterable[str]) -> AsyncIterator[Sources]:
    """The node and the exchanges of the configuration; for a twin or a fork, which is gone, the last it said.

    Nothing is left at the exchanges that are `gone`.
    """
    from bot.balances import at_exchanges, final_block, on_chain
    from bot.clock import SystemClock
    from bot.ledger.reading import observed_balances
    from bot.mode import Mode
    from bot.world.exchanges import exchange_of
    from bot.world.nodes import node_of

    if not loaded.config.node.endpoints or ledger.run.mode is Mode.FORK:
        recorded = _recorded(observed_balances(ledger))
        yield Sources(recorded, recorded, "the chain and the exchanges as the run left them")
        return
    _require_same_chain(loaded, ledger)
    async with AsyncExitStack() as open_things:
        node = node_of(loaded.config, loaded.network, SystemClock())
        await open_things.enter_async_context(node)
        exchanges: dict[str, CurrencyReader] = {name: Gone() for name in gone}
        for settings in loaded.config.exchanges:
            if settings.api_key is None:
                continue
            exchange = exchange_of(settings, loaded.network)
            open_things.push_async_callback(exchange.close)
            await exchange.connect()
            exchanges[settings.name] = exchange
        head, final = await node.head(), await final_block(node)
        yield Sources(on_chain(node), at_exchanges(exchanges), "the chain and the exchanges now", head, final)


def _require_same_chain(loaded: Loaded, ledger: Ledger) -> None:
    """Another chain's node would tell of accounts that have the same addresses there. Raises `CommandFailed`."""
    network, run = loaded.network, ledger.run
    if (run.network, run.chain_id) != (network.name, network.chain_id):
        raise CommandFailed(
            f"run {run.id} of ledger {ledger.where} is on {run.network} (chain id {run.chain_id}), and the run file on "
            f"{network.name} (chain id {network.chain_id}); name the run file of {run.network} with --config",
            ExitCode.USAGE,
        )


class Gone:
    """An exchange without an account any more."""

    async def balances(self) -> dict[str, int]:
        return {}


def _recorded(observed: Mapping[Account, int]) -> BalanceSource:
    async def ask(account: Account) -> int:
        if account not in observed:
            message = (
                f"{account}: was never asked for; let the run end, or name the node in the run file. Of a twin or fork "
                "that was ended before it looked, nothing is left to compare with"
            )
            raise CommandFailed(message, ExitCode.ENVIRONMENT)
        return observed[account]

    return ask


def _tell(found: Reconciliation, *, run: int, asked: str, in_flight: int, booked: str | None, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "run": run,
                "equal": found.equal,
                "against": asked,
                "in_flight": in_flight,
                "booked": booked if found.differing else None,
                "accounts": [_document(row) for row in found.rows],
                "final": None
                if found.final is None
                else {
                    "block": found.final.number,
                    "accounts": [_document(row) for row in found.final.rows],
                    "intents_above": [intent.id for intent in found.final.above],
                },
            }
        )
        return
    for row in found.differing:
        click.echo(f"{row.account}: ledger {row.ledger}, really {row.real}, difference {row.difference:+d}")
    verdict = "equal to the last unit" if found.equal else f"{len(found.differing)} differ"
    click.echo(f"run {run}: {len(found.rows)} accounts against {asked}: {verdict}")
    if found.final is not None:
        above = ", ".join(f"intent {intent.id} in block {intent.block_number}" for intent in found.final.above)
        settled = "equal" if not any(row.difference for row in found.final.rows) else "not equal"
        click.echo(f"as of final block {found.final.number}: {settled}; not final yet: {above or 'nothing'}")
    if found.unread is not None:
        click.echo(f"as of final block {found.unread}: not compared, since no endpoint has its state any more")
    if booked is None and found.remedy:
        click.echo(found.remedy)
    if booked is not None and found.differing:
        click.echo(f"{len(found.differing)} differences are booked: {booked}")
    if in_flight:
        click.echo(
            f"still in flight: {in_flight}; until they are settled by a run on this ledger, differences are theirs"
        )


def _tell_dry(run: int, as_json: bool) -> None:
    if as_json:
        emit(
            {"run": run, "equal": None, "against": None, "in_flight": 0, "booked": None, "accounts": [], "final": None}
        )
    else:
        click.echo(f"run {run}: it was dry and sent nothing, so there is nothing to compare; --run names another")


def _document(row: Row) -> dict[str, str]:
    return {
        "place": row.account.place,
        "owner": row.account.owner,
        "token": row.account.token,
        "ledger": str(row.ledger),
        "real": str(row.real),
        "difference": str(row.difference),
    }
