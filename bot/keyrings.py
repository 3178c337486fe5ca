"""Passphrases in the operating system's keyring (`pip install isthmus[keyring]`); never in a readable one."""

from __future__ import annotations

from types import ModuleType

from bot.signer.keystore import KeystoreError

SERVICE = "isthmus"
_READABLE = ("keyring.backends.null", "keyring.backends.fail", "keyrings.alt")
"""Backends that keep nothing, or keep it where others can read it."""


def remember(name: str, passphrase: str) -> None:
    """Keep `passphrase` under `name`. Raises `KeystoreError`."""
    keyring = _keyring()
    try:
        keyring.set_password(SERVICE, name, passphrase)
    except keyring.errors.KeyringError as error:
        raise KeystoreError(f"the keyring does not keep {name!r}: {error}") from None


def remembered(name: str) -> str:
    """What was kept under `name`. Raises `KeystoreError`."""
    keyring = _keyring()
    try:
        found: str | None = keyring.get_password(SERVICE, name)
    except keyring.errors.KeyringError as error:
        raise KeystoreError(f"the keyring does not give {name!r}: {error}") from None
    if found is None:
        raise KeystoreError(f"the keyring has nothing under {name!r}; `isthmus keys remember {name}` keeps it there")
    return found


def forget(name: str) -> None:
    """Take what is under `name` away. Raises `KeystoreError`."""
    keyring = _keyring()
    try:
        keyring.delete_password(SERVICE, name)
    except keyring.errors.KeyringError as error:
        raise KeystoreError(f"the keyring does not forget {name!r}: {error}") from None


def _keyring() -> ModuleType:
    """The module, once the backend it would use is one that guards what it is given."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise KeystoreError("the keyring needs the package keyring; run: pip install isthmus[keyring]") from None
    chosen = keyring.get_keyring()
    for backend in getattr(chosen, "backends", None) or (chosen,):
        where = f"{type(backend).__module__}.{type(backend).__qualname__}"
        if where.startswith(_READABLE) or "plaintext" in where.lower():
            raise KeystoreError(
                f"the keyring here is {where}, which guards nothing; use a passphrase file of mode 0600"
            )
    return keyring
