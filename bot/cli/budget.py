"""`isthmus budget`: what may be risked and what is used of it; more of it for a while, by the owner's signature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import Verbs, command
from bot.cli.control import control_folders, person, run_option
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import ADDRESS, DURATION, SAID, config_option, passphrase_options, read_passphrase

if TYPE_CHECKING:
    from bot.signer.policy import SignerPolicy
    from bot.signer.protocol import Status


class Limit(click.ParamType[str]):
    """A limit by its name in the configuration, as the signer calls it; the signer's own word is taken too."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from bot.config.errors import did_you_mean
        from bot.signer.limits import CHANGEABLE

        known = {limit_name(limit): limit for limit in CHANGEABLE}
        if value not in known and value not in CHANGEABLE:
            self.fail(f"there is no {value!r}; {did_you_mean(str(value), known)}", param, ctx)
        return known.get(value, str(value))


LIMIT = Limit()


def limit_name(limit: str) -> str:
    """What the configuration calls the signer's `limit`."""
    from bot.signer.limits import CONFIGURED

    return CONFIGURED.get(limit, limit)


budget = Verbs(
    "budget",
    verbs={
        "show": ("bot.cli.budget:show", "Show what may be risked, what is used, switches and grants."),
        "grant": ("bot.cli.budget:grant", "Raise a limit for a while, with the owner's key."),
        "set": ("bot.cli.limits:set_", "Lower a limit, or raise it with the owner's key."),
        "revoke": ("bot.cli.budget:revoke", "Take a grant back."),
    },
    help="Show and change what may be risked.",
)


@command("show", examples=["isthmus budget show", "isthmus budget show --json"])
@config_option
@run_option
def show(config_path: Path | None, run_folder: Path | None, as_json: bool) -> None:
    """Show each limit, in total and by strategy, with what is used of it, as the signer counts."""
    from bot.clock import SystemClock
    from bot.signer.looking import look
    from bot.signer.presence import is_running, last_seen

    documents = []
    for folder in control_folders(config_path, run_folder):
        presence = last_seen(folder)
        if presence is None:
            raise CommandFailed(f"{folder}: no signer was ever here", ExitCode.USAGE)
        status, policy = look(folder, presence, SystemClock())
        documents.append({"folder": str(folder), "running": is_running(folder), **_document(status, policy)})
    if as_json:
        emit({"budgets": documents})
        return
    for document in documents:
        _tell(document)


def _document(status: Status, policy: SignerPolicy) -> dict[str, Any]:
    from bot.signer.limits import CHANGEABLE, field_of

    limits = {"": policy.total, **policy.strategies}
    scopes = {}
    for name, usage in status.strategies.items():
        changed, rows = status.limits.get(name, {}), {}
        for limit in CHANGEABLE:
            configured: int = getattr(limits[name], field_of(limit))
            rows[limit_name(limit)] = {
                "used": str(getattr(usage, field_of(limit), 0)),
                "limit": str(configured + changed.get(limit, 0)),
                "configured": str(configured),
            }
        scopes[name or "total"] = {"switch": status.switches[name], "limits": rows}
    grants = {
        name: {
            "strategy": grant.strategy or None,
            "limit": limit_name(grant.limit),
            "amount_wei": str(grant.amount_wei),
            "drawn_wei": str(grant.drawn_wei),
            "not_after_s": grant.not_after_s,
        }
        for name, grant in status.grants.items()
    }
    return {
        "operator": status.address,
        "chain_id": status.chain_id,
        "scopes": scopes,
        "grants": grants,
        "refused_grants": dict(status.refused_grants),
    }


def _tell(document: Mapping[str, Any]) -> None:
    click.echo(f"{document['operator']} on chain {document['chain_id']}; {document['folder']}")
    for name, scope in document["scopes"].items():
        click.echo(f"{name}: {scope['switch']}")
        for limit, row in scope["limits"].items():
            used, most, configured = (limit_text(limit, row[key]) for key in ("used", "limit", "configured"))
            was = f"; {configured} in the configuration" if most != configured else ""
            click.echo(f"  {limit:<22} {used:>28} of {most}{was}")
    for name, grant in document["grants"].items():
        drawn, amount = (limit_text(grant["limit"], grant[key]) for key in ("drawn_wei", "amount_wei"))
        click.echo(f"grant {name}: {grant['strategy'] or 'total'} {grant['limit']}, {drawn} of {amount} drawn")
    for name, why in document["refused_grants"].items():
        click.echo(f"grant {name} is refused: {why}")


def limit_text(limit: str, number: str) -> str:
    """A limit for a person."""
    from bot.gas import ether
    from bot.signer.policy import UNLIMITED_COUNT, UNLIMITED_WEI

    if int(number) in (UNLIMITED_WEI, UNLIMITED_COUNT):
        return "no limit"
    return number if limit in ("failures_in_a_row", "transactions_a_minute") else ether(int(number))


@command(
    "grant",
    examples=[
        'isthmus budget grant hour_loss "0.5 ETH" --strategy dex_arbitrage --for 2h --keystore owner.json',
        'isthmus budget grant gas_day "1 ETH" --for 1d --keystore owner.json --into /media/usb/grants',
    ],
)
@click.argument("limit", type=LIMIT)
@click.argument("amount")
@click.option("--strategy", default="", metavar="NAME", help="Whose limit. Left out: that of all together.")
@click.option("--for", "lasts_s", type=DURATION, required=True, metavar="TIME", help="How long, such as 90m.")
@click.option("--keystore", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The owner's key.")
@passphrase_options
@click.option("--operator", type=ADDRESS, metavar="ADDRESS", help="The bot's account. [that of the run found here]")
@click.option("--chain-id", type=int, metavar="N", help="Its chain. [that of the run found here]")
@click.option("--into", type=click.Path(path_type=Path), metavar="FOLDER", help="Write it here, to be carried there.")
@config_option
@run_option
def grant(
    limit: str,
    amount: str,
    strategy: str,
    lasts_s: float,
    keystore: Path,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    operator: str | None,
    chain_id: int | None,
    into: Path | None,
    config_path: Path | None,
    run_folder: Path | None,
    as_json: bool,
) -> None:
    """Let up to AMOUNT beyond LIMIT be used, until a time, signed with the owner's key.

    It runs where the owner's keystore is. On another machine than the bot's, name --operator and --chain-id, and carry
    the file into the folder `grants` beside the bot's kill switch. The signer checks the signature itself.
    """
    from bot.clock import SystemClock
    from bot.owner import deposit, new_grant, sign_grant
    from bot.signer.grants import require_binding

    wei = wei_of(amount)
    now_s = int(SystemClock().wall_s())
    meant: list[tuple[Path, str, int, SignerPolicy | None]]
    if operator is not None and chain_id is not None and into is not None:
        meant = [(into, operator, chain_id, None)]
    else:
        policies = policies_for(strategy, control_folders(config_path, run_folder))
        meant = [
            (into or folder, operator or policy.operator, policy.chain_id, policy)
            for folder, policy in policies.items()
        ]
    passphrase = read_passphrase(passphrase_fd, passphrase_file, what=str(keystore))
    signed = []
    for folder, account, chain, policy in meant:
        made = new_grant(
            chain_id=chain,
            operator=_address(account),
            strategy=strategy,
            limit=limit,
            amount_wei=wei,
            not_before_s=now_s,
            lasts_s=int(lasts_s),
        )
        signed.append((sign_grant(made, keystore, passphrase), folder))
        if policy is not None:
            require_binding(signed[-1][0], policy)
    for each, folder in signed:
        # Before it counts: of a command that is ended now nobody would know the id, nor whether to give it again.
        click.echo(f"writing grant {each.grant.id} into {folder}", err=True)
    written = {each.grant.id: str(deposit(each, folder)) for each, folder in signed}
    if as_json:
        emit(
            {"grants": written, "limit": limit_name(limit), "amount_wei": str(wei), "not_after_s": now_s + int(lasts_s)}
        )
        return
    for grant_id, file in written.items():
        click.echo(f"{grant_id}: {amount} more of {limit_name(limit)} for {strategy or 'all strategies'}; {file}")


@command("revoke", examples=['isthmus budget revoke 0x0f… --because "no longer needed"'])
@click.argument("grant_id", metavar="ID")
@click.option("--because", "reason", type=SAID, default="a person said so", metavar="TEXT", help="Why; it is kept.")
@config_option
@run_option
def revoke(grant_id: str, reason: str, config_path: Path | None, run_folder: Path | None, as_json: bool) -> None:
    """Take grant ID back, for good. What was drawn on it stays drawn."""
    from bot.owner import revoke as revoke_grant
    from bot.signer.grants import grant_file

    folders = [each for each in control_folders(config_path, run_folder) if grant_file(each, grant_id).exists()]
    if not folders:
        raise CommandFailed(f"no grant {grant_id}; `isthmus budget show` lists them", ExitCode.USAGE)
    files = [str(revoke_grant(grant_id, folder, f"{person()}: {reason}")) for folder in folders]
    if as_json:
        emit({"revoked": grant_id, "files": files, "because": reason})
    else:
        click.echo(f"{grant_id} is revoked")


def policies_for(strategy: str, folders: Iterable[Path]) -> Mapping[Path, SignerPolicy]:
    """What the signers of the kill switches in `folders` enforce that may sign for `strategy`; empty: all of them.

    Raises `CommandFailed` when there is none.
    """
    policies = {folder: policy_of(folder) for folder in folders}
    meant = {folder: policy for folder, policy in policies.items() if strategy in {"", *policy.strategies}}
    if not meant:
        known = ", ".join(sorted({name for policy in policies.values() for name in policy.strategies}))
        raise CommandFailed(f"strategy {strategy!r} is not traded here; those that are: {known}", ExitCode.USAGE)
    return meant


def policy_of(folder: Path) -> SignerPolicy:
    """What the signer of the kill switch in `folder` enforces. Raises `CommandFailed`."""
    from bot.signer.policy import read_policy
    from bot.signer.presence import last_seen

    presence = last_seen(folder)
    if presence is None:
        raise CommandFailed(
            f"{folder}: no signer was ever here; name --operator, --chain-id and --into", ExitCode.USAGE
        )
    return read_policy(Path(presence.policy))[0]


def _address(text: str) -> Any:
    from chains.assets import address

    return address(text)


def wei_of(amount: str) -> int:
    """An amount of ETH in wei. Raises `CommandFailed`."""
    from bot.config.values import ETH_DECIMALS, positive_amount

    try:
        read = positive_amount(amount)
    except ValueError as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None
    if read.unit.upper() != "ETH":
        raise CommandFailed(f"{amount!r}: budgets are counted in ETH, such as '0.5 ETH'", ExitCode.USAGE)
    return read.units(ETH_DECIMALS)
