"""Where a signer's key is kept: `keystore:FILE`, `kms:SOCKET#KEY`, `pkcs11:LIBRARY#TOKEN/LABEL` or `env:NAME`.

The secret that opens it, a passphrase or a PIN, never stands there. What it is for `env:NAME` is the key itself, which
is why that is for test chains only.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bot.signer.key import Key, SigningKey
from bot.signer.keystore import KeystoreError, is_light, unseal

FORMS = "keystore:FILE, kms:SOCKET#KEY, pkcs11:LIBRARY#TOKEN/LABEL or env:NAME"
_SECRET = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Kind(StrEnum):
    """What holds the key."""

    KEYSTORE = "keystore"
    KMS = "kms"
    PKCS11 = "pkcs11"
    ENVIRONMENT = "env"


class InvalidSource(ValueError):
    """A line that says no place where a key is kept."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """`place` is a file, a socket, a library or a variable; `name` which key there."""

    kind: Kind
    place: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> KeySource:
        """Read one of `FORMS`. Raises `InvalidSource`."""
        kind, colon, rest = text.partition(":")
        place, _, name = rest.partition("#")
        known = kind in Kind.__members__.values() and colon and place
        if not known:
            raise InvalidSource(f"{kind!r} is no place where a key is kept; write {FORMS}")
        source = cls(Kind(kind), place, name)
        if source.kind is Kind.KMS and not name:
            raise InvalidSource(f"which key of {place}? Write kms:SOCKET#KEY")
        if source.kind is Kind.PKCS11 and not all(name.partition("/")):
            raise InvalidSource(f"which key of {place}? Write pkcs11:LIBRARY#TOKEN/LABEL")
        if source.kind is Kind.ENVIRONMENT and not _VARIABLE.fullmatch(place):
            raise InvalidSource("write the variable's name after env:, never the key itself")
        return source

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}" + (f"#{self.name}" if self.name else "")


def open_key(source: KeySource, secret: bytes, *, chain_id: int, test_chain: bool, opened: int | None = None) -> Key:
    """The key at `source`, opened with `secret`. Raises `KeystoreError`, `DeviceError`.

    `opened` is a descriptor of its keystore, where this process may not open the file itself.
    """
    match source.kind:
        case Kind.KEYSTORE:
            return _from_keystore(Path(source.place), opened, secret, chain_id, test_chain)
        case Kind.ENVIRONMENT:
            return _from_environment(source.place, secret, chain_id, test_chain)
        case Kind.KMS:
            from bot.signer.kms import KeyService
            from bot.signer.remote import RemoteKey

            return RemoteKey(KeyService(Path(source.place), source.name))
        case Kind.PKCS11:
            from bot.signer.pkcs11 import Token
            from bot.signer.remote import RemoteKey

            token, _, label = source.name.partition("/")
            return RemoteKey(Token(source.place, token, label, secret.decode(errors="replace")))


def _from_keystore(path: Path, opened: int | None, passphrase: bytes, chain_id: int, test_chain: bool) -> Key:
    try:
        with os.fdopen(opened, "rb") if opened is not None else path.open("rb") as file:
            data = file.read()
        if is_light(data) and not test_chain:
            raise KeystoreError(f"its key derivation is too weak for chain {chain_id}; make a new one")
        return unseal(data, passphrase)
    except OSError as error:
        raise KeystoreError(f"cannot read keystore {path}: {error.strerror}") from None
    except KeystoreError as error:
        raise type(error)(f"keystore {path}: {error}") from None


def _from_environment(variable: str, secret: bytes, chain_id: int, test_chain: bool) -> Key:
    if not test_chain:
        raise KeystoreError(f"a key in the environment is for test chains, not for chain {chain_id}; use a keystore")
    found = _SECRET.fullmatch(secret.decode(errors="replace").strip())
    if found is None:
        raise KeystoreError(f"the variable {variable} holds no private key: 32 bytes of hex are one")
    try:
        return SigningKey(bytes.fromhex(found[1]))
    except ValueError:
        raise KeystoreError(f"the variable {variable} holds no valid secp256k1 key") from None
