"""Hops as words: one layout, and nothing else accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.assets import ZERO_ADDRESS, Address
from chains.hops import (
    BalancerV2Route,
    BalancerV3Route,
    CurveRoute,
    Hop,
    HopKind,
    InvalidCallData,
    UniswapV4Route,
    pack,
    unpack,
)
from tests.chains.hops import hops, uint256

POOL = Address("0x" + "11" * 20)
TOKEN = Address("0x" + "22" * 20)
HOOKS = Address("0x" + "33" * 20)

V4 = Hop(HopKind.UNISWAP_V4, POOL, True, 3000, UniswapV4Route(TOKEN, 60, HOOKS))
CURVE = Hop(HopKind.CURVE, POOL, False, 0, CurveRoute(TOKEN, 1, 2, True))
WEIGHTED = Hop(HopKind.BALANCER_V2, POOL, False, 0, BalancerV2Route(TOKEN, 0x0002 << 80 | 7))
BUFFER = Hop(HopKind.BALANCER_V3, POOL, True, 0, BalancerV3Route(TOKEN, True))


@given(st.lists(hops, max_size=6).map(tuple))
def test_unpacking_is_the_inverse_of_packing(path: tuple[Hop, ...]) -> None:
    assert unpack([word for hop in path for word in pack(hop)]) == path


_kinds = st.integers(0, 12).map(lambda kind: kind << 184)
_small = st.integers(0, 2**20).map(lambda tail: tail << 160 | 7)


@given(st.lists(uint256 | _kinds | _small, max_size=6))
def test_words_are_hops_or_refused(words: list[int]) -> None:
    try:
        path = unpack(words)
    except InvalidCallData:
        return
    assert [word for hop in path for word in pack(hop)] == words


@pytest.mark.parametrize(
    ("hop", "words"),
    [
        (
            Hop(HopKind.CONCENTRATED, POOL, True, 0x0BB8),
            ["00" * 7 + "01" + "01" + "000bb8" + "11" * 20],
        ),
        (
            V4,
            ["00" * 7 + "01" + "04" + "000bb8" + "11" * 20, "00" * 9 + "00003c" + "22" * 20, "00" * 12 + "33" * 20],
        ),
        (CURVE, ["00" * 8 + "05" + "000000" + "11" * 20, "00" * 9 + "010201" + "22" * 20]),
        (WEIGHTED, ["00" * 8 + "07" + "000000" + "11" * 20, "0002" + "00" * 9 + "07" + "22" * 20]),
        (BUFFER, ["00" * 7 + "01" + "08" + "000000" + "11" * 20, "00" * 11 + "01" + "22" * 20]),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Hop) else "",
)
def test_the_words_are_laid_out_as_documented(hop: Hop, words: list[str]) -> None:
    assert [f"{word:064x}" for word in pack(hop)] == words


@pytest.mark.parametrize("hop", [V4, CURVE, WEIGHTED, BUFFER], ids=lambda hop: hop.kind.name)
def test_half_a_hop_is_refused(hop: Hop) -> None:
    with pytest.raises(InvalidCallData, match="longer hop"):
        unpack(pack(hop)[:-1])


@pytest.mark.parametrize(
    ("hop", "changes"),
    [
        (V4, {"route": None}),
        (V4, {"route": CURVE.route}),
        (V4, {"route": UniswapV4Route(TOKEN, 2**24, ZERO_ADDRESS)}),
        (V4, {"route": UniswapV4Route(TOKEN, -60, ZERO_ADDRESS)}),
        (V4, {"kind": HopKind.CONCENTRATED}),
        (CURVE, {"zero_for_one": True}),
        (CURVE, {"route": CurveRoute(TOKEN, 256, 0)}),
        (CURVE, {"route": CurveRoute(TOKEN, 0, -1)}),
        (CURVE, {"kind": HopKind.CURVE_CRYPTO}),
        (WEIGHTED, {"zero_for_one": True}),
        (WEIGHTED, {"route": BalancerV2Route(TOKEN, 2**96)}),
        (BUFFER, {"route": BalancerV3Route(TOKEN)}),
        (V4, {"fee_ppm": 2**24}),
        (V4, {"fee_ppm": -1}),
    ],
)
def test_a_hop_that_is_not_of_its_kind_is_refused(hop: Hop, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidCallData):
        pack(replace(hop, **changes))
