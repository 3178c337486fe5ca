"""web3.py over a `Node`, against a real Anvil."""

from __future__ import annotations

import pytest
from web3 import AsyncWeb3, Web3
from web3.exceptions import Web3RPCError

from chains.node.provider import NodeProvider
from tests.chains.node.support import SENDER, chain, node_on

_ABI = [
    {
        "type": "function",
        "name": "balanceOf",
        "stateMutability": "view",
        "inputs": [{"name": "owner", "type": "address"}],
        "outputs": [{"name": "", "type": "uint256"}],
    }
]
_RETURNS_SEVEN = "0x600760005260206000f3"


async def test_web3_reads_balances_and_contracts_over_a_node():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        token = Web3.to_checksum_address("0x" + "77" * 20)
        await node.request_once("anvil_setCode", token, _RETURNS_SEVEN)
        web3 = AsyncWeb3(NodeProvider(node))
        assert await web3.is_connected() and await web3.eth.chain_id == 31337
        assert await web3.eth.get_balance(Web3.to_checksum_address(SENDER)) == await node.balance(SENDER)
        assert await web3.eth.contract(token, abi=_ABI).functions.balanceOf(token).call() == 7


async def test_what_a_node_refuses_is_web3s_own_error():
    async with chain() as anvil, node_on(anvil.ws_url) as node:
        with pytest.raises(Web3RPCError, match="-32602"):
            await AsyncWeb3(NodeProvider(node)).manager.coro_request("eth_nothing", [])


@pytest.mark.parametrize("method", ["eth_sendTransaction", "eth_sendRawTransaction", "eth_sign", "personal_sign"])
async def test_nothing_is_sent_or_signed_that_way(method: str):
    with pytest.raises(PermissionError, match=f"{method}: this connection only reads"):
        await NodeProvider(node_on("ws://127.0.0.1:9")).make_request(method, [])


async def test_a_node_that_is_not_there_is_not_connected():
    assert not await NodeProvider(node_on("ws://127.0.0.1:9")).is_connected()
