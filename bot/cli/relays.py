"""`isthmus relays`: where transactions can go, and whether each place answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import Verbs, command
from bot.cli.errors import ExitCode
from bot.cli.output import emit
from bot.cli.parameters import config_option, found_config
from bot.cli.which import ledger_option, which_ledger

if TYPE_CHECKING:
    from bot.config.load import Loaded
    from bot.world.relays import Answered

relays = Verbs(
    "relays",
    verbs={
        "list": ("bot.cli.relays:list_", "List the relays of a configuration, and what goes where."),
        "test": ("bot.cli.relays:test", "Ask each relay whether it answers and takes our signature."),
        "landed": ("bot.cli.relays:landed", "Say of each destination and pool how much of what it took has landed."),
    },
    help="List the relays that transactions can go to, and try them.",
)

_COLOURS = {True: "green", False: "red"}
_ALL = "all"
_LAST = 10_000


@command("list", examples=["isthmus relays list", "isthmus relays list --config isthmus.toml --json"])
@config_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """List relays, the networks they reach, and where each strategy's transactions go."""
    from bot.config.load import load

    loaded = load(found_config(config_path))
    if as_json:
        emit(_document(loaded))
        return
    for relay in loaded.config.relays:
        signed = "signed" if relay.signed else "unsigned"
        click.echo(f"{relay.name:<16} {relay.kind:<10} {signed:<9} {', '.join(relay.networks):<20} {_place(relay.url)}")
    for strategy, names in _sent_to(loaded).items():
        click.echo(f"{strategy} sends to {', '.join(names)}")


@command("test", examples=["isthmus relays test", "isthmus relays test flashbots --json"])
@config_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
async def test(config_path: Path | None, names: tuple[str, ...], as_json: bool) -> ExitCode:
    """Ask each relay to simulate an empty bundle, signed by an identity made for it; exit 4 where one is not in order.

    Nothing is sent that could land. A relay that refuses an empty bundle, but not the signature, is in order; one that
    has neither eth_callBundle nor the method of its kind is none.
    """
    from bot.config.load import load
    from bot.world.relays import ask_relays

    loaded = load(found_config(config_path))
    known = {relay.name: relay for relay in loaded.config.relays}
    for name in names:
        if name not in known:
            raise click.UsageError(f"no relay {name!r}; there are {', '.join(known) or 'none in this configuration'}")
    answered = await ask_relays([known[name] for name in names] if names else list(known.values()))
    if as_json:
        emit({"ok": all(each.in_order for each in answered), "relays": [_shown(each) for each in answered]})
    else:
        for each in answered:
            word = click.style("ok  " if each.in_order else "fail", fg=_COLOURS[each.in_order])
            click.echo(f"{word} {each.name:<16} {each.latency_ms:>7.1f} ms  {each.said}")
        if not answered:
            click.echo("no relays are configured; add them under [[relays]]")
    return ExitCode.OK if all(each.in_order for each in answered) else ExitCode.ENVIRONMENT


@command("landed", examples=["isthmus relays landed", "isthmus relays landed --ledger ledger.sqlite3 --json"])
@config_option
@ledger_option
@click.option("--last", default=_LAST, show_default=True, help="How many of the newest outcomes are counted.")
def landed(config_path: Path | None, ledger_url: str | None, last: int, as_json: bool) -> None:
    """Count, for each destination and pool, the calls it took whose outcome is known, and those that landed."""
    from bot.clock import SystemClock
    from bot.ledger.ledger import Ledger

    which = which_ledger(config_path, ledger_url)
    ledger = Ledger.view(which.url, SystemClock())
    try:
        which.attach(ledger)
        known = ledger.inclusions(last)
    finally:
        ledger.close()
    taken = Counter((each.destination, pool) for each in known for pool in (_ALL, *each.pools))
    arrived = Counter((each.destination, pool) for each in known if each.landed for pool in (_ALL, *each.pools))
    if as_json:
        rows = [
            {"destination": name, "pool": pool, "taken": count, "landed": arrived[name, pool]}
            for (name, pool), count in sorted(taken.items())
        ]
        emit({"outcomes": rows})
        return
    for (name, pool), count in sorted(taken.items()):
        click.echo(f"{name:<16} {pool:<42} {arrived[name, pool]:>6} of {count:>6} landed")
    if not taken:
        click.echo("nothing that was taken has an outcome yet")


def _shown(answered: Answered) -> dict[str, Any]:
    return {
        "name": answered.name,
        "reachable": answered.reachable,
        "signature_accepted": answered.signature_accepted,
        "method_known": answered.method_known,
        "latency_ms": round(answered.latency_ms, 3),
        "said": answered.said,
    }


def _sent_to(loaded: Loaded) -> dict[str, tuple[str, ...]]:
    config = loaded.config
    return {strategy.name: strategy.send_to or config.execution.send_to for strategy in config.strategies}


def _document(loaded: Loaded) -> dict[str, Any]:
    return {
        "relays": [
            {
                "name": relay.name,
                "kind": relay.kind,
                "url": _place(relay.url),
                "networks": list(relay.networks),
                "signed": relay.signed,
            }
            for relay in loaded.config.relays
        ],
        "send_to": {strategy: list(names) for strategy, names in _sent_to(loaded).items()},
    }


def _place(url: object) -> str:
    """A URL without what may be secret in it; or where it is kept."""
    from chains.node.errors import shown

    return shown(url) if isinstance(url, str) else str(url)
