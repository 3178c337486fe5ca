"""`isthmus run`: one run of the bot, or one for each of several networks, from start to summary."""

from __future__ import annotations

import gc
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bot.cli.command import command
from bot.cli.errors import ExitCode
from bot.cli.output import TerminalReporter, emit
from bot.cli.parameters import DURATION, found_config, opening_secret, passphrase_options, read_passphrase
from bot.run.collecting import keeping_all
from bot.run.ending import STOPPED

if TYPE_CHECKING:
    from bot.config.load import Loaded
    from bot.config.options import RunOptions
    from bot.run.report import Summary

_Result = TypeVar("_Result")


@command(
    "run",
    examples=[
        "isthmus run                                      trade on the local twin until Ctrl-C",
        "isthmus run --for 60s --json                     end by itself, print the summary as JSON",
        "isthmus run --config isthmus.toml --mode dry     decide and simulate on your node, send nothing",
        "isthmus run --config base.toml --config op.toml  two networks in one process",
    ],
)
@click.option(
    "--config",
    "config_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The run file; several run several networks. Left out: isthmus.toml here or, without one, the built-in twin.",
)
@click.option(
    "--mode",
    type=click.Choice(["dry", "fork", "live"]),
    help="dry: simulate only; fork: trade on a private fork; live: send. Default: live on a test chain, else dry.",
)
@click.option("--for", "duration_s", type=DURATION, metavar="DURATION", help="End by itself after 60s, 5m, 1h …")
@click.option("--blocks", type=click.IntRange(min=1), metavar="N", help="End by itself after N blocks.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="Seed of the twin's market.")
@click.option(
    "--live-on-chain-id",
    "consents",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="ID",
    help="Consent to trade live on a chain that is not a test chain; one for each such configured network's chain id.",
)
@passphrase_options
def run(
    config_paths: tuple[Path, ...],
    mode: str | None,
    duration_s: float | None,
    blocks: int | None,
    seed: int | None,
    consents: tuple[int, ...],
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> int:
    """Find, simulate, sign, submit and book trades, one line per decision, until Ctrl-C or the end asked for."""
    with keeping_all():
        from bot.config.checks import require_live_consent
        from bot.config.load import load
        from bot.config.options import RunOptions
        from bot.mode import Mode
        from bot.signer.sources import Kind

    found = [load(path) for path in config_paths] or [load(found_config(None))]
    _require_one_each(found)
    passphrase: str | None = None
    planned: list[tuple[Loaded, RunOptions]] = []
    for loaded in found:
        chosen = Mode(mode) if mode else Mode.LIVE if loaded.network.test_chain else Mode.DRY
        consent = next((each for each in consents if each == loaded.network.chain_id), None)
        unasked = consents[0] if consents and len(found) == 1 else None
        require_live_consent(chosen, consent or unasked, loaded.config, loaded.network)
        own = None
        if chosen is Mode.LIVE and loaded.config.signer.key is not None:
            asking = (place for place in loaded.config.signer.keys if place.kind is not Kind.KMS)
            own = opening_secret(next(asking, loaded.config.signer.key), passphrase_fd, passphrase_file)
        elif chosen is Mode.LIVE and loaded.config.signer.keystore is not None:
            asked = passphrase_fd is None and passphrase_file is None
            if passphrase is None or asked:
                passphrase = read_passphrase(passphrase_fd, passphrase_file, what=str(loaded.config.signer.keystore))
            own = passphrase
        planned.append((loaded, RunOptions(chosen, duration_s, blocks, seed, as_json, consent, own)))
    if len(planned) > 1:
        return _run_several(planned, as_json)
    # Here, because it loads every room: a refused configuration should not have to wait for that.
    with keeping_all():
        from bot.run import app

    summary = _to_its_end(app.run(*planned[0], TerminalReporter(lines_to_stderr=as_json)))
    if as_json:
        emit(summary.document())
    else:
        click.echo(str(summary))
    code, reason = _ended(summary)
    if reason:
        click.echo(f"error: {reason}", err=True)
    return code


def _require_one_each(found: Sequence[Loaded]) -> None:
    """Two runs on one network would be two bots with one key. Raises `click.UsageError`."""
    names = [loaded.network.name for loaded in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise click.UsageError(f"two of the --config files are for network {twice}; one process runs each network once")


def _run_several(planned: Sequence[tuple[Loaded, RunOptions]], as_json: bool) -> int:
    """One road for each network, its lines under its name; the worst end of them is the command's."""
    from bot.cli.errors import exit_code, explained

    with keeping_all():
        from bot.run.networks import Planned, run_together

    width = max(len(loaded.network.name) for loaded, _ in planned)
    runs = [
        Planned(
            loaded,
            options,
            TerminalReporter(lines_to_stderr=as_json, prefix=f"{loaded.network.name:<{width}}  "),
        )
        for loaded, options in planned
    ]
    ends = _to_its_end(run_together(runs, explained))
    codes: list[int] = []
    documents = []
    for end in ends:
        if end.summary is None:
            codes.append(STOPPED if end.error is None else exit_code(end.error))
            problems = ["stopped"] if end.error is None else explained(end.error).splitlines()
            documents.append({"network": end.network, "error": {"exit_code": int(codes[-1]), "problems": problems}})
            reason = "; ".join(problems)
        else:
            code, reason = _ended(end.summary)
            codes.append(code)
            documents.append(end.summary.document())
            if not as_json:
                click.echo(str(end.summary))
        if reason:
            click.echo(f"error: {end.network}: {reason}", err=True)
    if as_json:
        emit({"networks": documents})
    return next((int(code) for code in codes if code), ExitCode.OK)


def _to_its_end(running: Coroutine[Any, Any, _Result]) -> _Result:
    """What `running` comes to. Raises `KeyboardInterrupt` where a person stopped it at once."""
    import asyncio

    try:
        return asyncio.run(running)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        # An interpreter that ends looks for garbage in all there is, again and again: that took longer than all else.
        gc.freeze()


def _ended(summary: Summary) -> tuple[ExitCode, str]:
    """How a run ended that reached its summary, and why when that is not well."""
    if summary.trouble is not None:
        return ExitCode.ENVIRONMENT, summary.trouble
    if summary.in_flight:
        left = f"{summary.in_flight} intents were still in flight when the wait for them ended"
        return ExitCode.TIMEOUT, f"{left}; `isthmus run` on the same ledger takes them up"
    if summary.ledger_equals_chain is False:
        return (
            ExitCode.ERROR,
            f"{summary.proof()}; `isthmus reconcile` compares again, docs/operating.md says what to do",
        )
    if summary.halted and set(summary.halted) == set(summary.result.settled):
        halted = "; ".join(f"{name}: {why}" for name, why in summary.halted.items())
        return ExitCode.REFUSED, f"every strategy is halted ({halted})"
    return ExitCode.OK, ""
