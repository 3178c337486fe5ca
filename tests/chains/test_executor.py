"""The executor's call data codec. That the contract reads the same words is proven in `tests/contracts`."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.assets import address
from chains.executor import (
    EXCHANGE,
    RUN,
    SELECTORS,
    CycleCall,
    ExchangeCall,
    Hop,
    HopKind,
    InvalidCallData,
    decode,
    encode,
)
from tests.chains.hops import addresses, hops, uint256

WETH = address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
POOL = address("0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc")

hashes = st.binary(min_size=32, max_size=32)
paths = st.lists(hops, max_size=5).map(tuple)
calls = st.one_of(
    st.builds(CycleCall, addresses, uint256, uint256, uint256, hashes, paths),
    st.builds(ExchangeCall, addresses, uint256, addresses, uint256, uint256, hashes, paths),
)

CYCLE = CycleCall(WETH, 10**18, 1, 17_675_949, bytes(32), (Hop(HopKind.CONSTANT_PRODUCT, POOL, True, 3000),) * 2)


@given(calls)
def test_decoding_is_the_inverse_of_encoding(call: CycleCall | ExchangeCall) -> None:
    assert decode(encode(call)) == call


@given(st.sampled_from([*SELECTORS, b"", b"\xde\xad\xbe\xef"]), st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_by_name(selector: bytes, rest: bytes) -> None:
    with pytest.raises(InvalidCallData):
        decode(selector + rest)


@given(calls, st.data())
def test_a_changed_byte_is_refused_or_another_canonical_call(
    call: CycleCall | ExchangeCall, data: st.DataObject
) -> None:
    encoded = bytearray(encode(call))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(bytes(encoded))
    except InvalidCallData:
        return
    assert other != call
    assert encode(other) == encoded


@given(calls, st.data())
def test_a_changed_word_never_raises_anything_else(call: CycleCall | ExchangeCall, data: st.DataObject) -> None:
    """Offsets and lengths are words: huge, negative and overlapping ones must not escape or hang."""
    encoded = bytearray(encode(call))
    start = 4 + 32 * data.draw(st.integers(0, (len(encoded) - 4) // 32 - 1))
    edges = st.sampled_from([0, 1, 31, 32, 2**31, 2**63, 2**255, 2**256 - 32, 2**256 - 1])
    encoded[start : start + 32] = data.draw(edges | uint256).to_bytes(32)
    with contextlib.suppress(InvalidCallData):
        assert encode(decode(bytes(encoded))) == encoded


@pytest.mark.parametrize("tail", [b"\0", bytes(32)])
def test_trailing_bytes_are_refused(tail: bytes) -> None:
    with pytest.raises(InvalidCallData, match="canonical"):
        decode(encode(CYCLE) + tail)


def test_arguments_of_one_entry_are_refused_under_the_other_selector() -> None:
    with pytest.raises(InvalidCallData):
        decode(EXCHANGE + encode(CYCLE)[4:])


def test_each_entry_has_its_selector() -> None:
    """Computed with `cast sig`."""
    assert RUN.hex() == "5524f2c6"
    assert EXCHANGE.hex() == "849220ed"


@pytest.mark.parametrize(
    "call",
    [
        CycleCall(WETH, -1, 1, 1, bytes(32), ()),
        CycleCall(WETH, 2**256, 1, 1, bytes(32), ()),
        CycleCall(WETH, 1, 1, 1, bytes(33), ()),
        CycleCall(WETH, 1, 1, 1, bytes(32), (Hop(HopKind.CONSTANT_PRODUCT, POOL, True, 2**24),)),
        CycleCall(WETH, 1, 1, 1, bytes(32), (Hop(HopKind.CONSTANT_PRODUCT, POOL, True, -1),)),
    ],
)
def test_a_value_that_does_not_fit_is_refused(call: CycleCall) -> None:
    with pytest.raises(InvalidCallData):
        encode(call)


def test_the_codec_stays_light_enough_for_the_signer() -> None:
    script = "import sys, chains.executor; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"web3", "aiohttp", "ccxt", "sqlalchemy", "numpy", "pandas"} & set(loaded.split())
