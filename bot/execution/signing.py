"""The desk's side of the conversation with the signer: what it is asked to sign, and what it is told became of it."""

from __future__ import annotations

from typing import Protocol

from bot.execution.build import Terms
from bot.execution.settling import Identity, Prepared
from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent
from bot.plan import encode_plan
from bot.reasons import Reason, Refusal
from bot.signer.protocol import Cancel, Cover, Replace, Settle, Settled, Signed, SignRequest
from bot.simulator.verdict import Verdict
from bot.transaction import Fees, UnsignedTransaction
from chains.blocks import Head, Receipt
from chains.executor import CycleCall, decode

_NOT_TAKEN_IN = frozenset(
    {Reason.SIGNER_UNREACHABLE, Reason.SIGNER_BUSY, Reason.SIGNER_JOURNAL, Reason.SIGNER_INTERNAL}
)
"""Refusals after which the signer does not know what it was told: it is told again, or it would reserve for ever."""


class SigningParty(Protocol):
    """The part of `bot.signer.client.SignerClient` that is needed here."""

    async def sign(self, request: SignRequest) -> Signed | Refusal: ...

    async def replace(self, request: Replace | Cancel) -> Signed | Refusal: ...

    async def settle(self, settle: Settle) -> Settled | Refusal: ...

    async def cover(self, cover: Cover) -> Settled | Refusal: ...


class Signing:
    """Asks for signatures by intent. Without a signer, as in a dry run, there is nothing to ask or to tell."""

    def __init__(self, identity: Identity, ledger: Ledger, signer: SigningParty | None) -> None:
        self._identity = identity
        self._ledger = ledger
        self._signer = signer
        self._burnt: dict[int, int] = {}
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

    def mined(self, intent: Intent, receipt: Receipt) -> None:
        """A block holds it, and it is booked. The signer is told what came of it once that is final."""
        self._burnt[intent.id] = receipt.gas_cost_wei
        if intent.worst.capital_wei:
            self._exposed.setdefault(intent.id, True)

    def undone(self, intent: Intent) -> None:
        """Its block was replaced, or it has none yet: what the signer was told of it may not hold."""
        self._burnt.pop(intent.id, None)
        if intent.worst.capital_wei:
            self._exposed[intent.id] = None

    async def final(self, intent: Intent) -> bool:
        """Tell the signer of an outcome that stands, on both sides; whether it heard."""
        burnt_wei = self._burnt.get(intent.id)
        if burnt_wei is None or self._signer is None:
            return True
        self._exposed.pop(intent.id, None)
        told = Settle(signer_id(intent), burnt_wei, self._ledger.earned_before_gas(intent.id))
        answer = await self._signer.settle(told)
        if isinstance(answer, Refusal) and answer.reason in _NOT_TAKEN_IN:
            return False
        del self._burnt[intent.id]
        return True

    async def covered(self) -> None:
        """Tell the signer of what is not final and owes nothing any more, or owes again."""
        intents = {intent.id: intent for intent in self._ledger.mined_intents()}
        for intent_id, known in list(self._exposed.items()):
            intent = intents.get(intent_id) or self._ledger.intent(intent_id)
            if intent.is_exposed is not known and await self._told_exposed(intent):
                self._exposed[intent_id] = intent.is_exposed

    async def _told_exposed(self, intent: Intent) -> bool:
        if self._signer is None:
            return True
        answer = await self._signer.cover(Cover(signer_id(intent), not intent.is_exposed))
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
    """What the signer calls an intent."""
    return signer_id_of(intent.id, intent.plan_id)


def signer_id_of(intent_id: int, plan_id: str) -> str:
    """As `signer_id`: a ledger that begins anew gives its numbers again, plans never do."""
    return f"{intent_id}:{plan_id}"


def terms_of(transaction: UnsignedTransaction) -> Terms:
    """What a signed call enforces. Raises `chains.executor.InvalidCallData`."""
    call = decode(transaction.data)
    return Terms(call.min_gain, 0) if isinstance(call, CycleCall) else Terms(0, call.min_out)
