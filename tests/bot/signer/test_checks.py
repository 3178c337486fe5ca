"""What the signer refuses, case by case of the corpus, and what it signs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bot.plan import Plan, Swap
from bot.reasons import Reason
from bot.signer.checks import CHECKS, review
from bot.signer.forbidden import FORBIDDEN
from bot.signer.journal import Journal
from bot.signer.policy import InvalidPolicy
from bot.signer.protocol import Denial, Signed
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from chains import executor
from chains.assets import Address
from chains.executor import RUN, Hop, HopKind, UniswapV4Route
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.corpus import COINS, REQUESTS, changed
from tests.bot.signer.envelopes import CASES, GOOD
from tests.bot.signer.making import (
    BLOCK_HASH,
    CYCLE,
    ETHER,
    EXCHANGE,
    HEAD,
    POLICY,
    USDC,
    WETH,
    HandClock,
    answer,
    ask,
)


@pytest.mark.parametrize("name", REQUESTS)
def test_one_thing_wrong_is_refused_for_that_reason(name: str, signer: Signer) -> None:
    request, reason = REQUESTS[name]
    response = answer(signer, request)
    assert isinstance(response, Denial), "it was signed"
    assert response.reason is reason, response
    assert response.detail
    assert "\n" not in response.detail


@pytest.mark.parametrize("name", CASES)
def test_bytes_that_are_not_what_was_approved_are_never_signed(name: str) -> None:
    case, reason = CASES[name]
    refusal = review(case)
    assert refusal is not None, "it was permitted"
    assert refusal.reason is reason, refusal
    assert "\n" not in refusal.detail


def test_what_the_encoder_wrote_is_what_is_permitted() -> None:
    assert review(GOOD) is None


def test_a_policy_that_lists_a_forbidden_function_is_none() -> None:
    for selector in FORBIDDEN:
        with pytest.raises(InvalidPolicy, match="never signed"):
            dataclasses.replace(POLICY, selectors=frozenset({selector}))


def test_the_corpus_asks_every_check() -> None:
    provoked = {reason for _, reason in REQUESTS.values()} | {reason for *_, reason in CASES.values()}
    assert {reason for reason, _ in CHECKS} - provoked == {Reason.SIGNER_HALTED, Reason.SIGNER_REDUCING}
    assert len(REQUESTS) + len(CASES) >= 200


def test_an_entry_the_policy_does_not_name_is_refused(journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    only_cycles = dataclasses.replace(POLICY, selectors=frozenset({"0x" + RUN.hex()}))
    signer = new_signer(journal, clock, switch, only_cycles)
    assert isinstance(answer(signer, ask()), Signed)
    response = answer(signer, ask(EXCHANGE, intent_id="intent-2", nonce=8))
    assert isinstance(response, Denial)
    assert response.reason is Reason.SIGNER_SELECTOR


def _another_fee(data: bytes) -> bytes:
    return data[:-22] + bytes([data[-22] ^ 1]) + data[-21:]


def _one_byte_more(data: bytes) -> bytes:
    return data + b"\0"


@pytest.mark.parametrize("spoil", [_another_fee, _one_byte_more])
def test_call_data_that_says_something_else_than_the_plan_is_refused(
    spoil: Callable[[bytes], bytes], signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    miscoding = SimpleNamespace(encode=lambda call: spoil(executor.encode(call)))
    monkeypatch.setattr("bot.signer.case.executor", miscoding)
    response = answer(signer, ask())
    assert isinstance(response, Denial)
    assert response.reason is Reason.SIGNER_CALLDATA


@pytest.mark.parametrize("plan", [CYCLE, EXCHANGE], ids=["cycle", "exchange"])
def test_what_is_in_order_is_signed(plan: Plan, signer: Signer) -> None:
    assert isinstance(answer(signer, ask(plan)), Signed)


def test_coins_may_pass_between_wrapper_and_manager(journal: Journal, clock: HandClock, switch: KillSwitch) -> None:
    """The wrapper is a profit token too, and stands in the policy as a pool."""
    weth, manager = Address(WETH.address), POLICY.pools and min(POLICY.pools)
    assert manager
    unwrapping = Swap(Hop(HopKind.WRAPPED_NATIVE, weth, False, 0), WETH, COINS, ETHER, ETHER)
    route = UniswapV4Route(Address(USDC.address), 60)
    selling = Swap(Hop(HopKind.UNISWAP_V4, manager, True, 3000, route), COINS, USDC, ETHER, 2_000 * 10**6)
    plan = changed(CYCLE, legs=(unwrapping, selling, CYCLE.legs[1]))
    listed = dataclasses.replace(POLICY, pools=frozenset({weth, *(POLICY.pools or ())}))
    assert isinstance(answer(new_signer(journal, clock, switch, listed), ask(plan)), Signed)


@pytest.mark.parametrize("block_hash", [BLOCK_HASH, "0x" + "33" * 32])
def test_a_simulation_on_a_later_block_than_the_plans_is_as_good(block_hash: str, signer: Signer) -> None:
    later = ask(head_number=HEAD + 1, verdict={"block_number": HEAD + 1, "block_hash": block_hash})
    assert isinstance(answer(signer, later), Signed)


def test_a_head_seen_once_makes_older_simulations_stale(signer: Signer) -> None:
    answer(signer, ask(chain_id=1, head_number=HEAD + 2))
    response = answer(signer, ask(changed(CYCLE, deadline_block=HEAD + 4)))
    assert isinstance(response, Denial)
    assert response.reason is Reason.SIGNER_VERDICT_STALE
