"""Where gas is paid in another coin, the signer counts it at its policy's mark, whatever the engine says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from bot.gas import GasCoin
from bot.reasons import Reason
from bot.signer.journal import Journal
from bot.signer.policy import SignerPolicy, StrategyLimits
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
    frame,
)
from bot.signer.replacements import least_above
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.transaction import Fees
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import CYCLE, CYCLES, FEES, GAIN, GAS_COST_WEI, LIMITS, POLICY, HandClock, ask

MARKS = [Fraction(1, 5000), Fraction(1, 5), Fraction(3, 7_001), Fraction(5, 3)]

Open = Callable[..., Signer]


@pytest.fixture
def opened(journal: Journal, clock: HandClock, switch: KillSwitch) -> Open:
    def open_at(mark: Fraction, **limits: int) -> Signer:
        return new_signer(journal, clock, switch, policy_at(mark, **limits))

    return open_at


def policy_at(mark: Fraction, **limits: int) -> SignerPolicy:
    own: StrategyLimits = replace(LIMITS, **limits)
    return replace(POLICY, native_mark=mark, strategies={**POLICY.strategies, CYCLES: own})


def said(signer: Signer, message: SignRequest | Replace | Cancel | Settle | StatusRequest) -> Response:
    return signer.answer(frame(message)[HEADER_BYTES:])


def reason_of(response: Response) -> Reason | None:
    return response.reason if isinstance(response, Denial) else None


def gas_used(signer: Signer) -> int:
    status = said(signer, StatusRequest())
    assert isinstance(status, Status)
    return status.strategies[CYCLES].day_gas_wei


@pytest.mark.parametrize("mark", MARKS)
def test_a_worst_case_states_what_its_gas_costs_in_ether_and_a_wei_less_is_refused(
    mark: Fraction, opened: Open
) -> None:
    signer, worst = opened(mark), GasCoin(mark).cost_wei(FEES.worst_cost_wei)
    assert reason_of(said(signer, ask(worst_case_wei=worst - 1))) is Reason.SIGNER_WORST_CASE
    assert isinstance(said(signer, ask(worst_case_wei=worst)), Signed)


@pytest.mark.parametrize("mark", MARKS)
def test_the_converted_worst_case_is_counted_against_the_gas_of_a_day(mark: Fraction, opened: Open) -> None:
    worst = GasCoin(mark).cost_wei(FEES.worst_cost_wei)
    signer = opened(mark, day_gas_wei=2 * worst)
    for index in range(2):
        assert isinstance(said(signer, ask(intent_id=f"i-{index}", nonce=index, worst_case_wei=worst)), Signed)
        assert gas_used(signer) == (index + 1) * worst
    third = ask(intent_id="i-2", nonce=2, worst_case_wei=worst)
    assert reason_of(said(signer, third)) is Reason.SIGNER_BUDGET_GAS
    assert isinstance(said(signer, Settle("i-0", GAS_COST_WEI, GAIN)), Settled)
    assert gas_used(signer) == worst + GasCoin(mark).cost_wei(GAS_COST_WEI)


@pytest.mark.parametrize("mark", MARKS)
def test_the_call_enforces_the_profit_and_what_the_gas_costs(mark: Fraction, opened: Open) -> None:
    signer, coin = opened(mark), GasCoin(mark)
    worst = coin.cost_wei(FEES.worst_cost_wei)
    least = LIMITS.min_profit_wei + coin.cost_wei(GAS_COST_WEI)
    assert reason_of(said(signer, ask(min_gain=least - 1, worst_case_wei=worst))) is Reason.SIGNER_MIN_PROFIT
    assert isinstance(said(signer, ask(min_gain=least, worst_case_wei=worst)), Signed)


@pytest.mark.parametrize("mark", MARKS)
def test_the_verdict_must_show_the_profit_after_what_the_gas_costs(mark: Fraction, opened: Open) -> None:
    signer, coin = opened(mark), GasCoin(mark)
    worst = coin.cost_wei(FEES.worst_cost_wei)
    kept = GAIN - coin.cost_wei(GAS_COST_WEI)
    greedy = ask(replace(CYCLE, min_profit_wei=kept + 1), worst_case_wei=worst)
    assert reason_of(said(signer, greedy)) is Reason.SIGNER_VERDICT_UNPROFITABLE
    assert isinstance(said(signer, ask(replace(CYCLE, min_profit_wei=kept), worst_case_wei=worst)), Signed)


@pytest.mark.parametrize("mark", MARKS)
def test_what_replaces_it_costs_in_ether_too(mark: Fraction, opened: Open) -> None:
    signer, coin = opened(mark), GasCoin(mark)
    worst = coin.cost_wei(FEES.worst_cost_wei)
    assert isinstance(said(signer, ask(worst_case_wei=worst)), Signed)
    higher = Fees(FEES.gas_limit, least_above(FEES.max_fee_wei), least_above(FEES.tip_wei))
    raised = coin.cost_wei(higher.worst_cost_wei)
    again = Replace(ask(fees=higher, worst_case_wei=raised))
    assert isinstance(said(signer, again), Signed)
    assert gas_used(signer) == raised
    noop = Fees(21_000, least_above(higher.max_fee_wei), least_above(higher.tip_wei))
    assert isinstance(said(signer, Cancel("intent-1", noop)), Signed)


def test_a_noop_costs_no_more_than_the_worst_case_of_what_it_cancels(opened: Open) -> None:
    mark = Fraction(1, 5)
    signer, coin = opened(mark), GasCoin(mark)
    worst = coin.cost_wei(FEES.worst_cost_wei)
    assert isinstance(said(signer, ask(worst_case_wei=worst)), Signed)
    max_fee, tip = least_above(FEES.max_fee_wei), least_above(FEES.tip_wei)
    most = worst * mark.denominator // max_fee
    assert reason_of(said(signer, Cancel("intent-1", Fees(most + 1, max_fee, tip)))) is Reason.SIGNER_REPLACEMENT
    assert isinstance(said(signer, Cancel("intent-1", Fees(most, max_fee, tip))), Signed)


def test_gas_beyond_what_was_reserved_is_a_loss_at_the_mark_of_its_coin(opened: Open) -> None:
    coin = GasCoin(Fraction(1, 5000))
    signer = opened(coin.mark)
    assert isinstance(said(signer, ask(worst_case_wei=coin.cost_wei(FEES.worst_cost_wei))), Signed)
    burnt_wei = 2 * FEES.worst_cost_wei
    assert said(signer, Settle("intent-1", burnt_wei, 0)) == Settled(coin.cost_wei(burnt_wei))
    assert gas_used(signer) == coin.cost_wei(burnt_wei)


def test_a_nonce_is_used_however_little_it_cost(opened: Open) -> None:
    coin = GasCoin(Fraction(1, 5000))
    signer = opened(coin.mark)
    assert isinstance(said(signer, ask(worst_case_wei=coin.cost_wei(FEES.worst_cost_wei))), Signed)
    assert isinstance(said(signer, Settle("intent-1", 1, 0)), Settled)
    assert reason_of(said(signer, ask(intent_id="intent-2"))) is Reason.SIGNER_NONCE


def test_after_a_restart_at_another_mark_what_was_settled_is_said_again(opened: Open) -> None:
    before, after = Fraction(1, 5000), Fraction(1, 4000)
    worst = GasCoin(before).cost_wei(FEES.worst_cost_wei)
    signer = opened(before)
    assert isinstance(said(signer, ask(worst_case_wei=worst)), Signed)
    told = Settle("intent-1", GAS_COST_WEI, GAIN)
    assert isinstance(said(signer, told), Settled)
    signer = opened(after)
    assert isinstance(said(signer, told), Settled)
    assert gas_used(signer) == GasCoin(before).cost_wei(GAS_COST_WEI), "what is booked stays as it was booked"
    assert reason_of(said(signer, replace(told, profit_wei=0))) is Reason.SIGNER_SETTLEMENT
    assert reason_of(said(signer, replace(told, gas_cost_wei=0))) is Reason.SIGNER_SETTLEMENT
