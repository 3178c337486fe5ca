"""What may stand in place of a signed transaction: the same call for higher fees, or nothing at all to free its nonce.

Both are signed by rules of their own. The call is not: it is the one that was judged when it was first signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.reasons import Reason, Refusal
from bot.signer.case import AMOUNT_LIMIT, Case
from bot.signer.entries import Entry
from bot.signer.policy import SignerPolicy
from bot.transaction import Fees, UnsignedTransaction, read_signed

MOST_ATTEMPTS = 6
"""How often a call is signed, the first time included; and how often a NOOP is."""

ANSWERED = frozenset({Reason.SIGNER_MIN_PROFIT})
"""What the call enforces was judged when it was first signed. It stays as it was; the verdict must show the profit."""

_INTRINSIC_GAS = 21_000


def never_signed(intent_id: str) -> Refusal:
    """There is nothing to stand in place of."""
    return _refused(f"intent {intent_id} was never signed")


def same_call(entry: Entry, case: Case) -> Refusal | None:
    """Why `case` is not `entry`'s call with other fees, or comes too late."""
    intent_id = entry.intent_id
    if entry.settlement is not None:
        return _refused(f"intent {intent_id} is settled; its call is not signed again")
    if case.plan.id != entry.plan_id or _call(case.transaction) != _call(read_signed(entry.raw, entry.sender)):
        return _refused(f"intent {intent_id} was signed as another call")
    return None


def noop(entry: Entry, fees: Fees, policy: SignerPolicy) -> UnsignedTransaction | Refusal:
    """The transaction that frees `entry`'s nonce: nothing, from the operator that holds it to itself."""
    if entry.settlement is not None and entry.settlement.abandoned:
        return _refused(f"intent {entry.intent_id} was settled as never sent; its nonce is free")
    if entry.sender not in policy.operators:
        return _refused(f"intent {entry.intent_id} was signed by {entry.sender}, which is no operator of the policy")
    caps = policy.caps
    for name, value, least, most in (
        ("gas limit", fees.gas_limit, _INTRINSIC_GAS, caps.max_gas_limit),
        ("max fee", fees.max_fee_wei, 0, caps.max_fee_wei),
        ("tip", fees.tip_wei, 0, min(caps.max_tip_wei, fees.max_fee_wei)),
        ("data fee", fees.data_fee_wei, 0, AMOUNT_LIMIT - 1),
        ("cost", policy.coin.cost_wei(fees.worst_cost_wei), 0, entry.worst_case_wei),
    ):
        if not least <= value <= most:
            return _refused(f"a NOOP's {name} of {value} is not within {least} and {most}")
    return UnsignedTransaction(
        chain_id=entry.chain_id,
        nonce=entry.nonce,
        sender=entry.sender,
        to=entry.sender,
        value_wei=0,
        data=b"",
        gas_limit=fees.gas_limit,
        max_fee_wei=fees.max_fee_wei,
        tip_wei=fees.tip_wei,
    )


def outbids(earlier: Sequence[UnsignedTransaction], wanted: UnsignedTransaction) -> Refusal | None:
    """Why nodes would not take `wanted` in place of `earlier`, or why it is one too many."""
    alike = [before for before in earlier if bool(before.data) == bool(wanted.data)]
    if len(alike) >= MOST_ATTEMPTS:
        return _refused(f"nonce {wanted.nonce} was signed {len(alike)} times; at most {MOST_ATTEMPTS} are allowed")
    if wanted.data and not all(before.data for before in earlier):
        return _refused(f"nonce {wanted.nonce} is being cancelled; its call is not signed again")
    for before in earlier:
        max_fee, tip = least_above(before.max_fee_wei), least_above(before.tip_wei)
        if wanted.max_fee_wei < max_fee or wanted.tip_wei < tip:
            return _refused(f"a replacement offers at least {max_fee} wei per gas, of which {tip} are the tip")
    return None


def least_above(fee_wei: int) -> int:
    """The least fee that replaces one of `fee_wei` per gas everywhere: an eighth more, rounded up, at least one wei."""
    return max(-(-fee_wei * 9 // 8), fee_wei + 1)


def raised(entry: Entry, case: Case) -> Entry:
    """`entry` with the worst case of `case`, where that is more."""
    return replace(
        entry,
        worst_case_wei=max(entry.worst_case_wei, case.request.worst_case_wei),
        worst_gas_wei=max(entry.worst_gas_wei, case.worst_gas_wei),
    )


def _call(transaction: UnsignedTransaction) -> UnsignedTransaction:
    return replace(transaction, gas_limit=0, max_fee_wei=0, tip_wei=0)


def _refused(detail: str) -> Refusal:
    return Refusal(Reason.SIGNER_REPLACEMENT, detail)
