"""Where factories put their pools: CREATE2 (EIP-1014) over each family's own salt. Pure; no file, no node."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chains.assets import Address

_WORD = 32
_PACKED = frozenset({"constant_product", "camelot", "solidly"})
"""Families whose salt is packed (`abi.encodePacked`); that of the others is made of whole words (`abi.encode`)."""

_WITHOUT_KIND = frozenset({"constant_product", "camelot", "algebra"})
"""Families with one pool for each pair."""


def created_at(deployer: str, salt: bytes, init_code_hash: bytes) -> Address:
    """The address of what `deployer` creates with `salt` from creation code of that hash."""
    made = keccak(b"\xff" + bytes.fromhex(deployer[2:]) + salt + init_code_hash)
    return Address(str(to_checksum_address(made[12:])))


def pool_salt(family: str, first: str, second: str, kind: int = 0) -> bytes:
    """The salt of the pool of two tokens, in any order, in a factory of `family`.

    `kind` tells pools of one pair apart: the fee in ppm (`concentrated`), the tick spacing (`slipstream`), whether it
    is stable (`solidly`); it counts for nothing in families with one pool for each pair.
    """
    pair = sorted((bytes.fromhex(first[2:]), bytes.fromhex(second[2:])))
    packed = family in _PACKED
    parts = pair if packed else [token.rjust(_WORD, b"\0") for token in pair]
    if family not in _WITHOUT_KIND:
        parts.append(bytes([bool(kind)]) if packed else kind.to_bytes(_WORD, "big", signed=True))
    return bytes(keccak(b"".join(parts)))
