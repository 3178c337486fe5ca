from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.replay.codec import Unreadable, decode, decode_error, encode, encode_error
from chains.anvil import RpcError
from chains.assets import Address, Token, address
from chains.blocks import Block, Head, Log
from chains.kernels.cache import compiled
from chains.node.sending import SendCause, SendOutcome, SendStatus
from tests.chains.codec.viewed import viewed

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**300), 2**300),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.fractions(),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.tuples(st.text(), st.integers())), inner),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_comes_back_as_it_was(value: object) -> None:
    assert decode(orjson.loads(orjson.dumps(encode(value)))) == value


def test_what_a_run_hears_and_is_answered_comes_back_as_it_was() -> None:
    head = Head(17, "0x11", "0x10", 1_700_000_000, 10**9, 15 * 10**6, 30 * 10**6, 123_456_789)
    log = Log(Address("0x" + "ab" * 20), (bytes(32),), b"\x01" * 64, 17, "0x11", "0x22", 3, 9)
    for value in (
        Block(head, (log,)),
        SendOutcome(SendStatus.REFUSED, "0x33", "nonce too low", SendCause.NONCE_TOO_LOW),
        {Token("twin", "0x1", "WETH", 18): Fraction(1, 3)},
        (Decimal("0.10"), 2**255),
    ):
        assert decode(orjson.loads(orjson.dumps(encode(value)))) == value


@pytest.mark.skipif(not compiled(), reason="needs Numba")
def test_logs_that_came_as_numbers_are_recorded_as_those_that_did_not() -> None:
    head = Head(17, "0x11", "0x10", 1_700_000_000, 10**9, 15 * 10**6, 30 * 10**6, 123_456_789)
    logs = tuple(
        Log(address("0x" + "ab" * 20), (bytes(32),), b"\x01" * 64, 17, "0x" + "cd" * 32, "0x22", 3, place)
        for place in range(3)
    )
    written = orjson.dumps(encode(Block(head, viewed(logs))))
    assert written == orjson.dumps(encode(Block(head, logs)))
    assert decode(orjson.loads(written)) == Block(head, viewed(logs)) == Block(head, logs)


def test_an_error_comes_back_as_the_class_that_is_caught() -> None:
    error = RpcError("eth_call", 3, "execution reverted")
    again = decode_error(orjson.loads(orjson.dumps(encode_error(error))))
    assert type(again) is RpcError
    assert again.args == error.args
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    "document",
    [
        {"$": "data", "c": "os:path", "v": {}},
        {"$": "data", "c": "subprocess:Popen", "v": {"args": ["true"]}},
        {"$": "enum", "c": "bot.engine:Engine", "v": "x"},
        {"$": "data", "c": "bot.engine:Engine", "v": {}},
        {"$": "nothing", "v": 1},
        {"$": "bytes", "v": "§"},
        {"v": 1},
    ],
)
def test_nothing_but_this_programs_own_records_is_read_back(document: object) -> None:
    with pytest.raises(Unreadable):
        decode(document)
