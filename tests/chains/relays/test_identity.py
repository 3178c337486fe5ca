"""The signature by which relays know a searcher, held against another implementation of personal messages."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chains.relays.identity import BadSignature, InvalidIdentity, SearcherIdentity, signer_of

IDENTITY = SearcherIdentity(b"\x07" * 32)


@given(st.binary(max_size=300))
def test_the_header_is_what_ethers_would_sign(body: bytes) -> None:
    address, signature = IDENTITY.header(body).split(":")
    message = encode_defunct(text="0x" + keccak(body).hex())
    theirs = Account.from_key(b"\x07" * 32).sign_message(message)
    assert address == Account.from_key(b"\x07" * 32).address == IDENTITY.address
    assert signature == "0x" + theirs.signature.hex().removeprefix("0x")
    assert signer_of(IDENTITY.header(body), body) == IDENTITY.address


@pytest.mark.parametrize("header", [None, "", "nobody", f"{IDENTITY.address}:0x", f"{IDENTITY.address}:0xzz", ":0x00"])
def test_a_header_without_a_signature_is_refused(header: str | None) -> None:
    with pytest.raises(BadSignature):
        signer_of(header, b"{}")


@given(st.binary(max_size=64), st.integers(0, 64), st.integers(1, 255))
def test_a_changed_signature_or_body_is_refused(body: bytes, at: int, flip: int) -> None:
    address, signature = IDENTITY.header(body).split(":")
    changed = bytearray(bytes.fromhex(signature[2:]))
    changed[at] ^= flip
    if at < 64:
        with pytest.raises(BadSignature):
            signer_of(f"{address}:0x{changed.hex()}", body)
    with pytest.raises(BadSignature):
        signer_of(f"{address}:{signature}", body + b" ")
    with pytest.raises(BadSignature):
        signer_of(f"{SearcherIdentity(bytes([9] * 32)).address}:{signature}", body)


def test_an_identity_is_made_once_kept_for_its_owner_alone_and_shown_by_its_address_only(tmp_path: Path) -> None:
    path = tmp_path / "relay.key"
    made = SearcherIdentity.kept_at(path)
    assert SearcherIdentity.kept_at(path).address == made.address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() not in repr(made) and made.address in repr(made)
    path.chmod(0o644)
    with pytest.raises(InvalidIdentity, match="chmod 600"):
        SearcherIdentity.kept_at(path)
    path.chmod(0o600)
    path.write_text("nothing")
    with pytest.raises(InvalidIdentity):
        SearcherIdentity.kept_at(path)
