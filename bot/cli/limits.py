"""`isthmus budget set`: a limit lowered by whoever types it, or raised with the owner's key, while a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.budget import LIMIT, limit_name, limit_text, policies_for, wei_of
from bot.cli.command import command
from bot.cli.control import control_folders, person, run_option
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import BECAUSE, config_option, passphrase_options, read_passphrase

if TYPE_CHECKING:
    from bot.signer.limits import LimitChange


@command(
    "set",
    examples=[
        'isthmus budget set hour_loss "0.2 ETH" --strategy dex_arbitrage --because "a bad morning"',
        'isthmus budget set day_loss "3 ETH" --because "proven for a month" --keystore owner.json',
    ],
)
@click.argument("limit", type=LIMIT)
@click.argument("amount")
@click.option("--strategy", default="", metavar="NAME", help="Whose limit. Left out: that of all together.")
@click.option("--because", "reason", type=BECAUSE, required=True, metavar="TEXT", help="Why; it is kept.")
@click.option("--keystore", type=click.Path(path_type=Path), metavar="FILE", help="The owner's key, to raise a limit.")
@passphrase_options
@config_option
@run_option
def set_(
    limit: str,
    amount: str,
    strategy: str,
    reason: str,
    keystore: Path | None,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    config_path: Path | None,
    run_folder: Path | None,
    as_json: bool,
) -> None:
    """Make LIMIT the AMOUNT, in ETH or as a count, from the next signature on and across restarts.

    Lowering needs no key; raising needs the owner's. The signer judges it by itself; its audit keeps who changed it,
    from what, to what, and why.
    """
    from bot.clock import SystemClock
    from bot.owner import deposit_change, new_change, sign_change
    from bot.signer.limits import COUNTS, SignedChange, owner_of

    most = _count(amount) if limit in COUNTS else wei_of(amount)
    passphrase = read_passphrase(passphrase_fd, passphrase_file, what=str(keystore)) if keystore else ""
    changes = []
    for folder, policy in policies_for(strategy, control_folders(config_path, run_folder)).items():
        change = new_change(
            chain_id=policy.chain_id,
            operator=policy.operator,
            strategy=strategy,
            limit=limit,
            amount=most,
            made_at_s=int(SystemClock().wall_s()),
            by=person(),
            because=reason,
        )
        before = _standing(folder, change)
        if keystore is None and most > before:
            raise CommandFailed(
                f"{limit_name(limit)} is {limit_text(limit, str(before))}: to raise it, name the owner's key "
                "with --keystore",
                ExitCode.REFUSED,
            )
        signed = sign_change(change, keystore, passphrase) if keystore else SignedChange(change)
        owner_of(signed, policy)
        changes.append((folder, signed, before))
    made = []
    for folder, signed, before in changes:
        deposit_change(signed, folder)
        if _standing(folder, signed.change) != most:
            raise CommandFailed(f"{folder}: the signer did not take it; its audit says why", ExitCode.REFUSED)
        made.append({"folder": str(folder), "id": signed.change.id, "before": str(before), "after": str(most)})
    if as_json:
        emit({"limit": limit_name(limit), "strategy": strategy or None, "because": reason, "changes": made})
        return
    for each in made:
        before_text, after_text = (limit_text(limit, each[key]) for key in ("before", "after"))
        click.echo(
            f"{strategy or 'all strategies'} {limit_name(limit)}: {before_text} -> {after_text}; {each['folder']}"
        )


def _standing(folder: Path, change: LimitChange) -> int:
    """What the limit is now, as the signer says."""
    from bot.clock import SystemClock
    from bot.signer.limits import field_of
    from bot.signer.looking import look
    from bot.signer.presence import last_seen

    presence = last_seen(folder)
    assert presence is not None, "policies_for() looked"
    status, policy = look(folder, presence, SystemClock())
    limits = {"": policy.total, **policy.strategies}
    configured: int = getattr(limits[change.strategy], field_of(change.limit))
    return configured + status.limits.get(change.strategy, {}).get(change.limit, 0)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise CommandFailed(f"{text!r} is not a count, such as 20", ExitCode.USAGE)
    return int(text)
