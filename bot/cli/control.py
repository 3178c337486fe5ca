"""Which kill switches a command is about: those of what trades now, and of every chain that was traded live."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from bot.cli.errors import CommandFailed, ExitCode

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_RUN_FOLDER = re.compile(r"\d{8}-\d{6}-(.+)-[a-z]+-[0-9a-f]{4}")
"""A run's own folder, by its network; what outlives runs lies in one of the network's name."""


def network_of(folder: Path) -> str:
    """The network that `folder`, of one run or of what lasts, is of."""
    run = _RUN_FOLDER.fullmatch(folder.name)
    return run[1] if run is not None else folder.name


def _run_option(left_out: str) -> Callable[[Decorated], Decorated]:
    return click.option(
        "--run",
        "run_folder",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="FOLDER",
        help=f"The folder of one run or one network. Left out: {left_out}.",
    )


run_option = _run_option("all that trade now, and all that lasts")
"""`--run`: the folder of one run, or of one network, instead of all."""

run_of_network_option = _run_option("those of the run file's network")
"""The same, for what is done on one network alone."""


def control_folders(config_path: Path | None, run_folder: Path | None) -> Sequence[Path]:
    """The folders of the kill switches meant. Raises `CommandFailed` when there is none."""
    from bot.cli.parameters import found_config
    from bot.config.errors import ConfigError
    from bot.config.load import ledger_folder
    from bot.signer.presence import is_running
    from bot.signer.switch import CONTROL_NAME

    if run_folder is not None:
        control = run_folder if run_folder.name == CONTROL_NAME else run_folder / CONTROL_NAME
        if not control.is_dir():  # one that is made here would be read by nobody
            remedy = "name that of a run or a network, in ledger.folder, or leave --run out"
            raise CommandFailed(f"{run_folder}: nothing has its kill switch in that folder; {remedy}", ExitCode.USAGE)
        return [control]
    try:
        folder = ledger_folder(found_config(config_path))
    except ConfigError as error:
        remedy = "name that of a run or a network with --run, or put a file named HALT into it"
        message = f"{error}\nso the folder of what trades is not known; {remedy}"
        raise CommandFailed(message, ExitCode.USAGE) from error
    found = sorted(folder.glob(f"*/{CONTROL_NAME}"))
    meant = [each for each in found if is_running(each) or not _RUN_FOLDER.fullmatch(each.parent.name)]
    if not meant:
        remedy = "name the run file with --config, or a run's folder with --run"
        raise CommandFailed(f"{folder}: nothing trades here now; {remedy}", ExitCode.USAGE)
    return meant


def require_strategy(
    strategy: str,
    folders: Sequence[Path],
    config_path: Path | None,
    run_folder: Path | None,
    *,
    or_account: bool = False,
) -> None:
    """Refuse a misspelt `strategy`, whose switch would stop nobody; empty: all of them. With `or_account`, it may be an
    operator's account too, as `account:0x…`.

    Known is what the signers meant may sign for, what ever had a switch, and what the run file names, if that can be
    read. Where a signer's policy cannot, every name is taken: a halt must not fail for want of it. Raises
    `CommandFailed`.
    """
    from bot.cli.parameters import found_config
    from bot.config.errors import ConfigError, did_you_mean
    from bot.config.load import load
    from bot.signer.policy import InvalidPolicy, read_policy
    from bot.signer.presence import last_seen
    from bot.signer.switch import TOTAL, KillSwitch

    known = set[str]()
    for folder in folders:
        presence = last_seen(folder)
        if presence is None:
            return
        try:
            policy, _ = read_policy(Path(presence.policy))
        except InvalidPolicy:
            return
        known |= {*policy.strategies, *KillSwitch(folder).read().switches}
        if or_account:
            known |= {f"account:{operator}" for operator in policy.operators}
    if strategy in {TOTAL, *known}:
        return
    if run_folder is None:
        with suppress(ConfigError):
            known |= {each.name for each in load(found_config(config_path)).config.strategies}
    if strategy not in known:
        remedy = did_you_mean(strategy, known - {TOTAL})
        raise CommandFailed(f"no strategy {strategy!r} trades here; {remedy}", ExitCode.USAGE)


def person() -> str:
    """Who types: for the audit."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
