"""What the next block costs and what to offer, on every gas model."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from chains.blocks import Head
from chains.networks import load_network, network_names
from chains.networks.gas import ArbitrumData, BaseFeeRule, NoGasPrice, Offer, OpStackData
from chains.networks.gas.arbitrum import ArbitrumFees
from chains.networks.gas.op_stack import OpStackFees
from chains.pools.words import word

GWEI = 10**9
heads = st.builds(
    lambda base, used: Head(1, "", "", 0, base, used, 30_000_000),
    st.integers(0, 500 * GWEI),
    st.integers(0, 30_000_000),
)


def head(base_fee_wei: int, gas_used: int = 15_000_000) -> Head:
    return Head(1, "", "", 0, base_fee_wei, gas_used, 30_000_000)


@given(heads)
def test_ethereums_next_base_fee_is_the_heads_own(at: Head) -> None:
    assert load_network("ethereum").gas.base_fee.after(at) == at.next_base_fee_wei()


def test_a_full_block_moves_each_base_fee_by_its_own_constants() -> None:
    full = head(1_000_000, gas_used=30_000_000)
    after = {name: load_network(name).gas.base_fee.after(full) for name in network_names()}
    assert after["ethereum"] == 1_125_000
    assert after["polygon"] == 1_015_625
    assert after["base"] == after["optimism"] == 1_020_000
    assert after["arbitrum"] == after["avalanche"] == after["bsc"] == 1_000_000


def test_an_empty_gas_limit_moves_nothing() -> None:
    assert BaseFeeRule(elasticity=10).after(Head(1, "", "", 0, 7, 0, 5)) == 7


@given(heads, st.integers(0, 300 * GWEI), st.integers(0, 600 * GWEI))
def test_an_offer_never_exceeds_the_most_and_never_tips_more_than_it_offers(at: Head, tip: int, most: int) -> None:
    for name in network_names():
        offer = load_network(name).gas.offer(at, tip, most)
        assert 0 <= offer.tip_wei <= offer.max_fee_wei <= most


def test_each_network_tips_what_its_nodes_take() -> None:
    tips = {name: load_network(name).gas.tip_wei(GWEI // 100) for name in network_names()}
    assert tips["polygon"] == 30 * GWEI
    assert tips["bsc"] == GWEI // 20
    assert tips["arbitrum"] == 0, "a tip buys nothing there"
    assert tips["ethereum"] == tips["base"] == tips["avalanche"] == GWEI // 100


def test_on_bsc_the_price_is_what_is_offered() -> None:
    gas = load_network("bsc").gas
    assert gas.offer(head(0), GWEI, 200 * GWEI) == Offer(GWEI, GWEI)
    assert gas.price_wei(head(0), GWEI) == GWEI
    cost = gas.cost(head(0), 100_000, 150_000, b"", Offer(GWEI, GWEI))
    assert (cost.expected_wei, cost.worst_wei) == (100_000 * GWEI, 150_000 * GWEI)


def test_a_rollups_bytes_are_part_of_the_cost() -> None:
    gas, fees = load_network("base").gas, OpStackFees(10**9, 10**7, 2269, 1_055_762)
    raw = bytes(range(256)) * 2
    offer = gas.offer(head(10**7), 10**6, GWEI)
    bare = gas.cost(head(10**7), 200_000, 300_000, raw, offer)
    cost = gas.cost(head(10**7), 200_000, 300_000, raw, offer, fees)
    assert cost.expected_wei - bare.expected_wei == cost.data_fee_wei == fees.data_fee_wei(raw) > 0
    assert cost.worst_wei - bare.worst_wei == cost.worst_data_fee_wei == 2 * cost.data_fee_wei


def test_arbitrum_charges_bytes_as_gas_at_most_uncompressed() -> None:
    gas, raw = load_network("arbitrum").gas, bytes(600)
    fees = gas.data.fees([word(GWEI)]) if gas.data else None
    assert fees == ArbitrumFees(GWEI)
    cost = gas.cost(head(10**7), 200_000, 300_000, raw, Offer(10**8, 0), fees)
    assert cost.data_gas == 616 * 16 * GWEI // 10**7
    assert cost.worst_data_gas == 2 * cost.data_gas
    assert cost.worst_wei == (300_000 + cost.worst_data_gas) * 10**8


def test_a_nodes_word_about_compression_is_taken_between_nothing_and_uncompressed() -> None:
    model, fees, raw = ArbitrumData(), ArbitrumFees(GWEI), bytes(600)
    uncompressed, worst = fees.gas(raw, 10**7)

    def said(gas: int) -> tuple[int, int]:
        return model.sampled(fees, raw, encode(["uint64", "uint256", "uint256"], [gas, 10**7, GWEI])).gas(raw, 10**7)

    expected, worst_now = said(uncompressed // 3)
    assert abs(expected - uncompressed // 3) <= 2
    assert worst_now == worst, "the worst stays uncompressed"
    assert said(10 * uncompressed) == (uncompressed, worst)
    with pytest.raises(NoGasPrice, match="NodeInterface"):
        model.sampled(fees, raw, b"")
    assert model.sample(raw and "0x00000000000000000000000000000000000000C8", b"ab").data[:4].hex() == "77d488a2"


def test_a_chain_that_is_no_arbitrum_has_no_price() -> None:
    with pytest.raises(NoGasPrice, match="ArbGasInfo"):
        ArbitrumData().fees([b""])
    assert OpStackData().sample("0x00000000000000000000000000000000000000C8", b"") is None
