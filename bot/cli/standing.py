"""`isthmus executor status` and `isthmus executor top-up`: how the contract stands, and gas for the keys that trade."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.command import command
from bot.cli.errors import ExitCode
from bot.cli.executor import (
    CONSENT_OPTION,
    EXECUTOR_OPTION,
    OWNER_OPTION,
    most_tip_wei,
    node_option,
    node_rpc,
    owner_account,
    require_consent,
    which_executor,
)
from bot.cli.output import emit
from bot.cli.parameters import config_option, found_config, passphrase_options
from bot.gas import coins

if TYPE_CHECKING:
    from bot.config.load import Loaded
    from bot.execution.standing import Standing

_WEI_DECIMALS = 18
_LEAST = click.option(
    "--least",
    metavar="AMOUNT",
    help="A key with less than this is short of gas. [0.05 of the network's coin]",
)
_LEAST_COINS, _TARGET_COINS = "0.05", "0.2"


@command("status", examples=["isthmus executor status", "isthmus executor status --least '0.2 ETH' --json"])
@config_option
@node_option
@EXECUTOR_OPTION
@_LEAST
async def status(
    config_path: Path | None, node: str | None, executor_address: str | None, least: str | None, as_json: bool
) -> ExitCode:
    """What the verified contracts hold, what the operator keys can pay for, and whether anybody may move anything.

    Exit code 1 when a key is short of gas, an allowance stands or a reference is silent, 0 otherwise.
    """
    from bot.config.load import load
    from bot.execution.standing import standing
    from chains.assets import Address

    loaded = load(found_config(config_path))
    least = least or f"{_LEAST_COINS} {loaded.network.native.symbol}"
    least_wei = _wei(least, loaded)
    async with node_rpc(loaded, node) as rpc:
        found = await standing(rpc, Address(which_executor(loaded, executor_address)), least_wei=least_wei)
    if as_json:
        emit(_document(found))
    else:
        _print(found)
    problems = _problems(found, least)
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    return ExitCode.ERROR if problems else ExitCode.OK


@command(
    "top-up",
    examples=["isthmus executor top-up --owner-keystore cold.json", "isthmus executor top-up --least '0.1 ETH' …"],
)
@config_option
@node_option
@OWNER_OPTION
@EXECUTOR_OPTION
@_LEAST
@click.option("--to", "target", metavar="AMOUNT", help="What it has afterwards. [0.2 of the network's coin]")
@CONSENT_OPTION
@passphrase_options
async def top_up(
    config_path: Path | None,
    node: str | None,
    owner_keystore: Path,
    executor_address: str | None,
    least: str | None,
    target: str | None,
    live_on_chain_id: int | None,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Send each operator key that is short of gas what it lacks, out of the owner's own coins."""
    from bot.config.load import load
    from bot.execution.standing import top_up as send
    from chains.assets import Address

    loaded = load(found_config(config_path))
    require_consent(loaded, live_on_chain_id)
    coin = loaded.network.native.symbol
    least, target = least or f"{_LEAST_COINS} {coin}", target or f"{_TARGET_COINS} {coin}"
    least_wei, to_wei = _wei(least, loaded), _wei(target, loaded)
    async with node_rpc(loaded, node) as rpc:
        sent = await send(
            rpc,
            owner_account(owner_keystore, passphrase_fd, passphrase_file),
            Address(which_executor(loaded, executor_address)),
            least_wei=least_wei,
            to_wei=to_wei,
            chain_id=loaded.network.chain_id,
            most_tip_wei=most_tip_wei(loaded),
        )
    if as_json:
        emit({"sent": [{**asdict(it), "amount_wei": str(it.amount_wei)} for it in sent]})
    else:
        lines = [f"{coins(it.amount_wei)} to {it.operator} ({it.tx_hash})" for it in sent]
        click.echo("\n".join(lines) or f"no operator key has less than {least}")
        if sent:
            click.echo('Now tell the ledger of its runs, which does not know of it: isthmus reconcile --book "top-up"')


def _wei(text: str, loaded: Loaded) -> int:
    """An amount of the network's coin. Raises `click.UsageError` for another unit, and for what is not above zero."""
    from chains.assets import Amount, InvalidAmount

    coin = loaded.network.native.symbol
    try:
        amount = Amount.parse(text)
        wei = amount.units(_WEI_DECIMALS)
    except InvalidAmount as error:
        raise click.UsageError(str(error)) from None
    if amount.unit.upper() != coin.upper() or wei <= 0:
        raise click.UsageError(f"{text!r} is no amount of {coin}, which keys pay for gas with; write '0.2 {coin}'")
    return wei


def _problems(found: Standing, least: str) -> list[str]:
    """What a person should do something about, one line each."""
    short = [
        f"{key.operator} has {coins(key.balance_wei)}, less than {least}; run `isthmus executor top-up`"
        for key in found.keys
        if key.short
    ]
    standing = [
        f"{it.spender} may take {it.amount} base units of {it.token} from {it.contract}; deploy a new executor"
        for it in found.allowances
    ]
    silent = [
        f"the reference of {token} does not say what it is worth, so that it is not exchanged; wait until the pool is "
        f"as old as {found.made.settings.bound.window_s} s, or deploy a new executor with another"
        for token in found.silent
    ]
    return [*short, *standing, *silent]


def _document(found: Standing) -> dict[str, object]:
    settings = found.made.settings
    return {
        "executor": found.made.executor,
        "inventory": found.made.inventory,
        "block": found.made.block_number,
        "code_hash": found.made.code_hash,
        "owner": settings.owner,
        "treasury": settings.treasury,
        "operators": [{**asdict(key), "balance_wei": str(key.balance_wei)} for key in found.keys],
        "caps": {cap.token: str(cap.per_block) for cap in settings.inventory},
        "references": {cap.token: cap.reference for cap in settings.inventory[1:]},
        "reference_window_s": settings.bound.window_s,
        "allowed_slippage_ppm": settings.bound.slippage_ppm,
        "silent": list(found.silent),
        "held": [{**asdict(it), "amount": str(it.amount)} for it in found.held],
        "allowances": [{**asdict(it), "amount": str(it.amount)} for it in found.allowances],
    }


def _print(found: Standing) -> None:
    made = found.made
    click.echo(f"executor {made.executor}: this build's code ({made.code_hash}), as of block {made.block_number}")
    for key in found.keys:
        click.echo(f"operator {key.operator} has {coins(key.balance_wei)}")
    for cap in made.settings.inventory:
        by = f", priced by {cap.reference}" if int(cap.reference, 16) else ""
        click.echo(f"cap {cap.per_block} base units of {cap.token} per block{by}")
    bound = made.settings.bound
    click.echo(f"an exchange may end {bound.slippage_ppm} ppm below a mean price of {bound.window_s} s")
    for it in found.held:
        if it.amount:
            what = "wei" if int(it.token, 16) == 0 else f"base units of {it.token}"
            click.echo(f"{it.contract} holds {it.amount} {what}")
    click.echo(f"{len(found.allowances)} allowances stand")
