"""Whether a network's file names blocks before which its contracts were not there: what is later loses their events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from chains.anvil import RpcError
from chains.assets import Address
from chains.networks.network import Network

Rpc = Callable[..., Awaitable[Any]]


def stated(network: Network) -> Mapping[str, tuple[Address, int]]:
    """Each contract with a `deploy_block`: where it is, and that block."""
    factories = {
        name: (factory.address, factory.deploy_block)
        for name, factory in network.factories.items()
        if factory.deploy_block
    }
    return factories | {name: (network.contracts[name], block) for name, block in network.deployed.items() if block}


async def too_late(network: Network, rpc: Rpc) -> tuple[list[str], list[str]]:
    """The names of those that were there before the block that the file states; and of those that the node, which
    keeps no state that old, says nothing of.
    """
    late, unknown = [], []
    for name, (at, block) in stated(network).items():
        try:
            if await rpc("eth_getCode", at, hex(block - 1)) not in ("0x", None):
                late.append(name)
        except RpcError:
            unknown.append(name)
    return late, unknown
