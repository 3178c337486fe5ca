"""One decision on one screen: what was seen, what was decided, what was risked, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from bot.gas import ether
from bot.ledger.history import History, RecordedVerdict
from bot.ledger.states import MinedAs
from bot.plan import Plan
from bot.replay.codec import decode
from bot.replay.player import Decision
from bot.replay.recorder import Kind
from bot.replay.tape import read_tape
from bot.risk.budget import Budget
from bot.risk.usage import Usage
from bot.telling import eth, times
from chains.assets import Token

_USED = {
    "capital_wei": ("capital_wei",),
    "hour_loss_wei": ("hour_loss_wei", "reserved_loss_wei"),
    "day_loss_wei": ("day_loss_wei", "reserved_loss_wei"),
    "gas_day_wei": ("gas_day_wei", "reserved_gas_wei"),
    "drawdown_wei": ("drawdown_wei",),
}
"""What counts against each limit."""

_BECAME = {MinedAs.REVERTED.value: "reverted", MinedAs.NOOP.value: "cancelled"}
"""What a block made of a transaction that did not do what it was to do."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the tape knows of a decision beside the ledger: how the route was priced, and what the budget was then."""

    explanation: str | None
    budget: Budget | None
    usage: Usage | None

    def left(self) -> dict[str, int]:
        """What was left of each limit, in wei; of one that is not summed, the limit itself."""
        if self.budget is None or self.usage is None:
            return {}
        return {
            limit.name: getattr(self.budget, limit.name)
            - sum(getattr(self.usage, used) for used in _USED.get(limit.name, ()))
            for limit in fields(self.budget)
        }


def circumstances(recording: Path, history: History) -> Circumstances:
    """Read a tape up to the decision. Raises `NoTape`, `OSError`."""
    plan, explanation = history.plan, None
    standing: Any = None
    for record in read_tape(recording):
        if record[0] == Kind.SEEN and record[1:4] == [plan.block_number, plan.strategy, plan.note]:
            explanation = record[4]
        elif record[0] == Kind.DECISION and standing is None and Decision(record[1], record[2]).plan_id == plan.id:
            standing = decode(record[3])
        elif record[0] == Kind.EVENT and standing is not None:
            break
    budget, usage = standing or (None, None)
    return Circumstances(explanation, budget, usage)


def screen(history: History, found: Circumstances | None) -> Iterator[str]:
    """The decision as lines for a person."""
    decision, plan = history.decision, history.plan
    yield f"{decision.status}  {plan.strategy}  block {plan.block_number}  plan {plan.id}"
    yield plan.note
    if found is not None and found.explanation:
        yield from found.explanation.splitlines()[1:]
    else:
        for swap in plan.swaps:
            sold, bought = swap.token_in.whole(swap.amount_in), swap.token_out.whole(swap.amount_out)
            yield f"  {swap.hop.pool}: {sold:f} {swap.token_in.symbol} -> {bought:f} {swap.token_out.symbol}"
    for order in plan.orders:
        amount = order.base.whole(order.amount)
        yield f"  {order.exchange}: {order.side} {amount:f} {order.base.symbol} at {order.limit_price} or better"
    yield f"expected {eth(plan.expected_profit_wei)} before gas, at least {ether(plan.min_profit_wei)} after it"
    yield f"gas estimated {plan.gas_estimate}, to land by block {plan.deadline_block}"
    for verdict in _told_apart(history.verdicts):
        cost = ether(verdict.gas_cost_wei)
        why = f": {verdict.reason}" if verdict.reason else ""
        yield f"verdict {verdict.outcome} on block {verdict.block_number}, gas {verdict.gas_used} for {cost}{why}"
        for borne in verdict.moved:
            said = f"{eth(borne.left_wei)} after gas" if borne.settles else f"reverts, {eth(borne.left_wei)}"
            yield f"  if its pools move {borne.bps} bps against it: {said}"
    for name, wei in (found.left() if found is not None else {}).items():
        yield f"budget {name.removesuffix('_wei').replace('_', ' ')}: {ether(wei)} left"
    for refusal in history.refusals:
        yield f"refused: {refusal.reason}: {refusal.detail}"
    intent = history.intent
    if intent is not None:
        fees = f"max fee {intent.max_fee_wei / 1e9:g} gwei, tip {intent.tip_wei / 1e9:g} gwei"
        signed = f"gas limit {intent.gas_limit}, signed {times(intent.attempts)}"
        yield f"intent {intent.id} {intent.state}, nonce {intent.nonce}, {fees}, {signed}"
        if intent.block_number is not None:
            became = _BECAME.get(decision.mined_as or "", "mined")
            yield f"{became} in block {intent.block_number}, gas {intent.gas_used} for {ether(intent.gas_wei)}"
        yield f"exposure {intent.exposure}" + (f", transaction {decision.tx_hash}" if decision.tx_hash else "")
    shown = partial(_amount, {token.address: token for token in _tokens(plan)})
    for fill in history.fills:
        moved = f"{shown(fill.token_in, fill.amount_in)} for {shown(fill.token_out, fill.amount_out)}"
        yield f"  filled at {fill.venue}: {moved}{f', undone by {fill.undone_by}' if fill.undone else ''}"
    if decision.profit_wei is not None:
        yield f"came to {eth(decision.profit_wei)} after gas and fees"


def _told_apart(verdicts: Sequence[RecordedVerdict]) -> Iterator[RecordedVerdict]:
    """One of those in a row that differ in nothing a person is told: the same plan on terms that pay for more gas."""
    before = None
    for verdict in verdicts:
        told = replace(verdict, tx_digest="")
        if told != before:
            yield verdict
        before = told


def _tokens(plan: Plan) -> Iterator[Token]:
    for swap in plan.swaps:
        yield from (swap.token_in, swap.token_out)
    for order in plan.orders:
        yield from (order.base, order.quote)


def _amount(tokens: Mapping[str, Token], address: str, units: int) -> str:
    """In whole tokens where the plan knows the token: what unwinds it may go through others."""
    token = tokens.get(address)
    return f"{units} of {address}" if token is None else f"{token.whole(units):f} {token.symbol}"
