"""Keystore files: making one, checking one, reading whose it is. The engine never keeps what is inside."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from bot.signer.files import OWNER_ONLY
from bot.signer.keystore import SECRET_BYTES, KeystoreError, is_light, open_secret, seal, stated_address, unseal
from chains.assets import Address

_SECRET = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


def new_keystore(path: Path, passphrase: str, *, light: bool = False) -> Address:
    """Make a key and write it to `path`, readable by its owner only; the account's address.

    `light` derives fast and guards little: for throw-away keys on test chains. Never overwrites. Raises
    `KeystoreError`.
    """
    return import_key(path, _new_secret(), passphrase, light=light)


def import_key(path: Path, secret: bytes, passphrase: str, *, light: bool = False) -> Address:
    """Seal a key that exists into a keystore at `path`, as `new_keystore` does. Raises `KeystoreError`."""
    if not passphrase:
        raise KeystoreError(f"{path}: an empty passphrase guards nothing; choose one")
    try:
        data = seal(secret, passphrase.encode(), light=light)
    except ValueError:
        raise KeystoreError("that is no valid secp256k1 key") from None
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


def read_secret(text: str) -> bytes:
    """A private key written as 64 hex digits. Raises `KeystoreError`, which never repeats what it was given."""
    found = _SECRET.fullmatch(text.strip())
    if found is None:
        raise KeystoreError("that is no private key: 32 bytes of hex are one; what is there is not shown")
    return bytes.fromhex(found[1])


@dataclass(frozen=True, slots=True)
class Listed:
    """A keystore file. `address` is None where it is not a keystore that says one; `problem` is what to mend."""

    path: Path
    address: Address | None
    problem: str = ""


def list_keystores(folder: Path) -> list[Listed]:
    """Every keystore in `folder`, by name, unopened. Raises `KeystoreError` when there is no such folder."""
    if folder.is_file():
        raise KeystoreError(f"{folder}: it is a file; name its folder, or open it with `isthmus keys check {folder}`")
    if not folder.is_dir():
        raise KeystoreError(f"{folder}: there is no such folder; `isthmus keys new {folder}/operator.json` makes one")
    return [listed for path in sorted(folder.iterdir()) if (listed := _listed(path)) is not None]


def _listed(path: Path) -> Listed | None:
    """None for what is no keystore at all."""
    if not path.is_file():
        return None
    try:
        data = read_keystore(path)
        light = is_light(data)
    except KeystoreError:
        return None
    try:
        address = stated_address(data)
    except KeystoreError as error:
        return Listed(path, None, str(error))
    mode = path.stat().st_mode & 0o777
    if mode & ~OWNER_ONLY:
        return Listed(path, address, f"others may read it (mode {mode:04o}); run `chmod 600 {path}`")
    return Listed(path, address, "its key derivation is weak: for test chains only" if light else "")


def rotate(path: Path, passphrase: str) -> tuple[Address, Address, Path]:
    """Put a new key at `path`; the old one moves aside and is never deleted. Old address, new address, where it went.

    Raises `KeystoreError`.
    """
    old = keystore_address(path)
    aside = path.with_name(f"{path.stem}.{old}{path.suffix}")
    fresh = path.with_name(f".{path.name}.new")
    if aside.exists():
        raise KeystoreError(f"{aside} exists; move it away first")
    # What an earlier one that did not come to its end left there is a key that nobody was told of.
    fresh.unlink(missing_ok=True)
    address = new_keystore(fresh, passphrase)
    try:
        # Linked before the new one takes its name: at no moment is the old key without a file.
        os.link(path, aside)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise KeystoreError(f"cannot keep the old key as {aside}: {error.strerror}; {path} is as it was") from None
    return old, address, aside


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


def open_keystore(path: Path, passphrase: str) -> bytes:
    """The key sealed in the file. Raises `WrongPassphrase`, `KeystoreError`, which name it."""
    sealed = read_keystore(path)
    try:
        return open_secret(sealed, passphrase.encode())
    except KeystoreError as error:
        raise type(error)(f"keystore {path}: {error}") from None


def _new_secret() -> bytes:
    """A uniform secp256k1 secret: 32 random bytes are out of range with probability 2^-128."""
    return secrets.token_bytes(SECRET_BYTES)
