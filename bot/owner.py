"""The owner's side of grants and changed limits: signed where the owner's keystore is, put where the signer looks.

Nothing here runs inside a bot: its key is another one, and lives elsewhere.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from coincurve import PrivateKey

from bot.keys import open_keystore
from bot.signer.files import make_folder, replace_synced
from bot.signer.grants import Grant, SignedGrant, encode_grant, grant_file, revocation_file
from bot.signer.limits import LimitChange, SignedChange, change_file
from bot.signer.wire import encode
from chains.assets import Address

ID_BYTES = 16
_V_BASE = 27


def new_grant(
    *, chain_id: int, operator: Address, strategy: str, limit: str, amount_wei: int, not_before_s: int, lasts_s: int
) -> Grant:
    """A grant with an id of its own. Raises `InvalidGrant`."""
    return Grant(
        chain_id=chain_id,
        operator=operator,
        strategy=strategy,
        limit=limit,
        amount_wei=amount_wei,
        not_before_s=not_before_s,
        not_after_s=not_before_s + lasts_s,
        id="0x" + secrets.token_hex(ID_BYTES),
    )


def sign_grant(grant: Grant, keystore: Path, passphrase: str) -> SignedGrant:
    """`grant`, signed with the key in `keystore`. Raises `WrongPassphrase`, `KeystoreError`."""
    return SignedGrant(grant, _signature(grant.digest(), keystore, passphrase))


def deposit(signed: SignedGrant, folder: Path) -> Path:
    """Put a grant beside the kill switch in `folder`, on the disk. Raises `OSError`."""
    return _put(grant_file(folder, signed.grant.id), encode_grant(signed))


def new_change(
    *, chain_id: int, operator: Address, strategy: str, limit: str, amount: int, made_at_s: int, by: str, because: str
) -> LimitChange:
    """A change of a limit with an id of its own. Raises `InvalidChange`."""
    change_id = "0x" + secrets.token_hex(ID_BYTES)
    return LimitChange(chain_id, operator, strategy, limit, amount, made_at_s, change_id, by, because)


def sign_change(change: LimitChange, keystore: Path, passphrase: str) -> SignedChange:
    """`change`, signed with the key in `keystore`. Raises `WrongPassphrase`, `KeystoreError`."""
    return SignedChange(change, _signature(change.digest(), keystore, passphrase))


def deposit_change(signed: SignedChange, folder: Path) -> Path:
    """Put a change beside the kill switch in `folder`, on the disk. Raises `OSError`."""
    return _put(change_file(folder, signed.change.id), encode(signed))


def _signature(digest: bytes, keystore: Path, passphrase: str) -> bytes:
    key = PrivateKey(open_keystore(keystore, passphrase))
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes((signature[64] + _V_BASE,))


def revoke(grant_id: str, folder: Path, because: str) -> Path:
    """Revoke a grant in `folder` for good, on the disk. Raises `OSError`."""
    return _put(revocation_file(folder, grant_id), f"{because}\n".encode())


def _put(file: Path, content: bytes) -> Path:
    make_folder(file.parent)
    replace_synced(file, content)
    return file
