"""The unsigned transaction: what is simulated, and what the signer must build again to the same digest."""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.crypto import keccak
from rlp import encode as rlp_encode

from chains.assets import Address

_TYPE = b"\x02"


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

    def _fields(self) -> list[object]:
        return [
            self.chain_id,
            self.nonce,
            self.tip_wei,
            self.max_fee_wei,
            self.gas_limit,
            bytes.fromhex(self.to[2:]),
            self.value_wei,
            self.data,
            [],
        ]

    def payload(self) -> bytes:
        """The bytes that are hashed and signed (EIP-1559, EIP-2718)."""
        return _TYPE + bytes(rlp_encode(self._fields()))

    def raw(self, y_parity: int, r: int, s: int) -> bytes:
        """The bytes that are sent, given the signature over `payload`."""
        return _TYPE + bytes(rlp_encode([*self._fields(), y_parity, r, s]))

    @property
    def digest(self) -> str:
        """Hex of keccak-256 over the sender and the payload: equal if and only if the same transaction."""
        return str(keccak(bytes.fromhex(self.sender[2:]) + self.payload()).hex())


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
