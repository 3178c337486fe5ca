"""Keys beyond the process: what devices answer becomes valid transactions, or a refusal, and never a bad one."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rlp
from coincurve import PrivateKey
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from bot.signer.awaking import Awaking
from bot.signer.client import SignerClient
from bot.signer.key import SigningKey
from bot.signer.keystore import KeystoreError, seal
from bot.signer.kms import KeyService
from bot.signer.protocol import Signed
from bot.signer.remote import ORDER, DeviceError, RemoteKey, point_of_spki, read_der
from bot.signer.sources import InvalidSource, KeySource, Kind, open_key
from tests.bot.signer.devices import PIN, SPKI, FakeKeyService, der, new_token, softhsm
from tests.bot.signer.making import CYCLE, OPERATOR, POLICY, SECRET, ask, transaction_of

KEY_ID = "alias/isthmus"
TX = transaction_of(ask(), CYCLE)
scalars = st.integers(1, ORDER - 1)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FakeKeyService]:
    fake = FakeKeyService(tmp_path / "kms.sock", SECRET, KEY_ID)
    with fake.serving():
        yield fake


def test_a_key_services_signatures_are_valid_low_and_ours(service: FakeKeyService) -> None:
    key = RemoteKey(KeyService(service.path, KEY_ID))
    assert key.address == OPERATOR
    raws = {key.sign(TX).raw for _ in range(20)}
    assert len(raws) == 20
    for raw in raws:
        assert Account.recover_transaction(raw) == OPERATOR
        assert int.from_bytes(rlp.decode(raw[1:])[-1], "big") <= ORDER // 2


def test_a_service_that_signs_with_another_key_is_found_out(service: FakeKeyService) -> None:
    key = RemoteKey(KeyService(service.path, KEY_ID))
    service.lies = True
    with pytest.raises(DeviceError, match=f"not that of {OPERATOR}"):
        key.sign(TX)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nnull",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\n\r\n{"Signature": "not base64"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"Signature": "AAAA"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"Signature": 7}',
        b'HTTP/1.1 500 No\r\n\r\n{"message": "tired"}',
        b"\xff" * 70_000,
    ],
)
def test_a_service_that_talks_nonsense_signs_nothing(answer: bytes, service: FakeKeyService) -> None:
    key = RemoteKey(KeyService(service.path, KEY_ID))
    service.broken = answer
    with pytest.raises(DeviceError) as refused:
        key.sign(TX)
    assert "\n" not in str(refused.value)


def test_a_key_that_is_not_there_and_a_service_that_is_gone_say_so(service: FakeKeyService, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="Key 'other' does not exist"):
        RemoteKey(KeyService(service.path, "other"))
    with pytest.raises(DeviceError, match="does not answer"):
        RemoteKey(KeyService(tmp_path / "none.sock", KEY_ID))


async def test_the_signers_process_signs_with_a_key_service_and_without_a_network(
    service: FakeKeyService, tmp_path: Path
) -> None:
    source = KeySource(Kind.KMS, str(service.path), KEY_ID)
    async with await SignerClient.start(
        keystore=source, passphrase="", policy=POLICY, directory=tmp_path / "run"
    ) as client:
        assert client.address == OPERATOR
        request = ask(verdict={"made_at_s": time.time()})
        signed = await client.sign(request)
        assert isinstance(signed, Signed)
        assert Account.recover_transaction(signed.raw) == OPERATOR
        assert await client.sign(request) == signed


def test_an_hsms_signatures_are_valid_low_and_its_own(tmp_path: Path) -> None:
    module = softhsm()
    if module is None:
        pytest.skip("NOT RUN: SoftHSM, or python-pkcs11, is not installed")
    new_token(module, tmp_path, "isthmus", "operator")
    source = KeySource(Kind.PKCS11, module, "isthmus/operator")
    key = open_key(source, PIN.encode(), chain_id=1, test_chain=False)
    transaction = dataclasses.replace(TX, sender=key.address)
    for _ in range(10):
        raw = key.sign(transaction).raw
        assert Account.recover_transaction(raw) == key.address
        assert int.from_bytes(rlp.decode(raw[1:])[-1], "big") <= ORDER // 2
    with pytest.raises(DeviceError, match="no-such"):
        open_key(dataclasses.replace(source, name="no-such/operator"), PIN.encode(), chain_id=1, test_chain=False)


@pytest.mark.parametrize(("source", "told"), [("pkcs11:/lib.so#t/l", True), ("keystore:operator.json", False)])
async def test_a_signer_is_told_where_the_library_of_its_hsm_has_its_settings_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: bool
) -> None:
    seen = dict[str, str]()

    async def begun(*words: str, env: dict[str, str], **options: object) -> None:
        seen.update(env)
        raise OSError("seen")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begun)
    monkeypatch.setenv("SOFTHSM2_CONF", "/tokens.conf")
    monkeypatch.setenv("BINANCE_SECRET", "not the signer's")
    with pytest.raises(OSError, match="seen"):
        await Awaking.begin(keystore=KeySource.parse(source), directory=tmp_path)
    assert seen.pop("PYTHONPATH") and seen == ({"SOFTHSM2_CONF": "/tokens.conf"} if told else {})


@given(r=scalars, s=scalars)
def test_der_is_read_as_it_was_written(r: int, s: int) -> None:
    assert read_der(der(r, s)) == (r, s)


@given(digest=st.binary(min_size=32, max_size=32))
def test_libsecp256k1s_own_der_is_read(digest: bytes) -> None:
    key = PrivateKey(SECRET)
    compact = key.sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(compact[:32], "big"), int.from_bytes(compact[32:64], "big")
    assert read_der(key.sign(digest, hasher=None)) == (r, s)


@given(data=st.binary(max_size=80))
def test_bytes_that_are_no_der_are_refused(data: bytes) -> None:
    try:
        r, s = read_der(data)
    except DeviceError:
        return
    assert der(r, s) == data


@pytest.mark.parametrize(
    "data",
    [
        der(1, 1) + b"\0",
        der(1, 1)[:-1],
        b"\x30\x07\x02\x02\x00\x01\x02\x01\x01",
        b"\x30\x06\x02\x01\xff\x02\x01\x01",
        b"\x30\x81\x06\x02\x01\x01\x02\x01\x01",
    ],
    ids=["a byte behind", "a byte short", "a zero too many", "negative", "a long length"],
)
def test_der_in_any_other_form_is_refused(data: bytes) -> None:
    with pytest.raises(DeviceError):
        read_der(data)


def test_a_key_on_another_curve_is_refused() -> None:
    point = PrivateKey(SECRET).public_key.format(compressed=False)
    assert point_of_spki(SPKI + point) == point
    p256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + point
    with pytest.raises(DeviceError, match="secp256k1"):
        point_of_spki(p256)


def test_a_key_in_the_environment_is_for_test_chains_only() -> None:
    source = KeySource.parse("env:ISTHMUS_KEY")
    secret = f"0x{SECRET.hex()}\n".encode()
    key = open_key(source, secret, chain_id=31337, test_chain=True)
    assert isinstance(key, SigningKey) and key.address == OPERATOR
    with pytest.raises(KeystoreError, match="not for chain 1"):
        open_key(source, secret, chain_id=1, test_chain=False)
    with pytest.raises(KeystoreError, match="holds no private key") as refused:
        open_key(source, secret[:-3], chain_id=31337, test_chain=True)
    assert SECRET.hex()[:8] not in str(refused.value)


def test_a_keystore_is_one_more_source(tmp_path: Path) -> None:
    file = tmp_path / "operator.json"
    file.write_bytes(seal(SECRET, b"pw", light=True))
    source = KeySource.parse(f"keystore:{file}")
    assert open_key(source, b"pw", chain_id=31337, test_chain=True).address == OPERATOR
    with pytest.raises(KeystoreError, match="too weak for chain 1"):
        open_key(source, b"pw", chain_id=1, test_chain=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no place where a key is kept"),
        ("operator.json", "no place where a key is kept"),
        ("vault:secret", "'vault' is no place"),
        ("kms:/run/kms.sock", "which key"),
        ("pkcs11:/usr/lib/softhsm2.so", "which key"),
        ("pkcs11:/usr/lib/softhsm2.so#token", "which key"),
        ("env:0x" + "11" * 32, "never the key itself"),
    ],
)
def test_a_source_that_says_no_place_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidSource, match=message):
        KeySource.parse(text)


@pytest.mark.parametrize("text", ["keystore:a/b.json", "kms:/run/kms.sock#alias/x", "pkcs11:/lib.so#t/l", "env:KEY"])
def test_a_source_is_read_as_it_was_written(text: str) -> None:
    assert str(KeySource.parse(text)) == text
