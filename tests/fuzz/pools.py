"""Pools of every family, to be told logs and asked for quotes."""

from __future__ import annotations

from functools import cache

from bot.exactness import uniswap_v4
from bot.exactness.curve import rai, tricrypto, tripool
from bot.exactness.sequences import first_state
from chains.assets import Token
from chains.pools.pool import Pool
from chains.pools.registry import FAMILIES
from chains.pools.solidly import SolidlyPool
from chains.pools.wrapping_native import WrappedNativePool
from tests.chains.pools import (
    test_aave_v3,
    test_algebra,
    test_balancer_v2,
    test_balancer_v3,
    test_balancer_v3_buffer,
    test_erc4626,
)
from tests.chains.pools.samples import A, B, at, pair, ranged

RECORDED = ("camelot_volatile", "camelot_stable", "slipstream", "wsteth", "meta", "tricrypto", "two", "two_first")
RECORDED_STABLE = ("curve_ng_oracle", "curve_compound", "curve_aave", "curve_aeth")


@cache
def pools() -> tuple[Pool, ...]:
    """One of every kind, families without one included."""
    native = Token("twin", at(0), "ETH", 18)
    made: list[Pool] = [
        pair((10**24, 2 * 10**24)),
        ranged(2**96, [(-6000, 6000, 10**21)]),
        SolidlyPool(at(31), (A, B), (10**24, 10**24), 5, True, at(32)),
        WrappedNativePool(at(33), (native, Token("twin", at(33), "WETH", 18))),
        test_algebra.pool_of(),
        test_balancer_v2.weighted(),
        test_balancer_v2.stable(),
        test_balancer_v3.weighted(),
        test_balancer_v3.stable(),
        test_balancer_v3_buffer.buffer(),
        test_erc4626.vault(),
        test_aave_v3.reserve(),
        uniswap_v4.eth_usdc(),
        tripool(),
        rai(),
        tricrypto(),
        *map(first_state, (*RECORDED, *RECORDED_STABLE)),
    ]
    missing = set(FAMILIES) - {pool.family for pool in made}
    if missing:
        raise LookupError(f"the fuzzer has no pool of {', '.join(sorted(missing))}; add one to tests/fuzz/pools.py")
    return tuple(made)
