"""`isthmus run`: one run of the bot, from start to its summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.errors import ExitCode
from bot.cli.output import TerminalReporter, emit
from bot.cli.parameters import DURATION, config_option, found_config, passphrase_options, read_passphrase

if TYPE_CHECKING:
    from bot.report import Summary


@command(
    "run",
    examples=[
        "isthmus run                                    trade on the local twin until Ctrl-C",
        "isthmus run --for 60s --json                   end by itself, print the summary as JSON",
        "isthmus run --config isthmus.toml --mode dry   decide and simulate on your node, send nothing",
    ],
)
@config_option
@click.option(
    "--mode",
    type=click.Choice(["dry", "fork", "live"]),
    help="dry: simulate only; fork: trade on a private fork; live: send. Default: live on a test chain, else dry.",
)
@click.option("--for", "duration_s", type=DURATION, metavar="DURATION", help="End by itself after 60s, 5m, 1h …")
@click.option("--blocks", type=click.IntRange(min=1), metavar="N", help="End by itself after N blocks.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of the twin's market.")
@click.option(
    "--live-on-chain-id",
    type=click.IntRange(min=1),
    metavar="ID",
    help="Consent to trade live on a chain that is not a test chain; must be the configured network's chain id.",
)
@passphrase_options
def run(
    config_path: Path | None,
    mode: str | None,
    duration_s: float | None,
    blocks: int | None,
    seed: int | None,
    live_on_chain_id: int | None,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> ExitCode:
    """Find, simulate, sign, submit and book trades, one line per decision, until Ctrl-C or the end asked for."""
    import asyncio

    from bot.config.checks import require_live_consent
    from bot.config.load import load
    from bot.config.options import RunOptions
    from bot.mode import Mode

    loaded = load(found_config(config_path))
    chosen = Mode(mode) if mode else Mode.LIVE if loaded.network.test_chain else Mode.DRY
    require_live_consent(chosen, live_on_chain_id, loaded.config, loaded.network)
    passphrase = None
    if chosen is Mode.LIVE and loaded.config.signer.keystore is not None:
        passphrase = read_passphrase(passphrase_fd, passphrase_file, what=str(loaded.config.signer.keystore))
    from bot import app  # here, because it loads every room: a refused configuration should not have to wait for that

    options = RunOptions(chosen, duration_s, blocks, seed, as_json, live_on_chain_id, passphrase)
    try:
        summary = asyncio.run(app.run(loaded, options, TerminalReporter(lines_to_stderr=as_json)))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    if as_json:
        emit(summary.document())
    else:
        click.echo(str(summary))
    code, reason = _ended(summary)
    if reason:
        click.echo(f"error: {reason}", err=True)
    return code


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
