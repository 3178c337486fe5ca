"""Where a network's pools come from: its factories, and the contracts that hold many pools."""

from __future__ import annotations

from collections.abc import Mapping

from chains.discovery.found import Origin
from chains.discovery.registries import ADDRESS_PROVIDER, NAMED
from chains.networks import Network

_LAYOUT_OF_FAMILY: Mapping[str, str] = {
    "constant_product": "uniswap_v2",
    "concentrated": "uniswap_v3",
    "camelot": "camelot",
    "solidly": "solidly",
    "slipstream": "slipstream",
    "algebra": "algebra",
}

_HOLDERS: Mapping[str, tuple[str, str]] = {
    "uniswap_v4_pool_manager": ("uniswap_v4", "uniswap_v4"),
    "balancer_v2_vault": ("balancer_v2", ""),
    "balancer_v3_vault": ("balancer_v3", ""),
}
"""Contracts that hold many pools, by their names in a network's file: layout, which names the protocol; family."""


def origins_of(network: Network) -> tuple[Origin, ...]:
    """Every contract of `network` whose events announce pools that this package can read."""
    factories = [
        Origin(
            name,
            _LAYOUT_OF_FAMILY[factory.family],
            factory.family,
            factory.address,
            _only_fee(factory.fees_ppm),
            factory.deploy_block,
        )
        for name, factory in network.factories.items()
        if factory.family in _LAYOUT_OF_FAMILY
    ]
    holders = [
        Origin(layout, layout, family, network.contracts[name])
        for name, (layout, family) in _HOLDERS.items()
        if name in network.contracts
    ]
    return (*factories, *holders)


def protocols_of(network: Network) -> frozenset[str]:
    """What the protocols are called whose pools can be found on `network`."""
    listed = {"curve"} if ADDRESS_PROVIDER in network.contracts else set()
    return frozenset({origin.protocol for origin in origins_of(network)} | listed | {*NAMED})


def _only_fee(fees_ppm: tuple[int, ...]) -> int:
    """The fee of a factory that has one; a pool of the others says or knows its own."""
    return fees_ppm[0] if len(fees_ppm) == 1 else 0
