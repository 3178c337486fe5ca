"""The operator's private key: it signs one kind of thing, an EIP-1559 transaction of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from coincurve import PrivateKey, PublicKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from bot.transaction import UnsignedTransaction
from chains.assets import Address, address


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Raw bytes ready to be sent, and their hash (0x-prefixed hex)."""

    raw: bytes
    tx_hash: str


class Key(Protocol):
    """Whatever signs: a key in this process's memory, or one that never leaves its device."""

    @property
    def address(self) -> Address: ...

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Sign `transaction`. Raises `ValueError` when another account sends it."""
        ...


class SigningKey:
    """A secp256k1 key. Deterministic (RFC 6979): the same transaction always gives the same bytes."""

    __slots__ = ("_key", "_public", "address")

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self._public = self._key.public_key.format(compressed=False)
        self.address: Address = address(to_checksum_address(keccak(self._public[1:])[-20:]))

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Sign `transaction`. Raises `ValueError` when another account sends it."""
        if transaction.sender != self.address:
            raise ValueError(f"the transaction's sender is {transaction.sender}, the key's account {self.address}")
        digest = keccak(transaction.payload())
        signature = self._key.sign_recoverable(digest, hasher=None)
        # A miscomputed signature can reveal the key (Boneh, DeMillo, Lipton 1997), so none leaves unverified.
        recovered = PublicKey.from_signature_and_message(signature, digest, hasher=None)
        if recovered.format(compressed=False) != self._public:
            raise ArithmeticError("the signature does not recover to the key that made it; the machine miscomputes")
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        raw = transaction.raw(signature[64], r, s)
        return SignedTransaction(raw, "0x" + keccak(raw).hex())

    def __repr__(self) -> str:
        return f"SigningKey({self.address})"
