"""web3.py over a `Node`, for scripts: contracts and ABIs, read by the same endpoints, failover, limits and counts.

Importing web3 takes half a second, so nothing that trades imports this.
"""

from __future__ import annotations

from typing import Any

from web3.providers.async_base import AsyncBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from chains.anvil import RpcError
from chains.node.errors import NodeError
from chains.node.node import Node

_SENDING = ("eth_send", "eth_sign", "personal_", "wallet_")


class NodeProvider(AsyncBaseProvider):
    """`AsyncWeb3(NodeProvider(node))` reads; it sends and signs nothing, because only the signer does.

    Example:
        async with Node(network, settings, clock) as node:
            print(await AsyncWeb3(NodeProvider(node)).eth.get_balance(address))
    """

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._node = node

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One read. Raises `PermissionError` for what would send or sign, and as `Node.request`."""
        if method.startswith(_SENDING):
            raise PermissionError(f"{method}: this connection only reads; what leaves goes through the signer")
        try:
            return {"jsonrpc": "2.0", "id": 0, "result": await self._node.request(method, *params)}
        except RpcError as error:
            refused = {"code": error.code, "message": error.message, "data": error.data}
            return {"jsonrpc": "2.0", "id": 0, "error": refused}  # type: ignore[typeddict-item]  # data may be any JSON

    async def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether an endpoint answers now."""
        try:
            await self._node.request("eth_chainId")
        except (NodeError, RpcError):
            if show_traceback:
                raise
            return False
        return True
