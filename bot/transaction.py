"""The unsigned transaction: what is simulated, and what the signer must build again to the same digest."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from chains.assets import Address, address

MOST_GAS = 1 << 24
"""What one transaction may use at most (EIP-7825)."""

_TYPE = b"\x02"
_EMPTY_LIST = b"\xc0"


class NotOurs(ValueError):
    """Bytes that are no signed EIP-1559 call as `UnsignedTransaction.raw` writes them."""


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """An EIP-1559 (type 2) call. Fees are wei per gas; there is no contract creation and no access list."""

    chain_id: int
    nonce: int
    sender: Address
    to: Address
    value_wei: int
    data: bytes
    gas_limit: int
    max_fee_wei: int
    tip_wei: int
    # Made once: what they are of never changes, and every step of the road asks for them.
    _digest: str = field(default="", init=False, repr=False, compare=False)
    _encoded: bytes = field(default=b"", init=False, repr=False, compare=False)

    def _fields(self) -> bytes:
        """The fields that are signed, encoded, without the list they form."""
        if not self._encoded:
            numbers = (self.chain_id, self.nonce, self.tip_wei, self.max_fee_wei, self.gas_limit)
            to, value = _text(bytes.fromhex(self.to[2:])), _integer(self.value_wei)
            encoded = b"".join((*map(_integer, numbers), to, value, _text(self.data), _EMPTY_LIST))
            object.__setattr__(self, "_encoded", encoded)
        return self._encoded

    def payload(self) -> bytes:
        """The bytes that are hashed and signed (EIP-1559, EIP-2718)."""
        return _TYPE + _list(self._fields())

    def raw(self, y_parity: int, r: int, s: int) -> bytes:
        """The bytes that are sent, given the signature over `payload`."""
        return _TYPE + _list(self._fields() + _integer(y_parity) + _integer(r) + _integer(s))

    @property
    def digest(self) -> str:
        """Hex of keccak-256 over the sender and the payload: equal if and only if the same transaction."""
        if not self._digest:
            found = keccak(bytes.fromhex(self.sender[2:]) + self.payload()).hex()
            object.__setattr__(self, "_digest", found)
        return self._digest


def read_signed(raw: bytes, sender: Address) -> UnsignedTransaction:
    """The inverse of `UnsignedTransaction.raw`, for what `sender` signed. Raises `NotOurs` for any other bytes."""
    try:
        body, end = _item(raw, 1)
        fields = _fields_of(body)
        chain_id, nonce, tip, max_fee, gas_limit, to, value, data, _, parity, r, s = fields
        numbers = [int.from_bytes(field, "big") for field in (chain_id, nonce, gas_limit, max_fee, tip, value)]
        found = UnsignedTransaction(
            chain_id=numbers[0],
            nonce=numbers[1],
            sender=sender,
            to=address("0x" + to.hex()),
            value_wei=numbers[5],
            data=data,
            gas_limit=numbers[2],
            max_fee_wei=numbers[3],
            tip_wei=numbers[4],
        )
        again = found.raw(*(int.from_bytes(field, "big") for field in (parity, r, s)))
    except (ValueError, IndexError) as error:
        raise NotOurs(f"no signed EIP-1559 call: {error}") from None
    if again != raw or end != len(raw):
        raise NotOurs("no signed EIP-1559 call in its one canonical form")
    return found


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers: `max_fee_wei` and `tip_wei` per gas, under `gas_limit`.

    `data_fee_wei` is the most that a rollup charges for its bytes beside the gas.
    """

    gas_limit: int
    max_fee_wei: int
    tip_wei: int
    data_fee_wei: int = 0

    @property
    def worst_cost_wei(self) -> int:
        return self.gas_limit * self.max_fee_wei + self.data_fee_wei


def _integer(value: int) -> bytes:
    """A number as RLP has it: big-endian without leading zeros (Yellow Paper, appendix B)."""
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(data: bytes) -> bytes:
    if len(data) == 1 and data[0] < 0x80:
        return data
    return _head(len(data), 0x80) + data


def _list(items: bytes) -> bytes:
    return _head(len(items), 0xC0) + items


def _head(length: int, kind: int) -> bytes:
    if length < 56:
        return bytes((kind + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((kind + 55 + len(size),)) + size


def _fields_of(body: bytes) -> list[bytes]:
    fields, at = [], 0
    while at < len(body):
        field, at = _item(body, at)
        fields.append(field)
    return fields


def _item(data: bytes, at: int) -> tuple[bytes, int]:
    """The content of the RLP item at `at`, and where the next one begins; what is not canonical shows on encoding."""
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    kind = 0x80 if first < 0xC0 else 0xC0
    start, length = at + 1, first - kind
    if length >= 56:
        start += length - 55
        length = int.from_bytes(data[at + 1 : start], "big")
    return data[start : start + length], start + length
