"""Blocks as the bot sees them: heads, logs, receipts, and the two things that can happen to the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chains.assets import Address

BASE_FEE_CHANGE_DENOMINATOR = 8
ELASTICITY_MULTIPLIER = 2


@dataclass(frozen=True, slots=True)
class Head:
    """A block header. Hashes are 0x-prefixed lower-case hex; `arrived_ns` is the monotonic clock at arrival."""

    number: int
    hash: str
    parent_hash: str
    timestamp_s: int
    base_fee_wei: int
    gas_used: int
    gas_limit: int
    arrived_ns: int = 0

    def next_base_fee_wei(self) -> int:
        """The base fee of the block after this one, in wei per gas (EIP-1559)."""
        target = self.gas_limit // ELASTICITY_MULTIPLIER
        if self.gas_used == target:
            return self.base_fee_wei
        shift = self.base_fee_wei * abs(self.gas_used - target) // target // BASE_FEE_CHANGE_DENOMINATOR
        if self.gas_used > target:
            return self.base_fee_wei + max(shift, 1)
        return self.base_fee_wei - shift


@dataclass(frozen=True, slots=True)
class Log:
    """An event log. `topics` are 32-byte words; `data` is the raw payload."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: str
    tx_hash: str
    tx_index: int
    log_index: int


@dataclass(frozen=True, slots=True)
class Block:
    """A canonical block: its head, and its logs in order (those the subscriber asked for).

    They may be a `chains.codec.views.LogsView`, which makes each `Log` when it is asked for.
    """

    head: Head
    logs: Sequence[Log]


@dataclass(frozen=True, slots=True)
class Undone:
    """The chain was reorganised: every block above `ancestor` is no longer canonical.

    The replacing blocks follow as ordinary `Block`s, in order. `dropped` are the hashes, newest first.
    """

    ancestor: Head
    dropped: tuple[str, ...]


ChainEvent = Block | Undone


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction. `status` is 1 or 0; `logs` are all of its logs, in order.

    `data_fee_wei` is what a rollup charged beside the gas: for its bytes, and for its operator.
    """

    tx_hash: str
    block_number: int
    block_hash: str
    tx_index: int
    status: int
    gas_used: int
    effective_gas_price_wei: int
    logs: tuple[Log, ...]
    data_fee_wei: int = 0

    @property
    def gas_cost_wei(self) -> int:
        return self.gas_used * self.effective_gas_price_wei + self.data_fee_wei
