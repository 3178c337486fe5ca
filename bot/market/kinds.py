"""Kinds of edge: what a strategy may want, or not want, to go through."""

from __future__ import annotations

from enum import StrEnum

CLOSED_FORMS = frozenset({"constant_product", "concentrated", "uniswap_v4", "algebra", "slipstream", "book"})
"""Families whose pieces are their curve, up to what the contracts round in their own favour. Of all others the pieces
only meet the curve in points."""


class EdgeKind(StrEnum):
    """What one direction of a venue is. A vault's and a lending market's: supplying an asset, and withdrawing it."""

    POOL = "pool"
    BOOK = "book"
    WRAP = "wrap"
    VAULT = "vault"
    LENDING = "lending"
    TRANSFER = "transfer"


_OF_FAMILY = {
    "erc4626": EdgeKind.VAULT,
    "balancer_v3_buffer": EdgeKind.VAULT,
    "aave_v3": EdgeKind.LENDING,
    "wrapped_native": EdgeKind.WRAP,
    "wsteth": EdgeKind.WRAP,
}


def kind_of(family: str) -> EdgeKind:
    """The kind of edge that pools of a family are."""
    return _OF_FAMILY.get(family, EdgeKind.POOL)
