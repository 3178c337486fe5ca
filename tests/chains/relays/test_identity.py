"""The signature by which relays know a searcher, held against another implementation of personal messages."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from unittest.mock import Mock

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
    for content in ("nothing", "", "0x11"):
        path.write_text(content)
        with pytest.raises(InvalidIdentity, match=r"relay\.key: not a key"):
            SearcherIdentity.kept_at(path)


def test_an_identity_whose_making_was_cut_off_is_made_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    path = tmp_path / "relay.key"
    for killed_in in ("fdopen", "fsync", "link"):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(os, killed_in, Mock(side_effect=Killed))
            SearcherIdentity.kept_at(path)
        assert not path.exists()
    assert SearcherIdentity.kept_at(path).address == SearcherIdentity.kept_at(path).address


def test_of_two_that_make_an_identity_at_once_both_have_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, link = tmp_path / "relay.key", os.link
    others = SearcherIdentity.kept_at(tmp_path / "other.key")

    def second(beside: Path, to: Path) -> None:
        link(tmp_path / "other.key", to)
        link(beside, to)

    monkeypatch.setattr(os, "link", second)
    assert SearcherIdentity.kept_at(path).address == others.address
