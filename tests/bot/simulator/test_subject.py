"""What can be named to be simulated, read back; and the search for the trade that moves a pool so far."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.simulator.sensitivity import least
from bot.simulator.subject import UnknownSubject, read_file, read_raw, transaction_of
from bot.transaction import UnsignedTransaction
from chains.assets import Address, address
from tests.bot.simulator.support import OWNER, REVERTER, signed

TX = UnsignedTransaction(31337, 7, OWNER, REVERTER, 5, b"\x01\x02", 90_000, 4 * 10**9, 10**9)
FIELDS = {"chainId": "0x1", "nonce": 3, "from": OWNER, "to": REVERTER, "gas": "0x5208", "gasPrice": "0x7"}

_addresses = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**60), _addresses, st.integers(0, 2**90), st.binary(max_size=300), st.integers(21_000, 3 * 10**7)
)
def test_signed_bytes_are_read_as_what_was_signed(nonce: int, to: Address, value: int, data: bytes, gas: int):
    tx = replace(TX, nonce=nonce, to=to, value_wei=value, data=data, gas_limit=gas)
    assert read_raw("0x" + signed(tx).hex()) == tx


def test_an_older_transaction_offers_its_gas_price():
    read = transaction_of(FIELDS)
    assert (read.max_fee_wei, read.tip_wei, read.gas_limit, read.nonce, read.data) == (7, 7, 21_000, 3, b"")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"to": None}, "it creates a contract"),
        ({"accessList": [{}]}, "an access list"),
        ({"from": "0x12"}, "is not a 20-byte hex address"),
        ({"gas": "much"}, "cannot be read"),
    ],
)
def test_what_cannot_be_simulated_as_it_is_is_refused(changes: dict[str, object], said: str):
    with pytest.raises(UnknownSubject, match=said):
        transaction_of({**FIELDS, **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "is not JSON"),
        (b"[]", "neither a plan"),
        (b'{"legs": []}', "not a plan"),
        (b"{}", "has legs, nor a transaction"),
        (b'{"from": 1}', "creates"),
    ],
)
def test_a_file_that_is_neither_says_what_is_wrong_with_it(tmp_path: Path, text: bytes, said: str):
    (tmp_path / "it.json").write_bytes(text)
    with pytest.raises(UnknownSubject, match=said):
        read_file(tmp_path / "it.json")


def test_a_file_with_a_transaction_is_one(tmp_path: Path):
    (tmp_path / "tx.json").write_bytes(orjson.dumps(FIELDS))
    assert read_file(tmp_path / "tx.json") == transaction_of(FIELDS)


@given(st.integers(1, 2**80), st.integers(1, 2**40))
async def test_the_least_that_is_enough_is_found_to_a_thousandth(threshold: int, first: int):
    asked = 0

    async def enough(amount: int) -> bool:
        nonlocal asked
        asked += 1
        return amount >= threshold

    found = await least(enough, first)
    if threshold > first << 59:
        assert found is None
    else:
        assert found is not None and threshold <= found <= threshold + max(1, found // 1_000)
    assert asked < 150
