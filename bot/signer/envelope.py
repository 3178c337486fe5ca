"""The bytes that are hashed and signed, read again strictly: an EIP-1559 call, or nothing.

What the encoder wrote is not believed; it is decoded here, by other code, and compared with what was approved.
Source: EIP-2718, EIP-1559, and the Yellow Paper's appendix B (RLP).
"""

from __future__ import annotations

from dataclasses import dataclass

from chains.assets import Address, address

CALL_TYPE = 2
_KNOWN_TYPES = {1: "an access-list transaction", 3: "a blob transaction", 4: "a delegation of the account (EIP-7702)"}
_FIELDS = 9
_ADDRESS_BYTES = 20
_WORD_BYTES = 32
_LIST = 0xC0
_LONG_LIST = 0xF7


class WrongType(ValueError):
    """Not an EIP-1559 call: another type, no type at all, or no canonical encoding of one."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An unsigned EIP-1559 transaction as its bytes say it. `to` is None for the creation of a contract."""

    chain_id: int
    nonce: int
    tip_wei: int
    max_fee_wei: int
    gas_limit: int
    to: Address | None
    value_wei: int
    data: bytes


def read(payload: bytes) -> Envelope:
    """The transaction that `payload` is. Raises `WrongType` for anything but its one canonical encoding."""
    if not payload:
        raise WrongType("no bytes at all")
    kind, body = payload[0], payload[1:]
    if kind >= _LIST:
        raise WrongType("a transaction without a type, which every chain may replay")
    if kind != CALL_TYPE:
        raise WrongType(f"{_KNOWN_TYPES.get(kind, f'a transaction of unknown type {kind}')}; only type 2 is signed")
    fields = _items(body)
    if len(fields) != _FIELDS:
        raise WrongType(f"{len(fields)} fields instead of {_FIELDS}")
    *fields, access_list = fields
    if access_list != bytes((_LIST,)):
        raise WrongType("it carries an access list")
    chain_id, nonce, tip, max_fee, gas_limit, to, value, data = map(_text, fields)
    return Envelope(
        chain_id=_number(chain_id),
        nonce=_number(nonce),
        tip_wei=_number(tip),
        max_fee_wei=_number(max_fee),
        gas_limit=_number(gas_limit),
        to=_recipient(to),
        value_wei=_number(value),
        data=data,
    )


def _items(body: bytes) -> list[bytes]:
    """The encoded items of the one list that `body` is."""
    if not body or body[0] < _LIST:
        raise WrongType("its fields are no list")
    start, end = _span(body, 0)
    if end != len(body):
        raise WrongType("bytes follow its fields" if end < len(body) else "its fields are cut off")
    items = []
    while start < end:
        _, after = _span(body, start)
        if after > end:
            raise WrongType("a field is cut off")
        items.append(body[start:after])
        start = after
    return items


def _text(item: bytes) -> bytes:
    """The byte string that one encoded item is."""
    if item[0] >= _LIST:
        raise WrongType("a list stands where a value belongs")
    start, end = _span(item, 0)
    text = item[start:end]
    if start and len(text) == 1 and text[0] < 0x80:
        raise WrongType("a byte is written as two")
    return text


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the item at `at` begins and ends."""
    first = data[at]
    if first < 0x80:
        return at, at + 1
    short, long = (0x80, 0xB7) if first < _LIST else (_LIST, _LONG_LIST)
    if first <= long:
        return at + 1, at + 1 + first - short
    size_end = at + 1 + first - long
    size = data[at + 1 : size_end]
    length = int.from_bytes(size, "big")
    if len(size) != first - long or not size[0] or length < 56:
        raise WrongType("a length is not in its shortest form")
    return size_end, size_end + length


def _number(text: bytes) -> int:
    if len(text) > _WORD_BYTES or text[:1] == b"\0":
        raise WrongType("a number is not in its shortest form, or longer than 32 bytes")
    return int.from_bytes(text, "big")


def _recipient(text: bytes) -> Address | None:
    if not text:
        return None
    if len(text) != _ADDRESS_BYTES:
        raise WrongType(f"a recipient of {len(text)} bytes")
    return address("0x" + text.hex())
