"""Reports survive the ledger whole, and taxes are rounded so that none can hide."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.safety.probe import Moved
from bot.safety.report import (
    ApprovalStyle,
    Code,
    InvalidReport,
    Oddity,
    ReturnStyle,
    Standing,
    Taxes,
    TokenReport,
    decode_report,
    encode_report,
)
from chains.assets import Address, address

ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
HASHES = st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex())
PARTS = st.none() | st.integers(-(10**6), 10**6)
REPORTS = st.builds(
    TokenReport,
    place=st.sampled_from(("twin", "ethereum")),
    token=ADDRESSES,
    block_number=st.integers(0, 2**40),
    block_hash=HASHES,
    standing=st.sampled_from(Standing),
    oddities=st.lists(st.sampled_from(Oddity), unique=True).map(tuple),
    notes=st.lists(st.text()).map(tuple),
    pool=st.none() | ADDRESSES,
    base=st.none() | ADDRESSES,
    decimals=st.none() | st.integers(0, 77),
    taxes=st.builds(Taxes, PARTS, PARTS, PARTS),
    rebasing_ppm=st.integers(-(10**6), 2**60),
    returns=st.sampled_from(ReturnStyle),
    approvals=st.sampled_from(ApprovalStyle),
    zero_transfer=st.none() | st.booleans(),
    pausable=st.booleans(),
    transfer_gas=st.integers(0, 2**40),
    code=st.builds(Code, st.dictionaries(ADDRESSES, HASHES), st.none() | ADDRESSES),
)
TOKEN = Address("0xdAC17F958D2ee523a2206206994597C13D831ec7")


@given(REPORTS)
def test_a_report_comes_back_as_it_was_written(report: TokenReport) -> None:
    assert decode_report(encode_report(report)) == report


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"place": 1}'])
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidReport, match="not a token report"):
        decode_report(data)


@given(REPORTS)
def test_a_report_that_is_not_canonical_is_refused(report: TokenReport) -> None:
    with pytest.raises(InvalidReport, match="canonical"):
        decode_report(encode_report(report) + b" ")


def test_a_lapsed_report_remembers_what_it_was_but_not_that_it_was_good() -> None:
    report = TokenReport("twin", TOKEN, 1, "0x01", Standing.SUPPORTED, decimals=6)
    lapsed = report.lapsed("changed", 5, "0x05")
    assert lapsed == replace(report, standing=Standing.UNTESTED, notes=("changed",), block_number=5, block_hash="0x05")


@given(st.integers(1, 2**256 - 1), st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_a_tax_is_zero_only_if_not_one_unit_is_missing(asked: int, lost: int, received: int) -> None:
    moved = Moved(True, asked, lost, 0, 0, received, 32, 1, 0)
    missing = max(asked, lost) - received
    assert (moved.tax_ppm == 0) == (missing == 0)
    assert moved.tax_ppm * missing >= 0
    assert abs(moved.tax_ppm) - 1 < abs(missing) * 10**6 / asked * (1 + 1e-9)
