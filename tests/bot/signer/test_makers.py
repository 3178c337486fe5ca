"""Pools younger than the policy's list: those where a proven factory puts them are permitted, and no others."""

from __future__ import annotations

import dataclasses

import pytest
from eth_abi.abi import encode
from eth_abi.packed import encode_packed
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from bot.permissions import makers
from bot.reasons import Reason
from bot.signer.journal import Journal
from bot.signer.policy import SignerPolicy, decode_policy, encode_policy
from bot.signer.protocol import Denial, Signed
from bot.signer.switch import KillSwitch
from chains.assets import Address
from chains.create2 import pool_salt
from chains.networks import load_network
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.corpus import with_hop
from tests.bot.signer.making import CYCLE, DAI, OTHER, POLICY, USDC, V3_POOL, HandClock, answer, ask, swap

ACCOUNTS = st.binary(min_size=20, max_size=20).map(lambda raw: Address("0x" + raw.hex()))
YOUNG = dataclasses.replace(POLICY, pools=frozenset(), makers=makers(load_network("ethereum")))
"""A policy written before either of the cycle's pools was made, which are Uniswap's real ones."""


@pytest.mark.parametrize(("policy", "signs"), [(YOUNG, True), (dataclasses.replace(YOUNG, makers=()), False)])
def test_a_pool_that_a_proven_factory_makes_is_permitted(
    policy: SignerPolicy, signs: bool, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    response = answer(new_signer(journal, clock, switch, policy), ask(CYCLE))
    assert isinstance(response, Signed) is signs, response


def test_no_other_place_and_no_other_tokens_make_it_one(journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    signer = new_signer(journal, clock, switch, YOUNG)
    first, second = CYCLE.swaps
    other_tokens = dataclasses.replace(
        CYCLE,
        legs=(
            dataclasses.replace(first, token_out=DAI),
            swap(second.hop.kind, V3_POOL, DAI, second.token_out, second.amount_in, second.amount_out),
        ),
    )
    for plan in (with_hop(CYCLE, 1, pool=OTHER), with_hop(CYCLE, 0, pool=Address(USDC.address)), other_tokens):
        response = answer(signer, ask(plan))
        assert isinstance(response, Denial) and response.reason is Reason.SIGNER_POOL, response


def test_a_strategy_with_a_list_of_its_own_keeps_to_it(journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    own = dataclasses.replace(YOUNG.strategies[CYCLE.strategy], pools=frozenset({V3_POOL}))
    policy = dataclasses.replace(YOUNG, strategies={**YOUNG.strategies, CYCLE.strategy: own})
    response = answer(new_signer(journal, clock, switch, policy), ask(CYCLE))
    assert isinstance(response, Denial) and response.reason is Reason.SIGNER_POOL


def test_only_factories_whose_derivation_is_proven_are_in_a_policy_and_it_is_read_as_it_was_written() -> None:
    network = load_network("base")
    assert {maker.deployer for maker in makers(network)} == {
        factory.deployer for factory in network.factories.values() if factory.proven and factory.init_code_hash
    }
    assert decode_policy(encode_policy(YOUNG)) == YOUNG


@given(ACCOUNTS, ACCOUNTS, st.integers(0, 2**23 - 1))
def test_salts_are_those_of_the_contracts(one: Address, other: Address, kind: int) -> None:
    pair = sorted((one, other), key=lambda token: int(token, 16))
    expected = {
        "constant_product": encode_packed(["address", "address"], pair),
        "camelot": encode_packed(["address", "address"], pair),
        "solidly": encode_packed(["address", "address", "bool"], [*pair, bool(kind)]),
        "concentrated": encode(["address", "address", "uint24"], [*pair, kind]),
        "slipstream": encode(["address", "address", "int24"], [*pair, kind]),
        "algebra": encode(["address", "address"], pair),
    }
    for family, packed in expected.items():
        assert pool_salt(family, one, other, kind) == keccak(packed) == pool_salt(family, other, one, kind)
