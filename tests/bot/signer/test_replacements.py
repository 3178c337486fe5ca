"""What the signer signs in place of what it signed: the same call for more, or nothing; and never anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.reasons import Reason
from bot.signer.journal import Journal
from bot.signer.protocol import (
    HEADER_BYTES,
    Cancel,
    Denial,
    Replace,
    Response,
    Settle,
    Settled,
    Signed,
    SignRequest,
    Status,
    StatusRequest,
    StrategyUsage,
    frame,
)
from bot.signer.replacements import least_above
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.transaction import Fees, read_signed
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import (
    CYCLE,
    CYCLES,
    ETHER,
    EXCHANGE,
    EXCHANGES,
    FEES,
    GAIN,
    GAS_COST_WEI,
    GWEI,
    NOW_S,
    OPERATOR,
    POLICY,
    HandClock,
    ask,
)
from tests.bot.signer.making import answer as answer_of

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


def test_nothing_but_a_noop_stands_in_place_while_nobody_proves_the_books(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    signer = new_signer(journal, clock, switch, replace(POLICY, dead_man_s=60))
    signed(signer, ask())
    clock.now_s += 61
    late = again(verdict={"made_at_s": clock.now_s})
    assert denied(signer, late) is Reason.SIGNER_DEAD_MAN
    assert denied(signer, late) is Reason.SIGNER_HALTED
    signed(signer, Cancel("intent-1", NOOP))


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
        replace(NOOP, gas_limit=900_000, max_fee_wei=100 * GWEI, data_fee_wei=1 - 90_000_000 * GWEI),
    ],
    ids=("gas", "fee", "tip", "more than was reserved", "more, less a data fee below nothing"),
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
    for _ in range(6):
        signed(new_signer(journal, clock, switch), Cancel("intent-1", fees))
        fees = Fees(21_000, least_above(fees.max_fee_wei), least_above(fees.tip_wei))
    assert denied(signer, Cancel("intent-1", fees)) is Reason.SIGNER_REPLACEMENT


def test_a_replacement_that_cannot_be_built_is_malformed(signer: Signer) -> None:
    signed(signer, ask())
    assert denied(signer, Replace(replace(ask(fees=HIGHER), plan=b"{"))) is Reason.SIGNER_MALFORMED


def test_what_a_replacement_may_cost_beyond_is_held_against_the_budget_and_reserved_once(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    signer = new_signer(journal, clock, switch)
    signed(signer, ask())
    assert denied(signer, dearer(2 * ETHER + 1)) is Reason.SIGNER_BUDGET_PER_TRADE
    signed(signer, dearer(2 * ETHER))
    for by in (signer, new_signer(journal, clock, switch)):
        used = usage(by)
        assert (used.reserved_wei, used.day_gas_wei) == (2 * ETHER, HIGHER.worst_cost_wei)


def test_every_signature_of_a_minute_counts_also_to_a_signer_that_starts_anew(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    signer = new_signer(journal, clock, switch)
    signed(signer, ask())
    clock.now_s += 10
    signed(signer, again())
    signed(signer, Cancel("intent-1", Fees(21_000, least_above(HIGHER.max_fee_wei), least_above(HIGHER.tip_wei))))
    for later_s, counted in ((10, 3), (59.5, 3), (60, 2), (69.5, 2), (70, 0)):
        clock.now_s = NOW_S + later_s
        for by in (signer, new_signer(journal, clock, switch)):
            assert usage(by).transactions_a_minute == counted


def test_a_noop_and_a_call_that_may_cost_less_leave_what_is_reserved(signer: Signer) -> None:
    signed(signer, ask(worst_case_wei=ETHER))
    signed(signer, again())
    dear = Fees(21_000, least_above(HIGHER.max_fee_wei), least_above(HIGHER.tip_wei))
    signed(signer, Cancel("intent-1", dear))
    assert (usage(signer).reserved_wei, usage(signer).day_gas_wei) == (ETHER, HIGHER.worst_cost_wei)


def test_a_noop_that_costs_more_than_the_gas_of_its_call_is_settled_as_the_loss_it_is(signer: Signer) -> None:
    """A worst case holds what an exchange may lose as well, and a spike of the fees may make a NOOP worth that much."""
    low = Fees(300_000, 2 * GWEI, GWEI)
    burnt = {"gas_price_wei": 2 * GWEI}
    signed(signer, ask(EXCHANGE, fees=low, worst_case_wei=low.worst_cost_wei + ETHER // 100, verdict=burnt))
    noop = Fees(21_000, 100 * GWEI, 2 * GWEI)
    signed(signer, Cancel("intent-1", noop))
    assert noop.worst_cost_wei > low.worst_cost_wei
    assert said(signer, Settle("intent-1", noop.worst_cost_wei, 0)) == Settled(noop.worst_cost_wei)
    status = said(signer, StatusRequest())  # type: ignore[arg-type]
    assert isinstance(status, Status) and status.unsettled == 0
    assert status.strategies[EXCHANGES].day_gas_wei == noop.worst_cost_wei


def test_what_stands_in_place_of_a_settled_call_reserves_nothing(signer: Signer) -> None:
    signed(signer, ask())
    said(signer, Settle("intent-1", GAS_COST_WEI, 0))
    signed(signer, Cancel("intent-1", NOOP))
    assert usage(signer).reserved_wei == 0


@pytest.mark.parametrize(("fee", "least"), [(0, 1), (1, 2), (7, 8), (8, 9), (9, 11), (16, 18), (800, 900), (801, 902)])
def test_an_eighth_more_is_rounded_up_and_at_least_one_wei(fee: int, least: int) -> None:
    assert least_above(fee) == least


@pytest.mark.parametrize("fees", [replace(NOOP, gas_limit=20_999), replace(NOOP, tip_wei=NOOP.max_fee_wei + 1)])
def test_a_noop_says_which_cap_it_breaks(signer: Signer, fees: Fees) -> None:
    signed(signer, ask())
    answer = said(signer, Cancel("intent-1", fees))
    broken = "gas limit" if fees.gas_limit < 21_000 else "tip"
    assert isinstance(answer, Denial) and answer.detail.startswith(f"a NOOP's {broken} of ")


def test_a_noop_may_cost_all_that_was_reserved_and_no_wei_more(signer: Signer) -> None:
    signed(signer, ask())
    whole = Fees(FEES.worst_cost_wei // HIGHER.max_fee_wei, HIGHER.max_fee_wei, HIGHER.tip_wei)
    assert FEES.worst_cost_wei - whole.worst_cost_wei < HIGHER.max_fee_wei
    assert (
        denied(signer, Cancel("intent-1", replace(whole, gas_limit=whole.gas_limit + 1))) is Reason.SIGNER_REPLACEMENT
    )
    signed(signer, Cancel("intent-1", whole))


def dearer(worst_case_wei: int) -> Replace:
    return Replace(ask(fees=HIGHER, worst_case_wei=worst_case_wei))


def usage(signer: Signer) -> StrategyUsage:
    status = answer_of(signer, StatusRequest())
    assert isinstance(status, Status)
    return status.strategies[CYCLES]
