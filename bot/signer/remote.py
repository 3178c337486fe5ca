"""Keys that never leave a device: it signs a digest, and everything else is worked out and checked here.

A device answers with DER or with r and s, in either of a signature's two forms, and never with a recovery id. Only the
low form is valid on the chain (EIP-2), and only the id that recovers to the device's own key makes a transaction.
"""

from __future__ import annotations

from typing import Protocol

from coincurve import PublicKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from bot.signer.key import SignedTransaction
from bot.transaction import UnsignedTransaction
from chains.assets import Address, address

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_INTEGER, _SEQUENCE = 0x02, 0x30
_SCALAR_BYTES = 32


class DeviceError(ValueError):
    """A device that cannot be reached, refuses, or answers with something that is no signature of its key. One line."""


class Device(Protocol):
    """What holds a secp256k1 key: an HSM, or a key service."""

    def public_key(self) -> bytes:
        """The public point, 65 bytes beginning with 4. Raises `DeviceError`."""
        ...

    def sign_digest(self, digest: bytes) -> tuple[int, int]:
        """r and s over 32 bytes, as the device gives them. Raises `DeviceError`."""
        ...


class RemoteKey:
    """A device as the signer's key. Two signatures of one transaction may differ: the journal keeps the first."""

    def __init__(self, device: Device) -> None:
        """Raises `DeviceError`."""
        self._device = device
        self._public = _point(device.public_key())
        self.address: Address = address(to_checksum_address(keccak(self._public[1:])[-20:]))

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Sign `transaction`. Raises `ValueError` when another account sends it, `DeviceError`."""
        if transaction.sender != self.address:
            raise ValueError(f"the transaction's sender is {transaction.sender}, the key's account {self.address}")
        digest = keccak(transaction.payload())
        r, s = self._device.sign_digest(digest)
        if not (0 < r < ORDER and 0 < s < ORDER):
            raise DeviceError("the device answered with numbers that are no signature")
        s = min(s, ORDER - s)
        raw = transaction.raw(self._parity(digest, r, s), r, s)
        return SignedTransaction(raw, "0x" + keccak(raw).hex())

    def _parity(self, digest: bytes, r: int, s: int) -> int:
        """The recovery id under which the signature is this key's."""
        compact = r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big")
        for parity in (0, 1):
            try:
                found = PublicKey.from_signature_and_message(compact + bytes((parity,)), digest, hasher=None)
            except ValueError:
                continue
            if found.format(compressed=False) == self._public:
                return parity
        raise DeviceError(f"the device's signature is not that of {self.address}")

    def __repr__(self) -> str:
        return f"RemoteKey({self.address})"


def read_der(data: bytes) -> tuple[int, int]:
    """r and s of an ECDSA signature in strict DER (BIP-66's rules). Raises `DeviceError`."""
    if len(data) < 2 or data[0] != _SEQUENCE or data[1] != len(data) - 2:
        raise DeviceError("the device's signature is not in DER")
    r, rest = _integer(data[2:])
    s, rest = _integer(rest)
    if rest:
        raise DeviceError("bytes follow the device's signature")
    return r, s


def point_of_spki(data: bytes) -> bytes:
    """The public point at the end of a SubjectPublicKeyInfo of secp256k1. Raises `DeviceError`."""
    if not data.startswith(_SPKI) or len(data) != len(_SPKI) + 65:
        raise DeviceError("the device's key is not on the curve secp256k1; make one of that kind (ECC_SECG_P256K1)")
    return data[len(_SPKI) :]


_SPKI = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200")
"""Sequence, algorithm (id-ecPublicKey, secp256k1), bit string without unused bits: RFC 5480, SEC 2."""


def _integer(data: bytes) -> tuple[int, bytes]:
    if len(data) < 2 or data[0] != _INTEGER or not 0 < data[1] <= _SCALAR_BYTES + 1 or len(data) < 2 + data[1]:
        raise DeviceError("the device's signature is not in DER")
    text, rest = data[2 : 2 + data[1]], data[2 + data[1] :]
    if text[0] & 0x80 or (len(text) > 1 and not text[0] and not text[1] & 0x80):
        raise DeviceError("the device's signature is not in its shortest DER")
    return int.from_bytes(text, "big"), rest


def _point(data: bytes) -> bytes:
    try:
        return PublicKey(data).format(compressed=False)
    except ValueError:
        raise DeviceError("the device's public key is no point of secp256k1") from None
