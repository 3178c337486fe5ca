"""Velodrome V2's pools against what two of Aerodrome's answered on Base."""

from __future__ import annotations

from collections.abc import Iterator

from bot.exactness import Case, answer
from bot.exactness.extracts import extract, token
from chains.assets import ZERO_ADDRESS, address
from chains.pools.solidly import SolidlyPool


def volatile() -> Iterator[Case]:
    """tBTC and WETH: from dust to half of the pool, both directions."""
    return _recorded(stable_pool=False)


def stable() -> Iterator[Case]:
    """DOLA and USDbC: the same."""
    return _recorded(stable_pool=True)


def _recorded(*, stable_pool: bool) -> Iterator[Case]:
    document = extract("aerodrome_v2_46875151.json.gz")
    pools = {}
    for state in document["pools"]:
        first, second = (token("base", fields) for fields in state["tokens"])
        reserves = state["reserves"][0], state["reserves"][1]
        at = address(state["pool"])
        pools[at] = SolidlyPool(at, (first, second), reserves, state["fee_bps"], state["stable"], ZERO_ADDRESS)
    for key, expected in document["quotes"].items():
        at, _, direction, amount = key.split("|")
        pool = pools[at]
        if pool.stable != stable_pool:
            continue
        (token_in,) = (token for token in pool.tokens if direction.startswith(f"{token.symbol}->"))
        yield Case(key, expected, answer(pool.quote, token_in, int(amount)))
