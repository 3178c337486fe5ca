"""`isthmus networks`: what is known of each network, and whether a node's chain agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bot.cli.command import Verbs, command
from bot.cli.errors import ExitCode
from bot.cli.output import emit
from bot.cli.parameters import NODE_URL, node_url

if TYPE_CHECKING:
    from chains.networks import Network
    from chains.networks.checking import Finding

networks = Verbs(
    "networks",
    verbs={
        "list": ("bot.cli.networks:list_", "List the networks that can be traded on, or one file's facts."),
        "check": ("bot.cli.networks:check", "Ask a node whether its chain is what a network's file says."),
    },
    help="List networks, and hold their facts against a node.",
)

_COLOURS = {"holds": "green", "differs": "red", "unknown": "yellow"}

_UNPROVEN = "  addresses and deploy blocks are unproven until `isthmus networks check` has asked a node for them"


@command(
    "list",
    examples=["isthmus networks list", "isthmus networks list base", "isthmus networks list my.toml --json"],
)
@click.argument("network", required=False, metavar="[NAME|FILE]")
def list_(network: str | None, as_json: bool) -> None:
    """List networks: ids, gas model, block time, finality, factories, proven or not, and tokens."""
    from chains.networks import load_network, network_names

    found = [load_network(name) for name in ([network] if network else network_names())]
    if as_json:
        emit({"networks": [_document(each) for each in found]})
        return
    for each in found:
        click.echo(_line(each))
        if network:
            for protocol, factory in each.factories.items():
                click.echo(f"  {protocol:<22} {factory.family:<17} {factory.address}  {_proof(factory)}")
            for name, at in each.contracts.items():
                click.echo(f"  {name:<40} {at}")
            click.echo(_UNPROVEN)


@command(
    "check",
    examples=[
        "isthmus networks check base --node https://base.example",
        "isthmus networks check my.toml --node http://127.0.0.1:8545 --json",
    ],
)
@click.argument("network", metavar="NAME|FILE")
@click.option("--node", type=NODE_URL, metavar="URL", help="A node of that network, over HTTP.")
async def check(network: str, node: str | None, as_json: bool) -> ExitCode:
    """Ask a node for every fact it can answer for; exit 1 where one differs."""
    from bot.rpc import HttpRpc
    from chains.networks import load_network
    from chains.networks.checking import Standing
    from chains.networks.checking import check as checked

    facts, url = load_network(network), node_url(node)
    if not url.startswith("http"):
        raise click.UsageError(f"{url!r} is not an HTTP URL; write one such as http://127.0.0.1:8545")
    findings: list[Finding] = []
    async with HttpRpc(url) as rpc:
        async for finding in checked(facts, rpc.rpc):
            findings.append(finding)
            if not as_json:
                word, _, rest = str(finding).partition(" ")
                click.echo(f"{click.style(word, fg=_COLOURS[word])} {rest}")
    differ = any(finding.standing is Standing.DIFFERS for finding in findings)
    if as_json:
        fields = ("fact", "standing", "found", "remedy")
        rows = [{field: getattr(finding, field) for field in fields} for finding in findings]
        emit({"network": facts.name, "chain_id": facts.chain_id, "agrees": not differ, "findings": rows})
    return ExitCode.ERROR if differ else ExitCode.OK


def _line(network: Network) -> str:
    proven = sum(factory.proven for factory in network.factories.values())
    final = "finalized tag" if network.finality_tag else f"{network.finality_blocks} blocks"
    return (
        f"{network.name:<10} chain {network.chain_id:<6} {network.gas.name:<9} {network.block_time_s:>5g} s  "
        f"final by {final:<14} {len(network.factories)} factories ({proven} proven), {len(network.tokens)} tokens"
    )


def _proof(factory: Any) -> str:
    if not factory.init_code_hash:
        return "not derived"
    return "proven" if factory.proven else "unproven: only pools it announced are believed"


def _document(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "chain_id": network.chain_id,
        "test_chain": network.test_chain,
        "gas_model": network.gas.name,
        "least_tip_wei": str(network.gas.least_tip_wei),
        "block_time_s": network.block_time_s,
        "finality": {"tag": network.finality_tag, "blocks": network.finality_blocks},
        "logs_bloom": network.logs_bloom,
        "native": network.native.symbol,
        "wrapped": network.wrapped.address,
        "factories": [
            {
                "protocol": protocol,
                "family": factory.family,
                "address": factory.address,
                "deploy_block": factory.deploy_block,
                "derived": bool(factory.init_code_hash),
                "proven": factory.proven,
            }
            for protocol, factory in network.factories.items()
        ],
        "contracts": dict(network.contracts),
        "tokens": {
            symbol: {"address": token.address, "decimals": token.decimals} for symbol, token in network.tokens.items()
        },
    }
