"""Several operators behind one signer: a key and nonces each, and one budget between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from eth_account import Account

from bot.reasons import Reason
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.policy import InvalidPolicy, SignerPolicy, decode_policy, encode_policy
from bot.signer.protocol import HEADER_BYTES, Cancel, Denial, Signed, SignRequest, frame
from bot.signer.replacements import least_above
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.transaction import Fees
from tests.bot.signer.making import FEES, LIMITS, OPERATOR, POLICY, SECRET, WORST_CASE_WEI, HandClock, ask

SECOND_KEY = SigningKey(b"\x22" * 32)
SECOND = SECOND_KEY.address
BOTH = replace(POLICY, further_operators=(SECOND,))
NOOP = Fees(21_000, least_above(FEES.max_fee_wei), least_above(FEES.tip_wei))


def signer_of(
    journal: Journal,
    clock: HandClock,
    switch: KillSwitch,
    policy: SignerPolicy = BOTH,
    further: Sequence[SigningKey] = (SECOND_KEY,),
) -> Signer:
    return Signer(
        policy=policy,
        policy_digest="",
        key=SigningKey(SECRET),
        further_keys=further,
        journal=journal,
        switch=switch,
        clock=clock,
        protections={},
    )


def said(signer: Signer, message: SignRequest | Cancel) -> object:
    return signer.answer(frame(message)[HEADER_BYTES:])


def sender_of(answer: object) -> str:
    assert isinstance(answer, Signed), answer
    return str(Account.recover_transaction(answer.raw))


def test_each_operator_signs_with_its_own_key_and_has_nonces_of_its_own(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    signer = signer_of(journal, clock, switch)
    assert sender_of(said(signer, ask())) == OPERATOR
    assert sender_of(said(signer, ask(sender=SECOND, intent_id="intent-2"))) == SECOND, "the same nonce, another key"
    taken = said(signer, ask(sender=SECOND, intent_id="intent-3"))
    assert isinstance(taken, Denial) and taken.reason is Reason.SIGNER_NONCE
    assert sender_of(said(signer, Cancel("intent-2", NOOP))) == SECOND, "its nonce is freed by the key that holds it"


def test_what_one_operator_reserved_is_not_left_for_the_other(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    only_one = replace(LIMITS, hour_loss_wei=2 * WORST_CASE_WEI - 1)
    limited = replace(BOTH, strategies=dict.fromkeys(POLICY.strategies, only_one))
    signer = signer_of(journal, clock, switch, limited)
    assert isinstance(said(signer, ask()), Signed)
    refused = said(signer, ask(sender=SECOND, intent_id="intent-2"))
    assert isinstance(refused, Denial) and refused.reason is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_an_operator_that_was_taken_out_of_the_policy_signs_nothing_more(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    assert isinstance(said(signer_of(journal, clock, switch), ask(sender=SECOND)), Signed)
    alone = signer_of(journal, clock, switch, POLICY, ())
    for message, reason in (
        (ask(sender=SECOND, intent_id="intent-2", nonce=8), Reason.SIGNER_OPERATOR),
        (Cancel("intent-1", NOOP), Reason.SIGNER_REPLACEMENT),
    ):
        denied = said(alone, message)
        assert isinstance(denied, Denial) and denied.reason is reason


def test_a_signer_without_the_key_of_an_operator_does_not_start(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    with pytest.raises(ValueError, match=f"the keys are for {OPERATOR}, the policy for {OPERATOR}, {SECOND}"):
        signer_of(journal, clock, switch, further=())


def test_a_policy_keeps_its_operators_and_names_each_once() -> None:
    assert decode_policy(encode_policy(BOTH)).operators == (OPERATOR, SECOND)
    with pytest.raises(InvalidPolicy, match="named twice"):
        replace(POLICY, further_operators=(OPERATOR,))
    with pytest.raises(InvalidPolicy, match="keep that key out of the bot"):
        replace(BOTH, owner=SECOND)
