"""What the signer refuses, case by case of the corpus, and what it signs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bot.plan import Plan, Swap
from bot.reasons import Reason, Refusal
from bot.signer.case import Case, build
from bot.signer.checks import CHECKS, review
from bot.signer.forbidden import FORBIDDEN
from bot.signer.journal import Journal
from bot.signer.policy import InvalidPolicy, SignerPolicy, StrategyLimits
from bot.signer.protocol import Denial, Signed
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from chains import executor
from chains.assets import Address, Token
from chains.executor import RUN, Hop, HopKind, UniswapV4Route
from chains.loans import Lender, Loan
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.corpus import COINS, REQUESTS, changed, with_hop
from tests.bot.signer.envelopes import CASES, GOOD
from tests.bot.signer.making import (
    BLOCK_HASH,
    CYCLE,
    CYCLES,
    DAI,
    ETHER,
    EXCHANGE,
    EXECUTOR,
    HEAD,
    INVENTORY,
    LIMITS,
    NOW_S,
    OPERATOR,
    OTHER,
    POLICY,
    USDC,
    V2_POOL,
    V3_POOL,
    WETH,
    HandClock,
    answer,
    ask,
    swap,
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


def _kept_to(**limits: object) -> SignerPolicy:
    return dataclasses.replace(POLICY, strategies={CYCLES: dataclasses.replace(LIMITS, **limits)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"tokens": frozenset({Address(WETH.address), Address(USDC.address)})}, None),
        ({"tokens": frozenset({Address(WETH.address)})}, Reason.SIGNER_TOKEN),
        ({"pools": POLICY.pools}, None),
        ({"pools": frozenset({V2_POOL})}, Reason.SIGNER_POOL),
    ],
)
def test_a_strategy_may_be_kept_to_tokens_and_pools_of_its_own(
    limits: dict[str, object], reason: Reason | None, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    response = answer(new_signer(journal, clock, switch, _kept_to(**limits)), ask())
    assert (response.reason if isinstance(response, Denial) else None) is reason


def test_a_strategy_kept_to_its_tokens_may_still_handle_coins_where_a_hop_gives_them() -> None:
    limits = dataclasses.replace(LIMITS, tokens=frozenset({Address(WETH.address), Address(USDC.address)}))
    policy = dataclasses.replace(POLICY, strategies={CYCLES: limits})
    unwrapping = Swap(Hop(HopKind.WRAPPED_NATIVE, Address(WETH.address), False, 0), WETH, COINS, ETHER, ETHER)
    route = UniswapV4Route(Address(USDC.address), 60)
    selling = Swap(Hop(HopKind.UNISWAP_V4, V2_POOL, True, 3000, route), COINS, USDC, ETHER, 2_000 * 10**6)
    legs = (unwrapping, selling, CYCLE.legs[1])
    for kept, allowed in ((policy, True), (dataclasses.replace(policy, strategies={CYCLES: _only_dai()}), False)):
        case = build(kept, ask(changed(CYCLE, legs=legs)), newest_head=HEAD, now_s=NOW_S)
        assert isinstance(case, Case)
        refusal = review(dataclasses.replace(case, policy=dataclasses.replace(kept, pools=None)))
        assert (refusal is None or refusal.reason is not Reason.SIGNER_TOKEN) is allowed


def _only_dai() -> StrategyLimits:
    return dataclasses.replace(LIMITS, tokens=frozenset({Address(DAI.address)}))


@pytest.mark.parametrize("marked", [WETH, USDC])
def test_an_exchange_of_a_token_without_a_mark_is_refused(
    marked: Token, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    marks = {Address(marked.address): POLICY.inventory_marks[Address(marked.address)]}
    response = answer(
        new_signer(journal, clock, switch, dataclasses.replace(POLICY, inventory_marks=marks)), ask(EXCHANGE)
    )
    assert isinstance(response, Denial) and response.reason is Reason.SIGNER_PRICE
    assert "no mark" in response.detail


@pytest.mark.parametrize(
    ("pool", "reason"),
    [
        (OTHER, None),
        (EXECUTOR, Reason.SIGNER_POOL),
        (INVENTORY, Reason.SIGNER_POOL),
        (OPERATOR, Reason.SIGNER_POOL),
        (Address(WETH.address), Reason.SIGNER_POOL),
        (Address(USDC.address), Reason.SIGNER_POOL),
    ],
)
def test_where_any_pool_is_allowed_what_is_ours_and_what_we_hold_is_still_none(
    pool: Address, reason: Reason | None, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    signer = new_signer(journal, clock, switch, dataclasses.replace(POLICY, pools=None))
    response = answer(signer, ask(with_hop(CYCLE, 0, pool=pool)))
    assert (response.reason if isinstance(response, Denial) else None) is reason, response


LENDERS: dict[str, tuple[Loan, frozenset[Address] | None, Reason | None]] = {
    "a lender there is one of": (Loan(Lender.AAVE_V3, fee_ppm=500), POLICY.pools, None),
    "a pool of the policy": (Loan(Lender.PAIR, V2_POOL, 3000), POLICY.pools, None),
    "any pool": (Loan(Lender.PAIR, OTHER, 3000), None, None),
    "nobody's pool": (Loan(Lender.PAIR, OTHER, 3000), POLICY.pools, Reason.SIGNER_POOL),
    "ourselves": (Loan(Lender.PAIR, EXECUTOR, 3000), None, Reason.SIGNER_POOL),
    "a token of ours": (Loan(Lender.PAIR, Address(WETH.address), 3000), None, Reason.SIGNER_POOL),
}


@pytest.mark.parametrize("name", LENDERS)
def test_who_lends_is_one_of_its_kind_or_a_pool_of_the_policy(
    name: str, journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    loan, pools, reason = LENDERS[name]
    signer = new_signer(journal, clock, switch, dataclasses.replace(POLICY, pools=pools))
    response = answer(signer, ask(changed(CYCLE, loan=loan)))
    assert (response.reason if isinstance(response, Denial) else None) is reason, response


def _split(*ends: Swap) -> tuple[Swap, ...]:
    """The exchange's swap, and others beside it that sell the same."""
    return (EXCHANGE.swaps[0], *ends)


ROUTES: dict[str, tuple[Plan, str | None]] = {
    "two that end in one token": (changed(EXCHANGE, legs=_split(EXCHANGE.swaps[0])), None),
    "two that do not": (
        changed(EXCHANGE, legs=_split(swap(HopKind.CONCENTRATED, V3_POOL, WETH, DAI, ETHER, 2_000 * ETHER))),
        "the routes of a plan end in one token",
    ),
    "two and an order": (
        changed(EXCHANGE, legs=(*_split(EXCHANGE.swaps[0]), EXCHANGE.orders[0])),
        "a plan with orders has one route",
    ),
}


@pytest.mark.parametrize("name", ROUTES)
def test_the_routes_of_a_plan_are_of_one_kind(name: str) -> None:
    plan, problem = ROUTES[name]
    built = build(POLICY, ask(plan, simulated=False), newest_head=HEAD, now_s=NOW_S)
    assert (built.detail if isinstance(built, Refusal) else None) == problem
