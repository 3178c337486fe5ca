"""The desk's side of the conversation with the signer: what it is asked to sign, and what it is told became of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from bot.execution.build import Terms
from bot.execution.settling import Identity, Prepared
from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent
from bot.ledger.states import Exposure, IntentState
from bot.plan import encode_plan
from bot.reasons import Reason, Refusal
from bot.signer.protocol import Cancel, Replace, Settle, Settled, Signed, SignRequest
from bot.simulator.verdict import Verdict
from bot.transaction import Fees, UnsignedTransaction
from chains.blocks import Head, Receipt
from chains.executor import CycleCall, decode

_NOT_TAKEN_IN = frozenset(
    {Reason.SIGNER_UNREACHABLE, Reason.SIGNER_BUSY, Reason.SIGNER_JOURNAL, Reason.SIGNER_INTERNAL}
)
"""Refusals after which the signer does not know what it was told: it is told again, or it would reserve for ever."""

_BOTH_SIDES = frozenset({Exposure.HEDGED, Exposure.NONE})
"""Where what a two-sided intent moved on both sides is its own: nothing of it was taken back by another."""


class SigningParty(Protocol):
    """The part of `bot.signer.client.SignerClient` that is needed here."""

    async def sign(self, request: SignRequest) -> Signed | Refusal: ...

    async def replace(self, request: Replace | Cancel) -> Signed | Refusal: ...

    async def settle(self, settle: Settle) -> Settled | Refusal: ...


class Signing:
    """Asks for signatures by intent. Without a signer, as in a dry run, there is nothing to ask or to tell."""

    def __init__(self, identity: Identity, ledger: Ledger, signer: SigningParty | None) -> None:
        self._identity = identity
        self._ledger = ledger
        self._signer = signer
        self._outcomes: dict[int, Settle] = {}
        self._exposed: dict[int, bool | None] = {}

    async def sign(self, intent: Intent, prepared: Prepared, verdict: Verdict, head: Head) -> Signed | Refusal:
        """The signature that carries out a plan, or why there is none."""
        signer = self._party()
        request = self._request(intent, prepared, verdict, head)
        answer = await signer.sign(request)
        if isinstance(answer, Refusal) and answer.reason is Reason.SIGNER_NONCE:
            # The signer was not reached when an intent gave this nonce back: tell it now.
            for released in self._ledger.released_intents(intent.sender, intent.nonce):
                await self.abandon(released)
            answer = await signer.sign(request)
        return answer

    async def outbid(self, intent: Intent, prepared: Prepared, verdict: Verdict, head: Head) -> Signed | Refusal:
        """The same call for the fees of `prepared`, to stand in place of what was signed before."""
        return await self._party().replace(Replace(self._request(intent, prepared, verdict, head)))

    async def cancel(self, intent: Intent, fees: Fees) -> Signed | Refusal:
        """A NOOP with the intent's nonce."""
        return await self._party().replace(Cancel(signer_id(intent), fees))

    async def abandon(self, intent: Intent) -> None:
        """No byte of it ever left: its nonce is free."""
        if self._signer is not None:
            await self._signer.settle(Settle(signer_id(intent), 0, 0))

    def mined(self, intent: Intent, receipt: Receipt, profit_wei: int) -> None:
        """What the chain made of it; `profit_wei` is before gas. The signer is told once that is final.

        Where it is final already, the signer knows, and waits for the other side.
        """
        owed = intent.state is IntentState.FINAL
        self._outcomes[intent.id] = Settle(signer_id(intent), receipt.gas_cost_wei, profit_wei, owed)
        if intent.two_sided and not owed:
            self._exposed.setdefault(intent.id, True)

    def undone(self, intent: Intent) -> None:
        """Its block was replaced, or it has none yet: what the signer was told of it may not hold."""
        self._outcomes.pop(intent.id, None)
        if intent.two_sided:
            self._exposed[intent.id] = None

    async def final(self, intent: Intent) -> bool:
        """Tell the signer of an outcome that stands; whether it heard. What is owed besides stays reserved there."""
        outcome = self._outcomes.get(intent.id)
        if outcome is None or self._signer is None:
            return True
        self._exposed.pop(intent.id, None)
        told = replace(outcome, owed=intent.exposure is Exposure.OWED)
        if intent.two_sided and intent.exposure in _BOTH_SIDES:
            # Until then the exchange side counts as it was expected; what it cost to cover is a loss like any other.
            told = replace(told, profit_wei=self._ledger.earned_before_gas(intent.id))
        answer = await self._signer.settle(told)
        if isinstance(answer, Refusal) and answer.reason in _NOT_TAKEN_IN:
            return False
        if told.owed:
            self._outcomes[intent.id] = told
        else:
            del self._outcomes[intent.id]
        return True

    async def covered(self) -> None:
        """Tell the signer of what is owed no more and, where it is not final, of what is owed again."""
        for intent_id in [each for each, outcome in self._outcomes.items() if outcome.owed]:
            intent = self._ledger.intent(intent_id)
            if intent.exposure is not Exposure.OWED:
                await self.final(intent)
        intents = {intent.id: intent for intent in self._ledger.mined_intents()}
        for intent_id, known in list(self._exposed.items()):
            intent = intents.get(intent_id) or self._ledger.intent(intent_id)
            if intent.is_exposed is not known and await self._told_exposed(intent):
                self._exposed[intent_id] = intent.is_exposed

    async def _told_exposed(self, intent: Intent) -> bool:
        if self._signer is None:
            return True
        told = Settle(signer_id(intent), 0, 0, owed=intent.is_exposed, final=False)
        answer = await self._signer.settle(told)
        return not (isinstance(answer, Refusal) and answer.reason in _NOT_TAKEN_IN)

    def _party(self) -> SigningParty:
        assert self._signer is not None, "dry mode has no signer"
        return self._signer

    def _request(self, intent: Intent, prepared: Prepared, verdict: Verdict, head: Head) -> SignRequest:
        identity = self._identity
        return SignRequest(
            intent_id=signer_id(intent),
            chain_id=identity.chain_id,
            sender=intent.sender,
            target=identity.executor,
            code_hash=identity.code_hash,
            plan=encode_plan(prepared.plan),
            min_gain=prepared.terms.min_gain,
            min_out=prepared.terms.min_out,
            nonce=intent.nonce,
            fees=prepared.fees,
            worst_case_wei=prepared.worst.loss_wei,
            head_number=head.number,
            verdict=verdict,
        )


def signer_id(intent: Intent) -> str:
    """What the signer calls an intent: a ledger that begins anew gives its numbers again, plans never do."""
    return f"{intent.id}:{intent.plan_id}"


def terms_of(transaction: UnsignedTransaction) -> Terms:
    """What a signed call enforces. Raises `chains.executor.InvalidCallData`."""
    call = decode(transaction.data)
    return Terms(call.min_gain, 0) if isinstance(call, CycleCall) else Terms(0, call.min_out)
