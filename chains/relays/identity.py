"""The key by which relays recognise a searcher. It signs requests and nothing else, and never holds money.

Source: the Flashbots documentation on authentication; EIP-191, version 0x45.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from coincurve import PrivateKey, PublicKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chains.assets import Address, address

SIGNATURE_HEADER = "X-Flashbots-Signature"

_SECRET_BYTES = 32
_V_OFFSET = 27
_PRIVATE_MODE = 0o600


class InvalidIdentity(ValueError):
    """A key file that holds no key, or that others may read."""


class BadSignature(ValueError):
    """A signature header that is missing, malformed, or not by whom it says."""


class SearcherIdentity:
    """A throw-away secp256k1 key. It is made by `create` or read by `kept_at`, and is never an account's."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        """Raises `InvalidIdentity` unless `secret` is a key."""
        try:
            self._key = PrivateKey(secret)
        except ValueError:
            raise InvalidIdentity("a relay identity is 32 bytes, neither zero nor beyond the curve's order") from None
        self.address = _account(self._key.public_key)

    @classmethod
    def create(cls) -> SearcherIdentity:
        """A new one."""
        return cls(os.urandom(_SECRET_BYTES))

    @classmethod
    def kept_at(cls, path: Path) -> SearcherIdentity:
        """The identity in the file at `path`, made and kept there the first time: relays rank searchers by it.

        Raises `InvalidIdentity`, `OSError`.
        """
        if not path.exists():
            _keep(os.urandom(_SECRET_BYTES), path)
        return cls(_secret_in(path))

    def header(self, body: bytes) -> str:
        """The value of `SIGNATURE_HEADER` for a request with `body`: who sends it, and a signature over it."""
        signature = self._key.sign_recoverable(_message_hash(body), hasher=None)
        return f"{self.address}:0x{signature[:64].hex()}{signature[64] + _V_OFFSET:02x}"

    def __repr__(self) -> str:
        return f"SearcherIdentity({self.address})"


def signer_of(header: str | None, body: bytes) -> Address:
    """Who signed a request with `body`. Raises `BadSignature`."""
    claimed, separator, text = (header or "").partition(":")
    if not separator:
        raise BadSignature(f"no {SIGNATURE_HEADER} of the form ADDRESS:SIGNATURE")
    try:
        signature = bytes.fromhex(text.removeprefix("0x"))
        compact = signature[:64] + bytes([signature[64] % _V_OFFSET])
        signer = _account(PublicKey.from_signature_and_message(compact, _message_hash(body), hasher=None))
    except (ValueError, IndexError):
        raise BadSignature("the signature is malformed") from None
    if len(signature) != len(compact) or claimed.lower() != signer.lower():
        raise BadSignature(f"the request is not signed by {claimed}")
    return signer


def _message_hash(body: bytes) -> bytes:
    """What is signed: the hash of the body, as hexadecimal text, as a personal message (EIP-191)."""
    text = b"0x" + keccak(body).hex().encode()
    return bytes(keccak(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text))


def _account(key: PublicKey) -> Address:
    return address(to_checksum_address(keccak(key.format(compressed=False)[1:])[-20:]))


def _keep(secret: bytes, path: Path) -> None:
    """Whole or not at all, and not where another process was first."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE), "w") as file:
            file.write(secret.hex())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _secret_in(path: Path) -> bytes:
    mode = path.stat().st_mode & 0o777
    if mode & ~_PRIVATE_MODE:
        raise InvalidIdentity(f"{path}: others may read it (mode {mode:04o}); run `chmod 600 {path}`")
    try:
        secret = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    except ValueError:
        secret = b""
    if len(secret) != _SECRET_BYTES:
        raise InvalidIdentity(f"{path}: not a key in hexadecimal; remove it, and a new one is made")
    return secret
