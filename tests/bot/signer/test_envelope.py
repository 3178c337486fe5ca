"""The bytes that are signed, read again: a canonical encoding is read for what it says, and no other is read at all."""

from __future__ import annotations

import dataclasses

import pytest
import rlp

from bot.signer.envelope import Envelope, WrongType, read
from chains.assets import address
from tests.bot.signer.envelopes import FIELDS, TO, TX, number, typed, with_field

SAID = Envelope(TX.chain_id, TX.nonce, TX.tip_wei, TX.max_fee_wei, TX.gas_limit, TX.to, TX.value_wei, TX.data)


@pytest.mark.parametrize("length", [0, 2, 54, 55, 56, 57, 255, 256, 257, 2**16 - 1, 2**16])
def test_call_data_of_any_length_is_read(length: int) -> None:
    data = b"\x01" * length
    assert read(with_field(7, data)) == dataclasses.replace(SAID, data=data)


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x7F, 0x80, 0xB7, 0xC0, 0xFF])
def test_call_data_of_one_byte_is_read(byte: int) -> None:
    assert read(with_field(7, bytes([byte]))) == dataclasses.replace(SAID, data=bytes([byte]))


@pytest.mark.parametrize("value", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 2**63, 2**256 - 1])
@pytest.mark.parametrize("field", ["chain_id", "nonce", "tip_wei", "max_fee_wei", "gas_limit", "value_wei"])
def test_numbers_of_up_to_32_bytes_are_read(field: str, value: int) -> None:
    index = {"chain_id": 0, "nonce": 1, "tip_wei": 2, "max_fee_wei": 3, "gas_limit": 4, "value_wei": 6}[field]
    assert read(with_field(index, number(value))) == dataclasses.replace(SAID, **{field: value})


def test_fields_shorter_than_56_bytes_together_are_read() -> None:
    small = [b"\x01", b"", b"", b"\x01", b"\x52\x08", TO, b"", b"", []]
    assert read(typed(2, small)) == Envelope(1, 0, 0, 1, 21_000, address(TX.to), 0, b"")


def test_no_recipient_is_read_as_the_creation_of_a_contract() -> None:
    assert read(with_field(5, b"")).to is None


def _behind(head: bytes, fields: bytes) -> bytes:
    return b"\x02" + head + fields


_BODY = b"".join(rlp.encode(field) for field in FIELDS)
_LONG = len(_BODY).to_bytes(2, "big")
_SHORT = b"".join(rlp.encode(field) for field in [b"\x01", b"", b"", b"\x01", b"\x52\x08", TO, b"", b"", []])

NOT_CANONICAL: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no bytes at all"),
    "a type alone": (b"\x02", "no list"),
    "no type": (bytes(rlp.encode(FIELDS)), "without a type"),
    "the least list without a type": (b"\xc0", "without a type"),
    "a type just below a list": (b"\xbf\xc0", "unknown type 191"),
    "a string for its fields": (b"\x02\x80", "no list"),
    "the largest string for its fields": (b"\x02\xbf" + bytes(8), "no list"),
    "no fields": (b"\x02\xc0", "0 fields instead of 9"),
    "a byte too many": (_behind(b"\xf9" + _LONG, _BODY + b"\0"), "bytes follow its fields"),
    "a byte too few": (_behind(b"\xf9" + _LONG, _BODY[:-1]), "cut off"),
    "a field that runs over the end": (b"\x02\xc2\x83\x01", "its fields are cut off|a field is cut off"),
    "a field longer than its list": (b"\x02\xc2\x01\x83", "a field is cut off"),
    "a list's length with a zero before it": (_behind(b"\xfa\x00" + _LONG, _BODY), "not in its shortest form"),
    "a short list's length told at length": (_behind(b"\xf8" + bytes([len(_SHORT)]), _SHORT), "not in its shortest"),
    "a length that is not there": (b"\x02\xf9\x01", "not in its shortest form"),
    "55 bytes told at length": (b"\x02\xf8\x3a\xb8\x37" + bytes(55) + b"\xc0", "not in its shortest form"),
    "a number with a zero before it": (with_field(1, b"\0\x07"), "longer than 32 bytes"),
    "zero as a byte": (with_field(1, b"\0"), "a number is not in its shortest form"),
    "a number of 33 bytes": (with_field(6, b"\x01" + bytes(32)), "longer than 32 bytes"),
    "a recipient of 19 bytes": (with_field(5, TO[1:]), "a recipient of 19 bytes"),
    "a recipient of 21 bytes": (with_field(5, TO + b"\0"), "a recipient of 21 bytes"),
    "a list for a number": (with_field(0, []), "a list stands where a value belongs"),
    "an access list": (with_field(8, [[TO, []]]), "an access list"),
    "text for an access list": (with_field(8, b""), "an access list"),
}


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_what_is_no_canonical_call_is_told_for_what_it_is(name: str) -> None:
    payload, said = NOT_CANONICAL[name]
    with pytest.raises(WrongType, match=said):
        read(payload)


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x7F])
def test_a_small_byte_written_as_two_is_not_read(byte: int) -> None:
    fields = [bytes(rlp.encode(field)) for field in FIELDS]
    fields[7] = b"\x81" + bytes([byte])
    body = b"".join(fields)
    head = bytes([0xC0 + len(body)]) if len(body) < 56 else b"\xf8" + bytes([len(body)])
    with pytest.raises(WrongType, match="a byte is written as two"):
        read(b"\x02" + head + body)
