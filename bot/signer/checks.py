"""Every question a transaction must answer before it is signed, in order. The first refusal is the answer."""

from __future__ import annotations

from collections.abc import Callable

from bot.reasons import Reason, Refusal
from bot.signer.case import Case
from bot.signer.policy import MILLION, WETH_MARK, SignerPolicy
from bot.simulator.verdict import Outcome
from chains import executor
from chains.assets import Address
from chains.executor import CycleCall, HopKind, InvalidCallData

INTRINSIC_GAS = 21_000
HEADS_BEHIND = 1
CLOCK_SKEW_S = 1.0

WRAPPERS = frozenset({HopKind.ERC4626, HopKind.WRAPPED_NATIVE, HopKind.WSTETH})
"""Hops whose pool is the token they make, so that a token of ours may be one."""


def review(case: Case, answered: frozenset[Reason] = frozenset()) -> Refusal | None:
    """The first refusal of `CHECKS`, or None: everything not refused by then is permitted by name.

    Questions of the reasons `answered` were answered when the same call was signed before.
    """
    for reason, check in CHECKS:
        if reason not in answered and (problem := check(case)):
            return Refusal(reason, problem)
    return None


def _chain(case: Case) -> str | None:
    if case.request.chain_id != case.policy.chain_id:
        return f"chain id {case.request.chain_id} was asked for; the policy is for {case.policy.chain_id}"
    if case.plan.network != case.policy.network:
        return f"the plan is for network {case.plan.network!r}; the policy is for {case.policy.network!r}"
    return None


def _strategy(case: Case) -> str | None:
    known = case.policy.strategies
    return None if case.plan.strategy in known else f"strategy {case.plan.strategy!r} is not in the policy"


def _target(case: Case) -> str | None:
    target = case.policy.targets.get(case.request.target)
    if target is None:
        return f"{case.request.target} is not an executor of the policy"
    if case.request.code_hash != target.code_hash:
        return f"the code of {case.request.target} hashes to {case.request.code_hash}; {target.code_hash} is pinned"
    return None


def _call_data(case: Case) -> str | None:
    selector = "0x" + case.transaction.data[:4].hex()
    if selector not in case.policy.selectors:
        return f"selector {selector} is not in the policy"
    try:
        decoded = executor.decode(case.transaction.data)
    except InvalidCallData as error:
        return str(error)
    return None if decoded == case.call else "the call data does not decode to the plan it was built from"


def _tokens(case: Case) -> str | None:
    if isinstance(case.call, CycleCall):
        allowed = case.call.token in case.policy.profit_marks
        return None if allowed else f"{case.call.token} is not a profit token of the policy"
    for token in (case.call.token_in, case.call.token_out):
        if token not in case.policy.inventory_caps:
            return f"{token} is not an inventory token of the policy"
    return None


def _pools(case: Case) -> str | None:
    policy = case.policy
    ours = {case.request.target, case.target.inventory, policy.operator}
    tokens = {*policy.profit_marks, *policy.inventory_caps}
    for hop in case.call.hops:
        never = ours if hop.kind in WRAPPERS else ours | tokens
        if hop.pool in never or (policy.pools is not None and hop.pool not in policy.pools):
            return f"{hop.pool} is not a pool of the policy"
    return None


def _caps(case: Case) -> str | None:
    fees, caps = case.request.fees, case.policy.caps
    for name, value, cap in (
        ("gas limit", fees.gas_limit, caps.max_gas_limit),
        ("max fee", fees.max_fee_wei, caps.max_fee_wei),
        ("tip", fees.tip_wei, min(caps.max_tip_wei, fees.max_fee_wei)),
    ):
        if value > cap:
            return f"{name} {value} exceeds {cap}"
    if fees.gas_limit < INTRINSIC_GAS:
        return f"gas limit {fees.gas_limit} is below what any transaction costs"
    return None


def _amounts(case: Case) -> str | None:
    call = case.call
    if isinstance(call, CycleCall):
        return None
    cap = case.policy.inventory_caps[call.token_in]
    return f"{call.amount_in} base units exceed the cap of {cap} of {call.token_in}" if call.amount_in > cap else None


def _deadline(case: Case) -> str | None:
    deadline, newest = case.plan.deadline_block, case.newest_head
    last = newest + case.policy.caps.max_deadline_blocks
    if not newest < deadline <= last:
        return f"deadline block {deadline} is not within blocks {newest + 1} to {last}"
    return None


def _minimum(case: Case) -> str | None:
    plan, call, limits = case.plan, case.call, case.limits
    unwinds = not plan.atomic and not plan.orders
    # An unwinding earns nothing: what it may lose is bounded by the slippage below, and by the budgets.
    if not unwinds and plan.min_profit_wei < limits.min_profit_wei:
        return f"the plan accepts {plan.min_profit_wei} wei of profit; the policy wants {limits.min_profit_wei}"
    if isinstance(call, CycleCall):
        enforced, wanted = (
            _worth(case.policy, call.token, call.min_gain),
            limits.min_profit_wei + _gas_cost_wei(case),
        )
        if enforced < wanted:
            return f"the call enforces a gain of {enforced} wei; gas and the policy's profit come to {wanted}"
        return None
    quoted = plan.swaps[-1].amount_out
    least = quoted * (MILLION - case.policy.caps.max_slippage_ppm) // MILLION
    return f"min_out {call.min_out} is below {least}, the quote less the slippage" if call.min_out < least else None


def _verdict_matches(case: Case) -> str | None:
    verdict, plan = case.request.verdict, case.plan
    if verdict.tx_digest != case.transaction.digest:
        return f"{verdict.tx_digest} was simulated, but the plan builds {case.transaction.digest}"
    if verdict.block_number == plan.block_number and verdict.block_hash != plan.block_hash:
        return f"block {plan.block_number} was {verdict.block_hash} to the simulator, {plan.block_hash} to the plan"
    return None


def _verdict_ok(case: Case) -> str | None:
    verdict, fees = case.request.verdict, case.request.fees
    if verdict.outcome is not Outcome.OK:
        return f"the simulation ended {verdict.outcome}: {verdict.reason or 'no reason given'}"
    if not INTRINSIC_GAS <= verdict.gas_used <= fees.gas_limit or not 0 <= verdict.gas_price_wei <= fees.max_fee_wei:
        return f"gas of {verdict.gas_used} at {verdict.gas_price_wei} wei cannot be this transaction's"
    return None


def _verdict_fresh(case: Case) -> str | None:
    verdict, newest = case.request.verdict, case.newest_head
    oldest = max(newest - HEADS_BEHIND, case.plan.block_number)
    if not oldest <= verdict.block_number <= newest:
        return f"simulated on block {verdict.block_number}; only {oldest} to {newest} count"
    age_s = case.now_s - verdict.made_at_s
    if not -CLOCK_SKEW_S <= age_s <= case.policy.caps.max_verdict_age_s:
        return f"simulated {age_s:.1f} s ago; at most {case.policy.caps.max_verdict_age_s} s are allowed"
    return None


def _verdict_profitable(case: Case) -> str | None:
    verdict, call = case.request.verdict, case.call
    if isinstance(call, CycleCall):
        gain = _worth(case.policy, call.token, verdict.delta(case.request.target, call.token))
    else:
        inventory = case.target.inventory
        got, spent = verdict.delta(inventory, call.token_out), -verdict.delta(inventory, call.token_in)
        if got < call.min_out or spent > call.amount_in:
            return f"the inventory would get {got} for {spent}; the plan wants {call.min_out} for {call.amount_in}"
        gain = case.plan.expected_profit_wei
    profit = gain - _gas_cost_wei(case)
    if profit < case.plan.min_profit_wei:
        return f"{profit} wei remain after gas; the plan wants {case.plan.min_profit_wei}"
    return None


def _worst_case(case: Case) -> str | None:
    stated, gas = case.request.worst_case_wei, case.request.fees.worst_cost_wei
    return f"a worst case of {stated} wei is below the gas it may burn, {gas}" if stated < gas else None


def _gas_cost_wei(case: Case) -> int:
    """What the simulation burnt, and the most the transaction's bytes may cost besides."""
    return case.request.verdict.gas_cost_wei + case.request.fees.data_fee_wei


def _worth(policy: SignerPolicy, token: Address, units: int) -> int:
    """What base units of a profit token are worth in wei of ETH, rounded down, by the policy's cautious mark."""
    return units * policy.profit_marks[token] // WETH_MARK


CHECKS: tuple[tuple[Reason, Callable[[Case], str | None]], ...] = (
    (Reason.SIGNER_CHAIN_ID, _chain),
    (Reason.SIGNER_STRATEGY, _strategy),
    (Reason.SIGNER_TARGET, _target),
    (Reason.SIGNER_CALLDATA, _call_data),
    (Reason.SIGNER_TOKEN, _tokens),
    (Reason.SIGNER_POOL, _pools),
    (Reason.SIGNER_LIMIT, _caps),
    (Reason.SIGNER_LIMIT, _amounts),
    (Reason.SIGNER_DEADLINE, _deadline),
    (Reason.SIGNER_MIN_PROFIT, _minimum),
    (Reason.SIGNER_VERDICT_MISMATCH, _verdict_matches),
    (Reason.SIGNER_VERDICT_FAILED, _verdict_ok),
    (Reason.SIGNER_VERDICT_STALE, _verdict_fresh),
    (Reason.SIGNER_VERDICT_UNPROFITABLE, _verdict_profitable),
    (Reason.SIGNER_BUDGET, _worst_case),
)
