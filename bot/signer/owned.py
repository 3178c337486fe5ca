"""What the owner's key signs for a signer (EIP-712), and files that persons put beside its kill switch."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from coincurve import PublicKey
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import EncodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chains.assets import Address, address

_SIGNATURE_BYTES = 65
_MOST_BYTES = 65_536
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId)"


class NotSigned(ValueError):
    """A signature that is none, or not in its one form. One line."""


def typed_digest(chain_id: int, said: str, kinds: Sequence[str], values: Sequence[object]) -> bytes:
    """EIP-712's hash of a struct of the type `said`; `kinds` and `values` are its encoded members. Raises `NotSigned`
    for a number that has no room there.
    """
    try:
        domain = keccak(
            abi_encode(
                ["bytes32", "bytes32", "bytes32", "uint256"],
                [keccak(text=_DOMAIN_TYPE), keccak(text="Isthmus"), keccak(text="1"), chain_id],
            )
        )
        struct = keccak(abi_encode(["bytes32", *kinds], [keccak(text=said), *values]))
    except EncodingError:
        raise NotSigned("it holds a number that nobody can sign") from None
    return bytes(keccak(b"\x19\x01" + domain + struct))


def signed_by(digest: bytes, signature: bytes) -> Address:
    """Whose signature (r, s and v, as wallets write it) it is. Raises `NotSigned`; it has one form only (EIP-2)."""
    if len(signature) != _SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise NotSigned("its signature is not 65 bytes that end in 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise NotSigned("its signature is not in its one canonical form")
    try:
        public = PublicKey.from_signature_and_message(
            signature[:64] + bytes((signature[64] - 27,)), digest, hasher=None
        )
    except ValueError:
        raise NotSigned("its signature is none") from None
    return address(to_checksum_address(keccak(public.format(compressed=False)[1:])[-20:]))


def name_of(file: Path) -> str:
    """What `file` is called without its ending, in letters that a journal and a terminal take."""
    return ascii(file.stem)[1:-1]


def content_of(file: Path) -> bytes:
    """What is in a file that somebody dropped. Raises `OSError`, also for a pipe, which would be waited for, and for
    what is too long to be anything that belongs here.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
            raise OSError(errno.EINVAL, f"it is no file of at most {_MOST_BYTES} bytes")
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


class Dropped:
    """A folder into which persons put files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stamp: int | None = None

    def files(self, now_s: float) -> list[Path] | None:
        """What is in it, by name; None when it has not changed since it was asked for last."""
        try:
            stamp = self.folder.stat().st_mtime_ns
            if stamp == self._stamp:
                return None
            found = sorted(self.folder.iterdir())
        except OSError:
            self._stamp = None
            return []
        # Times of files are coarse: a second change could bear the same one.
        self._stamp = stamp if now_s - stamp / 10**9 > 1 else None
        return found

    def look_again(self) -> None:
        """What was found last could not be heeded."""
        self._stamp = None
