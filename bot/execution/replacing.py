"""The rules by which a transaction that no block has taken is sent again, outbid, or cancelled. Nothing here does I/O.

A transaction is outbid by the same call with the same nonce for higher fees, and cancelled by a NOOP to ourselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from bot.ledger.states import AttemptKind, least_bump, most_to_outbid
from bot.transaction import Fees
from chains.networks.gas import Offer
from chains.node.sending import SendCause

NEVER_TAKEN = frozenset({SendCause.INSUFFICIENT_FUNDS, SendCause.GAS_LIMIT, SendCause.MALFORMED})
"""Refusals that sending the same bytes again does not change."""

BARRING = NEVER_TAKEN | {SendCause.WRONG_CHAIN}
"""Refusals after which nothing new leaves: it would be refused as well. What is signed is for this chain, so a node
that says otherwise is itself on another, and takes it once it is back."""

IN_DOUBT = frozenset({SendCause.NONCE_TOO_LOW, SendCause.REPLACEMENT_UNDERPRICED})
"""Refusals that say that the nonce is somebody's: ours, as the chain will show, or a stranger's."""


@dataclass(frozen=True, slots=True)
class ReplacementPolicy:
    """A transaction is outbid when it has waited `after_blocks`, and is signed at most `most_attempts` times.

    `max_fee_wei` and `max_tip_wei` are per gas: what would have to offer more is only sent again.
    """

    max_fee_wei: int
    max_tip_wei: int
    after_blocks: int = 2
    most_attempts: int = 6

    def for_calls(self) -> ReplacementPolicy:
        """The same for a call, which never offers so much that a NOOP could not outbid it any more."""
        return replace(self, max_fee_wei=most_to_outbid(self.max_fee_wei), max_tip_wei=most_to_outbid(self.max_tip_wei))


class Step(StrEnum):
    """What to do about a transaction that a block has not taken."""

    WAIT = "wait"
    RESEND = "resend"
    BUMP = "bump"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of it at a head.

    `signed` counts attempts of the newest one's `kind`; `age_blocks` is since that one left. `known` is whether a
    destination has it, `refused` why none would. `expired`: no block to come may hold the call. `unwanted`: it should
    not land any more. `outgrown`: the next block charges more than it offers. `topped_up`: its account has got coins.
    """

    kind: AttemptKind
    signed: int
    age_blocks: int
    known: bool
    refused: SendCause | None = None
    expired: bool = False
    unwanted: bool = False
    outgrown: bool = False
    topped_up: bool = False

    def may_be_signed(self, most: int) -> bool:
        """Whether one more of at most `most` may be. Half of the NOOPs are for a market that has outgrown the last:
        waiting alone, for a node that loses what it takes or behind another nonce, must not leave none for that.
        """
        return self.signed < (most // 2 if self.kind is AttemptKind.NOOP and not self.outgrown else most)


def next_step(standing: Standing, policy: ReplacementPolicy) -> Step:
    """What to do now. Outbidding and cancelling may turn out to be too dear; then it is sent again."""
    refused = standing.refused
    if standing.kind is AttemptKind.CALL and (standing.expired or standing.unwanted or refused in NEVER_TAKEN):
        return Step.CANCEL
    waited = standing.known and standing.age_blocks >= policy.after_blocks
    due = waited or refused is SendCause.FEE_TOO_LOW
    if refused in NEVER_TAKEN:
        # A NOOP that cannot be paid for. Without coins it is tried again ever more seldom.
        return Step.RESEND if standing.topped_up or standing.age_blocks.bit_count() == 1 else Step.WAIT
    if due and standing.may_be_signed(policy.most_attempts):
        return Step.BUMP
    return Step.RESEND if due or not standing.known else Step.WAIT


def outbidding(old: Fees, market: Offer, policy: ReplacementPolicy) -> Fees | None:
    """Fees that replace `old` at any node, and meet `market` as far as the policy allows; None where it does not.

    Both fees rise by an eighth at least, rounded up, though nodes ask for a tenth: a wei of rounding must not decide.
    """
    max_fee = max(least_bump(old.max_fee_wei), old.max_fee_wei + 1, min(market.max_fee_wei, policy.max_fee_wei))
    tip = max(least_bump(old.tip_wei), old.tip_wei + 1, min(market.tip_wei, policy.max_tip_wei))
    max_fee = max(max_fee, tip)
    if max_fee > policy.max_fee_wei or tip > policy.max_tip_wei:
        return None
    return Fees(old.gas_limit, max_fee, tip, old.data_fee_wei)
