"""`isthmus config`: check what is written, show what a run would use, describe what may be written."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.command import Verbs, command
from bot.cli.output import emit
from bot.cli.parameters import found_config

config = Verbs(
    "config",
    verbs={
        "check": ("bot.cli.config:check", "Check the run file and the strategy files it names."),
        "show": ("bot.cli.config:show", "Print every setting a run would use, defaults included."),
        "schema": ("bot.cli.config:schema", "Print a JSON Schema, for editors."),
        "reference": ("bot.cli.config:reference", "Print the page that explains every key, in Markdown."),
    },
    help="Check, show and describe configurations.",
)

_FILE = click.argument("path", required=False, type=click.Path(path_type=Path), metavar="[FILE]")


@command("check", examples=["isthmus config check", "isthmus config check isthmus.toml --json"])
@_FILE
def check(path: Path | None, as_json: bool) -> None:
    """Check the run file FILE and the strategy files it names. Every problem is one line with its remedy; exit 2."""
    from bot.config.load import load

    loaded = load(found_config(path))
    names = [strategy.name for strategy in loaded.config.strategies]
    if as_json:
        emit({"ok": True, "network": loaded.network.name, "strategies": names, "digest": loaded.config.digest})
    else:
        source = loaded.config.source or "the built-in twin configuration"
        click.echo(f"{source}: ok: {', '.join(names)} on {loaded.network.name} (chain id {loaded.network.chain_id})")


@command("show", examples=["isthmus config show", "isthmus config show isthmus.toml --json"])
@_FILE
def show(path: Path | None, as_json: bool) -> None:
    """Print every setting a run with FILE would use, defaults included. Secrets stay where they are kept."""
    from bot.config.load import load
    from bot.config.writing import toml_lines

    config = load(found_config(path)).config
    if as_json:
        emit(config.model_dump(mode="json"))
    else:
        click.echo("\n".join(toml_lines(config.model_dump(exclude_none=True))))


@command(
    "schema",
    examples=[
        "isthmus config schema run > isthmus.schema.json",
        "isthmus config schema strategy --for strategies.dex_arbitrage:DexArbitrage",
    ],
)
@click.argument("kind", type=click.Choice(["run", "strategy"]), default="run")
@click.option("--for", "strategy", metavar="MODULE:CLASS", help="The strategy whose parameters to describe.")
def schema(kind: str, strategy: str | None, as_json: bool) -> None:
    """Print the JSON Schema (draft 2020-12) of the run file or of a strategy file. It is JSON either way."""
    from bot.config.schema import run_schema, strategy_schema
    from bot.config.strategies import strategy_class

    if kind == "run":
        if strategy:
            raise click.UsageError("--for goes with `schema strategy`")
        emit(run_schema())
    else:
        emit(strategy_schema(strategy_class(strategy, Path.cwd()).parameters() if strategy else None))


@command("reference", examples=["isthmus config reference > docs/configuration.md"])
def reference(as_json: bool) -> None:
    """Print the page that explains every key, in Markdown."""
    from bot.config.reference import reference as page

    if as_json:
        emit({"markdown": page()})
    else:
        click.echo(page(), nl=False)
