"""A `deploy_block` that is too late loses pools without a word: a node is asked what was there before it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from chains.anvil import RpcError
from chains.assets import address
from chains.networks import Network, load_network
from chains.networks.beginnings import stated, too_late
from tests.chains.node.support import chain, mine

AT = address("0x" + "5c" * 20)


def network(deploy_block: int) -> Network:
    factory = replace(load_network("ethereum").factory("uniswap_v2"), address=AT, deploy_block=deploy_block)
    return replace(
        load_network("ethereum"),
        factories=MappingProxyType({"uniswap_v2": factory}),
        deployed=MappingProxyType({}),
    )


async def test_what_was_there_before_the_stated_block_is_named() -> None:
    async with chain() as anvil:
        await mine(anvil, 3)
        await anvil.rpc("anvil_setCode", AT, "0x00")
        await mine(anvil, 3)
        assert await too_late(network(3), anvil.rpc) == ([], [])
        assert await too_late(network(6), anvil.rpc) == (["uniswap_v2"], [])


async def test_a_node_without_so_old_a_state_says_nothing() -> None:
    async def pruned(method: str, *params: Any) -> Any:
        raise RpcError(method, -32000, "missing trie node")

    assert await too_late(network(6), pruned) == ([], ["uniswap_v2"])


def test_every_contract_with_a_stated_block_is_asked_about() -> None:
    polygon = load_network("polygon")
    assert set(stated(polygon)) >= {"uniswap_v4_pool_manager", "balancer_v2_vault", "uniswap_v3"}
