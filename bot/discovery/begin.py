"""Where a scan begins: the block in which a contract was made, found by asking whether it was there."""

from __future__ import annotations

from bot.discovery.errors import NotAFactory
from bot.discovery.scanner import Requests
from chains.anvil import RpcError
from chains.assets import Address


async def first_block(node: Requests, contract: Address, head_number: int) -> int:
    """The block that made `contract`; 0 where the node keeps no old states to tell. Raises `NotAFactory`."""
    if not await _has_code(node, contract, head_number):
        raise NotAFactory(f"there is no contract at {contract}; correct its address in the network's file")
    low, high = 0, head_number
    try:
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if await _has_code(node, contract, middle) else (middle + 1, high)
    except RpcError:
        return 0
    return low


async def _has_code(node: Requests, contract: Address, number: int) -> bool:
    return await node.request("eth_getCode", contract, hex(number)) not in ("0x", None)
