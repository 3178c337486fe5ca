"""Which AMM families there are. A new family is one new file and one line here."""

from __future__ import annotations

from chains.pools import concentrated, constant_product
from chains.pools.pool import Load

LOADERS: dict[str, Load] = {
    constant_product.ConstantProductPool.family: constant_product.loading,
    concentrated.ConcentratedPool.family: concentrated.loading,
}

TOPICS: frozenset[bytes] = constant_product.TOPICS | concentrated.TOPICS
"""Every event topic that changes the state of a pool: what to subscribe to."""


class UnknownFamily(LookupError):
    """No AMM family of that name."""


def loader(family: str) -> Load:
    """How to load pools of `family`. Raises `UnknownFamily`."""
    try:
        return LOADERS[family]
    except KeyError:
        raise UnknownFamily(f"{family!r} is not an AMM family; known are {', '.join(sorted(LOADERS))}") from None
