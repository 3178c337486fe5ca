"""Which AMM families there are. A new family is one new file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from chains.pools import (
    aave_v3,
    algebra,
    balancer_v2_stable,
    balancer_v2_weighted,
    balancer_v3_buffer,
    balancer_v3_stable,
    balancer_v3_weighted,
    camelot,
    concentrated,
    constant_product,
    crypto_events,
    crypto_swap,
    curve_crypto,
    curve_crypto_loading,
    curve_meta,
    curve_meta_loading,
    curve_stable,
    curve_stable_loading,
    erc4626,
    slipstream,
    solidly,
    stable_events,
    uniswap_v4,
    uniswap_v4_loading,
    upgrades,
    wrapping_native,
    wrapping_wsteth,
)
from chains.pools.pool import Load, Pool


@dataclass(frozen=True, slots=True)
class Family:
    """An AMM family: its pool class, how it is loaded, and every event topic that changes its state.

    `variants` are the kinds of contracts that it knows, where a pool says which one it is. `fixed_code`: every pool
    is made by a factory, of code that cannot change; of others it is looked at with each start.
    """

    pool: type[Pool]
    loading: Load
    topics: frozenset[bytes]
    variants: tuple[str, ...] = ()
    fixed_code: bool = False

    @property
    def name(self) -> str:
        return str(self.pool.family)


VOLATILE_AND_STABLE = ("volatile", "stable")
CURVE_STABLE = (
    "first",
    "template",
    "template compound",
    "guarded rebasing",
    "factory",
    "factory oracle",
    "ng",
    "ng oracle",
    "wrapped_staking ankr",
    "wrapped_staking rocket",
    "aave rebasing",
    "lending compound",
    "lending yearn",
)
CURVE_META = (
    "template caching over first",
    "template redemption caching over first",
    "factory over first",
    "ng oracle over first",
)
"""The generations of Curve's pools that there are on mainnet, as their pools name them."""

_fixed = partial(Family, fixed_code=True)

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        _fixed(constant_product.ConstantProductPool, constant_product.loading, constant_product.TOPICS),
        _fixed(concentrated.ConcentratedPool, concentrated.loading, concentrated.TOPICS),
        Family(balancer_v3_buffer.BalancerV3BufferPool, balancer_v3_buffer.loading, balancer_v3_buffer.TOPICS),
        Family(aave_v3.AaveV3Pool, aave_v3.loading, aave_v3.TOPICS, tuple(rules.value for rules in aave_v3.Rules)),
        Family(erc4626.Erc4626Pool, erc4626.loading, erc4626.TOPICS),
        Family(wrapping_native.WrappedNativePool, wrapping_native.loading, wrapping_native.TOPICS),
        Family(wrapping_wsteth.WstethPool, wrapping_wsteth.loading, wrapping_wsteth.TOPICS),
        _fixed(camelot.CamelotPool, camelot.loading, camelot.TOPICS, VOLATILE_AND_STABLE),
        _fixed(slipstream.SlipstreamPool, slipstream.loading, slipstream.TOPICS),
        _fixed(algebra.AlgebraPool, algebra.loading, algebra.TOPICS),
        _fixed(solidly.SolidlyPool, solidly.loading, solidly.TOPICS, VOLATILE_AND_STABLE),
        _fixed(balancer_v2_weighted.BalancerV2WeightedPool, balancer_v2_weighted.loading, balancer_v2_weighted.TOPICS),
        _fixed(
            balancer_v2_stable.BalancerV2StablePool,
            balancer_v2_stable.loading,
            balancer_v2_stable.TOPICS,
            ("legacy", "composable"),
        ),
        _fixed(balancer_v3_weighted.BalancerV3WeightedPool, balancer_v3_weighted.loading, balancer_v3_weighted.TOPICS),
        _fixed(balancer_v3_stable.BalancerV3StablePool, balancer_v3_stable.loading, balancer_v3_stable.TOPICS),
        Family(curve_stable.CurveStablePool, curve_stable_loading.loading, stable_events.TOPICS, CURVE_STABLE),
        Family(curve_meta.CurveMetaPool, curve_meta_loading.loading, stable_events.TOPICS, CURVE_META),
        Family(
            curve_crypto.CurveCryptoPool,
            curve_crypto_loading.loading,
            crypto_events.TOPICS,
            (*crypto_swap.RULES, *curve_crypto_loading.REFUSED_GENERATIONS),
        ),
        _fixed(uniswap_v4.UniswapV4Pool, uniswap_v4_loading.loading, uniswap_v4.TOPICS),
    )
}


def topics_of(families: Mapping[str, Family]) -> frozenset[bytes]:
    """Every event topic that changes the state of a pool of these, or its code: what to subscribe to."""
    return upgrades.TOPICS.union(*(family.topics for family in families.values()))


TOPICS = topics_of(FAMILIES)


class UnknownFamily(LookupError):
    """No AMM family of that name."""


def loader(family: str, families: Mapping[str, Family] = FAMILIES) -> Load:
    """How to load pools of `family`. Raises `UnknownFamily`."""
    try:
        return families[family].loading
    except KeyError:
        raise UnknownFamily(f"{family!r} is not an AMM family; known are {', '.join(sorted(families))}") from None
