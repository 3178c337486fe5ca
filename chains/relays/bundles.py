"""What relays are told, as values, and as the JSON that their methods take. Nothing here does I/O.

Sources: the Flashbots documentation (eth_sendBundle, eth_callBundle, eth_sendPrivateTransaction), and the MEV-Share
specification of mev_sendBundle, version v0.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_utils.crypto import keccak

_MEV_SHARE_VERSION = "v0.1"
_UUID_BYTES = 16


class Hint(StrEnum):
    """What a MEV-Share relay may tell others of a transaction before it is included."""

    CALLDATA = "calldata"
    CONTRACT_ADDRESS = "contract_address"
    FUNCTION_SELECTOR = "function_selector"
    HASH = "hash"
    LOGS = "logs"
    TX_HASH = "tx_hash"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Signed transactions for one block, in order. `replacement_id` is a UUID by which it can be taken back.

    That they stay together is a convention and not a rule: each of them must be safe alone.
    """

    transactions: tuple[bytes, ...]
    block_number: int
    replacement_id: str = ""
    min_timestamp_s: int | None = None
    max_timestamp_s: int | None = None
    may_revert: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The parameter of `eth_sendBundle`."""
        document: dict[str, Any] = {"txs": _hex(self.transactions), "blockNumber": hex(self.block_number)}
        optional = {
            "replacementUuid": self.replacement_id or None,
            "minTimestamp": self.min_timestamp_s,
            "maxTimestamp": self.max_timestamp_s,
            "revertingTxHashes": list(self.may_revert) or None,
        }
        return document | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a relay says a bundle would do. `paid_wei` is what the block's producer would get, in all."""

    gas_used: int
    paid_wei: int
    reverted: tuple[str, ...]

    @classmethod
    def read(cls, document: Any) -> Simulated:
        """The answer to `eth_callBundle`. Raises `ValueError` for what is none."""
        if not isinstance(document, Mapping) or not isinstance(document.get("results"), list):
            raise ValueError("no results")
        results = document["results"]
        failed = [str(each.get("txHash")) for each in results if "error" in each or "revert" in each]
        return cls(_count(document["totalGasUsed"]), _count(document["coinbaseDiff"]), tuple(failed))


def replacement_id(tx_hash: str, block_number: int) -> str:
    """The UUID (of version 4's shape) of the bundle that carries a transaction for a block: always the same one."""
    digest = bytearray(keccak(text=f"isthmus.bundle.{tx_hash}.{block_number}")[:_UUID_BYTES])
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def call_document(transactions: Sequence[bytes], block_number: int, state_block: str = "latest") -> dict[str, Any]:
    """The parameter of `eth_callBundle`: in the environment of `block_number`, on the state of `state_block`."""
    return {"txs": _hex(transactions), "blockNumber": hex(block_number), "stateBlockNumber": state_block}


def private_document(raw: bytes, last_block: int) -> dict[str, Any]:
    """The parameter of `eth_sendPrivateTransaction`."""
    return {"tx": "0x" + raw.hex(), "maxBlockNumber": hex(last_block)}


def share_document(raw: bytes, first_block: int, last_block: int, hints: Sequence[Hint]) -> dict[str, Any]:
    """The parameter of `mev_sendBundle`: one transaction, which must not revert, and what may be told of it."""
    return {
        "version": _MEV_SHARE_VERSION,
        "inclusion": {"block": hex(first_block), "maxBlock": hex(last_block)},
        "body": [{"tx": "0x" + raw.hex(), "canRevert": False}],
        "privacy": {"hints": [hint.value for hint in hints]},
    }


def _hex(transactions: Sequence[bytes]) -> list[str]:
    return ["0x" + raw.hex() for raw in transactions]


def _count(value: Any) -> int:
    """A number as a relay writes it: JSON's own, decimal text or hexadecimal."""
    return int(value, 0) if isinstance(value, str) else int(value)
