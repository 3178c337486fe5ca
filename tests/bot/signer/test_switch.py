"""The kill switch: what is set stays set, what cannot be read halts, and nothing is signed against it but a NOOP."""

from __future__ import annotations

import dataclasses
import fcntl
import os
from pathlib import Path

import pytest

from bot.plan import Plan
from bot.reasons import Reason
from bot.risk.halting import Halting
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.protocol import (
    MAX_MESSAGE_BYTES,
    Cancel,
    Denial,
    Response,
    Signed,
    SignRequest,
    Status,
    StatusRequest,
    frame,
)
from bot.signer.service import Signer
from bot.signer.switch import AUDIT, GATE, HALT, LOCK, TOTAL, KillSwitch, SwitchUnwritten, Trading, audited
from bot.transaction import Fees, UnsignedTransaction
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import (
    CYCLES,
    ETHER,
    EXCHANGE,
    EXCHANGE_WORST_WEI,
    EXCHANGES,
    GWEI,
    NOW_S,
    USDC,
    WETH,
    HandClock,
    answer,
    ask,
)
from tests.full import files_of_at_most


def reason_of(response: Response) -> Reason:
    assert isinstance(response, Denial), response
    return response.reason


def halt(switch: KillSwitch, strategy: str = TOTAL, state: Trading = Trading.HALTED) -> None:
    switch.set(strategy, state, by="a test", because="it wanted to", at_s=NOW_S)


def go_on(switch: KillSwitch, strategy: str = TOTAL) -> None:
    switch.set(strategy, Trading.ACTIVE, by="a test", because="all is well", at_s=NOW_S)


def way_back(of: Plan) -> Plan:
    """What the engine makes to take back `of` on the chain."""
    swap = of.swaps[0]
    back = dataclasses.replace(
        swap,
        hop=dataclasses.replace(swap.hop, zero_for_one=not swap.hop.zero_for_one),
        token_in=USDC,
        token_out=WETH,
        amount_in=swap.amount_out,
        amount_out=swap.amount_in * 99 // 100,
    )
    return dataclasses.replace(of, legs=(back,), expected_profit_wei=0, min_profit_wei=-ETHER, unwinds=of.id)


def ask_back(of: Plan) -> SignRequest:
    return ask(
        way_back(of), intent_id="back", nonce=8, min_out=ETHER * 986 // 1000, worst_case_wei=EXCHANGE_WORST_WEI + GWEI
    )


def test_nothing_is_signed_while_halted_and_a_noop_is(signer: Signer, switch: KillSwitch) -> None:
    assert isinstance(answer(signer, ask()), Signed)
    halt(switch)
    assert reason_of(answer(signer, ask(intent_id="intent-2", nonce=8))) is Reason.SIGNER_HALTED
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_HALTED
    assert isinstance(answer(signer, Cancel("intent-1", Fees(21_000, 50 * GWEI, 2 * GWEI))), Signed)
    go_on(switch)
    assert isinstance(answer(signer, ask(intent_id="intent-2", nonce=8)), Signed)


def test_one_strategy_halts_alone_and_all_halt_each(signer: Signer, switch: KillSwitch) -> None:
    halt(switch, CYCLES)
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_HALTED
    assert isinstance(answer(signer, ask(EXCHANGE, intent_id="intent-2", nonce=8)), Signed)
    halt(switch)
    assert reason_of(answer(signer, ask(EXCHANGE, intent_id="intent-3", nonce=9))) is Reason.SIGNER_HALTED


def test_reducing_signs_only_what_takes_back_a_trade_it_knows(signer: Signer, switch: KillSwitch) -> None:
    assert isinstance(answer(signer, ask(EXCHANGE)), Signed)
    halt(switch, state=Trading.REDUCING)
    assert reason_of(answer(signer, ask(intent_id="intent-2", nonce=8))) is Reason.SIGNER_REDUCING
    unknown = dataclasses.replace(EXCHANGE, note="never signed")
    assert reason_of(answer(signer, ask_back(unknown))) is Reason.SIGNER_REDUCING
    further = dataclasses.replace(EXCHANGE, legs=EXCHANGE.swaps, unwinds=EXCHANGE.id)
    onwards = ask(further, intent_id="intent-2", nonce=8)
    assert reason_of(answer(signer, onwards)) is Reason.SIGNER_REDUCING, "more of the same takes nothing back"
    assert isinstance(answer(signer, ask_back(EXCHANGE)), Signed)
    status = answer(signer, StatusRequest())
    assert isinstance(status, Status)
    assert status.strategies[EXCHANGES].exposure_wei == ETHER, "the way back exposes nothing more"


def test_what_takes_back_nothing_it_knows_or_far_more_counts_as_any_trade(signer: Signer) -> None:
    (sold,) = EXCHANGE.swaps
    large = dataclasses.replace(sold, amount_in=5 * ETHER, amount_out=10_000 * 10**6)
    for taken_back in ("", "never signed"):
        unknown = dataclasses.replace(EXCHANGE, legs=(large,), min_profit_wei=-ETHER, unwinds=taken_back)
        asked = ask(unknown, min_out=9_975 * 10**6, worst_case_wei=EXCHANGE_WORST_WEI + ETHER // 20)
        assert reason_of(answer(signer, asked)) is Reason.SIGNER_BUDGET_PER_TRADE
    assert isinstance(answer(signer, ask(EXCHANGE)), Signed)
    (bought,) = way_back(EXCHANGE).swaps
    more = dataclasses.replace(bought, amount_in=bought.amount_in * 5, amount_out=bought.amount_out * 5)
    asked = dataclasses.replace(way_back(EXCHANGE), legs=(more,))
    fivefold = ask(asked, intent_id="back", nonce=8, min_out=ETHER * 493 // 100, worst_case_wei=ETHER // 10)
    assert reason_of(answer(signer, fivefold)) is Reason.SIGNER_BUDGET_PER_TRADE
    assert isinstance(answer(signer, ask_back(EXCHANGE)), Signed)


@pytest.mark.parametrize("broken", [b"", b"{", b"null", b'{"version":"2","switches":{}}', b"\xff" * 100])
def test_a_switch_that_cannot_be_read_halts(broken: bytes, signer: Signer, switch: KillSwitch) -> None:
    switch.path.write_bytes(broken)
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_HALTED
    assert "cannot be read" in str(switch.of(CYCLES))


def test_a_switch_that_is_gone_halts_and_is_not_made_anew(signer: Signer, switch: KillSwitch) -> None:
    switch.path.unlink()
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_HALTED
    switch.establish(NOW_S)
    assert switch.of(CYCLES).state is Trading.HALTED
    go_on(switch)
    assert isinstance(answer(signer, ask()), Signed)


@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_file_made_by_hand_halts_for_as_long_as_it_is_there(above: int, signer: Signer, switch: KillSwitch) -> None:
    file = [switch.folder, *switch.folder.parents][above] / HALT
    file.touch()
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_HALTED
    assert str(file) in str(switch.of(CYCLES))
    file.unlink()
    assert isinstance(answer(signer, ask()), Signed)


def test_a_halt_outlives_the_process_and_names_who_came_first(switch: KillSwitch) -> None:
    halt(switch)
    switch.set(TOTAL, Trading.HALTED, by="another", because="me too", at_s=NOW_S + 5)
    again = KillSwitch(switch.folder)
    assert str(again.of(CYCLES)) == "halted by a test: it wanted to"
    again.establish(NOW_S)
    assert again.of(CYCLES).state is Trading.HALTED


def test_every_change_is_in_the_audit_and_in_the_journal(signer: Signer, switch: KillSwitch, journal: Journal) -> None:
    halt(switch)
    answer(signer, StatusRequest())
    go_on(switch)
    answer(signer, StatusRequest())
    told = audited(switch.folder / AUDIT)
    assert ["established" in told[0], "halted by a test" in told[1], "active by a test" in told[2]] == [True] * 3
    assert [(what, detail) for _, what, detail in journal.audit()] == [
        ("switch", ": halted by a test: it wanted to"),
        ("resumed", ""),
        ("switch", ": active by a test: all is well"),
    ]


def test_an_audit_with_a_line_taken_out_says_where(switch: KillSwitch) -> None:
    halt(switch)
    go_on(switch)
    log = switch.folder / AUDIT
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0] + lines[2])
    with pytest.raises(ValueError, match=r"switch\.log:2"):
        audited(log)


def test_why_is_kept_in_as_many_words_as_every_answer_has_room_for(signer: Signer, switch: KillSwitch) -> None:
    switch.set(TOTAL, Trading.HALTED, by="a test", because="a whole log " * 10_000, at_s=NOW_S)
    assert switch.of(TOTAL).because.startswith("a whole log a whole log")
    for request in (StatusRequest(), ask()):
        assert len(frame(answer(signer, request))) < MAX_MESSAGE_BYTES // 10


def test_a_switch_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SwitchUnwritten, match="cannot set the switch"):
        halt(KillSwitch(tmp_path / "file" / "control"))


def test_what_is_signed_while_a_file_by_hand_comes_never_leaves(
    signer: Signer, switch: KillSwitch, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = SigningKey.sign

    def meanwhile(key: SigningKey, transaction: UnsignedTransaction) -> object:
        (switch.folder / HALT).touch()
        return sign(key, transaction)

    monkeypatch.setattr(SigningKey, "sign", meanwhile)
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_HALTED
    assert journal.size() == 0


def test_a_switch_of_an_earlier_run_is_read_as_it_was_written(switch: KillSwitch) -> None:
    standing = '{"state":"halted","by":"ann","because":"a storm","at_s":1.5,"then_halt":false}'
    switch.path.write_text(f'{{"version":"1","switches":{{"{CYCLES}":{standing}}}}}')
    assert str(switch.of(CYCLES)) == "halted by ann: a storm" and switch.of(EXCHANGES).state is Trading.ACTIVE


def test_a_flattening_is_another_setting_than_reducing_for_good(switch: KillSwitch) -> None:
    halt(switch, state=Trading.REDUCING)
    flattening = switch.set(TOTAL, Trading.REDUCING, by="ann", because="enough", at_s=NOW_S, then_halt=True)
    assert flattening.then_halt and switch.read().switches[TOTAL] == flattening
    assert switch.set(TOTAL, Trading.REDUCING, by="bob", because="too", at_s=NOW_S, then_halt=True) == flattening


def test_the_graver_of_both_switches_holds(switch: KillSwitch) -> None:
    halt(switch, state=Trading.REDUCING)
    halt(switch, CYCLES)
    assert (switch.of(CYCLES).state, switch.of(EXCHANGES).state) == (Trading.HALTED, Trading.REDUCING)
    halt(switch)
    halt(switch, EXCHANGES, Trading.REDUCING)
    assert switch.of(EXCHANGES).state is Trading.HALTED


def test_where_both_switches_are_as_grave_the_one_of_all_is_named(switch: KillSwitch) -> None:
    switch.set(CYCLES, Trading.HALTED, by="ann", because="this one", at_s=NOW_S)
    halt(switch)
    assert str(switch.of(CYCLES)) == "halted by a test: it wanted to"


def test_a_signer_at_work_keeps_the_gate_open_for_who_halts_and_leaves_no_lock(switch: KillSwitch) -> None:
    opened = len(os.listdir("/proc/self/fd"))
    with (switch.folder / GATE).open("a") as gate, (switch.folder / LOCK).open("a") as lock:
        with switch.signing():
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert len(os.listdir("/proc/self/fd")) == opened


def test_a_switch_set_over_one_that_cannot_be_read_leaves_all_others_halted(switch: KillSwitch) -> None:
    switch.path.write_bytes(b"{")
    go_on(switch, CYCLES)
    assert switch.of(CYCLES).state is Trading.HALTED
    assert "could not be read when another was set" in str(switch.of(EXCHANGES))
    halt(switch)
    assert switch.of(EXCHANGES).by == "the signer", "it stood so already"


def test_who_holds_the_lock_for_too_long_stops_nobody_from_halting(switch: KillSwitch) -> None:
    with (switch.folder / LOCK).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        halt(switch)
    assert switch.of(CYCLES).state is Trading.HALTED


def test_a_halt_over_all_is_told_once_whichever_process_sees_it(
    signer: Signer, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    (switch.folder / HALT).touch()
    answer(signer, StatusRequest())
    answer(signer, StatusRequest())
    answer(new_signer(journal, clock, switch), StatusRequest())
    assert [what for _, what, _ in journal.audit()] == ["overridden"]


def test_what_only_a_part_of_has_space_is_not_appended_at_all(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path / "control")
    switch.establish(NOW_S)
    log = switch.folder / AUDIT
    with files_of_at_most(log.stat().st_size + 20), pytest.raises(SwitchUnwritten, match="File too large"):
        halt(switch)
    halt(switch)
    assert [line.split()[1] for line in audited(log)] == ["established", "all"]


@pytest.mark.parametrize("most_bytes", [0, 60], ids=["no-space", "space-for-the-file-alone"])
def test_a_first_start_on_a_full_disk_halts_nothing_once_there_is_space(tmp_path: Path, most_bytes: int) -> None:
    switch = KillSwitch(tmp_path / "control")
    with files_of_at_most(most_bytes), pytest.raises(SwitchUnwritten, match="File too large"):
        switch.establish(NOW_S)
    switch.establish(NOW_S)
    assert switch.of(CYCLES).state is Trading.ACTIVE


def test_where_the_switch_finds_no_space_all_is_halted_by_a_file_that_needs_none(
    signer: Signer, switch: KillSwitch
) -> None:
    halting = Halting(switch, HandClock())
    with files_of_at_most(0):
        for strategy, flatten in ((CYCLES, False), (TOTAL, True)):
            with pytest.raises(SwitchUnwritten):
                halting.halt("a test", "it wanted to", strategy, flatten=flatten)
        assert halting.halt("a breaker", "money is missing").state is Trading.HALTED
    assert (switch.folder / HALT).stat().st_size == 0
    assert reason_of(answer(signer, ask())) is Reason.SIGNER_HALTED
    (switch.folder / HALT).unlink()
    assert isinstance(answer(signer, ask()), Signed)
