"""`isthmus simulate`: what a plan or a transaction would do on a node's block, and why."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import command
from bot.cli.errors import ExitCode
from bot.cli.output import emit
from bot.cli.parameters import config_option, node_options
from bot.cli.which import ledger_option, which_ledger

if TYPE_CHECKING:
    from bot.cli.tokens import Place
    from bot.plan import Plan
    from bot.simulator.examination import Examination
    from bot.simulator.sensitivity import Moved
    from bot.simulator.verdict import Verdict
    from bot.snapshot.taking import Source
    from bot.transaction import UnsignedTransaction
    from chains.assets import Address
    from chains.blocks import Head

_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is simulated; on top of block `on`, unless another is asked for."""

    what: Plan | UnsignedTransaction
    on: int | None = None


@command(
    "simulate",
    examples=[
        "isthmus simulate plan.json --node http://127.0.0.1:8545",
        "isthmus simulate 6f1c2be9d0a84f7e9b1d0c53a7e2f418 --config isthmus.toml    a plan of the ledger",
        "isthmus simulate 0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060 --json",
    ],
)
@click.argument("subject", metavar="PLAN|TX")
@click.option("--block", type=click.IntRange(min=0), metavar="N", help="Run it on top of this block. [its own]")
@ledger_option
@click.option("--no-sensitivity", is_flag=True, help="Do not try what happens when a plan's pools move.")
@node_options
@config_option
async def simulate(
    subject: str,
    block: int | None,
    ledger_url: str | None,
    no_sensitivity: bool,
    node: str | None,
    network: str | None,
    config_path: Path | None,
    as_json: bool,
) -> ExitCode:
    """Run a plan (its id or a JSON file) or a transaction (its hash, its signed bytes or a JSON file) on a fork.

    A plan runs through an executor of its own that is laid over the fork, whatever it gains. Prints the verdict, what
    every account gained and lost, the calls, and how a plan's result changes when its pools move. Exit 3 if it reverts.
    """
    from bot.cli.tokens import place_named
    from bot.snapshot.taking import source_at

    given = _given(subject)
    async with place_named(node, network, config_path) as place, source_at(place.network, place.url) as source:
        found = given or await _looked_up(subject, ledger_url or place.ledger_url, config_path, source)
        head = await source.head(block) if block is not None else await _own(found, source)
        examined = await _examined(found, place, head, movable=not no_sensitivity)
    if as_json:
        emit(_document(examined, head))
    else:
        _tell(examined, head)
    return _exit_code(examined.verdict)


async def _own(subject: _Subject, source: Source) -> Head:
    """The block it was made on. Raises `NoSuchBlock` where the node has none such, with what can be done instead."""
    from bot.snapshot.taking import NoSuchBlock

    try:
        return await source.head(subject.on)
    except NoSuchBlock as error:
        newest = (await source.head(None)).number
        instead = f"--block {newest} runs it there, and `isthmus why` tells what its own run saw"
        raise NoSuchBlock(f"{error}; {instead}") from None


async def _looked_up(text: str, ledger_url: str | None, config_path: Path | None, source: Source) -> _Subject:
    """What only a ledger or a node knows."""
    from bot.simulator.subject import PLAN_ID, of_hash

    if PLAN_ID.fullmatch(text):
        plan = _recorded(text, ledger_url, config_path)
        return _Subject(plan, plan.block_number)
    tx, number = await of_hash(text, source.reads)
    return _Subject(tx, None if number is None else number - 1)


def _given(text: str) -> _Subject | None:
    """What needs nobody else to be read: before a node is asked, or a twin started."""
    from bot.simulator.subject import HASH, PLAN_ID, read_file, read_raw

    if HASH.fullmatch(text) or PLAN_ID.fullmatch(text):
        return None
    if text.startswith("0x"):
        return _Subject(read_raw(text))
    what = read_file(Path(text))
    return _Subject(what, getattr(what, "block_number", None))


def _recorded(plan_id: str, ledger_url: str | None, config_path: Path | None) -> Plan:
    from bot.clock import SystemClock
    from bot.ledger.ledger import Ledger

    which = which_ledger(config_path, ledger_url)
    ledger = Ledger.view(which.url, SystemClock())
    try:
        which.attach(ledger)
        return ledger.plan(plan_id)
    finally:
        ledger.close()


async def _examined(subject: _Subject, place: Place, head: Head, *, movable: bool) -> Examination:
    from bot.clock import SystemClock
    from bot.plan import Plan
    from bot.simulator.examination import examine_plan, examine_transaction
    from bot.simulator.simulator import Simulator
    from bot.simulator.stage import staged
    from chains.assets import Address

    async with AsyncExitStack() as stack:
        simulator = Simulator(place.network, place.url, SystemClock(), timeout_s=_TIMEOUT_S)
        await stack.enter_async_context(simulator)
        if not isinstance(subject.what, Plan):
            names = {Address(token.address): token.symbol for token in place.network.tokens.values()}
            return await examine_transaction(simulator, subject.what, head, names)
        stage = await staged(subject.what, place.network, movable=movable)
        simulator.overlay = stage.overlay
        return await examine_plan(simulator, stage, head)


def _exit_code(verdict: Verdict) -> ExitCode:
    from bot.simulator.verdict import Outcome

    return {Outcome.OK: ExitCode.OK, Outcome.REVERTED: ExitCode.REFUSED, Outcome.INVALID: ExitCode.ERROR}[
        verdict.outcome
    ]


def _tell(examined: Examination, head: Head) -> None:
    from bot.simulator.verdict import Outcome

    verdict = examined.verdict
    click.echo(f"on block {head.number} ({head.hash}): {verdict.outcome}")
    if verdict.reason:
        click.echo(f"  {verdict.reason}")
    if examined.failed_at is not None:
        click.echo(
            f"  it failed in {examined.failed_at.name} {examined.failed_at.function}: {examined.failed_at.error}"
        )
    if examined.trouble is not None:
        click.echo(f"  {examined.trouble}")
    if verdict.outcome is not Outcome.INVALID:
        click.echo(f"  {verdict.gas_used:,} gas at {verdict.gas_price_wei} wei; {_agreement(examined)}")
    for (account, token), units in sorted(verdict.deltas.items()):
        if units:
            click.echo(f"  {_name(examined, account)}  {units:+d}  {_name(examined, token)}")
    click.echo(f"calls ({len(examined.logs)} events):")
    for line in examined.trace:
        click.echo(f"  {line}")
    for moved in examined.moved:
        click.echo(f"if its pools move {moved.bps} bps against it: {_moved(examined, moved)}")


def _agreement(examined: Examination) -> str:
    if examined.screened is None:
        return "this process leaves it to the fork"
    same = (examined.screened.outcome, examined.screened.gas_used, examined.screened.deltas) == (
        examined.verdict.outcome,
        examined.verdict.gas_used,
        examined.verdict.deltas,
    )
    return "the same in this process" if same else f"in this process {examined.screened.outcome}"


def _moved(examined: Examination, moved: Moved) -> str:
    """What the plan's own contracts then gain and lose."""
    verdict = moved.verdict
    if verdict is None:
        return "one of them cannot be moved so far"
    ours = sorted((pair, units) for pair, units in verdict.deltas.items() if pair[0] in examined.ours and units)
    gains = ", ".join(f"{units:+d} {_name(examined, token)}" for (_, token), units in ours)
    return f"{verdict.outcome} {gains or verdict.reason}".rstrip()


def _name(examined: Examination, account: Address) -> str:
    from chains.assets import ZERO_ADDRESS

    return "native coin" if account == ZERO_ADDRESS else examined.names.get(account, account)


def _document(examined: Examination, head: Head) -> dict[str, Any]:
    failed = examined.failed_at
    return {
        "block": {"number": head.number, "hash": head.hash},
        "verdict": _plain(examined.verdict),
        "in_process": None if examined.screened is None else _plain(examined.screened),
        "failed_at": None if failed is None else {"contract": failed.to, "name": failed.name, "error": failed.error},
        "token_trouble": None if examined.trouble is None else str(examined.trouble),
        "logs": [
            {"address": log.address, "topics": ["0x" + it.hex() for it in log.topics], "data": "0x" + log.data.hex()}
            for log in examined.logs
        ],
        "trace": [
            {
                "depth": line.depth,
                "kind": line.kind,
                "to": line.to,
                "name": line.name,
                "function": line.function,
                "gas": line.gas_used,
                "error": line.error,
            }
            for line in examined.trace
        ],
        "sensitivity": [
            {"bps": moved.bps, "verdict": None if moved.verdict is None else _plain(moved.verdict)}
            for moved in examined.moved
        ],
    }


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "cause": None if verdict.cause is None else verdict.cause.value,
        "gas": verdict.gas_used,
        "gas_price_wei": str(verdict.gas_price_wei),
        "deltas": [
            {"account": account, "token": token, "units": str(units)}
            for (account, token), units in sorted(verdict.deltas.items())
        ],
    }
