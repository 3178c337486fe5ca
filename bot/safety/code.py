"""What code stands behind a token, and whether it is still the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from eth_utils.crypto import keccak

from bot.safety.report import Code
from chains.anvil import RpcError
from chains.assets import Address, address
from chains.node.wire import BlockRef, block_parameter
from chains.pools.words import selector

Rpc = Callable[..., Awaitable[Any]]
"""One JSON-RPC call: the method's name, then its parameters."""

IMPLEMENTATION_SLOT = int.from_bytes(keccak(text="eip1967.proxy.implementation")) - 1
BEACON_SLOT = int.from_bytes(keccak(text="eip1967.proxy.beacon")) - 1
ZOS_SLOT = int.from_bytes(keccak(text="org.zeppelinos.proxy.implementation"))

_IMPLEMENTATION = "0x" + selector("implementation()").hex()


async def read_code(rpc: Rpc, token: Address, others: Iterable[Address], block: BlockRef = "latest") -> Code:
    """The code of `token`, of its implementation, and of `others`, as of `block`. Raises what `rpc` raises."""
    implementation = await implementation_of(rpc, token, block)
    behind = sorted({*others, *((implementation,) if implementation else ())} - {token})
    hashes = {at: keccak(await code_at(rpc, at, block)).hex() for at in (token, *behind)}
    return Code(hashes, implementation)


async def code_at(rpc: Rpc, at: Address, block: BlockRef = "latest") -> bytes:
    """The runtime at an address; empty if it has none."""
    return bytes.fromhex((await rpc("eth_getCode", at, block_parameter(block)))[2:])


async def implementation_of(rpc: Rpc, token: Address, block: BlockRef = "latest") -> Address | None:
    """Where the proxy slots of `token` lead to; None when it uses none of them."""
    for slot in (IMPLEMENTATION_SLOT, ZOS_SLOT, BEACON_SLOT):
        found = _account(await rpc("eth_getStorageAt", token, hex(slot), block_parameter(block)))
        if found is None:
            continue
        if slot != BEACON_SLOT:
            return found
        try:
            return _account(await rpc("eth_call", {"to": found, "data": _IMPLEMENTATION}, block_parameter(block)))
        except RpcError:
            return None
    return None


def difference(before: Code, now: Code) -> str | None:
    """What changed, for a person; None when nothing did."""
    if before.implementation != now.implementation:
        return f"its implementation was {before.implementation} and is {now.implementation} now"
    changed = [at for at, code_hash in before.hashes.items() if now.hashes.get(at) != code_hash]
    return f"the code at {', '.join(changed)} is not what it was" if changed else None


def _account(word: str) -> Address | None:
    number = int(word, 16) if word not in ("", "0x") else 0
    return address(f"0x{number:040x}") if 0 < number < 1 << 160 else None
