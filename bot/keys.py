"""Keystore files: making one, checking one, reading whose it is. The engine never keeps what is inside."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bot.signer.keystore import SECRET_BYTES, KeystoreError, seal, stated_address, unseal
from chains.assets import Address

OWNER_ONLY = 0o600


def new_keystore(path: Path, passphrase: str, *, light: bool = False) -> Address:
    """Make a key and write it to `path`, readable by its owner only; the account's address.

    `light` derives fast and guards little: for throw-away keys on test chains. Never overwrites. Raises
    `KeystoreError`.
    """
    if not passphrase:
        raise KeystoreError(f"{path}: an empty passphrase guards nothing; choose one")
    data = seal(_new_secret(), passphrase.encode(), light=light)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        raise KeystoreError(f"{path} exists and is never overwritten; choose another path") from None
    except OSError as error:
        raise KeystoreError(f"cannot write keystore {path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeystoreError(f"cannot write keystore {path}: {error.strerror}") from None
    return stated_address(data)


def check_keystore(path: Path, passphrase: str) -> Address:
    """The address of the key inside, proved by opening it. Raises `WrongPassphrase`, `KeystoreError`."""
    data = read_keystore(path)
    try:
        return unseal(data, passphrase.encode()).address
    except KeystoreError as error:
        raise type(error)(f"keystore {path}: {error}") from None


def keystore_address(path: Path) -> Address:
    """The address the file states, without opening it. Raises `KeystoreError`."""
    data = read_keystore(path)
    try:
        return stated_address(data)
    except KeystoreError as error:
        raise KeystoreError(f"keystore {path}: {error}") from None


def read_keystore(path: Path) -> bytes:
    """The file's bytes, still sealed. Raises `KeystoreError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeystoreError(f"cannot read keystore {path}: {error.strerror}") from None


def _new_secret() -> bytes:
    """A uniform secp256k1 secret: 32 random bytes are out of range with probability 2^-128."""
    return secrets.token_bytes(SECRET_BYTES)
