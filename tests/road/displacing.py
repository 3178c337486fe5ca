"""Many pools pushed away from their neighbours in one block, so that there is something to earn in each of them."""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice

from bot.rpc import HttpRpc
from chains.assets import Address
from chains.twin.client import TwinProcess
from chains.twin.data import RecordedPair, snapshot
from chains.twin.deploy import call_data
from chains.twin.inventory import ROUTERS
from chains.twin.layout import WETH9

_WHO = Address("0x00000000000000000000000000000000d15B1ACE")
_ETHER = 10**18
_LEAST_HELD = 5 * _ETHER
_PUSH_PERCENT = 4
_GAS = hex(300_000)
_APPROVE = "approve(address,uint256)"
_SWAP = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"


async def displace(twin: TwinProcess, count: int, *, after: int = 0) -> None:
    """Send one swap into each of `count` deep pairs that have a neighbour; the next block has them.

    They lie between wrapped ether and a token each of its own, so that what can be earned shares no pool. The `after`
    deepest are passed over; behind the last of all comes the deepest again.
    """
    pairs = list(islice(cycle(_pairs()), after, after + count))
    spent = {pair.address: _held(pair) * _PUSH_PERCENT // 100 for pair in pairs}
    await twin.fund(_WHO, 10**6 * _ETHER, {WETH9: sum(spent.values())})
    async with HttpRpc(twin.descriptor["rpc_http"]) as rpc:
        await rpc.rpc("anvil_impersonateAccount", _WHO)
        for router in sorted({ROUTERS[pair.family] for pair in pairs}):
            await _send(rpc, WETH9, call_data(_APPROVE, router, sum(spent.values())))
        for pair in pairs:
            path = [WETH9, *(token for token in pair.tokens if token != WETH9)]
            order = (spent[pair.address], 0, path, _WHO, 2**40)
            await _send(rpc, ROUTERS[pair.family], call_data(_SWAP, *order))


def _pairs() -> list[RecordedPair]:
    """The deepest first."""
    of_ether = [pool for pool in snapshot().pools if WETH9 in pool.tokens]
    neighbours = Counter(pool.tokens for pool in of_ether)
    found: dict[tuple[Address, Address], RecordedPair] = {}
    for pool in of_ether:
        if isinstance(pool, RecordedPair) and neighbours[pool.tokens] > 1 and _held(pool) >= _LEAST_HELD:
            found.setdefault(pool.tokens, pool)
    return sorted(found.values(), key=_held, reverse=True)


def _held(pair: RecordedPair) -> int:
    return pair.reserves[pair.tokens.index(WETH9)]


async def _send(rpc: HttpRpc, to: Address, data: str) -> None:
    await rpc.rpc("eth_sendTransaction", {"from": _WHO, "to": to, "data": data, "gas": _GAS})
