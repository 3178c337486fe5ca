"""When a transaction is sent again, outbid or cancelled, and for what fees: rules without a chain."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.replacing import NEVER_TAKEN, ReplacementPolicy, Standing, Step, next_step, outbidding
from bot.ledger.states import AttemptKind
from bot.transaction import Fees
from chains.networks.gas import Offer
from chains.node.sending import SendCause

GWEI = 10**9
POLICY = ReplacementPolicy(max_fee_wei=200 * GWEI, max_tip_wei=10 * GWEI)
WAITING = Standing(AttemptKind.CALL, signed=1, age_blocks=1, known=True)
NOOP = replace(WAITING, kind=AttemptKind.NOOP)
fees = st.builds(Fees, st.just(300_000), st.integers(0, 250 * GWEI), st.integers(0, 12 * GWEI))
offers = st.builds(Offer, st.integers(0, 250 * GWEI), st.integers(0, 12 * GWEI))


@given(old=fees, market=offers)
def test_a_replacement_meets_geths_tenth_on_both_fees_the_market_and_the_caps(old: Fees, market: Offer) -> None:
    new = outbidding(old, market, POLICY)
    least = -(-max(old.max_fee_wei, old.tip_wei) * 9 // 8)
    if new is None:
        tip = max(-(-old.tip_wei * 9 // 8), old.tip_wei + 1)
        assert max(least, old.max_fee_wei + 1) > POLICY.max_fee_wei or tip > POLICY.max_tip_wei
        return
    for before, after in ((old.max_fee_wei, new.max_fee_wei), (old.tip_wei, new.tip_wei)):
        assert after > before and after * 100 >= before * 110
    assert new.max_fee_wei >= min(market.max_fee_wei, POLICY.max_fee_wei)
    assert new.tip_wei >= min(market.tip_wei, POLICY.max_tip_wei)
    assert new.tip_wei <= new.max_fee_wei <= POLICY.max_fee_wei and new.tip_wei <= POLICY.max_tip_wei
    assert new.gas_limit == old.gas_limit


def test_six_attempts_rise_less_than_twofold_from_where_they_began() -> None:
    offered = Fees(300_000, 40 * GWEI, GWEI)
    for _ in range(POLICY.most_attempts - 1):
        risen = outbidding(offered, Offer(0, 0), POLICY)
        assert risen is not None
        offered = risen
    assert offered.max_fee_wei < 2 * 40 * GWEI and offered.tip_wei < 2 * GWEI


@given(old=fees, market=offers)
def test_a_call_that_was_raised_can_still_be_outbid_by_its_noop(old: Fees, market: Offer) -> None:
    raised = outbidding(old, market, POLICY.for_calls())
    assert raised is None or outbidding(raised, Offer(0, 0), POLICY) is not None


@pytest.mark.parametrize(
    ("standing", "step"),
    [
        (WAITING, Step.WAIT),
        (replace(WAITING, age_blocks=2), Step.BUMP),
        (replace(WAITING, age_blocks=2, signed=5), Step.BUMP),
        (replace(WAITING, age_blocks=2, signed=6), Step.RESEND),
        (replace(WAITING, age_blocks=9, known=False), Step.RESEND),
        (replace(WAITING, refused=SendCause.FEE_TOO_LOW, known=False), Step.BUMP),
        (replace(WAITING, expired=True), Step.CANCEL),
        (replace(WAITING, expired=True, known=False), Step.CANCEL),
        (replace(WAITING, unwanted=True), Step.CANCEL),
        *((replace(WAITING, refused=cause, known=False), Step.CANCEL) for cause in sorted(NEVER_TAKEN)),
        (replace(WAITING, refused=SendCause.WRONG_CHAIN, known=False), Step.RESEND),
        (replace(WAITING, refused=SendCause.WRONG_CHAIN, known=False, expired=True), Step.CANCEL),
        (
            replace(NOOP, refused=SendCause.WRONG_CHAIN, known=False, age_blocks=3),
            Step.RESEND,
        ),
        (replace(WAITING, refused=SendCause.POOL_FULL, known=False), Step.RESEND),
        (replace(WAITING, refused=SendCause.NONCE_TOO_HIGH, known=False), Step.RESEND),
        (replace(NOOP, expired=True), Step.WAIT),
        (replace(NOOP, expired=True, age_blocks=2), Step.BUMP),
        (replace(NOOP, expired=True, age_blocks=2, signed=3), Step.RESEND),
        (replace(NOOP, expired=True, age_blocks=2, signed=3, outgrown=True), Step.BUMP),
        (replace(NOOP, expired=True, age_blocks=2, signed=6, outgrown=True), Step.RESEND),
        (replace(NOOP, expired=True, known=False), Step.RESEND),
    ],
    ids=str,
)
def test_each_standing_has_its_step(standing: Standing, step: Step) -> None:
    assert next_step(standing, POLICY) is step


def test_a_noop_that_cannot_be_paid_for_is_tried_ever_more_seldom_and_never_given_up() -> None:
    stuck = Standing(AttemptKind.NOOP, 1, 0, known=False, refused=SendCause.INSUFFICIENT_FUNDS)
    tried = [age for age in range(1, 129) if next_step(replace(stuck, age_blocks=age), POLICY) is Step.RESEND]
    assert tried == [1, 2, 4, 8, 16, 32, 64, 128]


@given(
    kind=st.sampled_from(AttemptKind),
    signed=st.integers(1, 8),
    age=st.integers(0, 100),
    known=st.booleans(),
    refused=st.sampled_from((None, *SendCause)),
    expired=st.booleans(),
    unwanted=st.booleans(),
    outgrown=st.booleans(),
)
def test_a_noop_is_never_followed_by_the_call_and_no_call_is_signed_after_its_deadline(
    kind: AttemptKind,
    signed: int,
    age: int,
    known: bool,
    refused: SendCause | None,
    expired: bool,
    unwanted: bool,
    outgrown: bool,
) -> None:
    standing = Standing(kind, signed, age, known, refused, expired, unwanted, outgrown)
    step = next_step(standing, POLICY)
    if kind is AttemptKind.NOOP:
        assert step is not Step.CANCEL
    elif expired or unwanted:
        assert step is Step.CANCEL
    if step is Step.BUMP:
        assert signed < POLICY.most_attempts
