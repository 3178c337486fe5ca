"""JSON-RPC objects to Isthmus's types and back. The only place where hex becomes addresses, integers and bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from chains.assets import address
from chains.blocks import Head, Log, Receipt
from chains.networks.gas.op_stack import operator_fee_wei

_BLOOM_BITS = 2048
BlockRef = Head | int | str
"""A block to read at: a head or a block hash (EIP-1898), a number, or a tag such as `latest`."""

_HASH_LENGTH = 66
_NO_QUANTITY = 1 << 63
"""No height, no time, no gas and no price of gas comes to this, and the ledger holds nothing from here on."""
_NO_WEI = 1 << 128
_OPERATOR_FEE = ("operatorFeeScalar", "operatorFeeConstant")


@dataclass(frozen=True, slots=True)
class Header:
    """A head with its log bloom, a 2,048-bit number."""

    head: Head
    logs_bloom: int


def header(document: Mapping[str, Any], arrived_ns: int = 0) -> Header:
    """A `newHeads` frame or an `eth_getBlockBy…` answer."""
    head = Head(
        number=_quantity(document["number"]),
        hash=_hash(document["hash"]),
        parent_hash=_hash(document["parentHash"]),
        timestamp_s=_quantity(document["timestamp"]),
        base_fee_wei=_quantity(document.get("baseFeePerGas") or "0x0"),
        gas_used=_quantity(document["gasUsed"]),
        gas_limit=_quantity(document["gasLimit"]),
        arrived_ns=arrived_ns,
    )
    return Header(head, int(document["logsBloom"], 16))


def _quantity(text: str, below: int = _NO_QUANTITY) -> int:
    number = int(text, 16)
    if not 0 <= number < below:
        raise ValueError(f"{text[:80]} is no quantity")
    return number


def _hash(text: Any) -> str:
    if not isinstance(text, str) or len(text) != _HASH_LENGTH:
        raise ValueError(f"{text!r} is no hash")
    return text


def log(document: Mapping[str, Any]) -> Log:
    return Log(
        address=address(document["address"]),
        topics=tuple(bytes.fromhex(topic[2:]) for topic in document["topics"]),
        data=bytes.fromhex(document["data"][2:]),
        block_number=_quantity(document["blockNumber"]),
        block_hash=document["blockHash"],
        tx_hash=document["transactionHash"],
        tx_index=_quantity(document["transactionIndex"]),
        log_index=_quantity(document["logIndex"]),
    )


def logs(documents: Iterable[Mapping[str, Any]]) -> tuple[Log, ...]:
    """Logs in the order they were emitted."""
    return tuple(sorted(map(log, documents), key=lambda entry: (entry.block_number, entry.log_index)))


def receipt(document: Mapping[str, Any]) -> Receipt:
    """Raises `ValueError` for one that contradicts itself: what reverted has no logs, and a bloom tells of some."""
    told = Receipt(
        tx_hash=document["transactionHash"],
        block_number=_quantity(document["blockNumber"]),
        block_hash=document["blockHash"],
        tx_index=_quantity(document["transactionIndex"]),
        status=_quantity(document["status"]),
        gas_used=_quantity(document["gasUsed"]),
        effective_gas_price_wei=_quantity(document["effectiveGasPrice"]),
        logs=logs(document["logs"]),
        data_fee_wei=_data_fee_wei(document),
    )
    if told.status not in (0, 1) or (told.logs and not told.status):
        raise ValueError(f"{told.tx_hash} has status {told.status} and {len(told.logs)} logs")
    if told.status and not told.logs and int(document.get("logsBloom") or "0x0", 16):
        raise ValueError(f"{told.tx_hash} has no logs, and its bloom tells of some")
    return told


def _data_fee_wei(document: Mapping[str, Any]) -> int:
    """What a rollup charged beside the gas. Operators' fees are told by their two parameters, unless both are zero, and
    Jovian by a field of its own (op-geth's receipts).
    """
    scalar, constant = (_quantity(document.get(name) or "0x0") for name in _OPERATOR_FEE)
    jovian = document.get("daFootprintGasScalar") is not None
    operator = operator_fee_wei(_quantity(document["gasUsed"]), scalar, constant, jovian=jovian)
    return _quantity(document.get("l1Fee") or "0x0", _NO_WEI) + operator


def found_receipt(document: Mapping[str, Any] | None) -> Receipt | None:
    """None while the transaction is in no block: some nodes answer null then, others a receipt without one."""
    return receipt(document) if document is not None and document["blockNumber"] is not None else None


def block_parameter(block: BlockRef) -> Any:
    """`block` as a JSON-RPC parameter."""
    if isinstance(block, Head):
        return {"blockHash": block.hash, "requireCanonical": True}
    if isinstance(block, str) and len(block) == _HASH_LENGTH:
        return {"blockHash": block, "requireCanonical": True}
    return hex(block) if isinstance(block, int) else block


def bloom_mask(word: bytes) -> int:
    """The three bits that `word` sets in a log bloom (Yellow Paper, section 4.4.3, M3:2048)."""
    digest = keccak(word)
    mask = 0
    for at in (0, 2, 4):
        mask |= 1 << (int.from_bytes(digest[at : at + 2], "big") % _BLOOM_BITS)
    return mask


def bloom_of(logs: Iterable[Log]) -> int:
    """The bloom of a block with `logs`."""
    bloom = 0
    for word in {word for log in logs for word in (bytes.fromhex(log.address[2:]), *log.topics)}:
        bloom |= bloom_mask(word)
    return bloom


def may_contain(bloom: int, masks: Sequence[int]) -> bool:
    """Whether a block with `bloom` can hold a log of any of `masks`; false means it certainly does not."""
    return any(bloom & mask == mask for mask in masks)
