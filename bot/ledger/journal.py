"""The write-ahead journal of intents: one nonce each, every step committed before the step itself is taken."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Row, and_, bindparam, func, or_, select, text

from bot.ledger import quick
from bot.ledger.attempts import attempts_of, attempts_of_all, check_successor, may_have_left
from bot.ledger.decisions import Level
from bot.ledger.errors import ActedOn, IllegalMove, LedgerError, NonceMoved
from bot.ledger.models import ASKING, AttemptRow, IntentRow, PlanRow
from bot.ledger.nonces import Nonces
from bot.ledger.pnl import gas_coin_in, has_mark
from bot.ledger.records import Attempt, Intent, Successor, WorstCase
from bot.ledger.states import IN_FLIGHT, AttemptKind, Exposure, IntentState, MinedAs, check_move
from bot.ledger.store import changing
from bot.plan import Plan
from bot.transaction import Fees
from chains.assets import Address, Token

_INSTANCE: BindParameter[str] = bindparam("instance")
_ALL_INTENTS = select(IntentRow.__table__, PlanRow.digest).join(PlanRow, PlanRow.id == IntentRow.plan_row)
_INTENTS = _ALL_INTENTS.where(IntentRow.instance == _INSTANCE)
# `coalesce` keeps the database from going through all rows of the instance instead of the few with a block or a plan.
_FEW_INTENTS = _ALL_INTENTS.where(func.coalesce(IntentRow.instance, "") == _INSTANCE).order_by(IntentRow.id)
_INTENT = _INTENTS.where(IntentRow.id == bindparam("intent"))
_ASKING = _INTENTS.where(text(f"({ASKING})"))
_OPEN = _ASKING.where(
    or_(IntentRow.state.in_([state.value for state in IN_FLIGHT]), IntentRow.exposure == Exposure.OWED.value)
).order_by(IntentRow.id)
_MINED = _ASKING.where(IntentRow.state == IntentState.MINED.value).order_by(IntentRow.id)
_ABOVE = _INTENTS.where(IntentRow.block_number > bindparam("number")).order_by(IntentRow.id)
_OF_PLAN = select(IntentRow.id).where(IntentRow.plan_row == bindparam("plan"))
CHANGE_INTENT = changing(IntentRow, IntentRow.id == bindparam("intent"))
_CHANGE_ATTEMPT = changing(
    AttemptRow, AttemptRow.intent_id == bindparam("intent"), AttemptRow.number == bindparam("attempt")
)


class Journal(Nonces):
    """Intents and their signed attempts. Moves not in `states.INTENT_MOVES` raise `IllegalMove`."""

    def reserve(self, plan: Plan, sender: Address, nonce: int, worst: WorstCase, fees: Fees) -> Intent:
        """Makes `plan` an intent: its nonce and its worst case are taken in one transaction.

        `nonce` is the one its transaction was built with. Raises `NonceMoved` when the journal's next differs,
        `ActedOn` when the plan has an intent already, and `LedgerError` when a token it ends in has no mark.
        """
        with self._write_ahead("a reservation", leaves=False) as connection:
            self._check_marks(connection, plan)
            plan_row = self._keep_plan(connection, plan, self._now_ms())
            if quick.first(connection, _OF_PLAN, {"plan": plan_row}) is not None:
                raise ActedOn(f"plan {plan.id} has an intent already; the same decision is never acted on twice")
            expected = self._next_nonce(connection, sender)
            if nonce != expected:
                raise NonceMoved(f"the next nonce of {sender} is {expected}, not {nonce}; build the transaction anew")
            intent_id = self._insert(
                connection,
                IntentRow,
                run_id=self.run.id,
                plan_row=plan_row,
                instance=self.run.instance,
                strategy=plan.strategy,
                network=plan.network,
                chain_id=self.run.chain_id,
                sender=sender,
                nonce=nonce,
                state=IntentState.RESERVED.value,
                two_sided=bool(plan.orders),
                exposure=Exposure.NONE.value,
                worst_loss_wei=worst.loss_wei,
                worst_gas_wei=worst.gas_wei,
                capital_wei=worst.capital_wei,
                gas_limit=fees.gas_limit,
                max_fee_wei=fees.max_fee_wei,
                tip_wei=fees.tip_wei,
                decided_block=plan.block_number,
                deadline_block=plan.deadline_block,
                reserved_head_s=self._head_s,
                reserved_ms=self._now_ms(),
            )
            return Intent(
                id=intent_id,
                plan_id=plan.id,
                strategy=plan.strategy,
                network=plan.network,
                chain_id=self.run.chain_id,
                sender=sender,
                nonce=nonce,
                state=IntentState.RESERVED,
                two_sided=bool(plan.orders),
                exposure=Exposure.NONE,
                worst=worst,
                fees=Fees(fees.gas_limit, fees.max_fee_wei, fees.tip_wei),
                decided_block=plan.block_number,
                deadline_block=plan.deadline_block,
                reserved_head_s=self._head_s,
                mined_as=None,
                block_number=None,
                block_hash=None,
            )

    def release(self, intent_id: int, reason: str) -> None:
        """Gives nonce and reservation back. Only before any byte left, and only for the sender's highest nonce."""
        with self._write() as connection:
            row = self._load(connection, intent_id)
            check_move(intent_id, IntentState(row.state), IntentState.RELEASED)
            if may_have_left(attempts_of(connection, intent_id)):
                raise IllegalMove(f"intent {intent_id} was sent before; only a NOOP can free its nonce {row.nonce}")
            highest = self._highest_nonce(connection, row.sender)
            if row.nonce != highest:
                raise IllegalMove(f"intent {intent_id} has nonce {row.nonce}; {highest} is out too, and would be stuck")
            self._move(connection, row, IntentState.RELEASED, released_because=reason)

    def record_signed(
        self,
        intent_id: int,
        raw: bytes,
        tx_hash: str,
        fees: Fees | None = None,
        kind: AttemptKind = AttemptKind.CALL,
        *,
        sending: bool = False,
    ) -> Attempt:
        """Keeps the signed bytes of a further attempt, before any of them may leave.

        `fees` are the intent's own unless told; what they may cost beyond its reservation is reserved with them. With
        `sending`, the intention to send them is in the same commit, as `mark_sending` says it: they are sent next.
        Raises `IllegalMove` where nodes would not take it in place of what left before.
        """
        with self._write_ahead("a signed transaction") as connection:
            return self._keep_signed(connection, intent_id, raw, tx_hash, fees, kind, sending=sending)

    def record_successors(self, successors: Iterable[Successor]) -> tuple[Attempt, ...]:
        """Keeps all of them in one commit, as `record_signed` does each with `sending`: none may leave before it.

        Raises as `record_signed`; then none is kept.
        """
        with self._write_ahead("signed transactions") as connection:
            return tuple(
                self._keep_signed(connection, it.intent_id, it.raw, it.tx_hash, it.fees, it.kind, sending=True)
                for it in successors
            )

    def mark_sending(self, intent_id: int) -> None:
        """To be committed before the first byte of the newest attempt leaves: from here on it may be anywhere."""
        with self._write_ahead("the intention to send") as connection:
            self._move_with_newest(connection, self._load(connection, intent_id), IntentState.SENDING)

    def mark_pending(self, intent_id: int) -> None:
        """A node knows the newest attempt. Saying so again changes nothing."""

        def keep(connection: Connection) -> None:
            row = self._load(connection, intent_id)
            if row.state != IntentState.PENDING:
                self._move_with_newest(connection, row, IntentState.PENDING)

        # Until it is known, it counts as SENDING, which promises more.
        self._note(keep)

    def mark_foreign(self, intent_id: int, evidence: str) -> None:
        """A transaction that is not ours used the nonce; `evidence` says how that is known. A person must look."""
        with self._write() as connection:
            row = self._load(connection, intent_id)
            if not may_have_left(attempts_of(connection, intent_id)):
                raise IllegalMove(f"intent {intent_id} was never sent; release it instead")
            self._move(connection, row, IntentState.FOREIGN)
            self._keep_event(connection, Level.ERROR, "foreign_nonce", f"intent {intent_id}: {evidence}")

    def intent(self, intent_id: int) -> Intent:
        """Raises `LedgerError` when there is none."""
        with self.read() as connection:
            return as_intent(self._load(connection, intent_id))

    def intent_of(self, plan_id: str) -> Intent | None:
        """What the plan of that id was made; None where it was never acted on."""
        # The plan's instance too: by it and the digest a plan is found, by the digest alone among all there are.
        of_plan = and_(PlanRow.instance == self.run.instance, PlanRow.digest == plan_id)
        return next(iter(self._list(of_plan)), None)

    def open_intents(self) -> tuple[Intent, ...]:
        """Intents that still ask for something: an answer of the chain, or the other side of a trade."""
        return self.remembered(("open", self.run.instance), self._open, (IntentRow,))

    def mined_intents(self) -> tuple[Intent, ...]:
        """Intents whose block is not final yet."""
        return self.remembered(("mined", self.run.instance), self._mined, (IntentRow,))

    def intents_above(self, number: int) -> tuple[Intent, ...]:
        """Intents that stand in a block above `number`."""
        wanted = {"instance": self.run.instance, "number": number}
        with self.read() as connection:
            return tuple(as_intent(row) for row in quick.rows(connection, _ABOVE, wanted))

    def released_intents(self, sender: Address, nonce: int) -> tuple[Intent, ...]:
        """Intents that gave `nonce` back before any byte of them left."""
        given_back = and_(IntentRow.instance == self.run.instance, IntentRow.state == IntentState.RELEASED.value)
        return self._list(and_(given_back, IntentRow.sender == sender, IntentRow.nonce == nonce))

    def is_acted_on(self, plan_id: str) -> bool:
        """Whether a plan has an intent, released or not."""
        with self.read() as connection:
            row = self._find_plan(connection, plan_id)
            return row is not None and quick.first(connection, _OF_PLAN, {"plan": row}) is not None

    def attempts(self, intent_id: int) -> tuple[Attempt, ...]:
        """The signed bytes of an intent, oldest first."""
        with self.read() as connection:
            return attempts_of(connection, intent_id)

    def attempts_of(self, intents: Collection[Intent]) -> Mapping[int, tuple[Attempt, ...]]:
        """The signed bytes of each of them that has any, oldest first, read at once."""
        if not intents:
            return {}
        wanted = tuple(intent.id for intent in intents)
        return self.remembered(
            ("attempts", self.run.instance),
            lambda connection: attempts_of_all(connection, wanted),
            (AttemptRow,),
            as_of=wanted,
        )

    def _open(self, connection: Connection) -> tuple[Intent, ...]:
        return tuple(as_intent(row) for row in quick.rows(connection, _OPEN, {"instance": self.run.instance}))

    def _mined(self, connection: Connection) -> tuple[Intent, ...]:
        return tuple(as_intent(row) for row in quick.rows(connection, _MINED, {"instance": self.run.instance}))

    def _list(self, which: ColumnElement[bool]) -> tuple[Intent, ...]:
        with self.read() as connection:
            return tuple(as_intent(row) for row in self._intents(connection, which))

    def _intents(self, connection: Connection, *which: ColumnElement[bool]) -> list[Row[Any]]:
        return list(connection.execute(_FEW_INTENTS.where(*which), {"instance": self.run.instance}).all())

    def _load(self, connection: Connection, intent_id: int) -> Any:
        wanted = {"instance": self.run.instance, "intent": intent_id}
        row = quick.first(connection, _INTENT, wanted)
        if row is None:
            raise LedgerError(f"intent {intent_id} is not in the ledger of {self.run.instance}")
        return row

    def _move(self, connection: Connection, row: Any, wanted: IntentState, **values: Any) -> None:
        check_move(row.id, IntentState(row.state), wanted)
        self._change(connection, CHANGE_INTENT, intent=row.id, state=wanted.value, **values)

    def _move_with_newest(self, connection: Connection, row: Any, wanted: IntentState) -> None:
        self._move(connection, row, wanted)
        self._set_attempt(connection, attempts_of(connection, row.id)[-1], wanted)

    def _keep_signed(
        self,
        connection: Connection,
        intent_id: int,
        raw: bytes,
        tx_hash: str,
        fees: Fees | None,
        kind: AttemptKind,
        *,
        sending: bool,
    ) -> Attempt:
        """A further attempt, with what it may cost beyond the intent's reservation; about to leave, if `sending`."""
        row = self._load(connection, intent_id)
        # No state leads back to the one before the first attempt.
        earlier = () if row.state == IntentState.RESERVED else attempts_of(connection, intent_id)
        fees = fees or Fees(row.gas_limit, row.max_fee_wei, row.tip_wei)
        check_successor(intent_id, earlier, kind, fees)
        coin = gas_coin_in(self._marks(connection), row.network)
        beyond = max(0, coin.cost_wei(fees.worst_cost_wei) - row.worst_gas_wei)
        check_move(intent_id, IntentState(row.state), IntentState.SIGNED)
        state = IntentState.SENDING if sending else IntentState.SIGNED
        self._change(
            connection,
            CHANGE_INTENT,
            {"state": IntentState.SIGNED.value} if sending else None,
            intent=intent_id,
            state=state.value,
            worst_gas_wei=row.worst_gas_wei + beyond,
            worst_loss_wei=row.worst_loss_wei + beyond,
        )
        attempt = Attempt(intent_id, len(earlier) + 1, raw, tx_hash, fees, kind, state)
        self._insert(
            connection,
            AttemptRow,
            intent_id=intent_id,
            number=attempt.number,
            kind=kind.value,
            raw=raw,
            tx_hash=tx_hash,
            gas_limit=fees.gas_limit,
            max_fee_wei=fees.max_fee_wei,
            tip_wei=fees.tip_wei,
            state=state.value,
            signed_ms=self._now_ms(),
        )
        return attempt

    def _set_attempt(self, connection: Connection, attempt: Attempt, state: IntentState) -> None:
        of = {"intent": attempt.intent_id, "attempt": attempt.number}
        self._change(connection, _CHANGE_ATTEMPT, **of, state=state.value)

    def _check_marks(self, connection: Connection, plan: Plan) -> None:
        """What cannot be valued cannot be budgeted: a loss in it would be invisible."""
        marks = self._marks(connection)
        for token in _ends(plan):
            if not has_mark(marks, token.place, token.address):
                raise LedgerError(f"plan {plan.id} ends in {token}, which has no opening mark; add it to set_marks")


def as_intent(row: Any) -> Intent:
    """The value behind a row of `intents` joined with its plan's digest."""
    return Intent(
        id=row.id,
        plan_id=row.digest,
        strategy=row.strategy,
        network=row.network,
        chain_id=row.chain_id,
        sender=Address(row.sender),
        nonce=row.nonce,
        state=IntentState(row.state),
        two_sided=row.two_sided,
        exposure=Exposure(row.exposure),
        worst=WorstCase(row.worst_loss_wei, row.worst_gas_wei, row.capital_wei),
        fees=Fees(row.gas_limit, row.max_fee_wei, row.tip_wei),
        decided_block=row.decided_block,
        deadline_block=row.deadline_block,
        reserved_head_s=row.reserved_head_s,
        mined_as=None if row.mined_as is None else MinedAs(row.mined_as),
        block_number=row.block_number,
        block_hash=row.block_hash,
    )


def _ends(plan: Plan) -> tuple[Token, ...]:
    """The tokens a plan starts from and ends in: those whose balances it is meant to change."""
    ends: list[Token] = []
    if plan.swaps:
        ends += [plan.swaps[0].token_in, plan.swaps[-1].token_out]
    for order in plan.orders:
        ends += [order.base, order.quote]
    return tuple(ends)
