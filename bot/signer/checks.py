"""Every question a transaction must answer before it is signed, in order. The first refusal is the answer.

Nothing is permitted by default: what no check refuses has been permitted by name in every respect. What the simulation
said is asked about in `attested`; budgets and breakers, which need the journal, come after these.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.plan import Swap
from bot.reasons import Reason, Refusal
from bot.signer import attested
from bot.signer.case import AMOUNT_LIMIT, NATIVE_KINDS, NONCE_LIMIT, Case
from bot.signer.envelope import Envelope, WrongType, read
from bot.signer.forbidden import forbidden_in
from bot.signer.policy import MILLION, SignerPolicy
from bot.signer.switch import Trading
from bot.signer.worth import inventory_worth, worth
from chains import executor
from chains.assets import ZERO_ADDRESS, Address
from chains.executor import CycleCall, InvalidCallData
from chains.hops import WRAPPERS
from chains.loans import SINGLETONS

INTRINSIC_GAS = 21_000

MOST_DEADLINE_S = 3600
"""How far past the wall clock a plan's last second may be: it bounds a call where blocks are counted otherwise."""

Check = Callable[[Case], str | None]


def review(case: Case, answered: frozenset[Reason] = frozenset()) -> Refusal | None:
    """The first refusal of `CHECKS`, or None: everything not refused by then is permitted by name.

    Questions of the reasons `answered` were answered when the same call was signed before.
    """
    for reason, check in CHECKS:
        if reason not in answered and (problem := check(case)):
            return Refusal(reason, problem)
    return None


def stopped(case: Case) -> Refusal | None:
    """Why the kill switch stands against it, or None. Bytes that were signed before are not given again either."""
    for reason, check in CHECKS[:2]:
        if problem := check(case):
            return Refusal(reason, problem)
    return None


def _halted(case: Case) -> str | None:
    return str(case.switch) if case.switch.state is Trading.HALTED else None


def _reducing(case: Case) -> str | None:
    if case.switch.state is not Trading.REDUCING or case.reduces:
        return None
    return f"{case.switch}; only what takes back an earlier plan is signed"


def _chain(case: Case) -> str | None:
    if case.request.chain_id != case.policy.chain_id:
        return f"chain id {case.request.chain_id} was asked for; the policy is for {case.policy.chain_id}"
    return None


def _network(case: Case) -> str | None:
    if case.plan.network != case.policy.network:
        return f"the plan is for network {case.plan.network!r}; the policy is for {case.policy.network!r}"
    return None


def _operator(case: Case) -> str | None:
    sender = case.transaction.sender
    return None if sender in case.policy.operators else f"{sender} is not an operator of the policy"


def _type(case: Case) -> str | None:
    try:
        envelope = read(case.payload)
    except WrongType as error:
        return str(error)
    return None if envelope == _approved(case) else "the bytes do not read back as the transaction that was built"


def _approved(case: Case) -> Envelope:
    tx = case.transaction
    return Envelope(tx.chain_id, tx.nonce, tx.tip_wei, tx.max_fee_wei, tx.gas_limit, tx.to, tx.value_wei, tx.data)


def _target(case: Case) -> str | None:
    known = case.request.target in case.policy.targets
    return None if known else f"{case.request.target} is not an executor of the policy"


def _code(case: Case) -> str | None:
    pinned = case.target.code_hash
    for who, found in (("the engine", case.request.code_hash), ("the simulation", case.request.verdict.code_hash)):
        if found != pinned:
            return f"{who} found code at {case.request.target} that hashes to {found or 'nothing'}; {pinned} is pinned"
    return None


def _selector(case: Case) -> str | None:
    selector = "0x" + case.transaction.data[:4].hex()
    return None if selector in case.policy.selectors else f"selector {selector} is not in the policy"


def _call_data(case: Case) -> str | None:
    try:
        decoded = executor.decode(case.transaction.data)
    except InvalidCallData as error:
        return str(error)
    return None if decoded == case.call else "the call data does not decode to the plan it was built from"


def _strategy(case: Case) -> str | None:
    known = case.policy.strategies
    return None if case.plan.strategy in known else f"strategy {case.plan.strategy!r} is not in the policy"


def _tokens(case: Case) -> str | None:
    if isinstance(case.call, CycleCall):
        if case.call.token not in case.policy.profit_marks:
            return f"{case.call.token} is not a profit token of the policy"
    else:
        for token in (case.call.token_in, case.call.token_out):
            if token not in case.policy.inventory_caps:
                return f"{token} is not an inventory token of the policy"
    return _strategy_tokens(case)


def _strategy_tokens(case: Case) -> str | None:
    tokens = case.limits.tokens
    if tokens is None:
        return None
    for swap in case.plan.swaps:
        free = {ZERO_ADDRESS} if swap.hop.kind in NATIVE_KINDS else set()
        for token in (swap.token_in.address, swap.token_out.address):
            if token not in tokens | free:
                return f"{token} is not a token of {case.plan.strategy}"
    return None


def _pools(case: Case) -> str | None:
    policy, own = case.policy, case.limits.pools
    ours = {case.request.target, case.target.inventory, *policy.operators}
    tokens = {*policy.profit_marks, *policy.inventory_caps}
    for hop, swap in zip(case.call.hops, case.plan.swaps, strict=True):
        # The venue of such a hop is the token it makes, which may be one of ours.
        never = ours if hop.kind in WRAPPERS else ours | tokens
        listed = policy.pools is None or hop.pool in policy.pools
        if hop.pool in never or not (listed or _made(policy, swap)):
            return f"{hop.pool} is not a pool of the policy"
        if own is not None and hop.pool not in own:
            return f"{hop.pool} is not a pool of {case.plan.strategy}"
    return _lending_pool(case, ours | tokens)


def _lending_pool(case: Case, never: set[Address]) -> str | None:
    loan, listed = case.plan.loan, case.policy.pools
    if loan is None or loan.lender in SINGLETONS:
        return None
    unknown = loan.pool in never or (listed is not None and loan.pool not in listed)
    return f"{loan.pool}, which lends, is not a pool of the policy" if unknown else None


def _made(policy: SignerPolicy, swap: Swap) -> bool:
    """Whether a factory of the policy makes this pool of these tokens: it may be younger than the policy's list."""
    pair = swap.token_in.address, swap.token_out.address
    return any(maker.makes(swap.hop.pool, *pair) for maker in policy.makers)


def _forbidden(case: Case) -> str | None:
    found = forbidden_in(case.transaction.data)
    return f"its call data holds {found}, which is never signed" if found else None


def _value(case: Case) -> str | None:
    value, cap = case.transaction.value_wei, min(case.policy.caps.max_value_wei, AMOUNT_LIMIT - 1)
    return f"it sends {value} wei along; at most {cap} are allowed" if value > cap else None


def _gas_limit(case: Case) -> str | None:
    gas_limit, cap = case.request.fees.gas_limit, case.policy.caps.max_gas_limit
    if not INTRINSIC_GAS <= gas_limit <= cap:
        return f"gas limit {gas_limit} is not within {INTRINSIC_GAS}, which any transaction costs, and {cap}"
    return None


def _max_fee(case: Case) -> str | None:
    max_fee, cap = case.request.fees.max_fee_wei, case.policy.caps.max_fee_wei
    return f"max fee {max_fee} exceeds {cap}" if max_fee > cap else None


def _tip(case: Case) -> str | None:
    fees, cap = case.request.fees, case.policy.caps.max_tip_wei
    if fees.tip_wei > fees.max_fee_wei:
        return f"tip {fees.tip_wei} exceeds the max fee of {fees.max_fee_wei}"
    return f"tip {fees.tip_wei} exceeds {cap}" if fees.tip_wei > cap else None


def _nonce(case: Case) -> str | None:
    nonce = case.transaction.nonce
    return f"nonce {nonce} is not below 2^63" if nonce >= NONCE_LIMIT else None


def _amount(case: Case) -> str | None:
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
    latest_s = int(case.now_s) + MOST_DEADLINE_S
    if case.plan.deadline_s > latest_s:
        return f"its last second, {case.plan.deadline_s}, is after {latest_s}, {MOST_DEADLINE_S} s ahead"
    return None


def _min_profit(case: Case) -> str | None:
    plan, call, limits = case.plan, case.call, case.limits
    # An unwinding earns nothing: what it may lose is bounded by slippage, drift and the budgets.
    if not case.unwinds and plan.min_profit_wei < limits.min_profit_wei:
        return f"the plan accepts {plan.min_profit_wei} wei of profit; the policy wants {limits.min_profit_wei}"
    if not isinstance(call, CycleCall):
        return None
    enforced = worth(case.policy.profit_marks, call.token, call.min_gain)
    wanted = limits.min_profit_wei + attested.gas_cost_wei(case)
    if enforced < wanted:
        return f"the call enforces a gain of {enforced} wei; gas and the policy's profit come to {wanted}"
    return None


def _slippage(case: Case) -> str | None:
    if isinstance(case.call, CycleCall):
        return None
    least = case.plan.amount_out * (MILLION - case.policy.caps.max_slippage_ppm) // MILLION
    return (
        f"min_out {case.call.min_out} is below {least}, the quote less the slippage"
        if case.call.min_out < least
        else None
    )


def _price(case: Case) -> str | None:
    """A quote is the engine's word; the policy's marks are the signer's own."""
    call = case.call
    if isinstance(call, CycleCall):
        return None
    paid = inventory_worth(case.policy, call.token_in, call.amount_in)
    got = inventory_worth(case.policy, call.token_out, call.min_out)
    if paid is None or got is None:
        return "the policy has no mark for a token it exchanges"
    least = paid * (MILLION - case.policy.caps.max_drift_ppm) // MILLION
    return (
        f"it gives {paid} wei for as little as {got}; by the policy's marks {least} are the least"
        if got < least
        else None
    )


def _worst_case(case: Case) -> str | None:
    stated, least = case.request.worst_case_wei, case.least_worst_case_wei
    return f"a worst case of {stated} wei is stated; gas and the exchange may lose {least}" if stated < least else None


CHECKS: tuple[tuple[Reason, Check], ...] = (
    (Reason.SIGNER_HALTED, _halted),
    (Reason.SIGNER_REDUCING, _reducing),
    (Reason.SIGNER_CHAIN_ID, _chain),
    (Reason.SIGNER_NETWORK, _network),
    (Reason.SIGNER_OPERATOR, _operator),
    (Reason.SIGNER_TYPE, _type),
    (Reason.SIGNER_TARGET, _target),
    (Reason.SIGNER_CODE_HASH, _code),
    (Reason.SIGNER_SELECTOR, _selector),
    (Reason.SIGNER_CALLDATA, _call_data),
    (Reason.SIGNER_STRATEGY, _strategy),
    (Reason.SIGNER_TOKEN, _tokens),
    (Reason.SIGNER_POOL, _pools),
    (Reason.SIGNER_FORBIDDEN, _forbidden),
    (Reason.SIGNER_VALUE, _value),
    (Reason.SIGNER_GAS_LIMIT, _gas_limit),
    (Reason.SIGNER_MAX_FEE, _max_fee),
    (Reason.SIGNER_TIP, _tip),
    (Reason.SIGNER_NONCE, _nonce),
    (Reason.SIGNER_AMOUNT, _amount),
    (Reason.SIGNER_DEADLINE, _deadline),
    (Reason.SIGNER_MIN_PROFIT, _min_profit),
    (Reason.SIGNER_SLIPPAGE, _slippage),
    (Reason.SIGNER_PRICE, _price),
    *attested.CHECKS,
    (Reason.SIGNER_WORST_CASE, _worst_case),
)
