"""Intents: one nonce each, written ahead, never acted on twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import pytest

from bot.gas import GasCoin
from bot.ledger.errors import IllegalMove, LedgerError, NonceMoved
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.records import Mark, Successor, WorstCase
from bot.ledger.states import HOLDS_RESERVATION, AttemptKind, IntentState, MinedAs
from bot.transaction import Fees
from chains.assets import ZERO_ADDRESS, Address
from tests.bot.ledger.given import (
    FEES,
    GAS_COST_WEI,
    NETWORK,
    SENDER,
    WORST,
    StandingClock,
    atomic_plan,
    begin,
    bumped,
    hash_of,
    open_ledger,
    pending,
    receipt,
)

OTHER_SENDER = Address("0x4444444444444444444444444444444444444444")


def test_nonces_follow_one_another_without_a_gap(ledger: Ledger) -> None:
    assert [ledger.reserve(atomic_plan(n), SENDER, n, WORST, FEES).nonce for n in range(3)] == [0, 1, 2]
    assert ledger.next_nonce(SENDER) == 3


def test_a_reservation_built_on_another_nonce_is_refused(ledger: Ledger) -> None:
    with pytest.raises(NonceMoved, match=r"the next nonce of .* is 0, not 5"):
        ledger.reserve(atomic_plan(1), SENDER, 5, WORST, FEES)
    assert ledger.open_intents() == ()


def test_a_plan_whose_reservation_was_rolled_back_is_written_down_anew(ledger: Ledger) -> None:
    first, second = atomic_plan(1), atomic_plan(2)
    with pytest.raises(NonceMoved):
        ledger.reserve(first, SENDER, 5, WORST, FEES)
    # It gets the number that the first would have had.
    ledger.reserve(second, SENDER, 0, WORST, FEES)
    assert not ledger.is_acted_on(first.id)
    assert ledger.reserve(first, SENDER, 1, WORST, FEES).plan_id == first.id
    assert (ledger.plan(first.id), ledger.plan(second.id)) == (first, second)


def test_the_same_decision_is_never_acted_on_twice(ledger: Ledger) -> None:
    ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    with pytest.raises(LedgerError, match="has an intent already"):
        ledger.reserve(atomic_plan(1), SENDER, 1, WORST, FEES)


def test_an_unknown_sender_has_no_nonce(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="call set_first_nonce"):
        ledger.next_nonce(OTHER_SENDER)


def test_a_plan_in_a_token_without_a_mark_is_not_reserved(url: str) -> None:
    ledger = open_ledger(url)
    ledger.attach(ledger.start_run(ledger.run.mode, "twin", 31337, 1, "digest", "elsewhere").id)
    with pytest.raises(LedgerError, match="WETH@twin, which has no opening mark"):
        ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    ledger.close()


def test_a_fork_of_a_chain_takes_up_nothing_that_is_in_flight_on_it(ledger: Ledger) -> None:
    """It began with the same block: what waits on the chain would be sought there, and be lost."""
    waits = pending(ledger, 1)
    with pytest.raises(LedgerError, match=r"of twin \(chain id 31337\).*as chain id 1337: one is a fork"):
        ledger.start_run(ledger.run.mode, "local", 1337, None, "digest", ledger.run.instance)
    assert (ledger.run.chain_id, ledger.open_intents()) == (31337, (waits,))


def test_a_released_intent_gives_its_nonce_back(ledger: Ledger) -> None:
    first = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    ledger.release(first.id, "the signer refused")
    assert ledger.intent(first.id).state is IntentState.RELEASED
    assert ledger.reserve(atomic_plan(2), SENDER, 0, WORST, FEES).nonce == 0


def test_only_the_highest_nonce_can_be_released(ledger: Ledger) -> None:
    first = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    second = ledger.reserve(atomic_plan(2), SENDER, 1, WORST, FEES)
    with pytest.raises(IllegalMove, match="nonce 0; 1 is out too"):
        ledger.release(first.id, "late")
    ledger.release(second.id, "late")
    ledger.release(first.id, "late")
    assert ledger.next_nonce(SENDER) == 0


def test_nothing_is_released_once_a_byte_may_have_left(ledger: Ledger) -> None:
    intent = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    ledger.record_signed(intent.id, b"raw", hash_of("tx", 1))
    ledger.mark_sending(intent.id)
    with pytest.raises(IllegalMove, match="is sending and cannot become released"):
        ledger.release(intent.id, "too late")


def test_nothing_is_sent_that_was_not_signed_first(ledger: Ledger) -> None:
    intent = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    with pytest.raises(IllegalMove, match="is reserved and cannot become sending"):
        ledger.mark_sending(intent.id)


def test_what_must_be_written_ahead_cannot_hide_in_a_batch(ledger: Ledger) -> None:
    intent = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    with ledger.batch():
        with pytest.raises(LedgerError, match="not inside a batch"):
            ledger.reserve(atomic_plan(2), SENDER, 1, WORST, FEES)
        with pytest.raises(LedgerError, match="not inside a batch"):
            ledger.record_signed(intent.id, b"raw", hash_of("tx", 1))
        with pytest.raises(LedgerError, match="not inside a batch"):
            ledger.mark_sending(intent.id)


def test_a_node_may_say_twice_that_it_knows_a_transaction(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.mark_pending(intent.id)
    assert ledger.intent(intent.id).state is IntentState.PENDING


def test_the_signed_bytes_can_be_sent_again_after_a_restart(url: str) -> None:
    ledger = open_ledger(url)
    intent = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    attempt = ledger.record_signed(intent.id, bytes(range(256)), hash_of("tx", 1))
    ledger.mark_sending(intent.id)
    ledger.close()
    again = Ledger.open(url, StandingClock())
    begin(again)
    (open_intent,) = again.open_intents()
    assert open_intent.state is IntentState.SENDING
    assert open_intent.worst == WORST
    assert again.attempts(open_intent.id) == (replace(attempt, state=IntentState.SENDING),)
    assert again.next_nonce(SENDER) == 1
    again.close()


def test_a_process_killed_between_signing_and_sending_leaves_its_intent(url: str) -> None:
    open_ledger(url).close()
    program = (
        "import sys\n"
        "from bot.ledger.ledger import Ledger\n"
        "from tests.bot.ledger.given import *\n"
        "ledger = Ledger.open(sys.argv[1], StandingClock())\n"
        "ledger.attach()\n"
        "intent = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)\n"
        "ledger.record_signed(intent.id, b'raw', hash_of('tx', 1))\n"
        "print('signed', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "signed\n"
        os.kill(child.pid, signal.SIGKILL)
    ledger = Ledger.open(url, StandingClock())
    ledger.attach()
    (intent,) = ledger.open_intents()
    assert intent.state is IntentState.SIGNED
    assert ledger.attempts(intent.id)[0].raw == b"raw"
    assert ledger.next_nonce(SENDER) == 1
    ledger.close()


def test_transactions_sent_elsewhere_are_skipped_with_a_warning_while_nothing_is_in_flight(ledger: Ledger) -> None:
    ledger.set_first_nonce(SENDER, 4)
    assert ledger.next_nonce(SENDER) == 4
    (event,) = (event for event in events(ledger) if event.name == "foreign_transactions")
    assert "sent 4 transactions that are not in the ledger" in event.detail


def test_transactions_sent_elsewhere_are_not_skipped_while_one_may_have_the_nonce_of_what_is_in_flight(
    ledger: Ledger,
) -> None:
    pending(ledger, 1)
    assert not ledger.set_first_nonce(SENDER, 2)
    assert ledger.next_nonce(SENDER) == 1


def test_what_was_sent_by_hand_after_the_last_trade_is_skipped_before_that_is_final(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {})
    assert ledger.set_first_nonce(SENDER, 2)
    assert ledger.next_nonce(SENDER) == 2


def test_what_a_backup_did_not_know_to_be_sent_stops_no_start_on_it_whatever_was_in_flight(ledger: Ledger) -> None:
    pending(ledger, 1)
    ledger.set_first_nonce(SENDER, 5, restored=True)
    assert ledger.next_nonce(SENDER) == 5


def test_a_chain_that_forgot_transactions_is_another_chain(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.record_mined(intent.id, receipt(1), {})
    ledger.set_first_nonce(SENDER, 0)
    ledger.mark_final(intent.id)
    with pytest.raises(LedgerError, match="belongs to another chain"):
        ledger.set_first_nonce(SENDER, 0)


@pytest.mark.parametrize("sent_before", [False, True])
def test_nonces_that_a_chain_counted_once_and_no_more_are_given_out_where_none_of_ours_has_them(
    ledger: Ledger, sent_before: bool
) -> None:
    ledger.set_first_nonce(SENDER, 0)
    if sent_before:
        ledger.mark_final(ledger.record_mined(pending(ledger, 1).id, receipt(1), {}).id)
    given = ledger.next_nonce(SENDER)
    ledger.set_first_nonce(SENDER, 9)
    assert ledger.next_nonce(SENDER) == 9
    assert ledger.set_first_nonce(SENDER, given + 2)
    assert ledger.next_nonce(SENDER) == given + 2


def test_each_instance_counts_its_own_nonces(ledger: Ledger) -> None:
    pending(ledger, 1)
    begin(ledger, instance="0xother")
    assert ledger.next_nonce(SENDER) == 0
    assert ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES).nonce == 0
    begin(ledger)
    assert ledger.next_nonce(SENDER) == 1


@pytest.mark.parametrize(("loss", "gas", "capital"), [(-1, 0, 0), (0, -1, 0), (5, 6, 0), (5, 5, -1)])
def test_a_worst_case_is_not_negative_and_includes_its_gas(loss: int, gas: int, capital: int) -> None:
    with pytest.raises(ValueError, match="the loss includes the gas"):
        WorstCase(loss, gas, capital)


def test_a_replacement_pays_an_eighth_more_of_both_fees_and_what_it_may_cost_is_reserved(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    dearer = Fees(FEES.gas_limit, 2 * FEES.max_fee_wei, FEES.tip_wei)
    with pytest.raises(IllegalMove, match="a tip of at least 1125000000 wei per gas"):
        ledger.record_signed(intent.id, b"again", hash_of("tx", 2), dearer)
    enough = Fees(FEES.gas_limit, 2 * FEES.max_fee_wei, 2 * FEES.tip_wei)
    ledger.record_signed(intent.id, b"again", hash_of("tx", 2), enough)
    assert ledger.intent(intent.id).worst.gas_wei == enough.worst_cost_wei


def test_several_replacements_are_about_to_be_sent_by_one_commit_or_none_of_them_is_there(ledger: Ledger) -> None:
    first, second = pending(ledger, 1), pending(ledger, 2)
    good = Successor(first.id, b"noop", hash_of("tx", 3), bumped(FEES), AttemptKind.NOOP)
    bad = Successor(second.id, b"again", hash_of("tx", 4), FEES, AttemptKind.CALL)
    with pytest.raises(IllegalMove, match=f"intent {second.id}: attempt 1 is replaced only with"):
        ledger.record_successors([good, bad])
    assert [len(ledger.attempts(intent.id)) for intent in (first, second)] == [1, 1]
    kept = ledger.record_successors([good, replace(bad, fees=bumped(FEES))])
    assert kept == (ledger.attempts(first.id)[-1], ledger.attempts(second.id)[-1])
    assert [(it.kind, it.state, it.number) for it in kept] == [
        (AttemptKind.NOOP, IntentState.SENDING, 2),
        (AttemptKind.CALL, IntentState.SENDING, 2),
    ]
    assert ledger.intent(first.id).worst.gas_wei == bumped(FEES).worst_cost_wei
    assert ledger.attempts_of([second, first]) == {it.id: ledger.attempts(it.id) for it in (first, second)}
    assert ledger.attempts_of([]) == {}


def test_what_a_replacement_may_cost_is_reserved_in_ether_where_gas_is_another_coin(ledger: Ledger) -> None:
    coin = GasCoin(Fraction(1, 5000))
    ledger.set_marks([Mark(NETWORK, ZERO_ADDRESS, coin.mark)])
    gas = coin.cost_wei(FEES.worst_cost_wei)
    intent = pending(ledger, 1, worst=WorstCase(gas, gas))
    assert ledger.intent(intent.id).worst == WorstCase(gas, gas)
    dearer = Fees(FEES.gas_limit, 2 * FEES.max_fee_wei, 2 * FEES.tip_wei)
    ledger.record_signed(intent.id, b"again", hash_of("tx", 2), dearer)
    raised = coin.cost_wei(dearer.worst_cost_wei)
    assert ledger.intent(intent.id).worst == WorstCase(raised, raised)


def test_an_earlier_attempt_may_be_mined_while_its_replacement_waits(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.record_signed(intent.id, b"again", hash_of("tx", 2), bumped(FEES))
    with pytest.raises(IllegalMove, match="only a NOOP can free its nonce"):
        ledger.release(intent.id, "too late")
    ledger.record_mined(intent.id, receipt(1), {})
    assert [attempt.state for attempt in ledger.attempts(intent.id)] == [IntentState.MINED, IntentState.SIGNED]


def test_a_noop_cancels_and_nothing_but_a_noop_follows_it(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.record_signed(intent.id, b"noop", hash_of("tx", 2), bumped(FEES), AttemptKind.NOOP)
    ledger.mark_sending(intent.id)
    with pytest.raises(IllegalMove, match="is being cancelled"):
        ledger.record_signed(intent.id, b"again", hash_of("tx", 3), bumped(bumped(FEES)))
    mined = ledger.record_mined(intent.id, receipt(2), {})
    assert mined.mined_as is MinedAs.NOOP
    ledger.mark_final(intent.id)
    assert ledger.intent(intent.id).state is IntentState.CANCELLED
    assert ledger.profit_of(intent.id) == -GAS_COST_WEI


def test_a_nonce_somebody_else_used_is_foreign_and_stays_reserved(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    ledger.mark_foreign(intent.id, "none of our hashes has a receipt, and the chain counts the nonce as used")
    assert ledger.intent(intent.id).state is IntentState.FOREIGN in HOLDS_RESERVATION
    assert ledger.next_nonce(SENDER) == 1
    with pytest.raises(IllegalMove, match="is foreign and cannot become pending"):
        ledger.mark_pending(intent.id)


def test_a_plan_is_acted_on_once_it_has_an_intent_released_or_not(ledger: Ledger) -> None:
    plan = atomic_plan(1)
    assert not ledger.is_acted_on(plan.id)
    ledger.record_plan(plan)
    assert not ledger.is_acted_on(plan.id)
    intent = ledger.reserve(plan, SENDER, 0, WORST, FEES)
    assert ledger.is_acted_on(plan.id)
    ledger.release(intent.id, "the signer refused")
    assert ledger.is_acted_on(plan.id)
    assert [given_back.id for given_back in ledger.released_intents(SENDER, 0)] == [intent.id]
    assert ledger.released_intents(SENDER, 1) == ledger.released_intents(OTHER_SENDER, 0) == ()


def test_an_intent_of_another_instance_is_not_in_the_ledger(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    begin(ledger, instance="0xother")
    with pytest.raises(LedgerError, match=f"intent {intent.id} is not in the ledger of 0xother"):
        ledger.intent(intent.id)


def test_what_was_never_sent_is_not_somebody_elses(ledger: Ledger) -> None:
    intent = ledger.reserve(atomic_plan(1), SENDER, 0, WORST, FEES)
    ledger.record_signed(intent.id, b"raw", hash_of("tx", 1))
    with pytest.raises(IllegalMove, match="was never sent; release it instead"):
        ledger.mark_foreign(intent.id, "none")


def test_a_replacement_for_the_same_gas_reserves_no_more_and_one_for_less_no_less(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    less_gas = Fees(FEES.gas_limit // 2, *_raised(FEES))
    ledger.record_signed(intent.id, b"again", hash_of("tx", 2), less_gas)
    assert ledger.intent(intent.id).worst == WORST
    assert [attempt.fees for attempt in ledger.attempts(intent.id)] == [FEES, less_gas]
    assert [attempt.number for attempt in ledger.attempts(intent.id)] == [1, 2]


def test_both_fees_must_rise_over_every_attempt_that_may_have_left(ledger: Ledger) -> None:
    intent = pending(ledger, 1)
    fee, tip = _raised(FEES)
    for short in (Fees(FEES.gas_limit, fee - 1, tip), Fees(FEES.gas_limit, fee, tip - 1)):
        with pytest.raises(IllegalMove, match=f"attempt 1 is replaced only with a fee of at least {fee} and a tip"):
            ledger.record_signed(intent.id, b"again", hash_of("tx", 2), short)
    ledger.record_signed(intent.id, b"again", hash_of("tx", 2), Fees(FEES.gas_limit, fee, tip))
    # What was signed and never left binds nobody.
    ledger.record_signed(intent.id, b"third", hash_of("tx", 3), Fees(FEES.gas_limit, fee, tip))


def test_intents_are_found_by_where_they_stand(ledger: Ledger) -> None:
    first, second = pending(ledger, 1), pending(ledger, 2)
    ledger.record_mined(first.id, receipt(1), {})
    assert [intent.id for intent in ledger.mined_intents()] == [first.id]
    assert [intent.id for intent in ledger.open_intents()] == [second.id]
    assert [intent.id for intent in ledger.intents_above(1)] == [first.id]
    assert ledger.intents_above(2) == ()


def _raised(fees: Fees) -> tuple[int, int]:
    higher = bumped(fees)
    return higher.max_fee_wei, higher.tip_wei
