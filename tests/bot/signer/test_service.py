from __future__ import annotations

import dataclasses
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from bot.reasons import Reason
from bot.signer.journal import Journal, JournalError
from bot.signer.key import SigningKey
from bot.signer.looking import look
from bot.signer.policy import encode_policy
from bot.signer.presence import Presence
from bot.signer.protocol import (
    HEADER_BYTES,
    Cancel,
    Cover,
    Denial,
    Replace,
    Request,
    Response,
    Settle,
    Settled,
    Signed,
    Status,
    StatusRequest,
    frame,
)
from bot.signer.service import Signer
from bot.signer.switch import TOTAL, KillSwitch
from chains.executor import encode
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import (
    CYCLE,
    CYCLES,
    ETHER,
    EXCHANGE,
    EXCHANGE_WORST_WEI,
    EXCHANGES,
    EXECUTOR,
    FEES,
    GAIN,
    GAS_COST_WEI,
    LIMITS,
    NOW_S,
    OPERATOR,
    POLICY,
    WORST_CASE_WEI,
    HandClock,
    answer,
    ask,
)
from tests.bot.signer.test_replacements import HIGHER


def reason_of(response: Response) -> Reason:
    assert isinstance(response, Denial), response
    return response.reason


def nth(index: int, **changes: object) -> Response | object:
    return ask(intent_id=f"intent-{index}", nonce=index, **changes)


def test_who_only_observes_may_ask_how_it_is_and_nothing_else(signer: Signer) -> None:
    for message in (ask(), Settle("intent-1", 0, 0)):
        response = signer.answer(frame(message)[HEADER_BYTES:], observes=True)
        assert reason_of(response) is Reason.SIGNER_BUSY
    assert isinstance(signer.answer(frame(StatusRequest())[HEADER_BYTES:], observes=True), Status)


def test_what_is_signed_decodes_back_to_what_was_asked(signer: Signer) -> None:
    signed = answer(signer, ask())
    assert isinstance(signed, Signed)
    assert Account.recover_transaction(signed.raw) == OPERATOR
    transaction = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    assert {name: transaction[name] for name in ("type", "chainId", "nonce", "value", "gas", "accessList")} == {
        "type": 2,
        "chainId": POLICY.chain_id,
        "nonce": 7,
        "value": 0,
        "gas": FEES.gas_limit,
        "accessList": (),
    }
    assert (transaction["maxFeePerGas"], transaction["maxPriorityFeePerGas"]) == (FEES.max_fee_wei, FEES.tip_wei)
    assert "0x" + transaction["to"].hex() == EXECUTOR.lower()
    assert bytes(transaction["data"]) == encode(CYCLE.executor_call(GAIN, 0))


def test_the_same_intent_gives_the_same_bytes_even_when_its_verdict_has_aged(signer: Signer, clock: HandClock) -> None:
    first = answer(signer, ask())
    clock.now_s += 3600
    assert answer(signer, ask()) == first


def test_an_intent_is_never_signed_as_two_transactions(signer: Signer) -> None:
    answer(signer, ask())
    assert reason_of(answer(signer, ask(nonce=8))) is Reason.SIGNER_NONCE
    assert reason_of(answer(signer, ask(min_gain=GAIN - 1))) is Reason.SIGNER_NONCE


def test_a_nonce_belongs_to_one_intent_across_restarts(
    signer: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    answer(signer, ask())
    for again in (signer, new_signer(journal, clock, switch)):
        response = answer(again, ask(EXCHANGE, intent_id="intent-2"))
        assert reason_of(response) is Reason.SIGNER_NONCE
        assert "intent-1" in str(response)


def test_the_nonce_of_an_intent_never_sent_is_free_and_its_bytes_are_gone(signer: Signer) -> None:
    answer(signer, ask())
    assert answer(signer, Settle("intent-1", 0, 0)) == Settled(0)
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_NONCE
    assert isinstance(answer(signer, ask(EXCHANGE, intent_id="intent-2")), Signed)
    assert reason_of(answer(signer, ask(intent_id="intent-3"))) is Reason.SIGNER_NONCE


def test_the_nonce_of_an_included_transaction_is_never_free(signer: Signer) -> None:
    answer(signer, ask())
    answer(signer, Settle("intent-1", 1, 0))
    assert reason_of(answer(signer, ask(intent_id="intent-2"))) is Reason.SIGNER_NONCE
    assert isinstance(answer(signer, ask()), Signed)


def test_a_refusal_leaves_nonce_and_budget_untouched(signer: Signer) -> None:
    answer(signer, ask(verdict={"deltas": {}}))
    status = answer(signer, StatusRequest())
    assert isinstance(status, Status)
    assert (status.signed, status.unsettled, status.strategies[CYCLES].reserved_wei) == (0, 0, 0)
    assert isinstance(answer(signer, ask()), Signed)


def test_unsettled_worst_cases_fill_the_budget_and_evidence_frees_it(signer: Signer) -> None:
    assert isinstance(answer(signer, nth(0, worst_case_wei=ETHER)), Signed)
    assert isinstance(answer(signer, nth(1, worst_case_wei=ETHER)), Signed)
    assert reason_of(answer(signer, nth(2))) is Reason.SIGNER_BUDGET_HOUR_LOSS
    assert answer(signer, Settle("intent-0", GAS_COST_WEI, GAIN)) == Settled(0)
    assert isinstance(answer(signer, nth(2)), Signed)


def test_time_alone_frees_no_reservation(signer: Signer, clock: HandClock) -> None:
    answer(signer, nth(0, worst_case_wei=ETHER))
    answer(signer, nth(1, worst_case_wei=ETHER))
    clock.now_s += 30 * 24 * 3600
    late = nth(2, verdict={"made_at_s": clock.now_s})
    assert reason_of(answer(signer, late)) is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_a_loss_leaves_the_hour_and_then_the_day_and_not_before(signer: Signer, clock: HandClock) -> None:
    lost = 2 * ETHER - WORST_CASE_WEI + 1
    answer(signer, nth(0))
    assert answer(signer, Settle("intent-0", 0, -lost)) == Settled(lost)
    clock.now_s = NOW_S + 3599
    assert reason_of(answer(signer, nth(1, verdict={"made_at_s": clock.now_s}))) is Reason.SIGNER_BUDGET_HOUR_LOSS
    clock.now_s = NOW_S + 3600
    assert isinstance(answer(signer, nth(1, verdict={"made_at_s": clock.now_s})), Signed)
    clock.now_s = NOW_S + 24 * 3600
    status = answer(signer, StatusRequest())
    assert isinstance(status, Status)
    assert status.strategies[CYCLES].day_loss_wei == WORST_CASE_WEI


def test_the_day_counts_what_the_hour_forgot(signer: Signer, clock: HandClock) -> None:
    for index in range(3):
        answer(signer, nth(index, verdict={"made_at_s": clock.now_s}))
        answer(signer, Settle(f"intent-{index}", 0, -(5 * ETHER - WORST_CASE_WEI + 1) // 3))
        clock.now_s += 3600
    response = answer(signer, nth(3, verdict={"made_at_s": clock.now_s}))
    assert reason_of(response) is Reason.SIGNER_BUDGET_DAY_LOSS


def test_gas_has_a_limit_of_its_own_that_profit_does_not_lift(signer: Signer) -> None:
    signed = 0
    while isinstance(response := answer(signer, nth(signed)), Signed):
        answer(signer, Settle(f"intent-{signed}", FEES.worst_cost_wei, ETHER))
        signed += 1
    assert signed == LIMITS.day_gas_wei // FEES.worst_cost_wei
    assert reason_of(response) is Reason.SIGNER_BUDGET_GAS


def test_one_strategys_losses_do_not_stop_another(signer: Signer) -> None:
    answer(signer, nth(0))
    answer(signer, Settle("intent-0", 0, -3 * ETHER))
    assert reason_of(answer(signer, nth(1))) is Reason.SIGNER_BUDGET_HOUR_LOSS
    other = answer(signer, ask(EXCHANGE, intent_id="intent-2", nonce=2))
    assert isinstance(other, Signed)


def test_budgets_survive_a_restart(signer: Signer, journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    answer(signer, nth(0, worst_case_wei=ETHER))
    answer(signer, nth(1))
    answer(signer, Settle("intent-1", GAS_COST_WEI, -GAIN))
    before = answer(signer, StatusRequest())
    assert answer(new_signer(journal, clock, switch), StatusRequest()) == before


def test_a_clock_set_back_frees_nothing(signer: Signer, journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    answer(signer, nth(0))
    answer(signer, Settle("intent-0", 0, -3 * ETHER))
    clock.now_s -= 7200
    for again in (signer, new_signer(journal, clock, switch)):
        assert reason_of(answer(again, nth(1, verdict={"made_at_s": clock.now_s}))) is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_settling_twice_with_the_same_evidence_is_settling_once(signer: Signer) -> None:
    answer(signer, ask())
    evidence = Settle("intent-1", GAS_COST_WEI, -GAIN)
    assert answer(signer, evidence) == answer(signer, evidence) == Settled(GAS_COST_WEI + GAIN)


def test_what_is_done_on_both_sides_is_exposed_no_more_before_it_is_final_and_again_once_its_block_is_replaced(
    signer: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    answer(signer, ask(EXCHANGE))

    def counted(by: Signer) -> tuple[int, int]:
        status = answer(by, StatusRequest())
        assert isinstance(status, Status)
        return status.strategies[EXCHANGE.strategy].exposure_wei, status.strategies[EXCHANGE.strategy].reserved_wei

    for covered, exposure_wei in ((True, 0), (True, 0), (False, ETHER), (True, 0)):
        said = answer(signer, Cover("intent-1", covered))
        assert said == Settled(EXCHANGE_WORST_WEI), "its worst case is kept all the while"
        assert counted(signer) == counted(new_signer(journal, clock, switch)) == (exposure_wei, EXCHANGE_WORST_WEI)
    answer(signer, Settle("intent-1", GAS_COST_WEI, GAIN))
    assert counted(signer) == (0, 0)
    assert answer(signer, Cover("intent-1", False)) == Settled(0), "what is final stays so"
    assert counted(signer) == (0, 0)
    assert reason_of(answer(signer, Cover("intent-9", True))) is Reason.SIGNER_SETTLEMENT


@pytest.mark.parametrize(
    "evidence",
    [
        Settle("intent-9", 0, 0),
        Settle("intent-1", -1, 0),
        Settle("intent-1", 2**128, 0),
        Settle("intent-1", 0, 2**128),
        Settle("intent-2", 1, 0),
        Settle("intent-2", 0, 1),
    ],
    ids=["unknown", "negative gas", "impossible gas", "impossible profit", "other gas", "other profit"],
)
def test_evidence_that_cannot_be_true_is_refused(evidence: Settle, signer: Signer) -> None:
    answer(signer, ask())
    answer(signer, ask(EXCHANGE, intent_id="intent-2", nonce=8))
    answer(signer, Settle("intent-2", 0, 0))
    assert reason_of(answer(signer, evidence)) is Reason.SIGNER_SETTLEMENT


def test_a_full_disk_means_no_signature(signer: Signer, journal: Journal) -> None:
    journal._db.execute("PRAGMA max_page_count = 1")
    index = 0
    while isinstance(response := answer(signer, nth(index)), Signed):
        index += 1
    assert reason_of(response) is Reason.SIGNER_JOURNAL
    assert "full" in str(response)
    assert journal.find(f"intent-{index}") is None
    status = answer(signer, StatusRequest())
    assert isinstance(status, Status)
    assert status.unsettled == index


@pytest.mark.parametrize("told", [(0, 0), (1, ETHER)], ids=["never left", "gained"])
def test_an_engine_that_lies_about_what_became_of_it_is_held_by_the_rate_alone(
    told: tuple[int, int], journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    """As docs/signer.md says: budgets count what they are told, each signature and their rate do not."""
    limits = dataclasses.replace(LIMITS, transactions_a_minute=5)
    policy = dataclasses.replace(POLICY, strategies={CYCLES: limits, EXCHANGES: LIMITS})
    signer = new_signer(journal, clock, switch, policy)
    for number in range(5):
        wanted = ask(intent_id=f"intent-{number}", nonce=7 + number, worst_case_wei=LIMITS.per_trade_wei)
        assert isinstance(answer(signer, wanted), Signed)
        assert answer(signer, Settle(f"intent-{number}", *told)) == Settled(0)
    assert reason_of(answer(signer, ask(intent_id="one-more", nonce=12))) is Reason.SIGNER_BUDGET_RATE


@pytest.mark.parametrize(
    "message",
    [
        ask(EXCHANGE, intent_id="intent-2", nonce=8),
        Replace(ask(EXCHANGE, fees=HIGHER, worst_case_wei=EXCHANGE_WORST_WEI + HIGHER.worst_cost_wei)),
        Cancel("intent-1", dataclasses.replace(HIGHER, gas_limit=21_000)),
        Cover("intent-1", True),
        Settle("intent-1", GAS_COST_WEI, -GAIN),
    ],
    ids=["sign", "replace", "cancel", "cover", "settle"],
)
def test_what_was_written_and_failed_afterwards_counts_as_it_is_on_the_disk(
    message: Request, signer: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    """A commit that stood, and then a head file that could not be written: what is asked again finds it done."""
    answer(signer, ask(EXCHANGE))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(journal._chain, "committed", full)
        assert reason_of(answer(signer, message)) is Reason.SIGNER_JOURNAL
    for _ in range(2):
        counted = (answer(by, StatusRequest()) for by in (signer, new_signer(journal, clock, switch)))
        after, anew = (said.strategies for said in counted if isinstance(said, Status))
        assert after == anew
        answer(signer, message)


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_fault_inside_is_a_denial_and_not_the_end(
    signer: Signer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(SigningKey, "sign", lambda *_: 1 / 0)
        assert reason_of(answer(signer, ask())) is Reason.SIGNER_INTERNAL
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert isinstance(answer(signer, ask()), Signed)


def test_a_key_that_is_not_the_operators_is_refused_at_the_start(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    with pytest.raises(ValueError, match="the keys are for"):
        new_signer(journal, clock, switch, dataclasses.replace(POLICY, operator=EXECUTOR))


def test_status_names_address_chain_and_every_strategy(signer: Signer) -> None:
    status = answer(signer, StatusRequest())
    assert isinstance(status, Status)
    assert (status.address, status.chain_id) == (OPERATOR, 31337)
    assert set(status.strategies) == set(status.switches) == {TOTAL, CYCLES, EXCHANGES}


def opened(path: Path) -> int:
    """How often this process has it open."""
    return sum(os.path.realpath(link) == str(path) for link in Path("/proc/self/fd").iterdir())


def test_a_second_signer_cannot_open_the_same_journal(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="another signer is using it"):
        Journal(tmp_path / "signer.db")


def test_who_only_looks_waits_for_another_that_does(journal: Journal, switch: KillSwitch, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_bytes(encode_policy(POLICY))
    presence = Presence(1, "", str(tmp_path / "signer.db"), str(policy))
    with ThreadPoolExecutor(1) as other:
        before = opened(tmp_path / "signer.db")
        looked = other.submit(look, switch.folder, presence, HandClock())
        while opened(tmp_path / "signer.db") == before and not looked.done():
            pass
        journal.close()
        status, _ = looked.result()
    assert status.signed == 0


def test_a_file_that_is_no_journal_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(RuntimeError, match="cannot open journal") as refused:
        Journal(path)
    assert "\n" not in str(refused.value)


def test_a_journal_with_a_row_missing_starts_no_signer(
    signer: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    answer(signer, ask())
    journal._db.execute("DELETE FROM signed")
    with pytest.raises(JournalError, match="signed intent-1 is gone"):
        new_signer(journal, clock, switch)
