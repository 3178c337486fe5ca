"""What is offered per gas, and the terms that leave no less than the least profit."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.fees import MAX_SLIPPAGE_PPM, FeePolicy, terms
from bot.execution.marks import Marks, NoMark
from bot.execution.replacing import ReplacementPolicy, outbidding
from bot.ledger.states import most_to_outbid
from bot.plan import Plan
from bot.reasons import Reason
from chains.blocks import Head
from chains.networks.gas import Offer
from tests.bot.execution.given import MARKS, cycle, sells_on_chain
from tests.bot.ledger.given import GWEI
from tests.bot.market.samples import USDC, WETH

POLICY = FeePolicy(tip_wei=2 * GWEI, max_fee_wei=200 * GWEI)
wei = st.integers(0, 10**19)
marks = st.fractions(min_value=Fraction(1, 10**12), max_value=Fraction(10**18))


def _head(base_fee_wei: int, gas_used: int = 15_000_000) -> Head:
    return Head(1, "", "", 0, base_fee_wei, gas_used, 30_000_000)


@given(st.integers(0, 99 * GWEI), st.integers(0, 30_000_000), st.integers(21_000, 10**7))
def test_the_offer_survives_the_base_fee_doubling_once_more(base_fee_wei: int, gas_used: int, gas: int) -> None:
    head = _head(base_fee_wei, gas_used)
    offer = POLICY.fees(gas, head)
    assert offer.max_fee_wei == min(2 * head.next_base_fee_wei() + 2 * GWEI, most_to_outbid(200 * GWEI))
    assert offer.tip_wei == 2 * GWEI
    assert POLICY.gas_price_wei(head) == head.next_base_fee_wei() + offer.tip_wei <= offer.max_fee_wei
    # EIP-150 holds back a 64th per inner call; two of them nest in a V3 flash swap.
    assert offer.gas_limit >= gas * 64 * 64 // (63 * 63)


@given(st.integers(0, 10**13))
def test_no_offer_is_so_high_that_a_noop_in_its_place_exceeds_the_highest_fee(base_fee_wei: int) -> None:
    offer = POLICY.fees(200_000, _head(base_fee_wei))
    assert offer.tip_wei <= offer.max_fee_wei
    assert outbidding(offer, Offer(0, 0), ReplacementPolicy(200 * GWEI, 10 * GWEI)) is not None


@given(min_profit=wei, gas_cost=wei, mark=marks)
def test_a_cycle_that_meets_its_terms_leaves_the_least_profit_after_gas(
    min_profit: int, gas_cost: int, mark: Fraction
) -> None:
    """In whatever token it gains, rounding included."""
    valued = Marks({WETH: mark})
    bound = terms(cycle(min_profit_wei=min_profit), gas_cost, valued)
    assert bound.min_gain >= 1 and bound.min_out == 0
    assert mark * bound.min_gain - gas_cost >= min_profit
    assert mark * (bound.min_gain - 1) - gas_cost <= min_profit


def _two_sided(expected_wei: int, min_wei: int) -> Plan:
    return dataclasses.replace(sells_on_chain(), expected_profit_wei=expected_wei, min_profit_wei=min_wei)


@given(expected=wei, min_profit=wei, gas_cost=wei, mark=marks)
def test_a_two_sided_plan_that_meets_its_terms_leaves_the_least_profit_after_gas(
    expected: int, min_profit: int, gas_cost: int, mark: Fraction
) -> None:
    """Where its quote leaves that much; otherwise it may not fall short of its quote at all."""
    plan = _two_sided(expected, min_profit)
    quoted = plan.swaps[-1].amount_out
    bound = terms(plan, gas_cost, Marks({USDC: mark}))
    assert bound.min_gain == 0
    short = quoted - bound.min_out
    assert 0 <= short <= quoted * MAX_SLIPPAGE_PPM // 10**6
    assert short == 0 or expected - mark * short - gas_cost >= min_profit


def test_a_two_sided_plan_never_slips_further_than_the_cap() -> None:
    plan = _two_sided(10**24, 0)
    bound = terms(plan, 0, MARKS)
    assert bound.min_out == plan.swaps[-1].amount_out * 99 // 100 + 1


def test_an_output_that_cannot_be_valued_has_no_terms() -> None:
    with pytest.raises(NoMark):
        terms(sells_on_chain(), 0, Marks({}))


def test_what_may_be_estimated_is_what_a_limit_within_the_signers_leaves() -> None:
    policy = FeePolicy(2 * GWEI, 200 * GWEI, gas_limit=1_500_000)
    assert policy.fees(policy.most_gas, _head(GWEI)).gas_limit <= 1_500_000
    assert policy.fees(policy.most_gas + 1, _head(GWEI)).gas_limit > 1_500_000


def test_what_the_signer_will_not_sign_for_its_gas_is_refused_before_it_is_asked() -> None:
    """Dry, nobody is: a plan that burns more than was estimated was told as one that would be signed."""
    policy = FeePolicy(2 * GWEI, 200 * GWEI, gas_limit=1_500_000)
    assert policy.unsigned(policy.fees(policy.most_gas, _head(GWEI)), _head(GWEI)) is None
    refusal = policy.unsigned(policy.fees(policy.most_gas + 1, _head(GWEI)), _head(GWEI))
    assert refusal is not None and refusal.reason is Reason.SIGNER_GAS_LIMIT and "signer.gas_limit" in refusal.detail


def test_a_base_fee_that_no_call_may_offer_is_named_with_the_limit_that_stands_against_it() -> None:
    policy = FeePolicy(2 * GWEI, 180 * GWEI)
    assert policy.unsigned(policy.fees(1, _head(160 * GWEI)), _head(160 * GWEI)) is None
    refusal = policy.unsigned(policy.fees(1, _head(161 * GWEI)), _head(161 * GWEI))
    assert refusal is not None and refusal.reason is Reason.SIGNER_MAX_FEE
    assert f"signer.max_fee_gwei lets a call offer {160 * GWEI} wei per gas at most" in refusal.detail
    assert f"the next block's base fee is {161 * GWEI};" in refusal.detail
