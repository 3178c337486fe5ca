"""`isthmus executor`: the owner's acts on the contract that settles plans. The bot's own key is never asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import Verbs, command
from bot.cli.errors import CommandFailed, ExitCode
from bot.cli.output import emit
from bot.cli.parameters import ADDRESS, NODE_URL, config_option, found_config, passphrase_options, read_passphrase

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from bot.config.load import Loaded
    from bot.execution.deployment import Deployment
    from bot.rpc import NodeRpc
    from chains.assets import Address

executor = Verbs(
    "executor",
    verbs={
        "deploy": ("bot.cli.executor:deploy", "Deploy the executor and its inventory."),
        "verify": ("bot.cli.executor:verify", "Prove that a deployed executor is this build's, with these settings."),
        "sweep": ("bot.cli.executor:sweep", "Send what the contracts hold to the treasury."),
        "status": ("bot.cli.standing:status", "What the contracts hold, what the keys can pay, who may move anything."),
        "top-up": ("bot.cli.standing:top_up", "Send the operator keys that are short of gas what they lack."),
    },
    help="Operate the contract that settles plans.",
)

OWNER_OPTION = click.option(
    "--owner-keystore",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Keystore of the contract's owner: a cold key, never the bot's.",
)
CONSENT_OPTION = click.option(
    "--live-on-chain-id",
    type=click.IntRange(min=1),
    metavar="ID",
    help="Consent to spend on a chain that is not a test chain; must be the configured network's chain id.",
)
EXECUTOR_OPTION = click.option(
    "--executor", "executor_address", type=ADDRESS, metavar="ADDRESS", help="Which one. [executor.address]"
)


def node_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--node`, where another than the configured one is asked."""
    asked = "The node to ask and to send to. [node.endpoints]"
    return click.option("--node", type=NODE_URL, metavar="URL", help=asked)(command)


@command(
    "deploy",
    examples=[
        "isthmus executor deploy --owner-keystore cold.json --treasury 0x… --operator 0x…",
        "isthmus executor deploy --config isthmus.toml --owner-keystore cold.json --treasury 0x… --live-on-chain-id 1",
    ],
)
@config_option
@node_option
@OWNER_OPTION
@click.option("--treasury", type=ADDRESS, required=True, metavar="ADDRESS", help="Where sweeps go, for ever.")
@click.option(
    "--operator",
    "operators",
    type=ADDRESS,
    multiple=True,
    metavar="ADDRESS",
    help="A hot key that may trade; up to four of them. [those of signer.keystore and signer.further_keys]",
)
@CONSENT_OPTION
@passphrase_options
async def deploy(
    config_path: Path | None,
    node: str | None,
    owner_keystore: Path,
    treasury: str,
    operators: tuple[str, ...],
    live_on_chain_id: int | None,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Deploy the executor and its inventory, then verify both. Owner, operator, treasury and tokens are fixed by it."""
    from bot.config.load import load
    from bot.config.tokens import inventory_bound, inventory_caps, profit_tokens
    from bot.execution.deployment import balance
    from bot.execution.deployment import deploy as create
    from bot.execution.references import References
    from bot.execution.settings import Venues
    from chains.assets import Address

    loaded = load(found_config(config_path))
    require_consent(loaded, live_on_chain_id)
    first, *further = [Address(operator) for operator in operators] or _configured_operators(loaded)
    gained = profit_tokens(loaded.config, loaded.network)
    caps = [(Address(token.address), cap) for token, cap in inventory_caps(loaded.config, loaded.network)]
    bound = inventory_bound(loaded.config)
    async with node_rpc(loaded, node) as rpc:
        for token in (*gained, *(token for token, _ in caps)):
            # Fixed for ever by the deployment: what is no token there would be found out by the first sweep.
            await balance(rpc, token, Address(treasury))
        held = await References(rpc, loaded.network, bound).inventory(caps, loaded.config.executor.reference_pools)
        made = await create(
            rpc,
            owner_account(owner_keystore, passphrase_fd, passphrase_file),
            operator=first,
            further_operators=further,
            treasury=Address(treasury),
            profit_tokens=gained,
            inventory=held,
            bound=bound,
            chain_id=loaded.network.chain_id,
            venues=await Venues.of(loaded.network).present(rpc),
            most_tip_wei=most_tip_wei(loaded),
        )
    _tell(made, as_json=as_json)
    if not as_json:
        click.echo(f'Write it down under [executor] in the run file: address = "{made.executor}"')


@command("verify", examples=["isthmus executor verify --config isthmus.toml", "isthmus executor verify --executor 0x…"])
@config_option
@node_option
@EXECUTOR_OPTION
async def verify(config_path: Path | None, node: str | None, executor_address: str | None, as_json: bool) -> None:
    """Prove that the code on chain is this build's, and that what it was made with is what the run file says."""
    from bot.config.load import load
    from bot.execution.deployment import verify as proved
    from chains.assets import Address

    loaded = load(found_config(config_path))
    async with node_rpc(loaded, node) as rpc:
        made = await proved(rpc, Address(which_executor(loaded, executor_address)))
    differences = _differences(made, loaded)
    if differences:
        raise CommandFailed("\n".join(differences), ExitCode.ERROR)
    _tell(made, as_json=as_json)


@command(
    "sweep",
    examples=[
        "isthmus executor sweep --owner-keystore cold.json",
        "isthmus executor sweep --owner-keystore cold.json --token WETH",
    ],
)
@config_option
@node_option
@OWNER_OPTION
@EXECUTOR_OPTION
@click.option(
    "--token", "tokens", multiple=True, metavar="TOKEN", help="By symbol or address. [all it was made with, and coins]"
)
@CONSENT_OPTION
@passphrase_options
async def sweep(
    config_path: Path | None,
    node: str | None,
    owner_keystore: Path,
    executor_address: str | None,
    tokens: tuple[str, ...],
    live_on_chain_id: int | None,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> ExitCode:
    """Send everything the executor and its inventory hold to the treasury that was fixed when they were deployed.

    Exit code 1 when a token did not answer or could not be moved; all others are swept nevertheless.
    """
    from bot.config.load import load
    from bot.config.tokens import token_address
    from bot.execution.deployment import settings_of
    from bot.execution.sweeping import Swept, Unswept
    from bot.execution.sweeping import sweep as send
    from chains.assets import ZERO_ADDRESS, Address

    loaded = load(found_config(config_path))
    require_consent(loaded, live_on_chain_id)
    which = Address(which_executor(loaded, executor_address))
    async with node_rpc(loaded, node) as rpc:
        made_with = await settings_of(rpc, which)
        coin = loaded.network.native.symbol
        wanted = [ZERO_ADDRESS if name == coin else token_address(name, loaded.network) for name in tokens] or list(
            dict.fromkeys([*made_with.profit_tokens, *(cap.token for cap in made_with.inventory), ZERO_ADDRESS])
        )
        owner = owner_account(owner_keystore, passphrase_fd, passphrase_file)
        done = await send(rpc, owner, which, wanted, loaded.network.chain_id, most_tip_wei(loaded))
    swept = [it for it in done if isinstance(it, Swept)]
    unswept = [it for it in done if isinstance(it, Unswept)]
    if as_json:
        rows = [
            {"contract": it.contract, "token": it.token, "amount": str(it.amount), "tx": it.tx_hash} for it in swept
        ]
        emit({"treasury": made_with.treasury, "swept": rows, "not_swept": [asdict(it) for it in unswept]})
    else:
        lines = [f"{it.amount} base units of {it.token} from {it.contract} ({it.tx_hash})" for it in swept]
        click.echo("\n".join([*lines, f"{len(swept)} sweeps to {made_with.treasury}"]))
        if swept:
            click.echo('Now tell the ledger of its runs, which would miss it: isthmus reconcile --book "swept"')
    for it in unswept:
        click.echo(f"error: {it.token} in {it.contract} was not swept: {it.why}; sweep it alone later", err=True)
    return ExitCode.ERROR if unswept else ExitCode.OK


def require_consent(loaded: Loaded, consent: int | None) -> None:
    """Raises `click.UsageError` unless the network is a test chain or was named."""
    network = loaded.network
    if not network.test_chain and consent != network.chain_id:
        message = f"{network.name} (chain id {network.chain_id}) is not a test chain"
        raise click.UsageError(f"{message}; add --live-on-chain-id {network.chain_id} to spend there")


def most_tip_wei(loaded: Loaded) -> int:
    """The most per gas that the owner pays above the base fee, whatever a node says that it takes."""
    return int(loaded.config.signer.max_tip_gwei * 10**9)


def _configured_operators(loaded: Loaded) -> list[Address]:
    """Whose keystores the run file names; a device is not asked. Raises `click.UsageError`, `KeystoreError`."""
    from bot.keys import keystore_address
    from bot.signer.sources import Kind

    keys = loaded.config.signer.keys
    if not keys or any(key.kind is not Kind.KEYSTORE for key in keys):
        raise click.UsageError("whose key trades? give --operator, or name signer.keystore in the run file")
    return [keystore_address(Path(key.place)) for key in keys]


def which_executor(loaded: Loaded, given: str | None) -> str:
    """The executor given, or configured. Raises `click.UsageError`."""
    found = given or loaded.config.executor.address
    if found is None:
        raise click.UsageError("which executor? give --executor, or write executor.address in the run file")
    return found


def node_rpc(loaded: Loaded, node: str | None) -> NodeRpc:
    """The node given, or those configured. Raises `click.UsageError`."""
    from bot.clock import SystemClock
    from bot.rpc import NodeRpc
    from bot.world.nodes import node_of

    if node is None and not loaded.config.node.endpoints:
        raise click.UsageError("which node? give --node (`isthmus twin` prints its own), or write node.endpoints")
    return NodeRpc(node_of(loaded.config, loaded.network, SystemClock(), [node] if node else []))


def owner_account(keystore: Path, fd: int | None, file: Path | None) -> LocalAccount:
    """The owner's account, in this process only for as long as the command runs."""
    from eth_account import Account

    from bot.keys import check_keystore, read_keystore

    passphrase = read_passphrase(fd, file, what=f"the owner's keystore {keystore}")
    check_keystore(keystore, passphrase)
    account: LocalAccount = Account.from_key(Account.decrypt(read_keystore(keystore).decode(), passphrase))
    return account


def _differences(made: Deployment, loaded: Loaded) -> list[str]:
    """What the run file says otherwise than the chain, one line each."""
    from bot.config.tokens import inventory_bound, inventory_caps, profit_tokens
    from bot.execution.agreement import differences, strange_venues

    caps = dict(inventory_caps(loaded.config, loaded.network))
    config = loaded.config
    profits, bound = profit_tokens(config, loaded.network), inventory_bound(config)
    said = differences(made, profits, caps, bound, config.executor.reference_pools)
    return [*strange_venues(made, loaded.network), *said]


def _tell(made: Deployment, *, as_json: bool) -> None:
    settings = made.settings
    if as_json:
        caps = {cap.token: str(cap.per_block) for cap in settings.inventory}
        emit(
            {
                "executor": made.executor,
                "inventory": made.inventory,
                "block": made.block_number,
                "code_hash": made.code_hash,
                "owner": settings.owner,
                "operators": list(settings.operators),
                "treasury": settings.treasury,
                "profit_tokens": list(settings.profit_tokens),
                "inventory_caps": caps,
                "references": {cap.token: cap.reference for cap in settings.inventory[1:]},
                "reference_window_s": settings.bound.window_s,
                "allowed_slippage_ppm": settings.bound.slippage_ppm,
                "venues": asdict(settings.venues),
            }
        )
        return
    click.echo(f"executor {made.executor}, inventory {made.inventory}, as read in block {made.block_number}: verified")
    click.echo(f"owner {settings.owner}, operators {', '.join(settings.operators)}, treasury {settings.treasury}")
    for cap in settings.inventory[1:]:
        click.echo(f"{cap.token} is worth what {cap.reference} says, as a mean of {settings.bound.window_s} s")
