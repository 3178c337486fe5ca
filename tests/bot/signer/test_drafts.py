"""Drafts: what is read and judged before it is asked for, and what is asked all the same when it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bot.reasons import Reason
from bot.signer import service
from bot.signer.case import Case
from bot.signer.checks import CHECKS, OF_THE_MOMENT
from bot.signer.client import SignerClient
from bot.signer.journal import Journal
from bot.signer.protocol import (
    HEADER_BYTES,
    Denial,
    Draft,
    Drafted,
    Replace,
    Response,
    Signed,
    SignRequest,
    Status,
    StatusRequest,
    frame,
)
from bot.signer.service import Signer
from bot.signer.switch import TOTAL, KillSwitch, Trading
from bot.transaction import Fees
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.corpus import REQUESTS
from tests.bot.signer.making import CYCLE, EXCHANGE, FEES, HEAD, NOW_S, POLICY, HandClock, answer, ask
from tests.bot.signer.processes import now_ask

MOMENT = {"newest_head", "now_s", "switch", "reduces"}


def drafted(signer: Signer, request: SignRequest) -> Response:
    """The answer to `request`, whose draft was read before under another id."""
    assert answer(signer, Draft(dataclasses.replace(request, intent_id="draft"))) == Drafted()
    return answer(signer, request)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[SignRequest]:
    """The requests that cases were built of."""
    seen = list[SignRequest]()

    def counted(policy: Any, request: SignRequest, **moment: Any) -> Any:
        seen.append(request)
        return build(policy, request, **moment)

    build = service.build
    monkeypatch.setattr(service, "build", counted)
    return seen


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_refused_is_refused_alike_after_its_draft(name: str, signer: Signer) -> None:
    request, _ = REQUESTS[name]
    assert drafted(signer, request) == answer(signer, request)
    assert isinstance(answer(signer, request), Denial)


@pytest.mark.parametrize("plan", [CYCLE, EXCHANGE])
def test_the_same_bytes_are_signed_with_a_draft_and_without(
    plan: Any, tmp_path: Path, clock: HandClock, switch: KillSwitch, built: list[SignRequest]
) -> None:
    answers = []
    for name in ("with", "without"):
        with Journal(tmp_path / f"{name}.db") as journal:
            signer = new_signer(journal, clock, switch)
            answers.append((drafted if name == "with" else answer)(signer, ask(plan)))
            entry = journal.find("intent-1")
            assert entry is not None
            answers.append(entry)
    assert answers[:2] == answers[2:]
    assert isinstance(answers[0], Signed)
    assert [request.intent_id for request in built] == ["draft", "intent-1"], "the draft was read for nothing"


def test_a_draft_alone_signs_and_keeps_nothing(signer: Signer, journal: Journal) -> None:
    before = answer(signer, StatusRequest())
    assert answer(signer, Draft(ask(head_number=HEAD + 100))) == Drafted()
    assert answer(signer, StatusRequest()) == before
    assert not list(journal.entries())
    assert isinstance(answer(signer, ask()), Signed), "the head of a draft counted as seen"


@pytest.mark.parametrize("change", [each.name for each in dataclasses.fields(SignRequest) if each.name != "intent_id"])
def test_a_draft_stands_for_no_other_request(change: str, signer: Signer, built: list[SignRequest]) -> None:
    request = ask(EXCHANGE)
    value = getattr(request, change)
    other: Any
    match value:
        case int():
            other = value + 1
        case str():
            other = value[:-1] + ("0" if value[-1] != "0" else "1")
        case bytes():
            other = ask(CYCLE).plan
        case _ if change == "fees":
            other = dataclasses.replace(value, gas_limit=value.gas_limit + 1)
        case _:
            other = dataclasses.replace(value, gas_used=value.gas_used + 1)
    asked = dataclasses.replace(request, **{change: other})
    answer(signer, Draft(request))
    signer.answer(frame(asked)[HEADER_BYTES:])
    assert built[1:] in ([asked], []), "the case of another request was taken"
    if change not in ("sender", "target"):
        assert built[1:] == [asked]


def test_a_draft_counts_once_and_only_the_newest(signer: Signer, built: list[SignRequest]) -> None:
    answer(signer, Draft(ask(EXCHANGE)))
    assert isinstance(drafted(signer, ask()), Signed)
    assert isinstance(answer(signer, ask()), Signed)
    answer(signer, ask(EXCHANGE, intent_id="intent-2", nonce=8))
    assert len(built) == 4


@pytest.mark.parametrize("intent_id", ["", "x" * 129])
def test_an_intents_id_is_judged_although_the_draft_had_another(intent_id: str, signer: Signer) -> None:
    refused = drafted(signer, ask(intent_id=intent_id))
    assert isinstance(refused, Denial) and refused.reason is Reason.SIGNER_MALFORMED, refused


def test_what_another_moment_changes_is_asked_when_it_is_signed(
    signer: Signer, clock: HandClock, switch: KillSwitch
) -> None:
    answer(signer, Draft(ask()))
    clock.now_s = NOW_S + POLICY.caps.max_verdict_age_s + 1
    assert _reason(answer(signer, ask())) is Reason.SIGNER_VERDICT_STALE
    clock.now_s = NOW_S
    answer(signer, Draft(ask()))
    switch.set(TOTAL, Trading.HALTED, by="a test", because="meanwhile", at_s=NOW_S)
    assert _reason(answer(signer, ask())) is Reason.SIGNER_HALTED
    switch.set(TOTAL, Trading.REDUCING, by="a test", because="meanwhile", at_s=NOW_S)
    assert _reason(drafted(signer, ask())) is Reason.SIGNER_REDUCING
    switch.set(TOTAL, Trading.ACTIVE, by="a test", because="enough", at_s=NOW_S)
    answer(signer, Draft(ask()))
    newer = ask(EXCHANGE, intent_id="newer", nonce=8, head_number=HEAD + 2)
    assert _reason(answer(signer, newer)) is Reason.SIGNER_DEADLINE
    assert _reason(drafted(signer, ask())) is Reason.SIGNER_DEADLINE, "the newest head of all counts"


def test_the_same_nonce_is_refused_whatever_was_drafted(signer: Signer) -> None:
    assert isinstance(answer(signer, ask()), Signed)
    assert _reason(drafted(signer, ask(intent_id="another"))) is Reason.SIGNER_NONCE


def test_every_check_that_asks_for_the_moment_is_asked_again() -> None:
    """A case that tells which of its attributes are asked for, check by check."""
    asking = {reason for reason, check in CHECKS if MOMENT & _asked_for(check)}
    assert asking == OF_THE_MOMENT


def test_a_replacement_is_signed_alike_after_a_draft(signer: Signer, built: list[SignRequest]) -> None:
    assert isinstance(answer(signer, ask()), Signed)
    dearer = Fees(FEES.gas_limit, FEES.max_fee_wei * 9 // 8, FEES.tip_wei * 9 // 8)
    again = ask(fees=dearer, worst_case_wei=dearer.worst_cost_wei)
    answer(signer, Draft(again))
    replaced = signer.answer(frame(Replace(again))[HEADER_BYTES:])
    assert isinstance(replaced, Signed), replaced
    assert signer.answer(frame(Replace(again))[HEADER_BYTES:]) == replaced
    assert len(built) == 3


def test_who_only_observes_may_draft_nothing(signer: Signer) -> None:
    assert isinstance(signer.answer(frame(Draft(ask()))[HEADER_BYTES:], observes=True), Denial)


async def test_answers_to_drafts_are_not_taken_for_those_to_requests(client: SignerClient) -> None:
    client.draft(now_ask("draft", 0))
    assert isinstance(await client.status(), Status)
    for nonce in range(3):
        request = now_ask(f"intent-{nonce}", nonce)
        client.draft(dataclasses.replace(request, intent_id="draft"))
        client.draft(dataclasses.replace(request, intent_id="draft"))
        assert isinstance(await client.sign(request), Signed)
    client.draft(now_ask("draft", 9))
    await client._disconnect()
    status = await client.status()
    assert isinstance(status, Status) and status.signed == 3


def _reason(response: Response) -> Reason | None:
    return response.reason if isinstance(response, Denial) else None


def _asked_for(check: Any) -> set[str]:
    asked = set[str]()

    class Telling(Case):
        def __getattribute__(self, name: str) -> Any:
            asked.add(name)
            return super().__getattribute__(name)

    for plan in (CYCLE, EXCHANGE):
        case = service.build(POLICY, ask(plan), newest_head=HEAD, now_s=NOW_S)
        assert isinstance(case, Case)
        values = {each.name: getattr(case, each.name) for each in dataclasses.fields(Case)}
        check(Telling(**values))
    return asked
