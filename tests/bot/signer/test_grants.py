"""Grants: whose signature counts, what they allow and for how long, and that nothing is granted twice."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.owner import deposit, new_grant, revoke
from bot.reasons import Reason
from bot.signer.grants import LIMITS, Grant, InvalidGrant, SignedGrant, decode_grant, encode_grant, grant_file
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.policy import InvalidPolicy, SignerPolicy
from bot.signer.protocol import HEADER_BYTES, Denial, Replace, Settle, Signed, Status, StatusRequest, frame
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import CYCLES, ETHER, GAS_COST_WEI, NOW_S, OPERATOR, OTHER, POLICY, HandClock, answer, ask
from tests.bot.signer.test_replacements import HIGHER

OWNER_SECRET = bytes(range(1, 33))
OWNER = SigningKey(OWNER_SECRET).address
OWNED: SignerPolicy = dataclasses.replace(POLICY, owner=OWNER)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def granted(**changes: object) -> Grant:
    good = new_grant(
        chain_id=31337,
        operator=OPERATOR,
        strategy=CYCLES,
        limit="hour_loss",
        amount_wei=ETHER,
        not_before_s=int(NOW_S),
        lasts_s=3600,
    )
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def signed(grant: Grant, secret: bytes = OWNER_SECRET) -> SignedGrant:
    compact = PrivateKey(secret).sign_recoverable(grant.digest(), hasher=None)
    return SignedGrant(grant, compact[:64] + bytes((compact[64] + 27,)))


@pytest.fixture
def owned(journal: Journal, clock: HandClock, switch: KillSwitch) -> Signer:
    return new_signer(journal, clock, switch, OWNED)


def fill_the_hour(signer: Signer) -> None:
    for number in range(2):
        assert isinstance(ask_for(signer, f"full-{number}", 100 + number), Signed)


def ask_for(signer: Signer, intent_id: str, nonce: int, wei: int = ETHER, at_s: float = NOW_S) -> object:
    return answer(signer, ask(intent_id=intent_id, nonce=nonce, worst_case_wei=wei, verdict={"made_at_s": at_s}))


def refused(response: object) -> Reason:
    assert isinstance(response, Denial), response
    return response.reason


def test_a_wallets_signature_of_the_typed_data_is_the_same(tmp_path: Path) -> None:
    """Source: EIP-712; the reference is eth-account's own encoder."""
    grant = granted()
    types = {
        "Grant": [
            {"name": "operator", "type": "address"},
            {"name": "strategy", "type": "string"},
            {"name": "limit", "type": "string"},
            {"name": "amountWei", "type": "uint256"},
            {"name": "notBefore", "type": "uint256"},
            {"name": "notAfter", "type": "uint256"},
            {"name": "id", "type": "bytes16"},
        ]
    }
    message = {
        "operator": grant.operator,
        "strategy": grant.strategy,
        "limit": grant.limit,
        "amountWei": grant.amount_wei,
        "notBefore": grant.not_before_s,
        "notAfter": grant.not_after_s,
        "id": bytes.fromhex(grant.id[2:]),
    }
    domain = {"name": "Isthmus", "version": "1", "chainId": 31337}
    by_wallet = Account.sign_message(encode_typed_data(domain, types, message), OWNER_SECRET)
    assert bytes(by_wallet.signature) == signed(grant).signature
    assert SignedGrant(grant, bytes(by_wallet.signature)).signer() == OWNER


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


NOT_OURS: dict[str, tuple[SignedGrant, str]] = {
    "somebody else's signature": (signed(granted(), bytes(31) + b"\x07"), "not signed by the owner"),
    "the operator's own signature": (
        signed(granted(), bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")),
        "not signed by the owner",
    ),
    "another operator": (signed(granted(operator=OTHER)), f"it is for {OTHER}"),
    "another chain": (signed(granted(chain_id=1)), "on chain 1"),
    "an unknown strategy": (signed(granted(strategy="sandwich")), "'sandwich' is not in the policy"),
    "an amount raised afterwards": (
        SignedGrant(granted(amount_wei=2 * ETHER), signed(granted()).signature),
        "not signed by the owner",
    ),
    "no signature": (SignedGrant(granted(), b""), "not 65 bytes"),
    "a signature of zeros": (SignedGrant(granted(), bytes(64) + b"\x1b"), "none"),
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_a_grant_that_is_not_ours_grants_nothing_and_is_told_once(
    name: str, owned: Signer, switch: KillSwitch, journal: Journal
) -> None:
    grant, message = NOT_OURS[name]
    fill_the_hour(owned)
    deposit(grant, switch.folder)
    for _ in range(2):
        assert refused(ask_for(owned, "over", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS
    ((_, what, detail),) = journal.audit()
    assert what == "grant_refused"
    assert message in detail


def test_the_other_form_of_a_signature_is_none() -> None:
    good = signed(granted())
    s = int.from_bytes(good.signature[32:64], "big")
    flipped = good.signature[:32] + (ORDER - s).to_bytes(32, "big") + bytes((27 + 28 - good.signature[64],))
    with pytest.raises(InvalidGrant, match="canonical"):
        SignedGrant(good.grant, flipped).signer()


def test_a_policy_without_an_owner_takes_no_grant(signer: Signer, switch: KillSwitch) -> None:
    fill_the_hour(signer)
    deposit(signed(granted()), switch.folder)
    assert refused(ask_for(signer, "over", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS


def test_the_bots_own_key_cannot_own_its_grants() -> None:
    with pytest.raises(InvalidPolicy, match="keep that key out of the bot"):
        dataclasses.replace(POLICY, owner=OPERATOR)


def test_a_grant_under_another_name_is_not_two(owned: Signer, switch: KillSwitch) -> None:
    fill_the_hour(owned)
    file = deposit(signed(granted()), switch.folder)
    os.rename(file, grant_file(switch.folder, "0x" + "00" * 16))
    assert refused(ask_for(owned, "over", 1)) is Reason.SIGNER_BUDGET_HOUR_LOSS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limit": "min_profit"}, "cannot be granted"),
        ({"amount_wei": 0}, "out of range"),
        ({"amount_wei": 2**127}, "out of range"),
        ({"not_after_s": int(NOW_S)}, "no time at all"),
        ({"not_after_s": 2**40}, "no time at all"),
        ({"id": "0x12"}, "16 bytes"),
    ],
)
def test_a_grant_that_makes_no_sense_cannot_be_made(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidGrant, match=message):
        granted(**changes)


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


def test_a_grant_that_begins_before_time_did_is_none() -> None:
    with pytest.raises(InvalidGrant, match="no time at all"):
        granted(not_before_s=-1)
