"""The executor's call data codec. That the contract reads the same words is proven in `tests/contracts`."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from hypothesis import given
from hypothesis import strategies as st

from chains.assets import address
from chains.executor import (
    EXCHANGE,
    RUN,
    SELECTORS,
    SIGNATURES,
    CycleCall,
    ExchangeCall,
    Hop,
    HopKind,
    InvalidCallData,
    Lender,
    Loan,
    Share,
    decode,
    encode,
)
from tests.chains.hops import addresses, hops, loans, uint256

WETH = address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
POOL = address("0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc")

hashes = st.binary(min_size=32, max_size=32)
paths = st.lists(hops, max_size=5).map(tuple)
amounts, blocks = st.integers(0, 2**128 - 1), st.integers(0, 2**48 - 1)


@st.composite
def calls(draw: st.DrawFn) -> CycleCall | ExchangeCall:
    """Either entry's, along one route or several, with a loan or without."""
    path, amount_in, shares = draw(paths), draw(amounts), ()
    if draw(st.booleans()):
        routes = draw(st.lists(st.tuples(amounts.map(lambda it: it // 9), paths), min_size=2, max_size=4))
        path = tuple(hop for _, route in routes for hop in route)
        shares = tuple(Share(amount, len(route)) for amount, route in routes)
        amount_in = sum(share.amount_in for share in shares)
    if draw(st.booleans()):
        loan = draw(st.none() | loans)
        fixed = draw(addresses), amount_in, draw(amounts), draw(blocks), draw(blocks), draw(hashes)
        return CycleCall(*fixed, path, loan, shares)
    bought = draw(addresses), draw(amounts), draw(blocks), draw(blocks), draw(hashes)
    return ExchangeCall(draw(addresses), amount_in, *bought, path, shares)


TIMES = 17_675_949, 1_689_157_156
CYCLE = CycleCall(WETH, 10**18, 1, *TIMES, bytes(32), (Hop(HopKind.CONSTANT_PRODUCT, POOL, True, 3000),) * 2)


@given(calls())
def test_decoding_is_the_inverse_of_encoding(call: CycleCall | ExchangeCall) -> None:
    assert decode(encode(call)) == call


@given(calls())
def test_the_arguments_are_written_as_by_the_general_codec(call: CycleCall | ExchangeCall) -> None:
    encoded = encode(call)
    name = SIGNATURES[SELECTORS.index(encoded[:4])]
    kinds = name[name.index("(") + 1 : -1].split(",")
    assert abi_encode(kinds, abi_decode(kinds, encoded[4:])) == encoded[4:]


@given(st.sampled_from([*SELECTORS, b"", b"\xde\xad\xbe\xef"]), st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_by_name(selector: bytes, rest: bytes) -> None:
    with pytest.raises(InvalidCallData):
        decode(selector + rest)


@given(calls(), st.data())
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


@given(calls(), st.data())
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
    assert RUN.hex() == "7ffcd64b"
    assert EXCHANGE.hex() == "58654737"


HOP = Hop(HopKind.CONSTANT_PRODUCT, POOL, True, 3000)


@pytest.mark.parametrize(
    ("shares", "hops"),
    [
        ((Share(10, 2),), 2),
        ((Share(4, 1), Share(5, 1)), 2),
        ((Share(5, 1), Share(5, 2)), 2),
    ],
)
def test_shares_that_are_not_the_whole_are_refused(shares: tuple[Share, ...], hops: int) -> None:
    with pytest.raises(InvalidCallData, match="are not 10 base units over"):
        encode(CycleCall(WETH, 10, 1, 1, 1, bytes(32), (HOP,) * hops, None, shares))


@pytest.mark.parametrize(
    "loan",
    [
        Loan(Lender.UNISWAP_V4, POOL),
        Loan(Lender.BALANCER_V3, fee_ppm=1),
        Loan(Lender.AAVE_V3, fee_ppm=500, zero_for_one=True),
        Loan(Lender.PAIR, fee_ppm=3000),
        Loan(Lender.POOL, POOL, 1 << 24),
    ],
)
def test_a_loan_its_lender_cannot_give_is_refused(loan: Loan) -> None:
    with pytest.raises(InvalidCallData):
        encode(CycleCall(WETH, 10, 1, 1, 1, bytes(32), (HOP, HOP), loan))


@given(st.integers(0, 2**120), st.integers(0, 999_999))
def test_a_debt_covers_the_fee_and_not_a_unit_more(amount: int, fee_ppm: int) -> None:
    added = Loan(Lender.POOL, POOL, fee_ppm).debt(amount)
    assert 0 <= (added - amount) * 10**6 - amount * fee_ppm < 10**6
    kept = Loan(Lender.PAIR, POOL, fee_ppm).debt(amount)
    assert kept * (10**6 - fee_ppm) >= amount * 10**6 > (kept - 1) * (10**6 - fee_ppm) or amount == kept == 0


@pytest.mark.parametrize(
    "call",
    [
        CycleCall(WETH, -1, 1, 1, 1, bytes(32), ()),
        CycleCall(WETH, 2**128, 1, 1, 1, bytes(32), ()),
        CycleCall(WETH, 1, 2**128, 1, 1, bytes(32), ()),
        CycleCall(WETH, 1, 1, 2**48, 1, bytes(32), ()),
        CycleCall(WETH, 1, 1, 1, 2**48, bytes(32), ()),
        CycleCall(WETH, 1, 1, 1, 1, bytes(33), ()),
        CycleCall(WETH, 1, 1, 1, 1, bytes(32), (Hop(HopKind.CONSTANT_PRODUCT, POOL, True, 2**24),)),
        CycleCall(WETH, 1, 1, 1, 1, bytes(32), (Hop(HopKind.CONSTANT_PRODUCT, POOL, True, -1),)),
    ],
)
def test_a_value_that_does_not_fit_is_refused(call: CycleCall) -> None:
    with pytest.raises(InvalidCallData):
        encode(call)


def test_the_codec_stays_light_enough_for_the_signer() -> None:
    script = "import sys, chains.executor; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"web3", "aiohttp", "ccxt", "sqlalchemy", "numpy", "pandas"} & set(loaded.split())
