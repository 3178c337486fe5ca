"""Grants: whose signature counts, what they allow and for how long, and that nothing is granted twice."""

from __future__ import annotations

import dataclasses
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.owner import deposit, revoke
from bot.reasons import Reason
from bot.signer.grants import LIMITS, InvalidGrant, SignedGrant, decode_grant, encode_grant, grant_file
from bot.signer.journal import Journal
from bot.signer.policy import InvalidPolicy
from bot.signer.protocol import HEADER_BYTES, Denial, Replace, Settle, Signed, Status, StatusRequest, frame
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import ETHER, GAS_COST_WEI, NOW_S, OPERATOR, POLICY, HandClock, answer, ask
from tests.bot.signer.owning import OWNED, ask_for, fill_the_hour, granted, refused, signed
from tests.bot.signer.test_replacements import HIGHER

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_a_grant_lets_the_limit_be_passed_by_its_amount_and_no_more(owned: Signer, switch: KillSwitch) -> None:
    fill_the_hour(owned)
    assert refused(ask_for(owned, "over", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS
    deposit(signed(granted()), switch.folder)
    assert isinstance(ask_for(owned, "over", 1), Signed)
    assert refused(ask_for(owned, "more", 2, 10**17)) is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_what_was_drawn_and_not_lost_can_be_drawn_again_and_what_was_lost_cannot(
    owned: Signer, switch: KillSwitch, journal: Journal, clock: HandClock
) -> None:
    fill_the_hour(owned)
    grant = granted()
    deposit(signed(grant), switch.folder)
    assert isinstance(ask_for(owned, "over", 1), Signed)
    answer(owned, Settle("over", GAS_COST_WEI, GAS_COST_WEI - ETHER // 4))
    for signer in (owned, new_signer(journal, clock, switch, OWNED)):
        status = answer(signer, StatusRequest())
        assert isinstance(status, Status)
        assert status.grants[grant.id].drawn_wei == ETHER // 4
    assert refused(ask_for(owned, "whole", 2)) is Reason.SIGNER_BUDGET_HOUR_LOSS
    assert isinstance(ask_for(owned, "rest", 2, ETHER * 3 // 4), Signed)


def test_a_grant_ends_with_its_time(owned: Signer, switch: KillSwitch, clock: HandClock) -> None:
    fill_the_hour(owned)
    deposit(signed(granted()), switch.folder)
    clock.now_s = NOW_S + 3600
    assert refused(ask_for(owned, "late", 1, at_s=clock.now_s)) is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_a_grant_does_not_begin_before_its_time(owned: Signer, switch: KillSwitch) -> None:
    fill_the_hour(owned)
    deposit(signed(granted(not_before_s=int(NOW_S) + 10)), switch.folder)
    assert refused(ask_for(owned, "early", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_a_revoked_grant_stays_revoked_even_if_its_revocation_goes_away(
    owned: Signer, switch: KillSwitch, journal: Journal, clock: HandClock
) -> None:
    fill_the_hour(owned)
    grant = granted()
    deposit(signed(grant), switch.folder)
    answer(owned, StatusRequest())
    revocation = revoke(grant.id, switch.folder, "a test")
    assert refused(ask_for(owned, "over", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS
    revocation.unlink()
    for signer in (owned, new_signer(journal, clock, switch, OWNED)):
        assert refused(ask_for(signer, "over", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS
    assert [what for _, what, _ in journal.audit()] == ["grant_taken", "grant_revoked"]


def test_a_journal_that_cannot_be_written_heeds_a_revocation_once_it_can(
    owned: Signer, switch: KillSwitch, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_hour(owned)
    grant = granted()
    deposit(signed(grant), switch.folder)
    answer(owned, StatusRequest())
    folder = revoke(grant.id, switch.folder, "a test").parent
    # Longer ago than the times of files are coarse: what was looked at once is not looked at again.
    os.utime(folder, (NOW_S - 5, NOW_S - 5))
    with monkeypatch.context() as full:

        def fail(*_: object) -> None:
            raise OSError("no space")

        full.setattr(journal, "note", fail)
        assert isinstance(answer(owned, StatusRequest()), Denial)
    assert refused(ask_for(owned, "over", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_the_other_form_of_a_signature_is_none() -> None:
    good = signed(granted())
    s = int.from_bytes(good.signature[32:64], "big")
    flipped = good.signature[:32] + (ORDER - s).to_bytes(32, "big") + bytes((27 + 28 - good.signature[64],))
    with pytest.raises(InvalidGrant, match="canonical"):
        SignedGrant(good.grant, flipped).signer()


def test_the_bots_own_key_cannot_own_its_grants() -> None:
    with pytest.raises(InvalidPolicy, match="keep that key out of the bot"):
        dataclasses.replace(POLICY, owner=OPERATOR)


def test_a_grant_under_another_name_is_not_two(owned: Signer, switch: KillSwitch) -> None:
    fill_the_hour(owned)
    file = deposit(signed(granted()), switch.folder)
    os.rename(file, grant_file(switch.folder, "0x" + "00" * 16))
    assert refused(ask_for(owned, "over", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS


@settings(max_examples=100, deadline=None)
@given(
    limit=st.sampled_from(LIMITS),
    amount_wei=st.integers(1, 2**126),
    strategy=st.text(max_size=10),
    at_s=st.integers(0, 2**39),
    lasts_s=st.integers(1, 2**30),
)
def test_a_grant_is_read_as_it_was_written(limit: str, amount_wei: int, strategy: str, at_s: int, lasts_s: int) -> None:
    grant = granted(
        limit=limit, amount_wei=amount_wei, strategy=strategy, not_before_s=at_s, not_after_s=at_s + lasts_s
    )
    assert decode_grant(encode_grant(signed(grant))) == signed(grant)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_what_is_no_grant_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InvalidGrant) as found:
        decode_grant(data)
    assert "\n" not in str(found.value)


def test_what_a_replacement_draws_is_drawn_once(
    owned: Signer, switch: KillSwitch, journal: Journal, clock: HandClock
) -> None:
    fill_the_hour(owned)
    grant = granted()
    deposit(signed(grant), switch.folder)
    assert isinstance(ask_for(owned, "over", 1, ETHER // 2), Signed)
    dearer = ask(intent_id="over", nonce=1, fees=HIGHER, worst_case_wei=ETHER * 3 // 4)
    assert isinstance(owned.answer(frame(Replace(dearer))[HEADER_BYTES:]), Signed)
    for signer in (owned, new_signer(journal, clock, switch, OWNED)):
        status = answer(signer, StatusRequest())
        assert isinstance(status, Status) and status.grants[grant.id].drawn_wei == ETHER * 3 // 4


def test_what_expires_first_is_drawn_first(owned: Signer, switch: KillSwitch) -> None:
    fill_the_hour(owned)
    late, early = granted(not_after_s=int(NOW_S) + 7_200), granted()
    for grant in (late, early):
        deposit(signed(grant), switch.folder)
    assert isinstance(ask_for(owned, "over", 1, ETHER // 2), Signed)
    status = answer(owned, StatusRequest())
    assert isinstance(status, Status)
    assert {name: grant.drawn_wei for name, grant in status.grants.items()} == {late.id: 0, early.id: ETHER // 2}


def test_a_grant_for_all_together_is_told_as_one(owned: Signer, switch: KillSwitch, journal: Journal) -> None:
    deposit(signed(granted(strategy="")), switch.folder)
    status = answer(owned, StatusRequest())
    assert isinstance(status, Status) and len(status.grants) == 1
    assert "all strategies: " in journal.audit()[0][2]


@pytest.mark.parametrize(
    "changes", [{"amount_wei": 1}, {"amount_wei": 2**127 - 1}, {"not_before_s": 0}, {"not_after_s": 2**40 - 1}]
)
def test_a_grant_at_the_edge_of_sense_is_one(changes: dict[str, object]) -> None:
    granted(**changes)


def test_a_file_that_is_no_grant_here_is_told_with_why_and_whatever_its_name_hinders_nobody(
    owned: Signer, switch: KillSwitch
) -> None:
    elsewhere = dataclasses.replace(granted(), chain_id=granted().chain_id + 1)
    deposit(signed(elsewhere), switch.folder)
    grant_file(switch.folder, os.fsdecode(b"\xff\x1b[2J")).write_bytes(b"{}")
    status = answer(owned, StatusRequest())
    assert isinstance(status, Status)
    assert f"on chain {elsewhere.chain_id}" in status.refused_grants[elsewhere.id]
    assert all(name.isprintable() and name.isascii() for name in status.refused_grants)
    assert len(status.refused_grants) == 2
    assert isinstance(ask_for(owned, "within", 0), Signed)


def test_of_many_files_that_are_no_grants_only_some_are_told(owned: Signer, switch: KillSwitch) -> None:
    for number in range(40):
        grant_file(switch.folder, str(number)).parent.mkdir(exist_ok=True)
        grant_file(switch.folder, str(number)).write_bytes(b"{}")
    status = answer(owned, StatusRequest())
    assert isinstance(status, Status) and len(status.refused_grants) == 16
