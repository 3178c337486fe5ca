"""What a simulation attests, and whether it is this transaction's, good, fresh and profitable.

The attestation is the verdict: block and block hash, the digest of the very transaction, the code hash of its target,
and what it did to the balances. The journal keeps its digest beside the signature that was given on it.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.reasons import Reason
from bot.signer.case import Case
from bot.signer.worth import worth
from bot.simulator.verdict import Outcome
from chains.executor import CycleCall

LEAST_GAS = 21_000
HEADS_BEHIND = 1
CLOCK_SKEW_S = 1.0
_HASH_LENGTH = 66


def gas_cost_wei(case: Case) -> int:
    """What the simulation burnt, and the most the transaction's bytes may cost besides, in wei of ETH."""
    return case.policy.coin.cost_wei(case.request.verdict.gas_cost_wei + case.request.fees.data_fee_wei)


def _matches(case: Case) -> str | None:
    verdict, plan = case.request.verdict, case.plan
    if verdict.tx_digest != case.transaction.digest:
        return f"{verdict.tx_digest} was simulated, but the plan builds {case.transaction.digest}"
    if len(verdict.block_hash) != _HASH_LENGTH:
        return f"{verdict.block_hash!r} is no block's hash"
    if verdict.block_number == plan.block_number and verdict.block_hash != plan.block_hash:
        return f"block {plan.block_number} was {verdict.block_hash} to the simulator, {plan.block_hash} to the plan"
    return None


def _ok(case: Case) -> str | None:
    verdict, fees = case.request.verdict, case.request.fees
    if verdict.outcome is not Outcome.OK:
        return f"the simulation ended {verdict.outcome}: {verdict.reason or 'no reason given'}"
    if not LEAST_GAS <= verdict.gas_used <= fees.gas_limit or not 0 <= verdict.gas_price_wei <= fees.max_fee_wei:
        return f"gas of {verdict.gas_used} at {verdict.gas_price_wei} wei cannot be this transaction's"
    return None


def _fresh(case: Case) -> str | None:
    verdict, newest = case.request.verdict, case.newest_head
    oldest = max(newest - HEADS_BEHIND, case.plan.block_number)
    if not oldest <= verdict.block_number <= newest:
        return f"simulated on block {verdict.block_number}; only {oldest} to {newest} count"
    age_s = case.now_s - verdict.made_at_s
    if not -CLOCK_SKEW_S <= age_s <= case.policy.caps.max_verdict_age_s:
        return f"simulated {age_s:.1f} s ago; at most {case.policy.caps.max_verdict_age_s} s are allowed"
    return None


def _profitable(case: Case) -> str | None:
    verdict, call = case.request.verdict, case.call
    if isinstance(call, CycleCall):
        gain = worth(case.policy.profit_marks, call.token, verdict.delta(case.request.target, call.token))
    else:
        inventory = case.target.inventory
        got = verdict.delta(inventory, call.token_out)
        # A token that keeps a fee of what arrives at the executor has it pay the rest of its own.
        spent = sum(max(0, -verdict.delta(each, call.token_in)) for each in (inventory, case.request.target))
        if got < call.min_out or spent > call.amount_in:
            return f"it would get {got} for {spent}; the plan wants {call.min_out} for {call.amount_in}"
        gain = case.plan.expected_profit_wei
    profit = gain - gas_cost_wei(case)
    if profit < case.plan.min_profit_wei:
        return f"{profit} wei remain after gas; the plan wants {case.plan.min_profit_wei}"
    return None


CHECKS: tuple[tuple[Reason, Callable[[Case], str | None]], ...] = (
    (Reason.SIGNER_VERDICT_MISMATCH, _matches),
    (Reason.SIGNER_VERDICT_FAILED, _ok),
    (Reason.SIGNER_VERDICT_STALE, _fresh),
    (Reason.SIGNER_VERDICT_UNPROFITABLE, _profitable),
)
