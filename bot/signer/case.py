"""The transaction that settles a plan, built here from the plan alone, and all there is to judge it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, pairwise

from bot.plan import InvalidPlan, Plan, Swap, decode_plan
from bot.reasons import Reason, Refusal
from bot.signer.entries import Entry
from bot.signer.policy import MILLION, WETH_MARK, SignerPolicy, StrategyLimits, Target
from bot.signer.protocol import SignRequest
from bot.signer.switch import ACTIVE, Switch
from bot.signer.worth import inventory_worth
from bot.transaction import UnsignedTransaction, read_signed
from chains import executor
from chains.assets import ZERO_ADDRESS, Address, InvalidAddress, address
from chains.executor import CycleCall, ExecutorCall, HopKind, InvalidCallData

AMOUNT_LIMIT = 2**128
NONCE_LIMIT = 2**63
BLOCK_LIMIT = 2**63
DEADLINE_LIMIT = 2**48
"""What the executor's call has room for."""

GAS_LIMIT = 2**63
FEE_PPM_LIMIT = 2**24
MAX_INTENT_ID_LENGTH = 128

NATIVE_KINDS = frozenset({HopKind.WRAPPED_NATIVE, HopKind.UNISWAP_V4})
"""Hops that may take or give the native coin, under the zero address."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: the request, the transaction built from it, and what the signer itself knows.

    `payload` are the very bytes that would be signed. `newest_head` is the highest block number any request ever named;
    `now_s` is the wall clock. `switch` is how the kill switch stands for the strategy, `reduces` whether the plan
    takes back one that was signed before, and `taken_back_wei` what of the inventory that one had out.
    """

    policy: SignerPolicy
    request: SignRequest
    plan: Plan
    call: ExecutorCall
    transaction: UnsignedTransaction
    payload: bytes
    newest_head: int
    now_s: float
    switch: Switch = ACTIVE
    reduces: bool = False
    taken_back_wei: int = 0

    @property
    def limits(self) -> StrategyLimits:
        return self.policy.strategies[self.plan.strategy]

    @property
    def target(self) -> Target:
        return self.policy.targets[self.request.target]

    @property
    def unwinds(self) -> bool:
        """Whether it takes back the chain side of another plan, which earns nothing."""
        return not self.plan.atomic and not self.plan.orders

    def takes_back(self, begun: Entry) -> bool:
        """Whether it exchanges, the other way, what its strategy exchanged before."""
        try:
            before = executor.decode(read_signed(begun.raw, begun.sender).data)
        except InvalidCallData:
            return False
        if begun.strategy != self.plan.strategy or isinstance(before, CycleCall) or isinstance(self.call, CycleCall):
            return False
        return (before.token_in, before.token_out) == (self.call.token_out, self.call.token_in)

    @property
    def capital_wei(self) -> int:
        """What the inventory hands over, at the policy's marks, rounded down; 0 for a cycle, which borrows."""
        if self.plan.atomic:
            return 0
        swap = self.plan.swaps[0]
        return self.plan.amount_in * self.policy.inventory_marks.get(Address(swap.token_in.address), 0) // WETH_MARK

    @property
    def exposure_wei(self) -> int:
        """The part of `capital_wei` that is out once it is signed: all of it, unless it takes back what was out before,
        which may be worth more by now, within the drift that is allowed.
        """
        if not self.reduces:
            return self.capital_wei
        least_wei = self.capital_wei * (MILLION - self.policy.caps.max_drift_ppm) // MILLION
        return max(0, least_wei - self.taken_back_wei)

    @property
    def worst_gas_wei(self) -> int:
        """The most its gas may cost, in wei of ETH by the policy's mark of the coin."""
        return self.policy.coin.cost_wei(self.request.fees.worst_cost_wei)

    @property
    def least_worst_case_wei(self) -> int:
        """The least a request may state as its worst case: its gas, and what an exchange may lose by the policy. Where
        no order follows and no trade went before it, that is all it may give up by the policy's marks.
        """
        loss_wei = self.capital_wei * self.policy.caps.exchange_loss_ppm // MILLION
        if self.unwinds and not self.plan.unwinds:
            bought = Address(self.plan.swaps[-1].token_out.address)
            back_wei = inventory_worth(self.policy, bought, self.request.min_out) or 0
            loss_wei = max(loss_wei, self.capital_wei - back_wei)
        return self.worst_gas_wei + loss_wei


def build(policy: SignerPolicy, request: SignRequest, *, newest_head: int, now_s: float) -> Case | Refusal:
    """The transaction that settles the request's plan; nothing of the caller's bytes goes into it unparsed."""
    try:
        plan = decode_plan(request.plan)
    except InvalidPlan as error:
        return Refusal(Reason.SIGNER_MALFORMED, f"plan: {error}")
    if problem := _request_problem(request) or plan_problem(plan):
        return Refusal(Reason.SIGNER_MALFORMED, problem)
    call = plan.executor_call(request.min_gain, request.min_out)
    try:
        data = executor.encode(call)
    except InvalidCallData as error:
        return Refusal(Reason.SIGNER_MALFORMED, str(error))
    transaction = UnsignedTransaction(
        chain_id=policy.chain_id,
        nonce=request.nonce,
        sender=request.sender,
        to=request.target,
        value_wei=0,
        data=data,
        gas_limit=request.fees.gas_limit,
        max_fee_wei=request.fees.max_fee_wei,
        tip_wei=request.fees.tip_wei,
    )
    return Case(policy, request, plan, call, transaction, transaction.payload(), newest_head, now_s)


def _request_problem(request: SignRequest) -> str | None:
    if not 0 < len(request.intent_id) <= MAX_INTENT_ID_LENGTH:
        return f"intent id of {len(request.intent_id)} characters; 1 to {MAX_INTENT_ID_LENGTH} are allowed"
    naturals: Mapping[str, tuple[int, int]] = {
        "nonce": (request.nonce, AMOUNT_LIMIT),
        "head_number": (request.head_number, BLOCK_LIMIT),
        "gas_limit": (request.fees.gas_limit, GAS_LIMIT),
        "max_fee_wei": (request.fees.max_fee_wei, AMOUNT_LIMIT),
        "tip_wei": (request.fees.tip_wei, AMOUNT_LIMIT),
        "data_fee_wei": (request.fees.data_fee_wei, AMOUNT_LIMIT),
        "min_gain": (request.min_gain, AMOUNT_LIMIT),
        "min_out": (request.min_out, AMOUNT_LIMIT),
        "worst_case_wei": (request.worst_case_wei, AMOUNT_LIMIT),
    }
    for name, (value, limit) in naturals.items():
        if not 0 <= value < limit:
            return f"{name} {value} is out of range"
    return None


def plan_problem(plan: Plan) -> str | None:
    """Why `plan` is none that could ever be signed, whatever its strategy may; None where it may be."""
    texts = (plan.strategy, plan.network, plan.block_hash, plan.note, plan.unwinds)
    if not all(isinstance(text, str) for text in texts):
        return "the plan's strategy, network, block hash, note and unwinds must be text"
    if not isinstance(plan.atomic, bool):
        return "the plan's atomic must be true or false"
    if not 0 <= plan.deadline_block < DEADLINE_LIMIT:
        return f"deadline block {plan.deadline_block} is out of range"
    if not 0 <= plan.deadline_s < DEADLINE_LIMIT:
        return f"deadline second {plan.deadline_s} is out of range"
    swaps = plan.swaps
    if not swaps or plan.legs[: len(swaps)] != swaps:
        return "a plan begins with its swaps, at least one"
    if problem := next(filter(None, map(_swap_problem, swaps)), None):
        return problem
    for before, after in chain.from_iterable(map(pairwise, plan.routes)):
        if before.token_out.address != after.token_in.address:
            return f"a swap gives {before.token_out.address}, but the next takes {after.token_in.address}"
    if len({route[-1].token_out.address for route in plan.routes}) > 1:
        return "the routes of a plan end in one token"
    if plan.orders and len(plan.routes) > 1:
        return "a plan with orders has one route"
    closed = swaps[0].token_in.address == swaps[-1].token_out.address
    if plan.atomic and (plan.orders or not closed):
        return "an atomic plan is a closed cycle of swaps"
    if not plan.atomic and closed:
        return "an exchange ends in another token than it begins with"
    return None


def _swap_problem(swap: Swap) -> str | None:
    native = (ZERO_ADDRESS,) if swap.hop.kind in NATIVE_KINDS else ()
    for text, others in (
        (swap.hop.pool, ()),
        (swap.token_in.address, native),
        (swap.token_out.address, native),
    ):
        if text not in others and not _is_address(text):
            return f"{text!r} is not an EIP-55 address"
    if swap.hop.route is not None and swap.hop.route.token_out != swap.token_out.address:
        return f"the hop buys {swap.hop.route.token_out}, but its swap {swap.token_out.address}"
    if not isinstance(swap.hop.zero_for_one, bool):
        return "zero_for_one must be true or false"
    if not 0 <= swap.hop.fee_ppm < FEE_PPM_LIMIT:
        return f"fee_ppm {swap.hop.fee_ppm} is out of range"
    if not (0 < swap.amount_in < AMOUNT_LIMIT and 0 < swap.amount_out < AMOUNT_LIMIT):
        return f"swap amounts {swap.amount_in} and {swap.amount_out} are out of range"
    return None


def _is_address(text: object) -> bool:
    try:
        return isinstance(text, str) and text != ZERO_ADDRESS and address(text) == text
    except InvalidAddress:
        return False
