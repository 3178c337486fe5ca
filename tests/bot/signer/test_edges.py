"""At the edge of every rule: what just keeps it is signed, and is not refused for that rule."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bot.plan import Plan
from bot.reasons import Reason
from bot.signer.journal import Journal
from bot.signer.policy import InvalidPolicy, StrategyLimits
from bot.signer.protocol import Denial, Signed, SignRequest
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.transaction import Fees
from chains.assets import Address
from tests.bot.signer.conftest import new_signer
from tests.bot.signer.corpus import NOTHING_FOLLOWS, changed, fees, with_hop, with_swap
from tests.bot.signer.making import (
    CYCLE,
    ETHER,
    EXCHANGE,
    EXCHANGE_WORST_WEI,
    EXECUTOR,
    GAS_COST_WEI,
    GWEI,
    HEAD,
    NOW_S,
    POLICY,
    WETH,
    WORST_CASE_WEI,
    HandClock,
    answer,
    ask,
)

PROFIT = 10**15


def _exchange_at(quote: int, min_out: int) -> SignRequest:
    return ask(with_swap(EXCHANGE, 0, amount_out=quote), min_out=min_out)


def _simulated(plan: Plan = CYCLE, **verdict: Any) -> SignRequest:
    return ask(plan, verdict=verdict)


SIGNED: dict[str, SignRequest] = {
    "all the gas there may be": ask(fees=fees(gas_limit=1_000_000), worst_case_wei=1_000_000 * 40 * GWEI),
    "the least gas there can be": ask(fees=fees(gas_limit=21_000), verdict={"gas_used": 21_000}),
    "the highest fee": ask(fees=fees(max_fee_wei=100 * GWEI), worst_case_wei=300_000 * 100 * GWEI),
    "the highest tip": ask(fees=fees(tip_wei=5 * GWEI)),
    "a tip of all the fee": ask(fees=Fees(300_000, 5 * GWEI, 5 * GWEI), verdict={"gas_price_wei": 5 * GWEI}),
    "nonce 2^63 - 1": ask(nonce=2**63 - 1),
    "the last deadline": ask(changed(CYCLE, deadline_block=HEAD + 5)),
    "the last second of the hour": ask(changed(CYCLE, deadline_s=int(NOW_S) + 3600)),
    "the first deadline": ask(changed(CYCLE, deadline_block=HEAD + 1)),
    "a gain of gas and profit": ask(min_gain=GAS_COST_WEI + PROFIT),
    "a minimum out at the slippage": _exchange_at(2_000 * 10**6, 1_990 * 10**6),
    "a price a quarter below the mark": _exchange_at(1_500 * 10**6, 1_500 * 10**6),
    "as much gas as the limit": _simulated(gas_used=300_000),
    "gas as dear as the fee": _simulated(gas_price_wei=40 * GWEI),
    "gas for nothing": _simulated(gas_price_wei=0),
    "one block behind": ask(changed(CYCLE, block_number=HEAD - 1), verdict={"block_number": HEAD - 1}),
    "simulated as long ago as may be": _simulated(made_at_s=NOW_S - 12),
    "simulated a second ahead": _simulated(made_at_s=NOW_S + 1),
    "a simulated gain of gas and profit": _simulated(deltas={(EXECUTOR, Address(WETH.address)): GAS_COST_WEI + PROFIT}),
    "an exchange that expects gas and profit": ask(changed(EXCHANGE, expected_profit_wei=GAS_COST_WEI + PROFIT)),
    "a worst case that just counts the exchange": ask(EXCHANGE, worst_case_wei=EXCHANGE_WORST_WEI),
    "a worst case that just counts all that nothing brings back": ask(
        NOTHING_FOLLOWS, min_out=1_800 * 10**6, worst_case_wei=WORST_CASE_WEI + ETHER // 10
    ),
    "as much as one trade may risk": ask(worst_case_wei=2 * ETHER),
    "an intent of 128 characters": ask(intent_id="x" * 128),
    "an intent of one": ask(intent_id="x"),
    "a fee of 24 bits": ask(with_hop(CYCLE, 0, fee_ppm=2**24 - 1)),
    "no fee": ask(with_hop(CYCLE, 0, fee_ppm=0)),
    "nonce 0": ask(nonce=0),
    "amounts of one unit": ask(with_swap(with_swap(CYCLE, 0, amount_out=1), 1, amount_in=1)),
}


@pytest.mark.parametrize("name", SIGNED)
def test_what_just_keeps_a_rule_is_signed(name: str, signer: Signer) -> None:
    response = answer(signer, SIGNED[name])
    assert isinstance(response, Signed), response


LARGEST: dict[str, tuple[SignRequest, Reason]] = {
    "nonce": (ask(nonce=2**128 - 1), Reason.SIGNER_NONCE),
    "head": (ask(head_number=2**63 - 1), Reason.SIGNER_DEADLINE),
    "max fee": (ask(fees=fees(max_fee_wei=2**128 - 1)), Reason.SIGNER_MAX_FEE),
    "tip": (ask(fees=fees(tip_wei=2**128 - 1)), Reason.SIGNER_TIP),
    "data fee": (ask(fees=fees(data_fee_wei=2**128 - 1)), Reason.SIGNER_MIN_PROFIT),
    "minimum out": (ask(EXCHANGE, min_out=2**128 - 1), Reason.SIGNER_VERDICT_UNPROFITABLE),
    "minimum gain": (ask(min_gain=2**128 - 1, worst_case_wei=2**128 - 1), Reason.SIGNER_BUDGET_PER_TRADE),
    "deadline": (ask(changed(CYCLE, deadline_block=2**48 - 1)), Reason.SIGNER_DEADLINE),
    "amount in": (ask(with_swap(EXCHANGE, 0, amount_in=2**128 - 1)), Reason.SIGNER_AMOUNT),
    "amount out": (_exchange_at(2**128 - 1, 1), Reason.SIGNER_SLIPPAGE),
}


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_number_a_field_holds_is_judged_for_what_it_says(name: str, signer: Signer) -> None:
    request, reason = LARGEST[name]
    response = answer(signer, request)
    assert isinstance(response, Denial) and response.reason is reason, response


def test_an_exchange_of_all_that_a_block_may_spend_is_signed(
    journal: Journal, clock: HandClock, switch: KillSwitch
) -> None:
    plenty = StrategyLimits(100 * ETHER, 100 * ETHER, 100 * ETHER, ETHER, PROFIT)
    policy = dataclasses.replace(POLICY, strategies={EXCHANGE.strategy: plenty})
    plan = with_swap(EXCHANGE, 0, amount_in=10 * ETHER, amount_out=20_000 * 10**6)
    request = ask(plan, min_out=20_000 * 10**6, worst_case_wei=ETHER)
    assert isinstance(answer(new_signer(journal, clock, switch, policy), request), Signed)


@pytest.mark.parametrize(
    "kept",
    [
        {"chain_id": 2**53 - 1, "test_chain": False},
        {"chain_id": 1, "test_chain": False},
        {"dead_man_s": 0},
        {"inventory_marks": {EXECUTOR: 0}},
        {"caps": dataclasses.replace(POLICY.caps, max_tip_wei=100 * GWEI)},
        {"caps": dataclasses.replace(POLICY.caps, max_slippage_ppm=10**6, max_drift_ppm=10**6, max_value_wei=0)},
        {"total": StrategyLimits(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
    ],
)
def test_a_policy_at_the_edge_of_its_form_is_one(kept: dict[str, Any]) -> None:
    dataclasses.replace(POLICY, **kept)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"chain_id": 2**53, "test_chain": False}, "out of range"),
        ({"chain_id": 0, "test_chain": False}, "out of range"),
        ({"dead_man_s": -1}, "dead_man_s is negative"),
        ({"inventory_marks": {EXECUTOR: -1}}, "is negative"),
        ({"owner": POLICY.operator}, "keep that key out of the bot"),
    ],
)
def test_a_policy_just_beyond_it_is_none(broken: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidPolicy, match=told):
        dataclasses.replace(POLICY, **broken)
