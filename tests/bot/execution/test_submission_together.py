"""Several transactions that no block has taken: what replaces them is written down at once, before any of it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import event

from bot.execution.routes import Routes
from bot.execution.transactions import TransactionDesk
from bot.ledger.errors import LedgerFull
from bot.ledger.ledger import Ledger
from bot.ledger.records import Attempt
from bot.ledger.states import AttemptKind, IntentState
from bot.plan import Plan
from bot.simulator.verdict import Verdict
from chains.blocks import Block
from chains.node import SendOutcome, SendStatus
from chains.node.errors import NodeError
from chains.relays.destinations import MEMPOOL, Mempool, Window
from tests.bot.execution.given import cycle, head
from tests.bot.execution.scripted import Connection, ScriptedChain, ScriptedSimulator, desk
from tests.bot.execution.test_submission import leaves

FINNEY = 10**15
PLANS = [cycle(profit_wei=profit * FINNEY) for profit in (5, 6, 7)]
LASTING = [replace(plan, deadline_block=13) for plan in PLANS]


async def leave(on: TransactionDesk, ledger: Ledger, simulator: ScriptedSimulator, plans: Sequence[Plan]) -> list[int]:
    """The intents by which `plans` have left."""
    intents = []
    for plan in plans:
        simulator.plan = plan
        intents.append((await leaves(on, ledger, plan)).intent.id)
    return intents


def newest(ledger: Ledger, intents: Sequence[int]) -> list[Attempt]:
    return [ledger.attempts(intent)[-1] for intent in intents]


async def test_what_replaces_several_is_in_the_ledger_by_one_commit_before_the_first_of_it_leaves(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    simulator = ScriptedSimulator(PLANS[0])
    on = desk(ledger, chain, simulator, signer)
    intents = await leave(on, ledger, simulator, PLANS)
    commits, seen = [0], []

    def committed(connection: object) -> None:
        commits[0] += 1

    event.listen(ledger._writer, "commit", committed)
    chain.on_send = lambda: seen.append((commits[0], newest(ledger, intents)))
    with ledger.gathering():
        await on.on_block(Block(head(11), ()))
    assert len(seen) == len(PLANS)
    for made, attempts in seen:
        assert made == 1
        assert [(it.kind, it.state) for it in attempts] == [(AttemptKind.NOOP, IntentState.SENDING)] * len(PLANS)
    assert chain.sent[-len(PLANS) :] == [attempt.raw for attempt in newest(ledger, intents)]
    assert [ledger.intent(intent).state for intent in intents] == [IntentState.PENDING] * len(PLANS)


async def test_a_relay_that_does_not_answer_is_waited_for_once_before_what_replaces_several_leaves(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    all_asked = asyncio.Barrier(len(PLANS))

    class Silent:
        """Answers nobody until all have asked."""

        async def send(self, raw: bytes, window: Window) -> SendOutcome:
            return SendOutcome(SendStatus.ACCEPTED, "")

        async def withdraw(self, raw: bytes, window: Window) -> None:
            await all_asked.wait()

    simulator = ScriptedSimulator(PLANS[0])
    routes = Routes({MEMPOOL: Mempool(chain.send_raw), "silent": Silent()}, ("silent",))
    on = desk(ledger, chain, simulator, signer, routes=routes)
    await leave(on, ledger, simulator, PLANS)
    async with asyncio.timeout(10):
        await on.on_block(Block(head(11), ()))
    assert len(chain.sent) == len(PLANS)


async def test_what_was_signed_before_the_node_fell_silent_is_kept_as_to_be_sent(
    ledger: Ledger, chain: ScriptedChain, signer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = ScriptedSimulator(LASTING[0])
    on = desk(ledger, chain, simulator, signer)
    first, second = await leave(on, ledger, simulator, LASTING[:2])
    await on.on_block(Block(head(11), ()))
    simulator.plan = LASTING[0]
    answer = simulator.verdict

    async def answers_once(*question: object) -> Verdict:
        monkeypatch.setattr(simulator, "verdict", silent)
        return await answer(*question)  # type: ignore[arg-type]

    async def silent(*question: object, **behind: object) -> Verdict:
        raise NodeError("it says nothing")

    monkeypatch.setattr(simulator, "verdict", lambda tx, at, watch, after=(): answers_once(tx, at, watch, after))
    with pytest.raises(NodeError):
        await on.on_block(Block(head(12), ()))
    assert len(chain.sent) == 2
    kept, untouched = newest(ledger, (first, second))
    assert (kept.number, kept.state, untouched.number) == (2, IntentState.SENDING, 1)


async def test_where_the_ledger_takes_no_replacement_the_calls_are_what_is_in_flight(
    ledger: Ledger, chain: ScriptedChain, signer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = ScriptedSimulator(PLANS[0])
    on = desk(ledger, chain, simulator, signer)
    intents = await leave(on, ledger, simulator, PLANS)

    def full(successors: object) -> None:
        raise LedgerFull("no space is left")

    monkeypatch.setattr(ledger, "record_successors", full)
    with pytest.raises(LedgerFull):
        await on.on_block(Block(head(11), ()))
    assert len(chain.sent) == len(PLANS) and [it.number for it in newest(ledger, intents)] == [1] * len(PLANS)
    simulator.plan = later = cycle(11)
    prepared = on.prepare(later, head(11))
    ledger.record_plan(later)
    await on.verdict(prepared, head(11))
    assert [transaction.data != b"" for transaction in simulator.asked[-1][1]] == [True] * len(PLANS)
