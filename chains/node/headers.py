"""Whether a header's hash is the hash of its fields: what a node cannot make up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_utils.crypto import keccak
from rlp import encode as rlp_encode

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
        fields = [_field(document[name], number=number) for name, number in names]
    except (TypeError, ValueError):
        return None
    return "0x" + keccak(rlp_encode(fields)).hex()


def _field(text: str, *, number: bool) -> int | bytes:
    if not number:
        return bytes.fromhex(text[2:])
    quantity = int(text, 16)
    if quantity < 0:
        raise ValueError(f"{text} is no quantity")
    return quantity
