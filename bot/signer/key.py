"""The operator's private key: it signs one kind of thing, an EIP-1559 transaction of its own."""

from __future__ import annotations

from dataclasses import dataclass

from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from bot.transaction import UnsignedTransaction
from chains.assets import Address, address


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Raw bytes ready to be sent, and their hash (0x-prefixed hex)."""

    raw: bytes
    tx_hash: str


class SigningKey:
    """A secp256k1 key. Deterministic (RFC 6979): the same transaction always gives the same bytes."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.address: Address = address(self._key.public_key.to_checksum_address())

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Sign `transaction`. Raises `ValueError` when another account sends it."""
        if transaction.sender != self.address:
            raise ValueError(f"the transaction's sender is {transaction.sender}, the key's account {self.address}")
        payload = transaction.payload()
        digest = keccak(payload)
        signature = self._key.sign_msg_hash(digest)
        # A miscomputed signature can reveal the key (Boneh, DeMillo, Lipton 1997), so none leaves unverified.
        if signature.recover_public_key_from_msg_hash(digest) != self._key.public_key:
            raise ArithmeticError("the signature does not recover to the key that made it; the machine miscomputes")
        raw = transaction.raw(signature.v, signature.r, signature.s)
        return SignedTransaction(raw, "0x" + keccak(raw).hex())

    def __repr__(self) -> str:
        return f"SigningKey({self.address})"
