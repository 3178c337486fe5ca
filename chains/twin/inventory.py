"""What the traders own at the opening: enough of every token they may sell, and standing approvals of the routers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chains.assets import Address
from chains.twin.accounts import TRADERS
from chains.twin.data import Family
from chains.twin.deploy import SUSHI_V2_ROUTER, UNISWAP_V2_ROUTER, UNISWAP_V3_ROUTER
from chains.twin.layout import layout_of, slot, word
from chains.twin.market import PoolView
from chains.twin.opening import RpcCall, set_balance

ROUTERS = {
    Family.UNISWAP_V2: UNISWAP_V2_ROUTER,
    Family.SUSHI_V2: SUSHI_V2_ROUTER,
    Family.UNISWAP_V3: UNISWAP_V3_ROUTER,
}

_UNLIMITED = (1 << 256) - 1


@dataclass(frozen=True, slots=True)
class Holding:
    """What one trader holds of a token, in base units, and the routers that may take it."""

    token: Address
    units: int
    routers: tuple[Address, ...]


def holdings(pools: Iterable[PoolView]) -> list[Holding]:
    """What every trader holds: of each token as much as the deepest of `pools` does.

    No trader moves a pool by more than about a per cent at a time, so that lasts for hours.
    """
    units: defaultdict[Address, int] = defaultdict(int)
    routers: defaultdict[Address, set[Address]] = defaultdict(set)
    for pool in pools:
        for token, reserve in zip(pool.tokens, pool.reserves, strict=True):
            units[token] = max(units[token], int(reserve))
            routers[token].add(ROUTERS[pool.family])
    return [Holding(token, units[token], tuple(sorted(routers[token]))) for token in sorted(units)]


def endow(held: Iterable[Holding]) -> Iterator[RpcCall]:
    """The calls that write every trader's ether, balances and approvals."""
    for trader in TRADERS:
        yield "anvil_setBalance", [trader, hex(10**24)]
    for holding in held:
        layout = layout_of(holding.token)
        for trader in TRADERS:
            yield set_balance(holding.token, trader, holding.units)
            for router in holding.routers:
                allowance = layout.allowance_slot(trader, router)
                yield "anvil_setStorageAt", [holding.token, slot(allowance), word(_UNLIMITED)]
