"""What is in flight, brought home: receipts looked for, booked and, once nothing can undo them, final.

Looking comes before anything is decided on a head, booking may come after: what was found only makes room (`waits`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from bot.execution.accounting import Deltas
from bot.execution.fees import FeePolicy
from bot.execution.gains import Gains
from bot.execution.inflight import InFlight
from bot.execution.operators import Operators
from bot.execution.routes import Routes
from bot.execution.settling import Settled
from bot.execution.signing import Signing, terms_of
from bot.execution.submission import UNANSWERED, Moved, Replacement
from bot.execution.tips import Tips
from bot.execution.touches import Touches
from bot.execution.unsent import unsent
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Attempt, Intent
from bot.ledger.states import IN_FLIGHT, AttemptKind, Exposure, IntentState
from bot.plan import Plan
from bot.transaction import read_signed
from chains.assets import Address
from chains.blocks import Block, Head, Receipt, Undone
from chains.node import Submitter
from chains.node.seen import Seen, Sought

_AWAITED = (IntentState.SIGNED, IntentState.SENDING, IntentState.PENDING)


class Waits(Enum):
    """For what the booking of what was found may wait."""

    NOTHING = auto()
    CYCLES = auto()
    """For plans that need no inventory and owe nobody anything."""
    ALL = auto()
    """For every plan of the head."""


@dataclass(frozen=True, slots=True)
class Landed:
    """An attempt that a block holds: what it moved in our accounts, and the profit before gas that this comes to."""

    attempt: Attempt
    receipt: Receipt
    deltas: Deltas
    profit_wei: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the chain says, as of `head`, of everything that was in flight. `counted` are each key's transactions, and
    `coins` what it holds in wei, where several keys trade or it is short; they lack those of which nobody could say.
    """

    head: Head
    awaited: Sequence[tuple[Intent, Landed | None]]
    counted: Mapping[Address, int]
    coins: Mapping[Address, int]


class Homecoming:
    """Brings home what a run has in flight."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        in_flight: InFlight,
        gains: Gains,
        signing: Signing,
        operators: Operators,
        submitter: Submitter,
        fee_policy: FeePolicy,
        finality_blocks: int,
        routes: Routes,
        tips: Tips | None,
    ) -> None:
        """What lies `finality_blocks` deep is final."""
        self._ledger = ledger
        self._in_flight = in_flight
        self._gains = gains
        self._signing = signing
        self._operators = operators
        self._submitter = submitter
        self._fee_policy = fee_policy
        self._finality_blocks = finality_blocks
        self._routes = routes
        self._tips = tips
        self._touches = Touches()

    async def recheck_mined(self) -> None:
        """Blocks may have been replaced since the process ended: nobody will say so any more."""
        known = self._ledger.mined_intents()
        attempts = self._ledger.attempts_of(known)
        receipts = await asyncio.gather(*(self._any_receipt(intent, attempts[intent.id]) for intent in known))
        for intent, receipt in zip(known, receipts, strict=True):
            if receipt is not None and receipt.block_hash == intent.block_hash:
                self._signing.mined(intent, receipt)
            elif intent.block_hash is not None:
                self._undo_block(intent.block_hash)

    def not_final(self, number: int) -> list[Intent]:
        """What is in flight, and what the chain may still undo as of block `number`."""
        mined = self._ledger.mined_intents()
        deep = self._deep(mined, number)
        return [*self._ledger.open_intents(), *(intent for intent in mined if intent.id not in deep)]

    async def take_up(self) -> list[tuple[Intent, Attempt]]:
        """Of what a process left open: what never left gives its nonce back, the rest is to be sent again."""
        await self._release_unsent("the process ended before it was sent")
        open_ = [intent for intent in self._ledger.open_intents() if intent.state in IN_FLIGHT]
        attempts = self._ledger.attempts_of(open_)
        left = [(intent, attempts[intent.id][-1]) for intent in open_]
        for intent, newest in left:
            self._in_flight.transactions[intent.id] = read_signed(newest.raw, intent.sender)
            self._signing.undone(intent)
        return left

    async def release(self, intent: Intent, reason: str) -> None:
        """It was never sent: its nonce is free again, here and in the signer's own journal."""
        self._ledger.release(intent.id, reason)
        await self._signing.abandon(intent)

    def prepare_to_look(self) -> None:
        """Read now what the next `look` asks the ledger, unless something is written before it."""
        self._awaited()
        for way in self._operators:
            self._ledger.next_nonce(way.account)

    def sought(self) -> Sought:
        """What `look` asks of the node as things stand."""
        return self._sought(*self._awaited())

    async def look(self, block: Block) -> Found:
        """Look for the receipts of what is in flight. Nothing is booked yet, but what was found is not in flight.

        Where the node does not answer, `NodeError` or `RpcError` is raised, and the next block's look makes up for it.
        """
        self._touches.note(block)
        await self._release_unsent("it could not be written down that it is sent")
        self._operators.at_head(block.head, self._fee_policy.base_fee_wei(block.head))
        awaited, attempts = self._awaited()
        seen = await self._seen(*self._sought(awaited, attempts))
        each = [
            (intent, await self._landed(intent, attempts[intent.id], seen.receipts, block.head)) for intent in awaited
        ]
        for intent, at in each:
            if at is not None:
                self._in_flight.transactions.pop(intent.id, None)
        return Found(block.head, each, seen.nonces, seen.balances)

    def waits(self, found: Found) -> Waits:
        """Which plans may leave before what was found is booked.

        The worst case of what is found stays reserved until it is final, booked or not. Of a cycle that earned more
        than its gas, booking adds no loss: budgets are never looser for waiting. What owes another side comes before
        every plan that has one itself, since both use the same inventory and the same books. What lost and what is
        still out comes before everything, as does doubt about an account.
        """
        for way in self._operators:
            counted = found.counted.get(way.account)
            if counted is None or counted > self._ledger.next_nonce(way.account):
                return Waits.NOTHING
        if not all(at is not None and self._lost_nothing(intent, at) for intent, at in found.awaited):
            return Waits.NOTHING
        return Waits.CYCLES if any(intent.two_sided for intent, _ in found.awaited) else Waits.ALL

    def settle(self, found: Found) -> list[Settled]:
        """Book what was found, perhaps in a batch: only the ledger is told. `go_on` follows once that holds."""
        return [self._settle(intent, at) for intent, at in found.awaited if at is not None]

    async def go_on(self, found: Found, settled: Sequence[Settled]) -> list[Intent]:
        """What is still out is sent again, outbid or cancelled; what nothing can undo any more is returned.

        All that replaces something is in the ledger, in one commit, before any of it leaves.
        """
        for each in settled:
            self._operators.of(each.intent).forget(each.intent)
            self._learn()
            self._signing.mined(each.intent, each.receipt)
        moved = list[tuple[Intent, Moved]]()
        self._operators.note_coins(found.coins)
        out = [intent for intent, at in found.awaited if at is None]
        attempts = self._ledger.attempts_of(out)
        try:
            for intent in out:
                moved.append((intent, await self._move_on(intent, attempts[intent.id], found.head)))
        finally:
            # What was signed before the node fell silent is kept as well: it leaves with the next block.
            newest = await self._replace([(intent, it.replacement) for intent, it in moved if it.replacement])
        await self.send_all([(intent, newest.get(intent.id)) for intent, it in moved if it.leaves])
        self._leave_out_foreign(found)
        final = await self._held(found.head)
        for way in self._operators:
            if way.account in found.counted:
                way.watch_nonce(found.counted[way.account], found.head)
        return final

    async def finish(self, final: Iterable[Intent]) -> None:
        """What nothing can undo any more is final, and has nothing reserved; the signer hears first, so that a crash
        leaves nothing reserved there.
        """
        heard = [intent for intent in final if await self._signing.final(intent)]
        if heard:
            with self._ledger.batch():
                for intent in heard:
                    self._ledger.mark_final(intent.id)
        for intent in heard:
            self._in_flight.forget(intent)
        await self._signing.covered()

    async def send_all(self, leaving: Sequence[tuple[Intent, Attempt | None]]) -> None:
        """Send the newest attempt of each, read where it is not given: in order, and answered together, so that nodes
        far off are waited for once.
        """
        await asyncio.gather(*(self._operators.of(intent).send(intent, newest) for intent, newest in leaving))

    def undo(self, event: Undone) -> None:
        """Take back what was booked from blocks that are no longer canonical; the intents are pending again."""
        self._touches.forget_above(event.ancestor.number)
        for block_hash in event.dropped:
            self._undo_block(block_hash)

    async def _any_receipt(self, intent: Intent, attempts: Sequence[Attempt]) -> Receipt | None:
        for attempt in attempts:
            receipt = await self._submitter.receipt(attempt.tx_hash)
            if receipt is not None and self._possible(intent, attempt, receipt):
                return receipt
        return None

    def _awaited(self) -> tuple[Sequence[Intent], Mapping[int, tuple[Attempt, ...]]]:
        """What may be in a block by now, and all that was signed for each."""
        awaited = [intent for intent in self._ledger.open_intents() if intent.state in _AWAITED]
        return awaited, self._ledger.attempts_of(awaited)

    def _sought(self, awaited: Sequence[Intent], attempts: Mapping[int, tuple[Attempt, ...]]) -> Sought:
        keys = [way.account for way in self._operators]
        paying = keys if self._operators.several else [way.account for way in self._operators if way.is_short]
        return [attempt.tx_hash for intent in awaited for attempt in attempts[intent.id]], keys, paying

    async def _release_unsent(self, reason: str) -> None:
        for intent in unsent(self._ledger):
            await self.release(intent, reason)

    async def _seen(self, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> Seen:
        """What the chain says of these. Raises `UNANSWERED` where there is a transaction to look for."""
        try:
            return await self._submitter.seen(tx_hashes, counted, paying)
        except UNANSWERED:
            if tx_hashes:
                raise
        return Seen({}, {}, {})

    async def _landed(
        self, intent: Intent, attempts: Sequence[Attempt], receipts: Mapping[str, Receipt | None], head: Head
    ) -> Landed | None:
        """Where it stands up to `head`: what a block not taken in yet says would not be undone with that block."""
        for attempt in attempts:
            receipt = receipts[attempt.tx_hash]
            if receipt is None or not self._possible(intent, attempt, receipt):
                continue
            if await self._canonical(receipt.block_number, head) == receipt.block_hash:
                return self._valued(intent, attempt, receipt)
        return None

    def _possible(self, intent: Intent, attempt: Attempt, receipt: Receipt) -> bool:
        """Whether no more was charged than was signed for: what a chain cannot take is not booked."""
        fees, charged = attempt.fees, receipt.effective_gas_price_wei
        if receipt.gas_used <= fees.gas_limit and charged <= fees.max_fee_wei:
            return True
        told = f"{receipt.gas_used} gas at {charged} wei of the {fees.gas_limit} at {fees.max_fee_wei} that were signed"
        detail = f"intent {intent.id}, {receipt.tx_hash}: a node tells of {told}; it is asked again at the next block"
        self._ledger.record_event(Level.ERROR, "impossible_receipt", detail)
        return False

    async def _canonical(self, number: int, head: Head) -> str | None:
        """The hash at that height in the chain that is followed up to `head`; None above it.

        A node that lags or came back from another branch tells of blocks that nobody will say were dropped.
        """
        if number >= head.number:
            return head.hash if number == head.number else None
        followed = self._submitter.hash_at(number)
        if followed is not None:
            return followed
        block = await self._submitter.block_by_number(number)
        return block.hash if block is not None else None

    def _valued(self, intent: Intent, attempt: Attempt, receipt: Receipt) -> Landed:
        if attempt.kind is not AttemptKind.CALL:
            return Landed(attempt, receipt, {}, 0)
        plan = self._in_flight.plan(intent)
        deltas = self._gains.moved(plan, receipt)
        profit_wei = self._gains.earned_wei(plan, deltas) if receipt.status else 0
        return Landed(attempt, receipt, deltas, profit_wei)

    def _lost_nothing(self, intent: Intent, at: Landed) -> bool:
        """Whether it did what it was signed for: a cycle earned, a two-sided plan has its chain side."""
        if intent.two_sided:
            return at.attempt.kind is AttemptKind.CALL and at.receipt.status == 1
        return self._in_flight.plan(intent).atomic and at.profit_wei >= self._gas_wei(at.receipt)

    def _gas_wei(self, receipt: Receipt) -> int:
        return self._fee_policy.coin.cost_wei(receipt.gas_cost_wei)

    async def _move_on(self, intent: Intent, attempts: Sequence[Attempt], head: Head) -> Moved:
        """What is to be done for it; what comes after it is simulated behind what replaces it."""
        moved = await self._operators.of(intent).move_on(intent, attempts, head)
        if moved.replacement is not None:
            self._in_flight.transactions[intent.id] = moved.replacement.transaction
        return moved

    async def _replace(self, replacements: Sequence[tuple[Intent, Replacement]]) -> Mapping[int, Attempt]:
        """Write all of them down; the new attempts by intent. Where the ledger takes none, nothing was replaced."""
        if not replacements:
            return {}
        try:
            attempts = self._ledger.record_successors(it.successor for _, it in replacements)
        except LedgerError:
            for intent, it in replacements:
                self._in_flight.transactions[intent.id] = read_signed(it.before.raw, intent.sender)
            raise
        # All at once: a relay that does not answer is waited for once before any of it leaves.
        await asyncio.gather(*(self._operators.of(intent).replaced(intent, it) for intent, it in replacements))
        return {attempt.intent_id: attempt for attempt in attempts}

    def _leave_out_foreign(self, found: Found) -> None:
        """What turned out to be somebody else's is not in flight."""
        open_ = {intent.id for intent in self._ledger.open_intents()}
        for intent, at in found.awaited:
            if at is None and intent.id not in open_:
                self._in_flight.transactions.pop(intent.id, None)

    async def _held(self, head: Head) -> list[Intent]:
        """What nothing can undo any more, on both sides: until then it stays as it is, and is taken up so.

        What is in a block that is not of the chain up to `head` is pending again: it was booked from another branch
        before this process began, and no event tells of it.
        """
        final, mined = list[Intent](), self._ledger.mined_intents()
        settled = self._deep(mined, head.number)
        for intent in mined:
            if intent.block_number is None or intent.block_hash is None:
                continue
            deep = intent.id in settled
            if deep or intent.block_number >= head.number:
                canonical = await self._canonical(intent.block_number, head)
            else:
                canonical = self._submitter.hash_at(intent.block_number) or intent.block_hash
            if canonical != intent.block_hash:
                self._undo_block(intent.block_hash)
            elif deep:
                final.append(intent)
        return final

    def _deep(self, mined: Sequence[Intent], number: int) -> set[int]:
        """The ids of those of `mined` that owe nothing and that no block after `number` undoes any more."""
        unwound = {self._in_flight.plan(intent).unwinds for intent in (*mined, *self._ledger.open_intents())}
        return {
            intent.id
            for intent in mined
            if intent.block_number is not None
            and intent.block_number <= number - self._finality_blocks
            and intent.exposure is not Exposure.OWED
            and intent.plan_id not in unwound
        }

    def _settle(self, intent: Intent, at: Landed) -> Settled:
        plan, receipt = self._in_flight.plan(intent), at.receipt
        called = at.attempt.kind is AttemptKind.CALL
        booked = {Account(intent.network, owner, token): units for (owner, token), units in at.deltas.items()}
        fills = self._gains.fills(plan, receipt) if called else []
        intent = self._ledger.record_mined(intent.id, receipt, booked, fills)
        explanation = self._explain(intent, plan, at) if called else ""
        if explanation:
            self._ledger.record_event(Level.WARNING, "not_as_simulated", explanation)
        gas_wei, profit_wei = self._gas_wei(receipt), at.profit_wei
        if not (plan.atomic or plan.orders or plan.unwinds):
            # Nothing follows that could bring what its strategy expected of it.
            profit_wei = self._gains.exchanged_wei(plan, at.deltas)
        settled = Settled(intent, plan, receipt, dict(at.deltas), profit_wei, gas_wei, explanation)
        if not explanation or receipt.status or self._touches.late(plan, receipt):
            return settled
        terms = terms_of(read_signed(at.attempt.raw, intent.sender))
        owed = plan.loan.debt(plan.amount_in) if plan.loan is not None else plan.amount_in
        return replace(
            settled,
            suspects=self._gains.unmarked(plan),
            others=self._touches.before(intent, plan, receipt),
            least=terms.min_gain + owed if plan.atomic else terms.min_out,
        )

    def _explain(self, intent: Intent, plan: Plan, at: Landed) -> str:
        """Why the chain's answer is not the simulator's; empty when it is."""
        verdict, receipt = self._in_flight.verdicts.get(plan.id), at.receipt
        if verdict is None or (receipt.status == 1 and at.profit_wei == self._gains.shown_wei(plan, verdict)):
            return ""
        what = "reverted" if receipt.status == 0 else f"gained {at.profit_wei} wei instead of the simulated amount"
        return f"intent {intent.id}, {receipt.tx_hash} {what}: {self._touches.explain(intent, plan, receipt)}"

    def _undo_block(self, block_hash: str) -> None:
        for intent in self._ledger.undo_block(block_hash):
            newest = self._ledger.attempts(intent.id)[-1]
            self._in_flight.transactions[intent.id] = read_signed(newest.raw, intent.sender)
            self._operators.of(intent).lost(intent)
            self._learn()
            self._signing.undone(intent)
            detail = f"intent {intent.id}: block {block_hash} was dropped"
            self._ledger.record_event(Level.WARNING, "fill_undone", detail)

    def _learn(self) -> None:
        self._routes.changed()
        if self._tips is not None:
            self._tips.changed()
