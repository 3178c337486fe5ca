"""Broken twins of the bot's parts: each makes the mistake that a rule of the oracle is there to catch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from bot.execution.transactions import Prepared, Sent, TransactionDesk
from bot.ledger.records import Attempt, Intent
from bot.ledger.states import IntentState
from bot.reasons import Reason, Refusal
from bot.signer.key import SigningKey
from bot.signer.protocol import Signed
from bot.simulator.verdict import Verdict
from chains.blocks import ChainEvent, Head
from chains.node import Node, SendStatus
from chains.node.follower import Follower
from chains.node.wire import Header
from tests.faults.bot import SECRET


class JournalsAfterSending(TransactionDesk):
    """Sends first, and writes down only what the node said it took."""

    async def submit(self, prepared: Prepared, verdict: Verdict, head: Head) -> Sent | Refusal:
        signed = SigningKey(SECRET).sign(prepared.transaction)
        result = await self._submitter.send_raw(signed.raw)
        if result.status is not SendStatus.ACCEPTED:
            return Refusal(Reason.ORDER_UNKNOWN, result.detail)
        plan = prepared.plan
        intent = self._ledger.reserve(
            plan, self.identity.operator, prepared.transaction.nonce, prepared.worst, prepared.fees
        )
        answer = await self._signed(intent, prepared, verdict, head)
        assert isinstance(answer, Signed)
        self._ledger.record_signed(intent.id, signed.raw, signed.tx_hash)
        self._ledger.mark_sending(intent.id)
        self._ledger.mark_pending(intent.id)
        return Sent(intent, signed.tx_hash, verdict)


class ResendsWithAFreshNonce(TransactionDesk):
    """Takes no answer for a refusal, and tries again as a new transaction."""

    async def _send(self, intent: Intent, newest: Attempt | None = None) -> None:
        transaction = self._in_flight.transactions.get(intent.id)
        if self._ledger.intent(intent.id).state is IntentState.SIGNED:
            self._ledger.mark_sending(intent.id)
        result = await self._submitter.send_raw(self._ledger.attempts(intent.id)[-1].raw)
        if result.status is SendStatus.UNKNOWN and transaction is not None:
            again = SigningKey(SECRET).sign(replace(transaction, nonce=transaction.nonce + 1))
            await self._submitter.send_raw(again.raw)


@contextmanager
def ignoring_parents() -> Iterator[None]:
    """Followers take every head for the next block, whatever its parent is: of each height the first one stands."""
    first: dict[int, str] = {}

    async def join(self: Follower, target: Header) -> AsyncIterator[ChainEvent]:
        if target.head.number in first:
            return
        logs = await self._logs(target)
        first[target.head.number] = target.head.hash
        yield self._taken(target.head, logs)

    with (
        patch.object(Follower, "_join", join),
        patch.object(Node, "hash_at", lambda self, number: first.get(number)),
    ):
        yield
