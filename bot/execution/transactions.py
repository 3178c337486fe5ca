"""The chain side of the road: one plan in, one transaction out. What the chain makes of it is `homecoming`'s.

Build, simulate, reserve, sign, send. Every step is in the ledger before the next one begins, so that a
process that starts again knows what it did and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from bot.clock import Clock
from bot.execution.build import unsigned_transaction
from bot.execution.fees import FeePolicy, Priced, terms
from bot.execution.gains import Gains
from bot.execution.homecoming import Found, Homecoming, Waits
from bot.execution.inflight import InFlight
from bot.execution.judging import Bearing, Judge
from bot.execution.marks import Marks
from bot.execution.operators import Operators
from bot.execution.replacing import ReplacementPolicy
from bot.execution.routes import Routes
from bot.execution.settling import Identity, Prepared, Sent, Settled
from bot.execution.signing import Signing, SigningParty, terms_of
from bot.execution.stages import Stage, Stages
from bot.execution.submission import Outbid, Submission
from bot.execution.tips import Tips
from bot.execution.worst import WorstCases
from bot.ledger.errors import ActedOn, LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.records import Attempt, Intent
from bot.ledger.states import IN_FLIGHT, AttemptKind
from bot.market import Market
from bot.plan import Plan
from bot.reasons import Reason, Refusal, TokenRefusal
from bot.signer.protocol import Signed
from bot.simulator import Simulator
from bot.simulator.holdings import Watched
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import Fees, UnsignedTransaction, read_signed
from chains.assets import Address, Token
from chains.blocks import Block, Head, Undone
from chains.node import Submitter
from chains.node.seen import Sought
from chains.relays.destinations import MEMPOOL, Mempool

__all__ = ["Identity", "Prepared", "Sent", "Settled", "TransactionDesk"]

_GWEI = 10**9
_USUAL_CAPS = ReplacementPolicy(max_fee_wei=200 * _GWEI, max_tip_wei=10 * _GWEI)


class TransactionDesk:
    """Carries plans to the chain and brings receipts back. One per network."""

    def __init__(
        self,
        *,
        identity: Identity,
        ledger: Ledger,
        simulator: Simulator,
        signer: SigningParty | None,
        submitter: Submitter,
        fee_policy: FeePolicy,
        market: Market,
        marks: Marks,
        held: Collection[Token],
        unwind_loss_ppm: int,
        finality_blocks: int,
        clock: Clock,
        routes: Routes | None = None,
        replacing: ReplacementPolicy = _USUAL_CAPS,
        wanted: Callable[[str], bool] = lambda strategy: True,
        tips: Tips | None = None,
        bearing: Bearing | None = None,
        most_in_flight: int = 16,
    ) -> None:
        """`signer` is None in dry mode. `market` has the books of orders, `unwind_loss_ppm` bounds what giving up a
        two-sided plan may cost. `held` are the tokens of profits and of the inventory.

        What lies `finality_blocks` deep is final. Without `routes`, everything goes to `submitter`. What a
        strategy has in flight is cancelled while it is not `wanted`. Without `tips`, tips are fixed; without `bearing`,
        no plan is asked what it bears. While `most_in_flight` transactions of a key wait for a block, it sends nothing
        new but what unwinds.
        """
        self.identity = identity
        self._ledger = ledger
        self._simulator = simulator
        self._signing = Signing(identity, ledger, signer)
        self._submitter = submitter
        self._fee_policy = fee_policy
        self._marks = marks
        self._worst = WorstCases(market, marks, fee_policy.coin, unwind_loss_ppm)
        self.stages = Stages(clock)
        self._gains = Gains(identity, marks, held)
        self._in_flight = InFlight(ledger)
        self._tips = tips
        self._judge = Judge(self._gains, fee_policy, bearing)
        self._to_be_borne: list[tuple[Prepared, Verdict]] = []
        routes = routes or Routes({MEMPOOL: Mempool(submitter.send_raw)})
        ways = [
            Submission(
                account=operator,
                ledger=ledger,
                routes=routes,
                chain=submitter,
                fee_policy=fee_policy,
                policy=replacing,
                outbid=self._outbid,
                cancel=self._signing.cancel,
                wanted=wanted,
                plan_of=self._in_flight.plan,
            )
            for operator in identity.operators
        ]
        self._operators = Operators(ways, self._in_flight, ledger, most_in_flight)
        self._home = Homecoming(
            ledger=ledger,
            in_flight=self._in_flight,
            gains=self._gains,
            signing=self._signing,
            operators=self._operators,
            submitter=submitter,
            fee_policy=fee_policy,
            finality_blocks=finality_blocks,
            routes=routes,
            tips=tips,
        )

    async def start(self, number: int = 0) -> None:
        """Take up where the journal ends: the first nonces, every intent whose outcome is open, and what the signer
        may not have been told of. The chain stands at block `number`.
        """
        self._require_known_senders()
        restored = self._ledger.was_restored
        for way in self._operators:
            way.take_over(await self._submitter.nonce(way.account), restored=restored)
        await self._home.recheck_mined()
        self._require_known_contract(number)
        await self._home.send_all(await self._home.take_up())

    def _require_known_senders(self) -> None:
        waiting = {intent.sender for intent in self._ledger.open_intents() if intent.state in IN_FLIGHT}
        for sender in sorted(waiting.difference(self.identity.operators)):
            raise LedgerError(
                f"{sender} has transactions in flight and is no operator of this run; add its key to "
                "signer.further_keys until they are settled"
            )

    def _require_known_contract(self, number: int) -> None:
        """What another executor does with a transaction moves accounts that are none of this run's."""
        begun = self._home.not_final(number)
        attempts = self._ledger.attempts_of(begun)
        for intent in begun:
            for attempt in attempts.get(intent.id, ()):
                called = read_signed(attempt.raw, intent.sender).to
                if attempt.kind is AttemptKind.CALL and called != self.identity.executor:
                    raise LedgerError(
                        f"intent {intent.id} calls executor {called}, which is not this run's, and is not final; where "
                        "it is in a block, start again once that is deep enough, else name that one in "
                        "executor.address until it is, and the keys that it obeys under [signer]"
                    )

    def prepare_to_look(self) -> None:
        """As `Homecoming.prepare_to_look`."""
        self._home.prepare_to_look()

    def sought(self) -> Sought:
        """As `Homecoming.sought`."""
        return self._home.sought()

    async def look(self, block: Block) -> Found:
        """What became of what is in flight, as `Homecoming.look`; to be given to `bring_home` before the next block."""
        return await self._home.look(block)

    def waits(self, found: Found) -> Waits:
        """Which plans may leave before what was found is booked, as `Homecoming.waits`."""
        return self._home.waits(found)

    def settle(self, found: Found) -> list[Settled]:
        """As `Homecoming.settle`."""
        return self._home.settle(found)

    async def go_on(self, found: Found, settled: Sequence[Settled]) -> list[Intent]:
        """As `Homecoming.go_on`."""
        return await self._home.go_on(found, settled)

    async def finish(self, final: Sequence[Intent]) -> None:
        """As `Homecoming.finish`."""
        await self._home.finish(final)

    async def bring_home(self, found: Found) -> list[Settled]:
        """`settle`, and all that follows it."""
        settled = self.settle(found)
        await self.finish(await self.go_on(found, settled))
        return settled

    async def on_block(self, block: Block) -> list[Settled]:
        """`look`, and `bring_home` at once."""
        return await self.bring_home(await self._home.look(block))

    def undo(self, event: Undone) -> None:
        """Take back what was booked from blocks that are no longer canonical; the intents are pending again."""
        self._home.undo(event)

    @property
    def has_flowing(self) -> bool:
        """Whether plans are simulated behind what was sent before."""
        return bool(self._operators.flowing())

    def refusal(self, plan: Plan | None = None) -> Refusal | None:
        """Why nothing new, or else not `plan`, may be sent with any key; None while it may."""
        return self._operators.refusal(unwinds=plan is not None and bool(plan.unwinds))

    def prepare(self, plan: Plan, head: Head, gas: int = 0) -> Prepared:
        """The transaction for `plan` on top of `head`, with the fees and terms it would be signed with.

        It is that of the key with the fewest in flight, of those that can pay for it. `gas` is what a verdict measured,
        where that is more than the plan's estimate.
        """
        gas = max(plan.gas_estimate, gas)
        each = (self._prepared(plan, head, gas, sender) for sender in self._operators.ready())
        first = next(each)
        ready = (it for it in (first, *each) if self._operators.can_pay(it.transaction.sender, it.fees))
        return next(ready, first)

    def _prepared(self, plan: Plan, head: Head, gas: int, sender: Address) -> Prepared:
        nonce = self._ledger.next_nonce(sender)

        def build(priced: Priced) -> UnsignedTransaction:
            return unsigned_transaction(
                plan,
                terms(plan, priced.cost_wei, self._marks),
                priced.fees,
                nonce=nonce,
                chain_id=self.identity.chain_id,
                sender=sender,
                executor=self.identity.executor,
            )

        share_ppm, tip_wei = self._tips.offered(plan, gas, head) if self._tips is not None else (0, None)
        priced = self._fee_policy.price(build, gas, head, tip_wei)
        bound = terms(plan, priced.cost_wei, self._marks)
        worst = self._worst.of(plan, bound, priced.fees)
        transaction = build(priced)
        return Prepared(plan, bound, priced.fees, worst, transaction, gas + priced.data_gas, priced.data_gas, share_ppm)

    async def screened(self, prepared: Prepared, head: Head) -> Verdict | Refusal | None:
        """What the transaction does in this process, or why that is not enough; None where only the fork can tell.

        What fails here never takes the fork's time.
        """
        verdict = await self._simulator.screened(prepared.transaction, head, *self._surroundings(prepared))
        if verdict is None:
            return None
        verdict = prepared.charged(verdict)
        judged = self._judge.judged(prepared, verdict)
        if isinstance(judged, Refusal):
            self._ledger.record_verdict(prepared.plan.id, verdict)
        return await self._named(judged, prepared.plan, head)

    def _surroundings(self, prepared: Prepared) -> tuple[Sequence[Watched], Sequence[UnsignedTransaction]]:
        """Whose balances are looked at, and what was sent before."""
        return self._gains.watched(prepared.plan), self._operators.flowing()

    async def verdict(self, prepared: Prepared, head: Head) -> Verdict | Refusal:
        """The last word: the exact transaction on top of `head`, after those already sent; or why it is not enough."""
        verdict = await self._simulator.verdict(prepared.transaction, head, *self._surroundings(prepared))
        verdict = prepared.charged(verdict)
        if self._judge.is_asked(prepared, verdict):
            if self._judge.could_lose_too_much(prepared, verdict):
                verdict = replace(verdict, moved=self._judge.bears(prepared, verdict))
            else:
                self._to_be_borne.append((prepared, verdict))
        self._ledger.record_verdict(prepared.plan.id, verdict)
        return await self._named(self._judge.judged(prepared, verdict), prepared.plan, head)

    def keep_borne(self, head: Head) -> None:
        """Write down what large plans of `head` bear, where no answer would have kept them from leaving."""
        asked, self._to_be_borne = self._to_be_borne, []
        for prepared, verdict in asked:
            if verdict.block_hash == head.hash:
                self._ledger.record_borne(prepared.plan.id, verdict.tx_digest, self._judge.bears(prepared, verdict))

    def smaller(self, plan: Plan) -> Plan | None:
        """A plan of half the size, for one that is too sensitive as it is; None where that gains nothing."""
        return self._judge.smaller(plan)

    async def _named(self, judged: Verdict | Refusal, plan: Plan, head: Head) -> Verdict | Refusal:
        """What reverted because a token keeps what it should pass on, refused by that name."""
        if not isinstance(judged, Refusal) or judged.reason is not Reason.SIM_REVERTED:
            return judged
        trouble = await self._simulator.trouble(plan, self.identity.executor, head)
        if trouble is None:
            return judged
        detail = f"{trouble}; {judged.detail}"
        for token in self._gains.unmarked(plan):
            if token.address == trouble.token:
                return TokenRefusal(trouble.cause, detail, token, trouble.detail)
        return Refusal(trouble.cause, detail)

    async def _outbid(self, intent: Intent, before: UnsignedTransaction, fees: Fees, head: Head) -> Outbid:
        """`before` for `fees`, if it still earns what its plan wants, behind what is in flight with lower nonces."""
        plan = self._in_flight.plan(intent)
        transaction = replace(before, max_fee_wei=fees.max_fee_wei, tip_wei=fees.tip_wei)
        earlier = self._operators.ahead_of(intent)
        verdict = await self._simulator.verdict(transaction, head, self._gains.watched(plan), after=earlier)
        if verdict.outcome is not Outcome.OK:
            return Outbid(None, f"{verdict.outcome}: {verdict.reason}", worthless=verdict.outcome is Outcome.REVERTED)
        priced = self._fee_policy.price(lambda _: transaction, verdict.gas_used, head)
        fees = replace(fees, data_fee_wei=priced.fees.data_fee_wei)
        bound = terms_of(before)
        worst = self._worst.of(plan, bound, fees)
        prepared = Prepared(plan, bound, fees, worst, transaction, verdict.gas_used, priced.data_gas)
        verdict = prepared.charged(verdict)
        self._ledger.record_verdict(plan.id, verdict)
        left = self._gains.shown_wei(plan, verdict) - self._judge.cost_wei(fees, verdict)
        if left < plan.min_profit_wei:
            return Outbid(None, f"{left} wei would be left, at least {plan.min_profit_wei} wanted", worthless=True)
        answer = await self._signing.outbid(intent, prepared, verdict, head)
        return Outbid(answer) if isinstance(answer, Signed) else Outbid(None, str(answer), refused=answer)

    async def submit(self, prepared: Prepared, verdict: Verdict, head: Head) -> Sent | Refusal:
        """Reserve, have it signed, and send it: each in the ledger before the next begins."""
        plan, transaction = prepared.plan, prepared.transaction
        self._ledger.ask_others()
        halted = self._operators.refusal(transaction.sender, unwinds=bool(plan.unwinds))
        if halted is not None:
            return halted
        try:
            intent = self._ledger.reserve(plan, transaction.sender, transaction.nonce, prepared.worst, prepared.fees)
        except ActedOn as error:
            return Refusal(Reason.ALREADY_DECIDED, str(error))
        self.stages.reached(Stage.RESERVED)
        answer = await self._signed(intent, prepared, verdict, head)
        if not isinstance(answer, Signed):
            await self._home.release(intent, str(answer))
            return answer
        attempt = self._ledger.record_signed(intent.id, answer.raw, answer.tx_hash, sending=True)
        self.stages.reached(Stage.SIGNED)
        self._in_flight.begin(intent, plan, verdict, transaction)
        self._operators.begin(intent, prepared.share_ppm)
        await self._send(intent, attempt)
        self.stages.reached(Stage.SENT)
        self._ledger.record_timings(intent.id, self.stages.elapsed_ns())
        return Sent(intent, answer.tx_hash, verdict)

    async def _signed(self, intent: Intent, prepared: Prepared, verdict: Verdict, head: Head) -> Signed | Refusal:
        return await self._signing.sign(intent, prepared, verdict, head)

    async def _send(self, intent: Intent, newest: Attempt | None = None) -> None:
        await self._operators.of(intent).send(intent, newest)
