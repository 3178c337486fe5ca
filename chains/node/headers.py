"""Whether a header's hash is the hash of its fields: what a node cannot make up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_utils.crypto import keccak

# In the order they are hashed. Source: the Yellow Paper, section 4.4; EIPs 1559, 4895, 4844, 4788 and 7685.
_FIXED = (
    ("parentHash", False),
    ("sha3Uncles", False),
    ("miner", False),
    ("stateRoot", False),
    ("transactionsRoot", False),
    ("receiptsRoot", False),
    ("logsBloom", False),
    ("difficulty", True),
    ("number", True),
    ("gasLimit", True),
    ("gasUsed", True),
    ("timestamp", True),
    ("extraData", False),
    ("mixHash", False),
    ("nonce", False),
)
_LATER = (
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)
_BESIDE = frozenset(
    {
        "hash",
        "size",
        "totalDifficulty",
        "transactions",
        "uncles",
        "withdrawals",
        "requests",
        "author",
        "cumulativeGasUsed",
    }
)
_STRING, _LIST, _SHORT = 0x80, 0xC0, 55
"""What an RLP prefix says of what follows, and up to which length it says that length too."""

_KNOWN = _BESIDE | {name for name, _ in (*_FIXED, *_LATER)}


def header_hash(document: Mapping[str, Any]) -> str | None:
    """The hash of the header's fields; None where some are missing, or are of a kind of chain not known here."""
    if any(document.get(name) is None for name, _ in _FIXED) or not _KNOWN.issuperset(document):
        return None
    present = [document.get(name) is not None for name, _ in _LATER]
    if present != sorted(present, reverse=True):
        return None
    names = [*_FIXED, *(field for field, there in zip(_LATER, present, strict=True) if there)]
    try:
        fields = b"".join([string(_field(document[name], number=number)) for name, number in names])
    except (TypeError, ValueError, OverflowError):
        return None
    return "0x" + keccak(_prefixed(_LIST, fields)).hex()


def string(content: bytes) -> bytes:
    """The RLP of a string of bytes (Yellow Paper, appendix B)."""
    return content if len(content) == 1 and content[0] < _STRING else _prefixed(_STRING, content)


def _prefixed(kind: int, content: bytes) -> bytes:
    """`content` behind its length, which stands for itself while it is short."""
    length = len(content)
    if length <= _SHORT:
        return bytes((kind + length,)) + content
    written = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((kind + _SHORT + len(written),)) + written + content


def _field(text: str, *, number: bool) -> bytes:
    if not number:
        return bytes.fromhex(text[2:])
    value = int(text, 16)
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
