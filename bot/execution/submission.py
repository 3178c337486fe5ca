"""What is signed goes out, and is followed until a block takes it: sent again, outbid, cancelled, or found foreign.

Every step is in the ledger before the next one begins. Absence of evidence ends nothing: only a receipt does, or a
nonce that was twice seen used by somebody else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.execution.fees import FeePolicy
from bot.execution.replacing import BARRING, IN_DOUBT, ReplacementPolicy, Standing, Step, next_step, outbidding
from bot.execution.routes import TAKEN, Delivery, Routes, joined, unanswered
from bot.ledger.decisions import Level
from bot.ledger.deliveries import Handed
from bot.ledger.ledger import Ledger
from bot.ledger.records import Attempt, Intent, Successor
from bot.ledger.states import IN_FLIGHT, AttemptKind, IntentState
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.signer.protocol import Signed
from bot.transaction import Fees, UnsignedTransaction, read_signed
from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Head
from chains.node import Submitter
from chains.node.errors import NodeError
from chains.node.sending import SendCause, SendOutcome
from chains.relays.destinations import MEMPOOL, Window

_READS = 2
"""How often, in different blocks, a nonce is seen used by somebody else before it is believed."""

_NOOP_BLOCKS = 4
"""How many blocks ahead a NOOP may land in, before it is sent again."""

_MAY_BE_SIGNED = frozenset({Reason.SIGNER_UNREACHABLE, Reason.SIGNER_JOURNAL, Reason.SIGNER_INTERNAL})
"""Refusals after which the signer may hold what it was asked for: asked the same again, it gives those bytes."""

UNANSWERED = (NodeError, RpcError)
"""What asking the chain raises when it gives no answer."""


@dataclass(frozen=True, slots=True)
class Outbid:
    """A call signed again for higher fees, or why it was not; `worthless` when it should be cancelled instead.

    `refused` is the signer's answer, where it was asked and did not sign.
    """

    signed: Signed | None
    why_not: str = ""
    worthless: bool = False
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """What is to stand in place of `before`, signed and not written down: `transaction`, as the `successor`'s bytes."""

    before: Attempt
    successor: Successor
    transaction: UnsignedTransaction


@dataclass(frozen=True, slots=True)
class Moved:
    """What is to be done for an intent that no block has taken: `replacement`, where there is one, is written down,
    and if it `leaves`, its newest bytes are sent.
    """

    replacement: Replacement | None = None
    leaves: bool = False


Outbidder = Callable[[Intent, UnsignedTransaction, Fees, Head], Awaitable[Outbid]]
"""Simulates a call for higher fees, and has it signed if it is still good."""

Canceller = Callable[[Intent, Fees], Awaitable[Signed | Refusal]]
"""Has a NOOP signed with an intent's nonce."""


@dataclass(slots=True)
class _Followed:
    """What is remembered of an intent while it is in flight; a new process begins to count anew.

    `floor` are fees that were too low for the signer, `asked` those that it may have signed. `in_public` says whether
    what puts the nonce in doubt is said to lie in the public mempool, `held` how often that was said in a row,
    `too_dear` whether it was told that a NOOP is.
    """

    left_at: int
    refused: SendCause | None = None
    in_doubt: SendCause | None = None
    in_public: bool = False
    reads: int = 0
    held: int = 0
    floor: Fees | None = None
    asked: Fees | None = None
    lost: bool = False
    too_dear: bool = False
    share_ppm: int = 0
    told: set[tuple[int, str, str]] = field(default_factory=set)
    given: set[str] = field(default_factory=set)


class Submission:
    """The way out of one account. `halted_because` says why it takes nothing new."""

    def __init__(
        self,
        *,
        account: Address,
        ledger: Ledger,
        routes: Routes,
        chain: Submitter,
        fee_policy: FeePolicy,
        policy: ReplacementPolicy,
        outbid: Outbidder,
        cancel: Canceller,
        wanted: Callable[[str], bool],
        plan_of: Callable[[Intent], Plan],
    ) -> None:
        """`wanted` says of a strategy whether what it has in flight should still land."""
        self.account = account
        self._ledger = ledger
        self._routes = routes
        self._chain = chain
        self._fee_policy = fee_policy
        self._policy = policy
        self._outbid = outbid
        self._cancel = cancel
        self._wanted = wanted
        self._plan_of = plan_of
        self._followed: dict[int, _Followed] = {}
        self._head_number = 0
        self._ahead = 0
        self._accused = False
        self._behind = 0
        self._held_wei: int | None = None
        self._topped_up = False

    @property
    def halt_name(self) -> str:
        """What the account is called among what is halted."""
        return f"account:{self.account}"

    def refusal(self) -> Refusal | None:
        """Why nothing new may leave this account; None while it may."""
        halted = self._ledger.halted_because(self.halt_name)
        if halted is not None:
            return Refusal(Reason.ACCOUNT_HALTED, f"{halted}; look, then `isthmus resume {self.halt_name}`")
        if self._ahead:
            return Refusal(Reason.ACCOUNT_HALTED, f"{self.account} may have been used by somebody else; reading again")
        if self._behind >= _READS:
            return Refusal(Reason.ACCOUNT_HALTED, f"a nonce of {self.account} before those in flight was never sent")
        for intent_id, followed in self._followed.items():
            if followed.refused in BARRING or followed.in_doubt is not None:
                why = followed.refused or followed.in_doubt
                remedy = "; run `isthmus executor top-up`" if why is SendCause.INSUFFICIENT_FUNDS else ""
                told = f"no node takes intent {intent_id} of {self.account}: {why}{remedy}"
                return Refusal(Reason.ACCOUNT_HALTED, told)
        return None

    @property
    def is_short(self) -> bool:
        """Whether something of this account is refused for want of coins."""
        return any(it.refused is SendCause.INSUFFICIENT_FUNDS for it in self._followed.values())

    def note_coins(self, held_wei: int | None) -> None:
        """What this account holds at the present head; None where that was not asked or not said."""
        before, self._held_wei = self._held_wei, held_wei
        self._topped_up = before is not None and held_wei is not None and held_wei > before

    def at_head(self, head: Head) -> None:
        """Blocks are counted from here."""
        self._head_number = head.number

    def forget(self, intent: Intent) -> None:
        """A block has taken it."""
        self._followed.pop(intent.id, None)

    def begin(self, intent: Intent, share_ppm: int) -> None:
        """A new intent, whose tip is `share_ppm` of what its plan can spare."""
        self._follow(intent).share_ppm = share_ppm

    def lost(self, intent: Intent) -> None:
        """The block that had taken it is none any more, and nodes may have forgotten it."""
        self._follow(intent).lost = True

    async def send(self, intent: Intent, newest: Attempt | None = None) -> None:
        """Send the newest signed bytes, once more if they left before. What is not known to be taken stays open.

        `newest` is the attempt, where it has just been written down.
        """
        attempt = newest or self._ledger.attempts(intent.id)[-1]
        if attempt.state is IntentState.SIGNED:
            self._ledger.mark_sending(intent.id)
        deliveries = await self._delivered(intent, attempt)
        outcome = joined(attempt.tx_hash, deliveries)
        followed = self._follow(intent)
        self._keep(intent, attempt, followed, deliveries)
        followed.refused = followed.in_doubt = None
        followed.lost = False
        if outcome.status in TAKEN:
            followed.held = 0
            self._ledger.mark_pending(intent.id)
            return
        if outcome.cause in IN_DOUBT:
            followed.in_doubt = outcome.cause
            followed.in_public = any(each.destination == MEMPOOL and _holds_another(each) for each in deliveries)
            self._tell("nonce_in_doubt", intent, attempt, outcome)
            if await self._resolve(intent, followed):
                self._note_held(intent, followed)
        elif outcome.cause in BARRING or outcome.cause is SendCause.FEE_TOO_LOW:
            followed.refused = outcome.cause
            self._tell("send_refused", intent, attempt, outcome, Level.ERROR)
        else:
            self._tell("send_unresolved", intent, attempt, outcome)

    async def move_on(self, intent: Intent, attempts: Sequence[Attempt], head: Head) -> Moved:
        """One intent, with what was signed for it, that no block up to `head` has taken. Nothing is written down and
        nothing sent yet.
        """
        followed = self._follow(intent)
        if followed.in_doubt is not None and not await self._resolve(intent, followed):
            return Moved()
        newest = attempts[-1]
        if newest.state is IntentState.SIGNED:
            return Moved(leaves=True)
        standing = Standing(
            kind=newest.kind,
            signed=sum(attempt.kind is newest.kind for attempt in attempts),
            age_blocks=head.number - followed.left_at,
            known=intent.state is IntentState.PENDING and not followed.lost,
            refused=followed.refused,
            expired=head.number >= intent.deadline_block,
            unwanted=not self._wanted(intent.strategy) or self._ledger.halted_because(intent.strategy) is not None,
            outgrown=newest.fees.max_fee_wei < self._fee_policy.gas_price_wei(head),
            topped_up=self._topped_up,
        )
        step = next_step(standing, self._policy)
        replaced = await self._replace(intent, newest, step, head) if step in (Step.BUMP, Step.CANCEL) else None
        return Moved(replaced, leaves=step is not Step.WAIT)

    def take_over(self, counted: int, *, restored: bool) -> None:
        """Begin where the chain, which has `counted` transactions of this account, says. Where it knows some that a
        ledger with something in flight does not, nothing new leaves before `watch_nonce` has seen what they are.

        Raises `LedgerError` as `set_first_nonce`.
        """
        self._ahead = 0 if self._ledger.set_first_nonce(self.account, counted, restored=restored) else 1

    def watch_nonce(self, counted: int, head: Head) -> None:
        """Whether the chain, which has `counted` transactions of this account, knows some that the ledger does not.

        Once a person has looked, and has resumed the account, they are skipped.
        """
        expected = self._ledger.next_nonce(self.account)
        self._ahead = self._ahead + 1 if counted > expected else 0
        self._accused &= self._ahead > 0
        detail = f"{self.account} has sent {counted} transactions by the chain and {expected} by the ledger"
        if self._ahead == 1:
            self._ledger.record_event(Level.ERROR, "foreign_nonce_suspected", f"{detail}, at block {head.number}")
        elif self._ahead >= _READS and self._ledger.halted_because(self.halt_name) is None:
            if self._accused and self._ledger.set_first_nonce(self.account, counted):
                self._ahead, self._accused = 0, False
            else:
                self._ledger.halt(self.halt_name, f"{detail}; another program uses this key")
                self._accused = True
        lowest = min((it.nonce for it in self._ledger.open_intents() if self._waits(it)), default=counted)
        self._behind = self._behind + 1 if counted < lowest else 0
        if self._behind == _READS:
            detail = f"{self.account}: its next nonce is {counted} by the chain, and the lowest in flight is {lowest}"
            self._ledger.record_event(Level.ERROR, "nonce_gap", f"{detail}; nothing new is sent with this key")

    async def _replace(self, intent: Intent, newest: Attempt, step: Step, head: Head) -> Replacement | None:
        """What is to stand in place of `newest`; None where the fees allow nothing, or the signer does not."""
        before = read_signed(newest.raw, self.account)
        cancels = step is Step.CANCEL or newest.kind is AttemptKind.NOOP
        if not cancels:
            fees = self._fees_over(intent, newest, newest.fees, head, self._policy.for_calls())
            outbid = Outbid(None, "the fees are at their cap") if fees is None else None
            outbid = outbid or await self._outbid(intent, before, fees, head)  # type: ignore[arg-type]
            if outbid.signed is not None:
                return self._replacement(newest, outbid.signed, AttemptKind.CALL)
            self._ledger.record_event(Level.INFO, "not_outbid", f"intent {intent.id}: {outbid.why_not}")
            if not outbid.worthless:
                self._not_signed(intent, fees, outbid.refused)
                return None
        fees = self._noop_fees(intent, newest, before, head)
        if fees is None:
            self._tell_too_dear(intent)
            return None
        answer = await self._cancel(intent, fees)
        if isinstance(answer, Signed):
            return self._replacement(newest, answer, AttemptKind.NOOP)
        self._not_signed(intent, fees, answer)
        self._ledger.record_event(Level.WARNING, "not_cancelled", f"intent {intent.id}: {answer}")
        return None

    def _tell_too_dear(self, intent: Intent) -> None:
        followed = self._follow(intent)
        if not followed.too_dear:
            followed.too_dear = True
            dear = "a NOOP would have to offer more than signer.max_fee_gwei, or cost more than the trade could lose"
            waits = f"nonce {intent.nonce} of {self.account} waits until blocks charge less"
            self._ledger.record_event(Level.WARNING, "not_cancelled", f"intent {intent.id}: {dear}; {waits}")

    def _not_signed(self, intent: Intent, fees: Fees | None, refused: Refusal | None) -> None:
        """The next offer is higher only where the signer finds this one too low for what it has signed before."""
        if refused is None:
            return
        if refused.reason is Reason.SIGNER_REPLACEMENT:
            self._follow(intent).floor = fees
        elif refused.reason in _MAY_BE_SIGNED:
            self._follow(intent).asked = fees

    def _replacement(self, before: Attempt, signed: Signed, kind: AttemptKind) -> Replacement:
        transaction = read_signed(signed.raw, self.account)
        fees = Fees(transaction.gas_limit, transaction.max_fee_wei, transaction.tip_wei)
        successor = Successor(before.intent_id, signed.raw, signed.tx_hash, fees, kind)
        return Replacement(before, successor, transaction)

    async def replaced(self, intent: Intent, replacement: Replacement) -> None:
        """It is written down, and sent next: age is counted anew, and relays are told to forget what it replaces."""
        before, after = replacement.before, replacement.successor
        called = after.kind is AttemptKind.CALL
        detail = f"intent {intent.id}, {before.tx_hash}: {after.tx_hash} stands in its place, nonce {intent.nonce}"
        level, name = (Level.INFO, "outbid") if called else (Level.WARNING, "cancelling")
        self._ledger.record_event(level, name, detail)
        followed = self._follow(intent)
        followed.left_at, followed.floor, followed.asked = self._head_number, None, None
        given = followed.given if before.kind is AttemptKind.CALL else ()
        await self._routes.withdraw(
            before.raw, sorted(given) or self._names(intent, before), self._window(intent, before)
        )

    async def _resolve(self, intent: Intent, followed: _Followed) -> bool:
        """A node says that the nonce is taken: look for our own transactions, and believe in a stranger's last.

        Whether only a mempool's word stands against it, which ends nothing: what it holds may never land.
        """
        attempts = self._ledger.attempts(intent.id)
        try:
            for attempt in attempts:
                if await self._chain.knows(attempt.tx_hash):
                    followed.in_doubt, followed.reads = None, 0
                    self._ledger.mark_pending(intent.id)
                    return False
            if await self._chain.nonce(self.account) <= intent.nonce:
                followed.reads = 0
                # What a relay holds nobody else can see, and what one node took another may lack.
                taken = any(attempt.state is IntentState.PENDING for attempt in attempts)
                if taken or not followed.in_public:
                    followed.in_doubt = None
                return followed.in_doubt is not None
        except UNANSWERED:
            return False
        followed.reads += 1
        if followed.reads < _READS:
            return False
        evidence = f"{followed.in_doubt}, and none of our transactions with nonce {intent.nonce} is known"
        self._ledger.mark_foreign(intent.id, evidence)
        self._ledger.halt(self.halt_name, f"intent {intent.id}: {evidence}; another program uses this key")
        self.forget(intent)
        return False

    def _note_held(self, intent: Intent, followed: _Followed) -> None:
        """The mempool holds another with this nonce, by a node's word: said again, nothing new may leave."""
        followed.held += 1
        if followed.held >= _READS and self._ledger.halted_because(self.halt_name) is None:
            detail = f"intent {intent.id}: a node's mempool holds another transaction with its nonce, {intent.nonce}"
            self._ledger.halt(self.halt_name, f"{detail}; another program may use this key")

    def _fees_over(
        self, intent: Intent, newest: Attempt, limits: Fees, head: Head, policy: ReplacementPolicy
    ) -> Fees | None:
        """The least that replaces `newest`, under `limits`' gas; more, where the signer asked for more, and the same as
        it may have signed unheard, where that is enough.
        """
        floor, asked = self._follow(intent).floor, self._follow(intent).asked
        old = newest.fees
        if floor is not None:
            old = replace(
                old, max_fee_wei=max(old.max_fee_wei, floor.max_fee_wei), tip_wei=max(old.tip_wei, floor.tip_wei)
            )
        fees = outbidding(old, self._fee_policy.offer(head), policy)
        if fees is None:
            return None
        if asked is not None and fees.tip_wei <= asked.tip_wei <= policy.max_tip_wei:
            fees = asked if fees.max_fee_wei <= asked.max_fee_wei <= policy.max_fee_wei else fees
        return replace(fees, gas_limit=limits.gas_limit, data_fee_wei=limits.data_fee_wei)

    def _noop_fees(self, intent: Intent, newest: Attempt, before: UnsignedTransaction, head: Head) -> Fees | None:
        """What a NOOP offers, at most what it saves from; None where that does not pay for the next block either."""
        noop = replace(before, to=self.account, value_wei=0, data=b"")
        limits, cap_wei = self._fee_policy.noop(noop, head), self._policy.max_fee_wei
        saved = self._fee_policy.coin.coins(intent.worst.loss_wei)
        most_wei = (saved - limits.data_fee_wei) // limits.gas_limit
        if most_wei < min(self._fee_policy.gas_price_wei(head), cap_wei):
            return None
        policy = replace(self._policy, max_fee_wei=min(most_wei, cap_wei))
        return self._fees_over(intent, newest, limits, head, policy)

    def _waits(self, intent: Intent) -> bool:
        return intent.sender == self.account and intent.state in IN_FLIGHT

    def _names(self, intent: Intent, attempt: Attempt) -> tuple[str, ...]:
        if attempt.kind is AttemptKind.NOOP:
            return self._routes.freeing(intent.strategy)
        return self._routes.of(self._plan_of(intent))

    async def _delivered(self, intent: Intent, attempt: Attempt) -> list[Delivery]:
        """Hand it out; where no relay answers, the public is as good a way as any: it is safe alone."""
        names, window = self._names(intent, attempt), self._window(intent, attempt)
        deliveries = await self._routes.send(attempt.raw, names, window)
        if attempt.kind is AttemptKind.CALL:
            others = [name for name in self._routes.allowed(intent.strategy) if name not in names]
            if others and unanswered(deliveries):
                detail = f"intent {intent.id}: {', '.join(names)} did not answer; it goes to {', '.join(others)} too"
                self._ledger.record_event(Level.WARNING, "relays_silent", detail)
                deliveries += await self._routes.send(attempt.raw, others, window)
            self._follow(intent).given.update(delivery.destination for delivery in deliveries)
        return deliveries

    def _window(self, intent: Intent, attempt: Attempt) -> Window:
        first = max(self._head_number, intent.decided_block) + 1
        if attempt.kind is AttemptKind.NOOP:
            return Window(first, first + _NOOP_BLOCKS)
        return Window(first, max(intent.deadline_block, first))

    def _follow(self, intent: Intent) -> _Followed:
        return self._followed.setdefault(intent.id, _Followed(max(self._head_number, intent.decided_block)))

    def _keep(self, intent: Intent, attempt: Attempt, followed: _Followed, deliveries: Sequence[Delivery]) -> None:
        """What destinations said of an attempt, once for each thing that one said."""
        new = {}
        for each in deliveries:
            said = (attempt.number, each.destination, str(each.outcome.status))
            if said not in followed.told:
                followed.told.add(said)
                new[said] = Handed(each.destination, str(each.outcome.status), each.outcome.cause)
        if new:
            pools = self._plan_of(intent).pools
            self._ledger.record_deliveries(intent.id, attempt.number, new.values(), pools, followed.share_ppm)

    def _tell(
        self, name: str, intent: Intent, attempt: Attempt, outcome: SendOutcome, level: Level = Level.WARNING
    ) -> None:
        detail = f"intent {intent.id}, {attempt.tx_hash}: {outcome.status} {outcome.detail}"
        self._ledger.record_event(level, name, detail)


def _holds_another(delivery: Delivery) -> bool:
    return delivery.outcome.cause is SendCause.REPLACEMENT_UNDERPRICED
