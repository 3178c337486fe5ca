"""What the signer signs in place of what it signed: the same call for more, or nothing; and never anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.reasons import Reason
from bot.signer.journal import Journal
from bot.signer.protocol import HEADER_BYTES, Cancel, Denial, Replace, Response, Settle, Signed, SignRequest, frame
from bot.signer.replacements import MOST_ATTEMPTS, least_above
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.transaction import Fees, read_signed
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import CYCLE, FEES, GAIN, GWEI, OPERATOR, HandClock, ask

HIGHER = Fees(FEES.gas_limit, least_above(FEES.max_fee_wei), least_above(FEES.tip_wei))
NOOP = Fees(21_000, HIGHER.max_fee_wei, HIGHER.tip_wei)


def said(signer: Signer, message: SignRequest | Replace | Cancel | Settle) -> Response:
    return signer.answer(frame(message)[HEADER_BYTES:])


def signed(signer: Signer, message: SignRequest | Replace | Cancel) -> Signed:
    answer = said(signer, message)
    assert isinstance(answer, Signed), answer
    return answer


def denied(signer: Signer, message: Replace | Cancel) -> Reason:
    answer = said(signer, message)
    assert isinstance(answer, Denial), answer
    return answer.reason


def again(fees: Fees = HIGHER, **changes: object) -> Replace:
    """The same intent for other fees, simulated with them."""
    return Replace(ask(fees=fees, worst_case_wei=fees.worst_cost_wei, **changes))  # type: ignore[arg-type]


def test_the_same_call_for_an_eighth_more_on_both_fees_is_signed_and_always_to_the_same_bytes(signer: Signer) -> None:
    first = read_signed(signed(signer, ask()).raw, OPERATOR)
    second = signed(signer, again())
    raised = replace(first, max_fee_wei=HIGHER.max_fee_wei, tip_wei=HIGHER.tip_wei)
    assert read_signed(second.raw, OPERATOR) == raised
    assert signed(signer, again()) == second


@pytest.mark.parametrize(
    "fees",
    [
        replace(HIGHER, max_fee_wei=HIGHER.max_fee_wei - 1),
        replace(HIGHER, tip_wei=HIGHER.tip_wei - 1),
        replace(HIGHER, max_fee_wei=FEES.max_fee_wei),
    ],
    ids=("fee", "tip", "unchanged"),
)
def test_less_than_an_eighth_more_on_either_fee_is_refused(signer: Signer, fees: Fees) -> None:
    signed(signer, ask())
    assert denied(signer, again(fees)) is Reason.SIGNER_REPLACEMENT
    noop = Fees(21_000, fees.max_fee_wei, fees.tip_wei)
    assert denied(signer, Cancel("intent-1", noop)) is Reason.SIGNER_REPLACEMENT


@pytest.mark.parametrize(
    "other",
    [
        again(min_gain=GAIN - 1),
        again(nonce=8),
        Replace(ask(replace(CYCLE, note="another"), fees=HIGHER, worst_case_wei=HIGHER.worst_cost_wei)),
        again(intent_id="intent-2"),
    ],
    ids=("terms", "nonce", "plan", "intent"),
)
def test_another_call_is_refused(signer: Signer, other: Replace) -> None:
    signed(signer, ask())
    assert denied(signer, other) is Reason.SIGNER_REPLACEMENT


def test_a_call_that_would_not_pay_its_higher_gas_is_refused(signer: Signer) -> None:
    signed(signer, ask())
    dear = again(verdict={"gas_price_wei": HIGHER.max_fee_wei, "gas_used": 299_999})
    assert denied(signer, dear) is Reason.SIGNER_VERDICT_UNPROFITABLE
    assert denied(signer, again(verdict={"outcome": "reverted"})) is not Reason.SIGNER_REPLACEMENT


def test_a_noop_is_nothing_to_ourselves_and_ends_the_call(signer: Signer) -> None:
    first = read_signed(signed(signer, ask()).raw, OPERATOR)
    noop = read_signed(signed(signer, Cancel("intent-1", NOOP)).raw, OPERATOR)
    assert (noop.to, noop.value_wei, noop.data, noop.nonce) == (OPERATOR, 0, b"", first.nonce)
    higher = Fees(FEES.gas_limit, 70 * GWEI, 4 * GWEI)
    assert denied(signer, again(higher)) is Reason.SIGNER_REPLACEMENT


@pytest.mark.parametrize(
    "fees",
    [
        replace(NOOP, gas_limit=20_999),
        replace(NOOP, max_fee_wei=101 * GWEI),
        replace(NOOP, tip_wei=6 * GWEI),
        replace(NOOP, gas_limit=900_000, max_fee_wei=100 * GWEI),
    ],
    ids=("gas", "fee", "tip", "more than was reserved"),
)
def test_a_noop_has_caps(signer: Signer, fees: Fees) -> None:
    signed(signer, ask())
    assert denied(signer, Cancel("intent-1", fees)) is Reason.SIGNER_REPLACEMENT


def test_what_was_never_signed_has_no_noop_and_what_was_given_back_neither(signer: Signer) -> None:
    assert denied(signer, Cancel("intent-1", NOOP)) is Reason.SIGNER_REPLACEMENT
    signed(signer, ask())
    said(signer, Settle("intent-1", 0, 0))
    assert denied(signer, Cancel("intent-1", NOOP)) is Reason.SIGNER_REPLACEMENT
    assert denied(signer, again()) is Reason.SIGNER_REPLACEMENT


def test_a_nonce_is_signed_a_limited_number_of_times_and_a_new_process_counts_on(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    signer = new_signer(journal, clock, switch)
    signed(signer, ask())
    fees = NOOP
    for _ in range(MOST_ATTEMPTS):
        signed(new_signer(journal, clock, switch), Cancel("intent-1", fees))
        fees = Fees(21_000, least_above(fees.max_fee_wei), least_above(fees.tip_wei))
    assert denied(signer, Cancel("intent-1", fees)) is Reason.SIGNER_REPLACEMENT
