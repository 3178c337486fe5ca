"""The web3 secret storage format, version 3: one private key, sealed with a passphrase. Bytes in, bytes out; no files.

Source: https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import uuid
from typing import Any

import orjson
from Crypto.Cipher import AES
from eth_utils.crypto import keccak

from bot.signer.key import SigningKey
from chains.assets import Address, InvalidAddress, address

VERSION = 3
CIPHER = "aes-128-ctr"
SECRET_BYTES = 32
DERIVED_BYTES = 32
BLOCK_SIZE_R = 8
STANDARD_N, STANDARD_P = 1 << 18, 1
LIGHT_N, LIGHT_P = 1 << 12, 6
STRONG_PBKDF2_ROUNDS = 262_144
MAX_PBKDF2_ROUNDS = 10_000_000
MAX_SCRYPT_MEMORY_BYTES = 1 << 30

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


class KeystoreError(ValueError):
    """A keystore that cannot be read. One line that says what is wrong with it."""


class WrongPassphrase(KeystoreError):
    """The passphrase does not open the keystore."""


def seal(secret: bytes, passphrase: bytes, *, light: bool = False) -> bytes:
    """A keystore for `secret`. `light` derives fast and guards little: for throw-away keys only."""
    n, p = (LIGHT_N, LIGHT_P) if light else (STANDARD_N, STANDARD_P)
    parameters = {"n": n, "r": BLOCK_SIZE_R, "p": p, "dklen": DERIVED_BYTES, "salt": secrets.token_hex(32)}
    derived = _scrypt(passphrase, parameters)
    nonce = secrets.token_bytes(AES.block_size)
    ciphertext = _cipher(derived, nonce, secret)
    document = {
        "version": VERSION,
        "id": str(uuid.uuid4()),
        "address": SigningKey(secret).address[2:].lower(),
        "crypto": {
            "cipher": CIPHER,
            "cipherparams": {"iv": nonce.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": "scrypt",
            "kdfparams": parameters,
            "mac": _mac(derived, ciphertext).hex(),
        },
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def unseal(data: bytes, passphrase: bytes) -> SigningKey:
    """The key inside a keystore. Raises `WrongPassphrase`, `KeystoreError`."""
    try:
        key = SigningKey(open_secret(data, passphrase))
    except ValueError as error:
        raise error if isinstance(error, KeystoreError) else KeystoreError("it seals no valid secp256k1 key") from None
    if "address" in _document(data)[0] and stated_address(data) != key.address:
        raise KeystoreError(f"it states address {stated_address(data)}, but its key is that of {key.address}")
    return key


def open_secret(data: bytes, passphrase: bytes) -> bytes:
    """What a keystore seals. Raises `WrongPassphrase`, `KeystoreError`."""
    _, crypto = _document(data)
    ciphertext = _hex(crypto, "ciphertext")
    if crypto.get("cipher") != CIPHER:
        raise KeystoreError(f"its cipher is {crypto.get('cipher')!r}; only {CIPHER} is known")
    if len(ciphertext) != SECRET_BYTES:
        raise KeystoreError(f"it seals {len(ciphertext)} bytes; a private key has {SECRET_BYTES}")
    nonce = _hex(_object(crypto, "cipherparams"), "iv")
    if len(nonce) != AES.block_size:
        raise KeystoreError(f"its iv has {len(nonce)} bytes instead of {AES.block_size}")
    derived = _derive(crypto, passphrase)
    if not hmac.compare_digest(_mac(derived, ciphertext), _hex(crypto, "mac")):
        raise WrongPassphrase("wrong passphrase")
    return _cipher(derived, nonce, ciphertext)


def stated_address(data: bytes) -> Address:
    """The address a keystore says it is for, unproved. Raises `KeystoreError` when it states none."""
    document, _ = _document(data)
    stated = document.get("address")
    if not isinstance(stated, str):
        raise KeystoreError("it states no address; open it with its passphrase instead")
    try:
        return address("0x" + stated.removeprefix("0x").lower())
    except InvalidAddress as error:
        raise KeystoreError(f"its address is wrong: {error}") from None


def is_light(data: bytes) -> bool:
    """Whether the key derivation is weaker than the standard one (scrypt n = 2^18). Raises `KeystoreError`."""
    _, crypto = _document(data)
    parameters = _object(crypto, "kdfparams")
    if crypto.get("kdf") == "scrypt":
        return (
            _number(parameters, "n") * _number(parameters, "r") * _number(parameters, "p") < STANDARD_N * BLOCK_SIZE_R
        )
    return _number(parameters, "c") < STRONG_PBKDF2_ROUNDS


def _document(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise KeystoreError("it is not JSON") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise KeystoreError("it is not a version 3 keystore (web3 secret storage)")
    # Early clients of the field wrote `Crypto`.
    return document, _object(document, "crypto" if "crypto" in document else "Crypto")


def _derive(crypto: dict[str, Any], passphrase: bytes) -> bytes:
    parameters = _object(crypto, "kdfparams")
    if _number(parameters, "dklen") != DERIVED_BYTES:
        raise KeystoreError(f"its dklen is not {DERIVED_BYTES}")
    if crypto.get("kdf") == "scrypt":
        return _scrypt(passphrase, parameters)
    if crypto.get("kdf") == "pbkdf2" and parameters.get("prf") == "hmac-sha256":
        rounds = _number(parameters, "c")
        if rounds > MAX_PBKDF2_ROUNDS:
            raise KeystoreError(f"its {rounds} pbkdf2 rounds exceed {MAX_PBKDF2_ROUNDS}")
        return hashlib.pbkdf2_hmac("sha256", passphrase, _hex(parameters, "salt"), rounds, DERIVED_BYTES)
    raise KeystoreError(f"its key derivation {crypto.get('kdf')!r} is unknown; scrypt and pbkdf2 are known")


def _scrypt(passphrase: bytes, parameters: dict[str, Any]) -> bytes:
    n, r, p = (_number(parameters, name) for name in ("n", "r", "p"))
    memory = 128 * r * (n + p + 2)
    if memory > MAX_SCRYPT_MEMORY_BYTES:
        raise KeystoreError(f"its scrypt parameters need {memory} bytes of memory; {MAX_SCRYPT_MEMORY_BYTES} allowed")
    salt = _hex(parameters, "salt")
    try:
        return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=DERIVED_BYTES)
    except ValueError as error:
        raise KeystoreError(f"its scrypt parameters are wrong: {error}") from None


def _cipher(derived: bytes, nonce: bytes, data: bytes) -> bytes:
    """AES-128-CTR, its own inverse; the first half of the derived key is the cipher's."""
    return AES.new(derived[:16], AES.MODE_CTR, nonce=b"", initial_value=nonce).encrypt(data)


def _mac(derived: bytes, ciphertext: bytes) -> bytes:
    return bytes(keccak(derived[16:] + ciphertext))


def _object(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise KeystoreError(f"its {name!r} is missing")
    return value


def _number(document: dict[str, Any], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise KeystoreError(f"its {name!r} is not a positive number")
    return value


def _hex(document: dict[str, Any], name: str) -> bytes:
    value = document.get(name)
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise KeystoreError(f"its {name!r} is not hex")
    return bytes.fromhex(value)
