"""A transaction that waits for a block, as a node tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chains.assets import Address, address


@dataclass(frozen=True, slots=True)
class PendingTransaction:
    """What is needed to run it: `to` is None where it creates a contract. `fee_wei` is the most it pays per gas."""

    hash: str
    sender: Address
    to: Address | None
    value_wei: int
    data: bytes
    gas: int
    fee_wei: int

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> PendingTransaction:
        """From `eth_getTransactionByHash`, or a full frame of `newPendingTransactions`. Raises `ValueError`."""
        try:
            to = document.get("to")
            return cls(
                hash=document["hash"],
                sender=address(document["from"]),
                to=address(to) if to else None,
                value_wei=int(document["value"], 16),
                data=bytes.fromhex(document["input"][2:]),
                gas=int(document["gas"], 16),
                fee_wei=int(document.get("maxFeePerGas") or document["gasPrice"], 16),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a transaction: {error}") from error

    def call(self) -> dict[str, str]:
        """As a call of `eth_simulateV1`."""
        fields = {
            "from": self.sender,
            "value": hex(self.value_wei),
            "input": "0x" + self.data.hex(),
            "gas": hex(self.gas),
        }
        return fields if self.to is None else {**fields, "to": self.to}
