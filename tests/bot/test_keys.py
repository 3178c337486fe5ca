from __future__ import annotations

import errno
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bot.keys import check_keystore, keystore_address, new_keystore, rotate
from bot.signer.keystore import KeystoreError, WrongPassphrase, is_light, seal, stated_address, unseal

RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "keystores.json").read_text())
SECRET = bytes(range(1, 33))


@pytest.fixture(scope="module")
def light() -> bytes:
    return seal(SECRET, b"passphrase", light=True)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_keystores_of_other_clients_open(recorded: dict[str, Any]) -> None:
    key = unseal(recorded["content"].encode(), bytes.fromhex(recorded["password"][2:]))
    assert key.address == recorded["address"]


def test_a_new_keystore_is_the_owners_alone_and_other_clients_can_open_it(tmp_path: Path) -> None:
    path = tmp_path / "operator.json"
    operator = new_keystore(path, "correct horse", light=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Account.from_key(Account.decrypt(path.read_text(), "correct horse")).address == operator
    assert check_keystore(path, "correct horse") == keystore_address(path) == operator


def test_a_standard_keystore_derives_as_the_field_does(tmp_path: Path) -> None:
    path = tmp_path / "operator.json"
    new_keystore(path, "correct horse")
    parameters = json.loads(path.read_text())["crypto"]["kdfparams"]
    assert (parameters["n"], parameters["r"], parameters["p"]) == (262_144, 8, 1)
    assert not is_light(path.read_bytes())


def test_two_keystores_never_hold_one_key(tmp_path: Path) -> None:
    assert len({new_keystore(tmp_path / f"{index}.json", "x", light=True) for index in range(3)}) == 3


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "operator.json"
    new_keystore(path, "right", light=True)
    with pytest.raises(WrongPassphrase, match=f"keystore {path}: wrong passphrase"):
        check_keystore(path, "wrong")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "operator.json"
    operator = new_keystore(path, "first", light=True)
    with pytest.raises(KeystoreError, match="never overwritten"):
        new_keystore(path, "second", light=True)
    assert check_keystore(path, "first") == operator


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="empty passphrase"):
        new_keystore(tmp_path / "operator.json", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("act", [keystore_address, lambda path: check_keystore(path, "x")])
def test_a_missing_file_is_named(act: Any, tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match=r"cannot read keystore .*none\.json: No such file or directory"):
        act(tmp_path / "none.json")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="cannot write keystore"):
        new_keystore(tmp_path / "none" / "operator.json", "x", light=True)


def test_light_is_told_from_standard(light: bytes) -> None:
    assert is_light(light)
    strong = {recorded["name"]: not is_light(recorded["content"].encode()) for recorded in RECORDED}
    assert strong["wallet_keystore_passwd"]
    assert strong["wallet_ks_noaddr"]
    assert not strong["wallet_random3"]


SPOILED: dict[str, tuple[dict[str, Any], str]] = {
    "version 1": ({"version": 1}, "version 3"),
    "no crypto": ({"crypto": None}, "'crypto' is missing"),
    "another cipher": ({"crypto.cipher": "aes-128-cbc"}, "only aes-128-ctr"),
    "half a key": ({"crypto.ciphertext": "00" * 16}, "seals 16 bytes"),
    "a ciphertext that is no hex": ({"crypto.ciphertext": "zz"}, "'ciphertext' is not hex"),
    "a short iv": ({"crypto.cipherparams.iv": "00"}, "iv has 1 bytes"),
    "another derivation": ({"crypto.kdf": "argon2id"}, "'argon2id' is unknown"),
    "a short derived key": ({"crypto.kdfparams.dklen": 16}, "dklen is not 32"),
    "a derivation of the whole memory": ({"crypto.kdfparams.n": 2**40}, "bytes of memory"),
    "an n that is no power of two": ({"crypto.kdfparams.n": 4097}, "scrypt parameters are wrong"),
    "a negative n": ({"crypto.kdfparams.n": -1}, "'n' is not a positive number"),
    "a true n": ({"crypto.kdfparams.n": True}, "'n' is not a positive number"),
    "a flipped ciphertext": ({"crypto.ciphertext": "00" * 32}, "wrong passphrase"),
    "somebody else's address": ({"address": "00" * 20}, "its key is that of"),
    "an address that is none": ({"address": "12"}, "its address is wrong"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_keystore_is_refused_in_one_line(name: str, light: bytes) -> None:
    changes, message = SPOILED[name]
    document = json.loads(light)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = value
    with pytest.raises(KeystoreError, match=message) as refused:
        unseal(json.dumps(document).encode(), b"passphrase")
    assert "\n" not in str(refused.value)


def test_a_keystore_without_an_address_still_opens(light: bytes) -> None:
    document = json.loads(light)
    del document["address"]
    anonymous = json.dumps(document).encode()
    assert unseal(anonymous, b"passphrase").address == stated_address(light)
    with pytest.raises(KeystoreError, match="states no address"):
        stated_address(anonymous)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"null", b'"x"', b'{"version": 3}'])
def test_what_is_no_keystore_is_refused(data: bytes) -> None:
    with pytest.raises(KeystoreError):
        unseal(data, b"passphrase")


@pytest.mark.parametrize("ends", [OSError(errno.EPERM, "Operation not permitted"), KeyboardInterrupt()])
def test_a_key_that_cannot_be_put_in_anothers_place_leaves_that_and_nothing_in_the_way(
    ends: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems of USB sticks and of some servers have no second names for a file."""
    path = tmp_path / "operator.json"
    old = new_keystore(path, "open sesame", light=True)

    def no_link(*_: object) -> None:
        raise ends

    with monkeypatch.context() as patched:
        patched.setattr("os.link", no_link)
        with pytest.raises((KeystoreError, KeyboardInterrupt)):
            rotate(path, "open sesame")
    assert keystore_address(path) == old
    was, new, aside = rotate(path, "open sesame")
    assert (was, keystore_address(path), keystore_address(aside)) == (old, new, old)
    assert sorted(tmp_path.iterdir()) == sorted((path, aside))
