"""The chain side of the road: one plan in, one transaction out, and what the chain made of it.

Build, simulate, reserve, sign, send, watch. Every step is in the ledger before the next one begins, so that a
process that starts again knows what it did and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.clock import Clock
from bot.execution.accounting import Deltas, leg_fills, transfer_deltas
from bot.execution.build import unsigned_transaction
from bot.execution.fees import FeePolicy, Priced, terms
from bot.execution.judging import Bearing, Judge
from bot.execution.marks import Marks
from bot.execution.replacing import ReplacementPolicy
from bot.execution.routes import Routes
from bot.execution.settling import Identity, Prepared, Sent, Settled
from bot.execution.signing import Signing, SigningParty, terms_of
from bot.execution.stages import Stage, Stages
from bot.execution.submission import Outbid, Submission
from bot.execution.tips import Tips
from bot.execution.touches import Touches
from bot.execution.unsent import unsent
from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Attempt, Intent, WorstCase
from bot.ledger.states import IN_FLIGHT, AttemptKind, IntentState, MinedAs
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.signer.protocol import Signed
from bot.simulator import Simulator
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import Fees, UnsignedTransaction, read_signed
from chains.assets import Address
from chains.blocks import Block, Head, Receipt, Undone
from chains.node import Submitter
from chains.relays.destinations import MEMPOOL, Mempool

__all__ = ["Identity", "Prepared", "Sent", "Settled", "TransactionDesk"]

_GWEI = 10**9
_USUAL_CAPS = ReplacementPolicy(max_fee_wei=200 * _GWEI, max_tip_wei=10 * _GWEI)


class TransactionDesk:
    """Carries plans to the chain and brings receipts back. One per network and operator."""

    def __init__(
        self,
        *,
        identity: Identity,
        ledger: Ledger,
        simulator: Simulator,
        signer: SigningParty | None,
        submitter: Submitter,
        fee_policy: FeePolicy,
        marks: Marks,
        unwind_loss_ppm: int,
        finality_blocks: int,
        clock: Clock,
        routes: Routes | None = None,
        replacing: ReplacementPolicy = _USUAL_CAPS,
        wanted: Callable[[str], bool] = lambda strategy: True,
        tips: Tips | None = None,
        bearing: Bearing | None = None,
    ) -> None:
        """`signer` is None in dry mode. `unwind_loss_ppm` bounds what giving up a two-sided plan may cost.

        What lies `finality_blocks` deep is final. Without `routes`, everything goes to `submitter`. What a
        strategy has in flight is cancelled while it is not `wanted`. Without `tips`, tips are fixed; without `bearing`,
        no plan is asked what it bears.
        """
        self.identity = identity
        self._ledger = ledger
        self._simulator = simulator
        self._signing = Signing(identity, ledger, signer)
        self._submitter = submitter
        self._fee_policy = fee_policy
        self._marks = marks
        self._unwind_loss_ppm = unwind_loss_ppm
        self._finality_blocks = finality_blocks
        self.stages = Stages(clock)
        self._plans: dict[str, Plan] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._in_flight: dict[int, UnsignedTransaction] = {}
        self._touches = Touches()
        self._tips = tips
        self._judge = Judge(identity, marks, fee_policy, bearing)
        self._submission = Submission(
            account=identity.operator,
            ledger=ledger,
            routes=routes or Routes({MEMPOOL: Mempool(submitter.send_raw)}),
            chain=submitter,
            fee_policy=fee_policy,
            policy=replacing,
            outbid=self._outbid,
            cancel=self._signing.cancel,
            wanted=wanted,
        )

    async def start(self) -> None:
        """Take up where the journal ends: the first nonce, every intent whose outcome is open, and what the signer
        may not have been told of.
        """
        operator = self.identity.operator
        self._ledger.set_first_nonce(operator, await self._submitter.nonce(operator))
        await self._recheck_mined()
        await self._release_unsent("the process ended before it was sent")
        for intent in self._ledger.open_intents():
            if intent.state in IN_FLIGHT:
                self._in_flight[intent.id] = read_signed(self._ledger.attempts(intent.id)[-1].raw, operator)
                self._signing.undone(intent)
                await self._send(intent)

    async def _release_unsent(self, reason: str) -> None:
        for intent in unsent(self._ledger):
            await self._release(intent, reason)

    async def _recheck_mined(self) -> None:
        """Blocks may have been replaced since the process ended: nobody will say so any more.

        Of what is final and still owes its other side, the signer is told when that is done.
        """
        owing = (it for it in self._ledger.open_intents() if it.state is IntentState.FINAL)
        for intent in (*self._ledger.mined_intents(), *owing):
            receipt = await self._any_receipt(self._ledger.attempts(intent.id))
            if receipt is not None and receipt.block_hash == intent.block_hash:
                profit = self._profit_wei(self._plan(intent), self._moved(receipt))
                self._signing.mined(intent, receipt, 0 if intent.mined_as is MinedAs.NOOP else profit)
            elif intent.block_hash is not None and intent.state is IntentState.MINED:
                self._undo_block(intent.block_hash)

    async def _any_receipt(self, attempts: Sequence[Attempt]) -> Receipt | None:
        for attempt in attempts:
            receipt = await self._submitter.receipt(attempt.tx_hash)
            if receipt is not None:
                return receipt
        return None

    async def _release(self, intent: Intent, reason: str) -> None:
        """It was never sent: its nonce is free again, here and in the signer's own journal."""
        self._ledger.release(intent.id, reason)
        await self._signing.abandon(intent)

    def refusal(self) -> Refusal | None:
        """Why nothing new may be sent from this account; None while it may."""
        return self._submission.refusal()

    def prepare(self, plan: Plan, head: Head, gas: int = 0) -> Prepared:
        """The transaction for `plan` on top of `head`, with the fees and terms it would be signed with.

        `gas` is what a verdict measured, where that is more than the plan's estimate.
        """
        gas = max(plan.gas_estimate, gas)
        nonce = self._ledger.next_nonce(self.identity.operator)

        def build(priced: Priced) -> UnsignedTransaction:
            return unsigned_transaction(
                plan,
                terms(plan, priced.cost_wei, self._marks),
                priced.fees,
                nonce=nonce,
                chain_id=self.identity.chain_id,
                sender=self.identity.operator,
                executor=self.identity.executor,
            )

        share_ppm, tip_wei = self._tips.offered(plan, gas, head) if self._tips is not None else (0, None)
        priced = self._fee_policy.price(build, gas, head, tip_wei)
        bound = terms(plan, priced.cost_wei, self._marks)
        worst = self._worst_case(plan, priced.fees)
        transaction = build(priced)
        return Prepared(plan, bound, priced.fees, worst, transaction, gas + priced.data_gas, priced.data_gas, share_ppm)

    def _worst_case(self, plan: Plan, fees: Fees) -> WorstCase:
        gas = self._fee_policy.coin.cost_wei(fees.worst_cost_wei)
        if plan.atomic:
            return WorstCase(loss_wei=gas, gas_wei=gas)
        first = plan.swaps[0]
        capital = self._marks.wei(first.token_in, plan.amount_in)
        return WorstCase(loss_wei=gas + capital * self._unwind_loss_ppm // 10**6, gas_wei=gas, capital_wei=capital)

    async def verdict(self, prepared: Prepared, head: Head) -> Verdict | Refusal:
        """Run the exact transaction on top of `head`, after those already sent; refuse what shows no profit.

        In this process first: what fails there never takes the fork's time.
        """
        tokens = {Address(t.address) for swap in prepared.plan.swaps for t in (swap.token_in, swap.token_out)}
        watch = [(account, token) for account in self.identity.accounts[1:] for token in sorted(tokens)]
        after = tuple(self._in_flight.values())
        screened = await self._simulator.screened(prepared.transaction, head, watch, after)
        if screened is not None:
            screened = prepared.charged(screened)
            judged = self._judge.judged(prepared, screened)
            if isinstance(judged, Refusal):
                self._ledger.record_verdict(prepared.plan.id, screened)
                return await self._named(judged, prepared.plan, head)
        verdict = prepared.charged(await self._simulator.verdict(prepared.transaction, head, watch, after))
        verdict = self._judge.borne(prepared, verdict)
        self._ledger.record_verdict(prepared.plan.id, verdict)
        return await self._named(self._judge.judged(prepared, verdict), prepared.plan, head)

    async def _named(self, judged: Verdict | Refusal, plan: Plan, head: Head) -> Verdict | Refusal:
        """What reverted because a token keeps what it should pass on, refused by that name."""
        if not isinstance(judged, Refusal) or judged.reason is not Reason.SIM_REVERTED:
            return judged
        trouble = await self._simulator.trouble(plan, self.identity.executor, head)
        return Refusal(trouble.cause, f"{trouble}; {judged.detail}") if trouble is not None else judged

    async def _simulated(
        self, plan: Plan, transaction: UnsignedTransaction, head: Head, after: Sequence[UnsignedTransaction]
    ) -> Verdict:
        tokens = {Address(t.address) for swap in plan.swaps for t in (swap.token_in, swap.token_out)}
        watch = [(account, token) for account in self.identity.accounts[1:] for token in sorted(tokens)]
        return await self._simulator.verdict(transaction, head, watch, after=after)

    async def _outbid(self, intent: Intent, before: UnsignedTransaction, fees: Fees, head: Head) -> Outbid:
        """`before` for `fees`, if it still earns what its plan wants, behind what is in flight with lower nonces."""
        plan = self._plan(intent)
        transaction = replace(before, max_fee_wei=fees.max_fee_wei, tip_wei=fees.tip_wei)
        earlier = [other for other in self._in_flight.values() if other.nonce < intent.nonce]
        verdict = await self._simulated(plan, transaction, head, earlier)
        if verdict.outcome is not Outcome.OK:
            return Outbid(None, f"{verdict.outcome}: {verdict.reason}", worthless=verdict.outcome is Outcome.REVERTED)
        priced = self._fee_policy.price(lambda _: transaction, verdict.gas_used, head)
        fees = replace(fees, data_fee_wei=priced.fees.data_fee_wei)
        worst = self._worst_case(plan, fees)
        prepared = Prepared(plan, terms_of(before), fees, worst, transaction, verdict.gas_used, priced.data_gas)
        verdict = prepared.charged(verdict)
        self._ledger.record_verdict(plan.id, verdict)
        left = self._judge.shown_profit_wei(plan, verdict) - self._judge.cost_wei(fees, verdict)
        if left < plan.min_profit_wei:
            return Outbid(None, f"{left} wei would be left, at least {plan.min_profit_wei} wanted", worthless=True)
        answer = await self._signing.outbid(intent, prepared, verdict, head)
        return Outbid(answer) if isinstance(answer, Signed) else Outbid(None, str(answer))

    async def submit(self, prepared: Prepared, verdict: Verdict, head: Head) -> Sent | Refusal:
        """Reserve, have it signed, and send it: each in the ledger before the next begins."""
        plan = prepared.plan
        halted = self.refusal()
        if halted is not None:
            return halted
        if self._ledger.is_acted_on(plan.id):
            return Refusal(Reason.ALREADY_DECIDED, f"plan {plan.id} has an intent already, from the same block")
        operator, nonce = self.identity.operator, prepared.transaction.nonce
        intent = self._ledger.reserve(plan, operator, nonce, prepared.worst, prepared.fees)
        self.stages.reached(Stage.RESERVED)
        answer = await self._signed(intent, prepared, verdict, head)
        if not isinstance(answer, Signed):
            await self._release(intent, str(answer))
            return answer
        self._ledger.record_signed(intent.id, answer.raw, answer.tx_hash)
        self.stages.reached(Stage.SIGNED)
        self._plans[plan.id] = plan
        self._verdicts[plan.id] = verdict
        self._in_flight[intent.id] = prepared.transaction
        self._submission.begin(intent, prepared.share_ppm)
        await self._send(intent)
        self.stages.reached(Stage.SENT)
        self._ledger.record_timings(intent.id, self.stages.elapsed_ns())
        return Sent(intent, answer.tx_hash, verdict)

    async def _signed(self, intent: Intent, prepared: Prepared, verdict: Verdict, head: Head) -> Signed | Refusal:
        return await self._signing.sign(intent, prepared, verdict, head)

    async def _send(self, intent: Intent) -> None:
        await self._submission.send(intent)

    async def on_block(self, block: Block) -> list[Settled]:
        """Look for the receipts of what is in flight; what is missing is sent again, outbid or cancelled.

        Where the node does not answer, `NodeError` or `RpcError` is raised before anything is booked, and the next
        block's call makes up for it.
        """
        self._touches.note(block)
        await self._release_unsent("it could not be written down that it is sent")
        self._submission.at_head(block.head)
        receipts = [
            (intent, await self._receipt(intent, block.head))
            for intent in self._ledger.open_intents()
            if intent.state in (IntentState.SIGNED, IntentState.SENDING, IntentState.PENDING)
        ]
        settled = []
        for intent, receipt in receipts:
            if receipt is not None:
                settled.append(await self._settle(intent, receipt))
            else:
                await self._move_on(intent, block.head)
        await self._finalise(block.head.number - self._finality_blocks)
        await self._signing.covered()
        await self._submission.watch_nonce(block.head)
        return settled

    async def _move_on(self, intent: Intent, head: Head) -> None:
        replaced = await self._submission.move_on(intent, head)
        if replaced is not None:
            self._in_flight[intent.id] = replaced
        elif self._ledger.intent(intent.id).state is IntentState.FOREIGN:
            self._in_flight.pop(intent.id, None)

    async def _finalise(self, number: int) -> None:
        """What nothing can undo any more: the signer hears of it first, so that a crash leaves nothing reserved."""
        for intent in self._ledger.mined_intents():
            if intent.block_number is not None and intent.block_number <= number and await self._signing.final(intent):
                self._ledger.mark_final(intent.id)
                self._plans.pop(intent.plan_id, None)
                self._verdicts.pop(intent.plan_id, None)

    async def _receipt(self, intent: Intent, head: Head) -> Receipt | None:
        """The receipt up to `head`: what a block not taken in yet says would not be undone with that block."""
        for attempt in self._ledger.attempts(intent.id):
            receipt = await self._submitter.receipt(attempt.tx_hash)
            if receipt is not None and (receipt.block_number < head.number or receipt.block_hash == head.hash):
                return receipt
        return None

    async def _settle(self, intent: Intent, receipt: Receipt) -> Settled:
        plan = self._plan(intent)
        self._in_flight.pop(intent.id, None)
        self._submission.forget(intent)
        self._learn()
        kind = next(sent.kind for sent in self._ledger.attempts(intent.id) if sent.tx_hash == receipt.tx_hash)
        called = kind is AttemptKind.CALL
        deltas = dict(self._moved(receipt)) if called else {}
        booked = {Account(intent.network, owner, token): units for (owner, token), units in deltas.items()}
        fills = leg_fills(plan, receipt, self.identity.venues) if called else []
        intent = self._ledger.record_mined(intent.id, receipt, booked, fills)
        profit = self._profit_wei(plan, deltas) if called and receipt.status else 0
        explanation = self._explain(intent, plan, receipt, profit) if called else ""
        if explanation:
            self._ledger.record_event(Level.WARNING, "not_as_simulated", explanation)
        self._signing.mined(intent, receipt, profit)
        gas_cost_wei = self._fee_policy.coin.cost_wei(receipt.gas_cost_wei)
        return Settled(intent, plan, receipt, deltas, profit, gas_cost_wei, explanation)

    def _moved(self, receipt: Receipt) -> Deltas:
        return transfer_deltas(receipt, self.identity.accounts, self.identity.venues.wrapped_native)

    def _profit_wei(self, plan: Plan, deltas: Deltas) -> int:
        last = plan.swaps[-1]
        token = Address(last.token_out.address)
        if plan.atomic:
            return self._marks.wei(last.token_out, deltas.get((self.identity.executor, token), 0))
        surplus = deltas.get((self.identity.inventory, token), 0) - plan.amount_out
        return plan.expected_profit_wei + self._marks.wei(last.token_out, surplus)

    def _explain(self, intent: Intent, plan: Plan, receipt: Receipt, profit_wei: int) -> str:
        """Why the chain's answer is not the simulator's; empty when it is."""
        verdict = self._verdicts.get(plan.id)
        if verdict is None or (receipt.status == 1 and profit_wei == self._judge.shown_profit_wei(plan, verdict)):
            return ""
        what = "reverted" if receipt.status == 0 else f"gained {profit_wei} wei instead of the simulated amount"
        return f"intent {intent.id}, {receipt.tx_hash} {what}: {self._touches.explain(intent, plan, receipt)}"

    def undo(self, event: Undone) -> None:
        """Take back what was booked from blocks that are no longer canonical; the intents are pending again."""
        self._touches.forget_above(event.ancestor.number)
        for block_hash in event.dropped:
            self._undo_block(block_hash)

    def _undo_block(self, block_hash: str) -> None:
        for intent in self._ledger.undo_block(block_hash):
            newest = self._ledger.attempts(intent.id)[-1]
            self._in_flight[intent.id] = read_signed(newest.raw, self.identity.operator)
            self._submission.lost(intent)
            self._learn()
            self._signing.undone(intent)
            detail = f"intent {intent.id}: block {block_hash} was dropped"
            self._ledger.record_event(Level.WARNING, "fill_undone", detail)

    def _learn(self) -> None:
        if self._tips is not None:
            self._tips.changed()

    def _plan(self, intent: Intent) -> Plan:
        if intent.plan_id not in self._plans:
            self._plans[intent.plan_id] = self._ledger.plan(intent.plan_id)
        return self._plans[intent.plan_id]
