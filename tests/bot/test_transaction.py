"""The unsigned transaction's bytes are those of every other Ethereum client."""

from __future__ import annotations

import dataclasses

import pytest
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from bot.transaction import Fees, NotOurs, UnsignedTransaction, read_signed
from chains.assets import Address
from tests.bot.planning import addresses
from tests.reference import fields_of

KEY = Account.from_key("0x" + "42" * 32)
SENDER = Address(KEY.address)

transactions = st.builds(
    UnsignedTransaction,
    chain_id=st.integers(1, 2**53),
    nonce=st.integers(0, 2**63),
    sender=st.just(SENDER),
    to=addresses,
    value_wei=st.integers(0, 2**128),
    data=st.binary(max_size=300),
    gas_limit=st.integers(0, 2**63),
    max_fee_wei=st.integers(0, 2**100),
    tip_wei=st.integers(0, 2**100),
)


@given(transactions)
def test_the_payload_hashes_to_what_eth_account_signs(tx: UnsignedTransaction) -> None:
    assert keccak(tx.payload()) == TypedTransaction.from_dict(fields_of(tx)).hash()


@given(transactions)
def test_the_raw_bytes_are_those_eth_account_sends(tx: UnsignedTransaction) -> None:
    signed = KEY.sign_transaction(fields_of(tx))
    assert tx.raw(signed.v, signed.r, signed.s) == signed.raw_transaction


@given(transactions, st.data())
def test_a_change_anywhere_changes_the_digest(tx: UnsignedTransaction, data: st.DataObject) -> None:
    other = data.draw(transactions)
    assert (tx.digest == other.digest) == (tx == other)
    assert dataclasses.replace(tx, sender=Address("0x" + "22" * 20)).digest != tx.digest
    assert dataclasses.replace(tx, nonce=tx.nonce + 1).digest != tx.digest


def test_the_worst_cost_is_all_the_gas_at_the_highest_fee() -> None:
    assert Fees(gas_limit=300_000, max_fee_wei=20 * 10**9, tip_wei=1).worst_cost_wei == 6 * 10**15


@given(transactions, st.integers(0, 1), st.integers(1, 2**256 - 1), st.integers(1, 2**256 - 1))
def test_what_was_signed_reads_back_as_what_it_was(tx: UnsignedTransaction, parity: int, r: int, s: int) -> None:
    assert read_signed(tx.raw(parity, r, s), SENDER) == tx


@given(transactions, st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_bytes_that_are_cut_or_longer_are_none_of_ours(tx: UnsignedTransaction, cut: int, tail: bytes) -> None:
    raw = tx.raw(1, 2**255, 2**254)
    for broken in (raw + tail, raw[: min(cut, len(raw) - 1)], tx.payload()):
        with pytest.raises(NotOurs):
            read_signed(broken, SENDER)
