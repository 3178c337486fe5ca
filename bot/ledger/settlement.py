"""Settlement: receipts booked, blocks undone, exposures closed. The chain is the judge; the books follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from bot.ledger import accounts, quick
from bot.ledger.attempts import attempts_of, mined_one
from bot.ledger.book_models import EntryRow
from bot.ledger.decisions import Level
from bot.ledger.errors import IllegalMove, LedgerError
from bot.ledger.journal import CHANGE_INTENT, Journal, as_intent
from bot.ledger.models import FillRow, IntentRow, OrderRow
from bot.ledger.records import Account, Attempt, Intent, SwapFill
from bot.ledger.states import (
    CLOSED_ORDERS,
    IN_FLIGHT,
    SETTLED,
    UNCLEAR_ORDERS,
    AttemptKind,
    Exposure,
    IntentState,
    MinedAs,
)
from bot.ledger.store import changing
from chains.assets import Address
from chains.blocks import Receipt

_OF_BLOCK = FillRow.block_hash == bindparam("of_block")
# `coalesce` keeps the database from going through all rows of the instance instead of the block's.
_CHANGE_FILLS = changing(FillRow, func.coalesce(FillRow.instance, "") == bindparam("of_instance"), _OF_BLOCK)
_CHANGE_FILL = changing(
    FillRow,
    FillRow.instance == bindparam("of_instance"),
    FillRow.venue == bindparam("of_venue"),
    FillRow.trade_id == bindparam("of_trade"),
    _OF_BLOCK,
)

_SWAPS = (
    select(FillRow.__table__)
    .where(FillRow.intent_id == bindparam("intent"), FillRow.order_id.is_(None), FillRow.undone.is_(False))
    .order_by(FillRow.id)
)
_OF_INTENT = select(OrderRow.client_id).where(OrderRow.intent_id == bindparam("intent")).limit(1)
_STILL_OPEN = _OF_INTENT.where(OrderRow.state.not_in([state.value for state in CLOSED_ORDERS]))
_STILL_UNCLEAR = _OF_INTENT.where(OrderRow.state.in_([state.value for state in UNCLEAR_ORDERS]))


class Settlement(Journal):
    """What the chain answered. Booking the same answer twice changes nothing."""

    def record_mined(
        self, intent_id: int, receipt: Receipt, deltas: Mapping[Account, int], swaps: Sequence[SwapFill] = ()
    ) -> Intent:
        """Books a receipt that stands in a canonical block; booking the same one again changes nothing.

        `deltas` are what the transaction moved in our accounts, base units, without gas: that is taken from the
        receipt. A transaction that reverted moved nothing.
        """
        with self._write() as connection:
            row = self._load(connection, intent_id)
            if row.state in SETTLED and row.block_hash == receipt.block_hash:
                return as_intent(row)
            attempt = mined_one(intent_id, attempts_of(connection, intent_id), receipt.tx_hash)
            mined_as = _mined_as(attempt, receipt)
            if mined_as is not MinedAs.OK and any(deltas.values()):
                raise LedgerError(f"intent {intent_id}: {receipt.tx_hash} {mined_as}, yet deltas were given")
            self._move(
                connection,
                row,
                IntentState.MINED,
                mined_as=mined_as.value,
                exposure=_exposure_after(row, mined_as).value,
                block_number=receipt.block_number,
                block_hash=receipt.block_hash,
                gas_used=receipt.gas_used,
                settled_ms=self._now_ms(),
            )
            self._set_attempt(connection, attempt, IntentState.MINED)
            self._book_receipt(connection, row, receipt, deltas)
            for swap in swaps:
                self._keep_swap(connection, intent_id, receipt, swap)
            self._book_result(connection, intent_id)
            return as_intent(self._load(connection, intent_id))

    def swaps_of(self, intent_id: int) -> tuple[SwapFill, ...]:
        """What the swaps of a mined intent did, in order; empty when none holds."""
        with self.read() as connection:
            found = quick.rows(connection, _SWAPS, {"intent": intent_id})
        return tuple(
            SwapFill(leg, Address(row.venue), row.token_in, row.amount_in, row.token_out, row.amount_out)
            for leg, row in enumerate(found)
        )

    def unwound_of(self, intent: Intent) -> tuple[tuple[SwapFill, ...], ...]:
        """What was swapped to take back the chain side of a two-sided intent, transaction by transaction."""
        with self.read() as connection:
            found = self._unwinding(connection, intent.id, intent.plan_id)
        return tuple(self.swaps_of(unwinding) for unwinding in found)

    def undo_block(self, block_hash: str) -> tuple[Intent, ...]:
        """The block is no longer canonical: its intents are pending again, its postings taken back.

        Raises `LedgerError` when one of them was final: then nothing may be traded on until a person has looked.
        """
        with self._write() as connection:
            rows = self._intents(connection, IntentRow.block_hash == block_hash)
            final = [row.id for row in rows if row.state in (IntentState.FINAL, IntentState.CANCELLED)]
            if final:
                raise LedgerError(f"block {block_hash} was undone after intents {final} were final; stop and look")
            self._reverse(connection, EntryRow.block_hash == block_hash)
            of = {"of_instance": self.run.instance, "of_block": block_hash}
            self._change(connection, _CHANGE_FILLS, **of, undone=True)
            for row in rows:
                self._move_back(connection, row)
            return tuple(as_intent(self._load(connection, row.id)) for row in rows)

    def mark_final(self, intent_id: int) -> None:
        """The block it stands in is finalised: `FINAL`, or `CANCELLED` where a NOOP took the nonce."""
        with self._write() as connection:
            row = self._load(connection, intent_id)
            ends_as = IntentState.CANCELLED if row.mined_as == MinedAs.NOOP else IntentState.FINAL
            self._move(connection, row, ends_as)
            self._set_mined(connection, row, ends_as)

    def close_exposure(self, intent_id: int, exposure: Exposure) -> None:
        """The other side of a two-sided intent is done: `HEDGED`, or `UNWOUND` where it came from.

        `NONE` where the chain side moved nothing, and what orders had traded for it was traded back. Raises
        `IllegalMove` while it owes nothing or an order of it may still trade.
        """
        with self._write() as connection:
            row = self._load(connection, intent_id)
            ends = {Exposure.HEDGED, Exposure.UNWOUND} | ({Exposure.NONE} if row.mined_as != MinedAs.OK else set())
            if row.exposure != Exposure.OWED or exposure not in ends:
                raise IllegalMove(f"intent {intent_id} has exposure {row.exposure}, which cannot become {exposure}")
            order = quick.first(connection, _STILL_OPEN, {"intent": intent_id})
            if order is not None:
                raise IllegalMove(
                    f"intent {intent_id} cannot close its exposure: order {order.client_id} may still trade"
                )
            closed_as = {"exposure": exposure.value, "settled_ms": self._now_ms()}
            self._change(connection, CHANGE_INTENT, intent=intent_id, **closed_as)
            self._book_result(connection, intent_id)

    def waive_exposure(self, intent_id: int, *, by: str, because: str) -> Intent:
        """A person sees to the other side of a two-sided intent: from now on it owes none, or will owe none.

        Raises `IllegalMove` where none is owed or to come, and while nobody knows what became of an order of it.
        """
        with self._write() as connection:
            row = self._load(connection, intent_id)
            to_come = row.two_sided and row.state in IN_FLIGHT and row.exposure != Exposure.BY_HAND
            if row.exposure != Exposure.OWED and not to_come:
                raise IllegalMove(f"intent {intent_id} has exposure {row.exposure}: it owes no other side")
            order = quick.first(connection, _STILL_UNCLEAR, {"intent": intent_id})
            if order is not None:
                raise IllegalMove(
                    f"what became of order {order.client_id} of intent {intent_id} is not known; say it first, with "
                    "`isthmus orders settle`"
                )
            settled_ms = self._now_ms() if row.state in SETTLED else None
            self._change(
                connection, CHANGE_INTENT, intent=intent_id, exposure=Exposure.BY_HAND.value, settled_ms=settled_ms
            )
            self._book_result(connection, intent_id)
            detail = f"intent {intent_id}: a person sees to its other side, {by}: {because}"
            self._keep_event(connection, Level.WARNING, "other_side_waived", detail)
            return as_intent(self._load(connection, intent_id))

    def reopen_exposure(self, intent_id: int) -> Intent:
        """What unwound a two-sided intent was lost in a reorganisation or came back from one, or it did itself: it owes
        a side again.

        Raises `IllegalMove` where it owes one already.
        """
        with self._write() as connection:
            row = self._load(connection, intent_id)
            if not row.two_sided or row.exposure == Exposure.OWED:
                raise IllegalMove(f"intent {intent_id} has exposure {row.exposure}, which cannot become owed again")
            self._change(connection, CHANGE_INTENT, intent=intent_id, exposure=Exposure.OWED.value, settled_ms=None)
            self._book_result(connection, intent_id)
            return as_intent(self._load(connection, intent_id))

    def _book_receipt(
        self, connection: Connection, row: Row[Any], receipt: Receipt, deltas: Mapping[Account, int]
    ) -> None:
        books = {
            "source": receipt.tx_hash,
            "strategy": row.strategy,
            "intent_id": row.id,
            "block_hash": receipt.block_hash,
        }
        self._post(connection, "swap", accounts.moved(deltas, accounts.TRADING + row.strategy), **books)
        payer = Account.native(row.network, Address(row.sender))
        gas = accounts.moved({payer: -receipt.gas_cost_wei}, accounts.GAS + row.strategy)
        self._post(connection, "gas", gas, **books)

    def _keep_swap(self, connection: Connection, intent_id: int, receipt: Receipt, swap: SwapFill) -> None:
        trade_id = f"{receipt.tx_hash}:{swap.leg}"
        same = {"of_instance": self.run.instance, "of_block": receipt.block_hash}
        # The block was undone and is canonical again: the fill is known, and holds again.
        if self._change(connection, _CHANGE_FILL, **same, of_venue=swap.pool, of_trade=trade_id, undone=False):
            return
        self._insert(
            connection,
            FillRow,
            instance=self.run.instance,
            intent_id=intent_id,
            venue=swap.pool,
            trade_id=trade_id,
            block_hash=receipt.block_hash,
            token_in=swap.token_in,
            amount_in=swap.amount_in,
            token_out=swap.token_out,
            amount_out=swap.amount_out,
            fee_units=0,
            undone=False,
            at_ms=self._now_ms(),
        )

    def _move_back(self, connection: Connection, row: Row[Any]) -> None:
        stays = row.exposure == Exposure.BY_HAND or quick.first(connection, _OF_INTENT, {"intent": row.id}) is not None
        self._move(
            connection,
            row,
            IntentState.PENDING,
            mined_as=None,
            # What was hedged already stays owed or hedged: the orders at the exchange did not go away.
            exposure=row.exposure if stays else Exposure.NONE.value,
            block_number=None,
            block_hash=None,
            gas_used=None,
            settled_ms=None,
        )
        self._set_mined(connection, row, IntentState.PENDING)
        self._book_result(connection, row.id)

    def _set_mined(self, connection: Connection, row: Row[Any], state: IntentState) -> None:
        """The attempt that a block held goes where its intent goes."""
        for attempt in attempts_of(connection, row.id):
            if attempt.state is IntentState.MINED:
                self._set_attempt(connection, attempt, state)


def _exposure_after(row: Row[Any], mined_as: MinedAs) -> Exposure:
    """A call that moved what it should owes the other side; one that came back without leaves its hedge alone."""
    exposure = Exposure(row.exposure)
    left_over = Exposure.NONE if mined_as is MinedAs.OK else Exposure.HEDGED
    return Exposure.OWED if row.two_sided and exposure is left_over else exposure


def _mined_as(attempt: Attempt, receipt: Receipt) -> MinedAs:
    if attempt.kind is AttemptKind.NOOP:
        return MinedAs.NOOP
    return MinedAs.OK if receipt.status == 1 else MinedAs.REVERTED
