"""The corpus of what the signer refuses: one thing wrong at a time, and the reason it must give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bot.plan import Plan, Swap
from bot.reasons import Reason
from bot.signer.checks import CHECKS
from bot.signer.journal import Journal
from bot.signer.protocol import Denial, Signed, SignRequest
from bot.signer.service import Signer
from bot.simulator.verdict import Outcome
from bot.transaction import Fees
from chains import executor
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.executor import RUN, CurveRoute, Hop, HopKind, UniswapV4Route
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.making import (
    BLOCK_HASH,
    CODE_HASH,
    CYCLE,
    DAI,
    ETHER,
    EXCHANGE,
    EXCHANGES,
    EXECUTOR,
    FEES,
    GAIN,
    GAS_COST_WEI,
    GWEI,
    HEAD,
    INVENTORY,
    NOW_S,
    OTHER,
    POLICY,
    USDC,
    WETH,
    HandClock,
    answer,
    ask,
)


def changed(plan: Plan, **changes: Any) -> Plan:
    return dataclasses.replace(plan, **changes)


def with_swap(plan: Plan, index: int, **changes: Any) -> Plan:
    legs = list(plan.legs)
    legs[index] = dataclasses.replace(legs[index], **changes)
    return changed(plan, legs=tuple(legs))


def with_hop(plan: Plan, index: int, **changes: Any) -> Plan:
    swap = plan.legs[index]
    assert isinstance(swap, Swap)
    return with_swap(plan, index, hop=dataclasses.replace(swap.hop, **changes))


def _curve(token: Token, i: int = 0) -> dict[str, Any]:
    """A Curve hop that buys `token`, as changes of another hop."""
    route = CurveRoute(Address(token.address), i, 1)
    return {"kind": HopKind.CURVE, "zero_for_one": False, "route": route}


def fees(**changes: int) -> Fees:
    return dataclasses.replace(FEES, **changes)


COINS = Token("ethereum", ZERO_ADDRESS, "ETH", 18)
DAI_CYCLE = with_swap(with_swap(CYCLE, 0, token_in=DAI), 1, token_out=DAI)
DAI_EXCHANGE = with_swap(EXCHANGE, 0, token_out=DAI)
FLIPPED = "".join("0" if digit != "0" else "1" for digit in ask().verdict.tx_digest[:1]) + ask().verdict.tx_digest[1:]

REFUSED: dict[str, tuple[SignRequest, Reason]] = {
    # what it is about
    "another chain": (ask(chain_id=1), Reason.SIGNER_CHAIN_ID),
    "no chain": (ask(chain_id=0), Reason.SIGNER_CHAIN_ID),
    "another network's plan": (ask(changed(CYCLE, network="base")), Reason.SIGNER_CHAIN_ID),
    "an unknown strategy": (ask(changed(CYCLE, strategy="sandwich")), Reason.SIGNER_STRATEGY),
    "another target": (ask(target=OTHER), Reason.SIGNER_TARGET),
    "the token as target": (ask(target=Address(WETH.address)), Reason.SIGNER_TARGET),
    "the inventory as target": (ask(target=INVENTORY), Reason.SIGNER_TARGET),
    "other code at the target": (ask(code_hash="0x" + "00" * 32), Reason.SIGNER_TARGET),
    "no code hash": (ask(code_hash=""), Reason.SIGNER_TARGET),
    # tokens and pools
    "a cycle in a token not listed": (ask(DAI_CYCLE), Reason.SIGNER_TOKEN),
    "an exchange into a token not listed": (ask(DAI_EXCHANGE), Reason.SIGNER_TOKEN),
    "an exchange out of a token not listed": (ask(with_swap(EXCHANGE, 0, token_in=DAI)), Reason.SIGNER_TOKEN),
    "a pool not listed": (ask(with_hop(CYCLE, 1, pool=OTHER)), Reason.SIGNER_POOL),
    "a token as pool": (ask(with_hop(CYCLE, 0, pool=Address(USDC.address))), Reason.SIGNER_POOL),
    "the executor as pool": (ask(with_hop(CYCLE, 0, pool=EXECUTOR)), Reason.SIGNER_POOL),
    # size
    "too much gas": (ask(fees=fees(gas_limit=1_000_001)), Reason.SIGNER_LIMIT),
    "too little gas": (ask(fees=fees(gas_limit=20_999)), Reason.SIGNER_LIMIT),
    "too high a fee": (ask(fees=fees(max_fee_wei=100 * GWEI + 1)), Reason.SIGNER_LIMIT),
    "too high a tip": (ask(fees=fees(tip_wei=5 * GWEI + 1)), Reason.SIGNER_LIMIT),
    "bytes that cost more than the trade gains": (
        ask(fees=Fees(300_000, 40 * GWEI, GWEI, data_fee_wei=10**20), worst_case_wei=10**20 + 10**18),
        Reason.SIGNER_MIN_PROFIT,
    ),
    "a tip above the fee": (ask(fees=Fees(300_000, GWEI, GWEI + 1)), Reason.SIGNER_LIMIT),
    "an exchange above its cap": (ask(with_swap(EXCHANGE, 0, amount_in=10 * ETHER + 1)), Reason.SIGNER_LIMIT),
    "nonce 2^63": (ask(nonce=2**63), Reason.SIGNER_MALFORMED),
    "a negative nonce": (ask(nonce=-1, simulated=False), Reason.SIGNER_MALFORMED),
    "a negative gas limit": (ask(fees=fees(gas_limit=-1), simulated=False), Reason.SIGNER_MALFORMED),
    "a negative tip": (ask(fees=fees(tip_wei=-1), simulated=False), Reason.SIGNER_MALFORMED),
    "a gain of 2^128": (ask(min_gain=2**128), Reason.SIGNER_MALFORMED),
    # time
    "an expired deadline": (ask(changed(CYCLE, deadline_block=HEAD)), Reason.SIGNER_DEADLINE),
    "a distant deadline": (ask(changed(CYCLE, deadline_block=HEAD + 6)), Reason.SIGNER_DEADLINE),
    # profit the call enforces
    "a plan content with less": (ask(changed(CYCLE, min_profit_wei=10**15 - 1)), Reason.SIGNER_MIN_PROFIT),
    "no minimum gain": (ask(min_gain=0), Reason.SIGNER_MIN_PROFIT),
    "a gain that gas eats": (ask(min_gain=GAS_COST_WEI + 10**15 - 1), Reason.SIGNER_MIN_PROFIT),
    "no minimum out": (ask(EXCHANGE, min_out=0), Reason.SIGNER_MIN_PROFIT),
    "a minimum out below the slippage": (ask(EXCHANGE, min_out=1_990 * 10**6 - 1), Reason.SIGNER_MIN_PROFIT),
    # the simulation
    "a digest one digit off": (ask(verdict={"tx_digest": FLIPPED}), Reason.SIGNER_VERDICT_MISMATCH),
    "no digest": (ask(verdict={"tx_digest": ""}), Reason.SIGNER_VERDICT_MISMATCH),
    "another nonce simulated": (dataclasses.replace(ask(), nonce=8), Reason.SIGNER_VERDICT_MISMATCH),
    "another gain simulated": (dataclasses.replace(ask(), min_gain=GAIN - 1), Reason.SIGNER_VERDICT_MISMATCH),
    "other fees simulated": (dataclasses.replace(ask(), fees=fees(tip_wei=GWEI + 1)), Reason.SIGNER_VERDICT_MISMATCH),
    "another block's hash": (ask(verdict={"block_hash": "0x" + "22" * 32}), Reason.SIGNER_VERDICT_MISMATCH),
    "a reverted simulation": (ask(verdict={"outcome": Outcome.REVERTED}), Reason.SIGNER_VERDICT_FAILED),
    "an invalid simulation": (ask(verdict={"outcome": Outcome.INVALID}), Reason.SIGNER_VERDICT_FAILED),
    "a simulation without gas": (ask(verdict={"gas_used": 0}), Reason.SIGNER_VERDICT_FAILED),
    "more gas than the limit": (ask(verdict={"gas_used": 300_001, "gas_price_wei": 1}), Reason.SIGNER_VERDICT_FAILED),
    "gas dearer than the fee": (
        ask(verdict={"gas_price_wei": 40 * GWEI + 1}, min_gain=2 * GAIN),
        Reason.SIGNER_VERDICT_FAILED,
    ),
    "two blocks behind": (
        ask(changed(CYCLE, block_number=HEAD - 5), verdict={"block_number": HEAD - 2}),
        Reason.SIGNER_VERDICT_STALE,
    ),
    "before the plan's block": (ask(verdict={"block_number": HEAD - 1}), Reason.SIGNER_VERDICT_STALE),
    "ahead of the head": (ask(verdict={"block_number": HEAD + 1}), Reason.SIGNER_VERDICT_STALE),
    "simulated too long ago": (ask(verdict={"made_at_s": NOW_S - 12.5}), Reason.SIGNER_VERDICT_STALE),
    "simulated in the future": (ask(verdict={"made_at_s": NOW_S + 2}), Reason.SIGNER_VERDICT_STALE),
    "a simulation that never says when": (ask(verdict={"made_at_s": 0.0}), Reason.SIGNER_VERDICT_STALE),
    "no gain": (ask(verdict={"deltas": {}}), Reason.SIGNER_VERDICT_UNPROFITABLE),
    "a gain one wei short": (
        ask(verdict={"deltas": {(EXECUTOR, Address(WETH.address)): GAS_COST_WEI + 10**15 - 1}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "somebody else's gain": (
        ask(verdict={"deltas": {(OTHER, Address(WETH.address)): GAIN}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "a gain in another token": (
        ask(verdict={"deltas": {(EXECUTOR, Address(DAI.address)): GAIN}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an inventory that gets too little": (
        ask(EXCHANGE, verdict={"deltas": {(INVENTORY, Address(USDC.address)): 1_995 * 10**6 - 1}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an inventory that pays too much": (
        ask(
            EXCHANGE,
            verdict={
                "deltas": {
                    (INVENTORY, Address(USDC.address)): 2_000 * 10**6,
                    (INVENTORY, Address(WETH.address)): -ETHER - 1,
                }
            },
        ),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an exchange that expects too little": (
        ask(changed(EXCHANGE, expected_profit_wei=GAS_COST_WEI)),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    # budgets
    "a worst case below its own gas": (ask(worst_case_wei=FEES.worst_cost_wei - 1), Reason.SIGNER_BUDGET),
    "more than one trade may risk": (ask(worst_case_wei=ETHER + 1), Reason.SIGNER_BUDGET),
    # plans that make no sense
    "no swaps": (dataclasses.replace(ask(), plan=b'{"legs":[]}'), Reason.SIGNER_MALFORMED),
    "a plan that is not one": (dataclasses.replace(ask(), plan=b"0x"), Reason.SIGNER_MALFORMED),
    "a plan with a space": (dataclasses.replace(ask(), plan=ask().plan + b" "), Reason.SIGNER_MALFORMED),
    "a strategy that is no text": (ask(changed(CYCLE, strategy=None)), Reason.SIGNER_MALFORMED),
    "a plan atomic by hearsay": (ask(changed(CYCLE, atomic="yes")), Reason.SIGNER_MALFORMED),
    "an open cycle": (ask(changed(CYCLE, legs=CYCLE.legs[:1])), Reason.SIGNER_MALFORMED),
    "a closed exchange": (ask(changed(CYCLE, atomic=False, strategy=EXCHANGES)), Reason.SIGNER_MALFORMED),
    "an atomic plan with an order": (
        ask(changed(CYCLE, legs=(*CYCLE.legs, EXCHANGE.legs[1]))),
        Reason.SIGNER_MALFORMED,
    ),
    "an order before its swap": (ask(changed(EXCHANGE, legs=EXCHANGE.legs[::-1])), Reason.SIGNER_MALFORMED),
    "swaps that do not join": (ask(with_swap(CYCLE, 1, token_in=DAI)), Reason.SIGNER_MALFORMED),
    "a lower-case pool": (
        ask(with_hop(CYCLE, 0, pool=Address(CYCLE.swaps[0].hop.pool.lower()))),
        Reason.SIGNER_MALFORMED,
    ),
    "the zero address as pool": (ask(with_hop(CYCLE, 0, pool=address("0x" + "00" * 20))), Reason.SIGNER_MALFORMED),
    "a direction that is no truth": (
        ask(with_hop(CYCLE, 0, zero_for_one=None), simulated=False),
        Reason.SIGNER_MALFORMED,
    ),
    "a fee of 25 bits": (ask(with_hop(CYCLE, 0, fee_ppm=2**24), simulated=False), Reason.SIGNER_MALFORMED),
    "a route to another token than the swap's": (ask(with_hop(CYCLE, 0, **_curve(DAI))), Reason.SIGNER_MALFORMED),
    "a route that does not fit": (
        ask(with_hop(CYCLE, 0, **_curve(USDC, i=256)), simulated=False),
        Reason.SIGNER_MALFORMED,
    ),
    "coins out of a pair": (ask(with_swap(CYCLE, 0, token_out=COINS)), Reason.SIGNER_MALFORMED),
    "a token as a vault that is no pool of the policy": (
        ask(with_hop(CYCLE, 0, kind=HopKind.ERC4626, pool=Address(USDC.address))),
        Reason.SIGNER_POOL,
    ),
    "the executor as a vault": (ask(with_hop(CYCLE, 0, kind=HopKind.ERC4626, pool=EXECUTOR)), Reason.SIGNER_POOL),
    "nothing in": (ask(with_swap(CYCLE, 0, amount_in=0)), Reason.SIGNER_MALFORMED),
    "a negative quote": (ask(with_swap(EXCHANGE, 0, amount_out=-1)), Reason.SIGNER_MALFORMED),
    "a deadline before time": (ask(changed(CYCLE, deadline_block=-1), simulated=False), Reason.SIGNER_MALFORMED),
    "an intent without a name": (ask(intent_id=""), Reason.SIGNER_MALFORMED),
    "an intent with too long a name": (ask(intent_id="x" * 129), Reason.SIGNER_MALFORMED),
    "a negative worst case": (ask(worst_case_wei=-1), Reason.SIGNER_MALFORMED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_thing_wrong_is_refused_for_that_reason(name: str, signer: Signer) -> None:
    request, reason = REFUSED[name]
    response = answer(signer, request)
    assert isinstance(response, Denial), "it was signed"
    assert response.reason is reason, response
    assert response.detail
    assert "\n" not in response.detail


def test_the_corpus_asks_every_check() -> None:
    provoked = {reason for _, reason in REFUSED.values()}
    assert {reason for reason, _ in CHECKS} - provoked == {Reason.SIGNER_CALLDATA}
    assert len(REFUSED) >= 40


def test_an_entry_the_policy_does_not_name_is_refused(journal: Journal, clock: HandClock) -> None:
    only_cycles = dataclasses.replace(POLICY, selectors=frozenset({"0x" + RUN.hex()}))
    signer = new_signer(journal, clock, only_cycles)
    assert isinstance(answer(signer, ask()), Signed)
    response = answer(signer, ask(EXCHANGE, intent_id="intent-2", nonce=8))
    assert isinstance(response, Denial)
    assert response.reason is Reason.SIGNER_CALLDATA


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


def test_coins_may_pass_between_wrapper_and_manager(journal: Journal, clock: HandClock) -> None:
    """The wrapper is a profit token too, and stands in the policy as a pool."""
    weth, manager = Address(WETH.address), POLICY.pools and min(POLICY.pools)
    assert manager
    unwrapping = Swap(Hop(HopKind.WRAPPED_NATIVE, weth, False, 0), WETH, COINS, ETHER, ETHER)
    route = UniswapV4Route(Address(USDC.address), 60)
    selling = Swap(Hop(HopKind.UNISWAP_V4, manager, True, 3000, route), COINS, USDC, ETHER, 2_000 * 10**6)
    plan = changed(CYCLE, legs=(unwrapping, selling, CYCLE.legs[1]))
    listed = dataclasses.replace(POLICY, pools=frozenset({weth, *(POLICY.pools or ())}))
    assert isinstance(answer(new_signer(journal, clock, listed), ask(plan)), Signed)


@pytest.mark.parametrize("block_hash", [BLOCK_HASH, "0x" + "33" * 32])
def test_a_simulation_on_a_later_block_than_the_plans_is_as_good(block_hash: str, signer: Signer) -> None:
    later = ask(head_number=HEAD + 1, verdict={"block_number": HEAD + 1, "block_hash": block_hash})
    assert isinstance(answer(signer, later), Signed)


def test_a_head_seen_once_makes_older_simulations_stale(signer: Signer) -> None:
    answer(signer, ask(chain_id=1, head_number=HEAD + 2))
    response = answer(signer, ask(changed(CYCLE, deadline_block=HEAD + 4)))
    assert isinstance(response, Denial)
    assert response.reason is Reason.SIGNER_VERDICT_STALE


def test_the_code_hash_is_compared_whole(signer: Signer) -> None:
    response = answer(signer, ask(code_hash=CODE_HASH[:-1] + "c"))
    assert isinstance(response, Denial)
    assert response.reason is Reason.SIGNER_TARGET
