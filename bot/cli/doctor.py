"""`isthmus doctor`: looks at everything a run stands on, and says what to do."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.command import command
from bot.cli.errors import ExitCode
from bot.cli.output import emit
from bot.cli.parameters import config_option, found_config

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@command(
    "doctor",
    examples=["isthmus doctor", "isthmus doctor --config isthmus.toml --json", "isthmus doctor --tools-only"],
)
@config_option
@click.option("--tools-only", is_flag=True, help="Look only at what is installed and built; needs no configuration.")
async def doctor(config_path: Path | None, tools_only: bool, as_json: bool) -> ExitCode:
    """Check tools, node, chain id, keystore, database, clock, exchanges and ports; exit 4 when one of them fails."""
    from bot.clock import SystemClock
    from bot.config.load import load
    from bot.doctor import Check, Status, examine

    loaded = None if tools_only else load(found_config(config_path))
    checks: list[Check] = []
    async for check in examine(loaded, SystemClock()):
        checks.append(check)
        if not as_json:
            click.echo(_line(check))
    failed = [check for check in checks if check.status is Status.FAIL]
    if as_json:
        fields = ("name", "status", "found", "remedy")
        emit({"ok": not failed, "checks": [{field: getattr(check, field) for field in fields} for check in checks]})
    return ExitCode.ENVIRONMENT if failed else ExitCode.OK


def _line(check: object) -> str:
    """The check's line, its status in colour where the terminal has any."""
    status, _, rest = str(check).partition(" ")
    return f"{click.style(status, fg=_COLOURS[status])} {rest}"
