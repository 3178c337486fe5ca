"""What a token calls itself is a stranger's text: it is kept short and printable, or the token is refused."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from chains.discovery.found import NotGenuine
from chains.discovery.tokens import MAX_SYMBOL, asked_token, safe_symbol
from chains.pools.words import word
from tests.chains.discovery.asked import asked
from tests.chains.pools.samples import at

TOKEN = at(0x70)


def told(symbol: bytes, decimals: bytes = word(18)):
    return asked(asked_token("ethereum", TOKEN), {(TOKEN, "symbol()"): symbol, (TOKEN, "decimals()"): decimals})


def text(symbol: str) -> bytes:
    return encode(["string"], [symbol])


@pytest.mark.parametrize(
    ("symbol", "kept"),
    [
        (text("WETH"), "WETH"),
        (b"MKR".ljust(32, b"\0"), "MKR"),
        (text("A\0B\0"), "AB"),
        (text("\u202eEVIL\u202c"), "EVIL"),
        (text("x" * 10_240), "x" * MAX_SYMBOL),
        (text("<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>"),
        (text("  a\nb\t "), "ab"),
    ],
)
def test_at_most_32_printable_characters_of_a_symbol_are_kept(symbol: bytes, kept: str) -> None:
    assert told(symbol).symbol == kept


@given(st.text())
def test_a_kept_symbol_is_printable_and_keeping_it_again_changes_nothing(symbol: str) -> None:
    kept = safe_symbol(symbol)
    assert len(kept) <= MAX_SYMBOL and kept.isprintable()
    assert safe_symbol(kept) == kept.strip()


@given(st.binary(max_size=200), st.binary(max_size=64))
def test_no_answer_does_more_than_be_refused(symbol: bytes, decimals: bytes) -> None:
    try:
        token = told(symbol, decimals)
    except NotGenuine:
        return
    assert token.symbol and token.symbol.isprintable() and 0 <= token.decimals <= 36


@pytest.mark.parametrize("decimals", [b"", word(37), word(2**256 - 1), b"\1"])
def test_a_token_without_decimals_is_refused_by_name(decimals: bytes) -> None:
    with pytest.raises(NotGenuine, match=f"{TOKEN} has no decimals"):
        told(text("T"), decimals)


@pytest.mark.parametrize("symbol", [b"", text(""), text("\0\0"), text("\u200f"), bytes(32), b"\1" * 40])
def test_a_token_without_a_symbol_is_refused_by_name(symbol: bytes) -> None:
    with pytest.raises(NotGenuine, match=f"{TOKEN} has no symbol"):
        told(symbol)
