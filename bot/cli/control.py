"""Which kill switches a command is about: those of what trades now, and of every chain that was traded live."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from bot.cli.errors import CommandFailed, ExitCode

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_RUN_FOLDER = re.compile(r"\d{8}-\d{6}-.+")
"""A run's own folder; what outlives runs lies in one of the network's name."""


def run_option(command: Decorated) -> Decorated:
    """`--run`: the folder of one run, or of one network, instead of all."""
    return click.option(
        "--run",
        "run_folder",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="FOLDER",
        help="The folder of one run or one network. Left out: all that trade now, and all that lasts.",
    )(command)


def control_folders(config_path: Path | None, run_folder: Path | None) -> Sequence[Path]:
    """The folders of the kill switches meant. Raises `CommandFailed` when there is none."""
    from bot.cli.parameters import found_config
    from bot.config.load import load
    from bot.signer.presence import is_running
    from bot.signer.switch import CONTROL_NAME

    if run_folder is not None:
        return [run_folder if run_folder.name == CONTROL_NAME else run_folder / CONTROL_NAME]
    folder = load(found_config(config_path)).config.ledger.folder
    found = sorted(folder.glob(f"*/{CONTROL_NAME}"))
    meant = [each for each in found if is_running(each) or not _RUN_FOLDER.fullmatch(each.parent.name)]
    if not meant:
        raise CommandFailed(f"{folder}: nothing trades here now; name a run's folder with --run", ExitCode.USAGE)
    return meant


def person() -> str:
    """Who types: for the audit."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
