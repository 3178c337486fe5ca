from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.signer.key import SigningKey
from bot.transaction import UnsignedTransaction
from chains.assets import ZERO_ADDRESS, address

DATA = Path(__file__).parents[2] / "data"
VECTORS: list[dict[str, Any]] = json.loads(gzip.decompress((DATA / "signing_london.json.gz").read_bytes()))
CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


def number(value: str | int | None) -> int:
    return int(value, 16) if isinstance(value, str) else value or 0


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_recorded_transactions_are_signed_to_the_same_bytes(vector: dict[str, Any]) -> None:
    key = SigningKey(bytes.fromhex(vector["privateKey"][2:]))
    recorded = vector["transaction"]
    transaction = UnsignedTransaction(
        chain_id=number(recorded["chainId"]),
        nonce=number(recorded["nonce"]),
        sender=key.address,
        to=address(recorded["to"].lower()),
        value_wei=number(recorded["value"]),
        data=bytes.fromhex((recorded["data"] or "0x")[2:]),
        gas_limit=number(recorded["gasLimit"]),
        max_fee_wei=number(recorded["maxFeePerGas"]),
        tip_wei=number(recorded["maxPriorityFeePerGas"]),
    )
    assert "0x" + transaction.payload().hex() == vector["unsignedLondon"]
    assert "0x" + key.sign(transaction).raw.hex() == vector["signedLondon"]


@settings(max_examples=40, deadline=None)
@given(
    secret=st.integers(1, CURVE_ORDER - 1),
    nonce=st.integers(0, 2**63 - 1),
    to=st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=300),
    gas_limit=st.integers(21_000, 30_000_000),
    max_fee_wei=st.integers(0, 2**64),
    chain_id=st.integers(1, 2**53),
)
def test_any_transaction_is_signed_as_eth_account_signs_it(
    secret: int, nonce: int, to: bytes, data: bytes, gas_limit: int, max_fee_wei: int, chain_id: int
) -> None:
    key = SigningKey(secret.to_bytes(32, "big"))
    target, tip_wei = address("0x" + to.hex()), max_fee_wei // 2
    ours = key.sign(UnsignedTransaction(chain_id, nonce, key.address, target, 0, data, gas_limit, max_fee_wei, tip_wei))
    theirs = Account.from_key(secret.to_bytes(32, "big")).sign_transaction(
        {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "to": target,
            "value": 0,
            "data": data,
            "gas": gas_limit,
            "maxFeePerGas": max_fee_wei,
            "maxPriorityFeePerGas": tip_wei,
        }
    )
    assert ours.raw == bytes(theirs.raw_transaction)
    assert ours.tx_hash == "0x" + theirs.hash.hex().removeprefix("0x")


def test_another_accounts_transaction_is_not_signed() -> None:
    key = SigningKey(b"\x01" * 32)
    with pytest.raises(ValueError, match="the key's account"):
        key.sign(UnsignedTransaction(1, 0, ZERO_ADDRESS, ZERO_ADDRESS, 0, b"", 21_000, 1, 1))


def test_a_key_shows_its_address_and_never_itself() -> None:
    key = SigningKey(b"\x01" * 32)
    assert repr(key) == f"SigningKey({key.address})"
