"""Exchange orders: the client id is on the disk before the order leaves, and each trade is booked exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from bot.ledger import accounts, quick
from bot.ledger.book_models import EntryRow
from bot.ledger.decisions import Level
from bot.ledger.errors import IllegalMove, LedgerError
from bot.ledger.models import FillRow, IntentRow, OrderRow
from bot.ledger.records import Account, PlacedOrder, Purpose, TradeFill
from bot.ledger.settlement import Settlement
from bot.ledger.states import CLOSED_ORDERS, UNCLEAR_ORDERS, Exposure, OrderState, order_state_after
from bot.ledger.store import changing
from bot.ledger.types import exact_sum
from bot.plan import Order, Side

BY_HAND = "by hand:"
"""How the id of a trade begins that a person told of."""

_CLIENT_ID_DIGITS = 16
"""How much of an intent's digest an order's client id carries. All of it is letters and digits, at most 28 of them: OKX
takes no others, and Gate no more.
"""

_CHANGE_ORDER = changing(OrderRow, OrderRow.id == bindparam("order"))
_CHANGE_FILL = changing(FillRow, FillRow.order_id == bindparam("of_order"), FillRow.trade_id == bindparam("of_trade"))
_ORDERS = select(OrderRow.__table__).where(OrderRow.instance == bindparam("instance")).order_by(OrderRow.id)
_ORDER = _ORDERS.where(OrderRow.id == bindparam("order"))
_OF_INTENT = _ORDERS.where(OrderRow.intent_id == bindparam("intent"))
# By the states that are meant, and with `coalesce`, the database looks these few up instead of all of the instance.
_OPEN = (
    select(OrderRow.__table__)
    .where(
        OrderRow.state.in_([state.value for state in OrderState if state not in CLOSED_ORDERS]),
        func.coalesce(OrderRow.instance, "") == bindparam("instance"),
    )
    .order_by(OrderRow.id)
)
_NAMED = _ORDERS.where(OrderRow.exchange == bindparam("exchange"), OrderRow.client_id == bindparam("client"))
_FILLED = {
    side: select(exact_sum(gained).label("units")).where(
        FillRow.order_id == bindparam("order"), FillRow.undone.is_(False)
    )
    for side, gained in ((Side.BUY, FillRow.amount_out), (Side.SELL, FillRow.amount_in))
}
_PLACED = select(func.count(OrderRow.id)).where(OrderRow.intent_id == bindparam("intent"))
_TRADE = select(FillRow.order_id, FillRow.amount_in, FillRow.amount_out).where(
    FillRow.instance == bindparam("instance"),
    FillRow.venue == bindparam("venue"),
    FillRow.trade_id == bindparam("trade"),
)
_STRATEGY = select(IntentRow.strategy).where(IntentRow.id == bindparam("intent"))


class Orders(Settlement):
    """Orders and their trades. Reports may come twice and in any order."""

    def place_order(self, intent_id: int, order: Order, owner: str, purpose: Purpose = Purpose.HEDGE) -> PlacedOrder:
        """Commits an order, state `SENDING`, before it is sent; its `client_id` is to be sent with it.

        `owner` names the exchange account. Raises `IllegalMove` unless the intent owes the other side.
        """
        with self._write_ahead("an order") as connection:
            row = self._load(connection, intent_id)
            if row.exposure != Exposure.OWED:
                raise IllegalMove(f"intent {intent_id} has exposure {row.exposure}: it owes no order")
            ((placed,),) = quick.rows(connection, _PLACED, {"intent": intent_id})
            now_ms = self._now_ms()
            order_id = self._insert(
                connection,
                OrderRow,
                instance=self.run.instance,
                intent_id=intent_id,
                exchange=order.exchange,
                client_id=f"isthmus{row.digest[:_CLIENT_ID_DIGITS]}x{placed + 1}",
                purpose=purpose.value,
                owner=owner,
                symbol=order.symbol,
                side=order.side.value,
                base=order.base.address,
                quote=order.quote.address,
                amount=order.amount,
                limit_price=format(order.limit_price, "f"),
                state=OrderState.SENDING.value,
                placed_ms=now_ms,
                updated_ms=now_ms,
            )
            return self._orders(connection, _ORDER, order=order_id)[0]

    def record_order(
        self,
        exchange: str,
        client_id: str,
        state: OrderState,
        fills: Sequence[TradeFill] = (),
        exchange_order_id: str | None = None,
    ) -> PlacedOrder:
        """Books what is known of an order: trades not seen before, and the state they and `state` add up to.

        Where it says anything, what a person said since it was asked is taken back: the exchange knows better.
        """
        with self._write() as connection:
            row = self._find_order(connection, exchange, client_id)
            known = OrderState(row.state)
            if row.settled_by is not None and state not in UNCLEAR_ORDERS:
                self._take_word_back(connection, row)
                known = OrderState.UNKNOWN
            for fill in fills:
                self._book_trade(connection, row, fill)
            self._change(
                connection,
                _CHANGE_ORDER,
                order=row.id,
                state=order_state_after(known, state).value,
                exchange_order_id=exchange_order_id or row.exchange_order_id,
                updated_ms=self._now_ms(),
            )
            self._book_result(connection, row.intent_id)
            return self._orders(connection, _ORDER, order=row.id)[0]

    def settle_order(
        self, exchange: str, client_id: str, fills: Sequence[TradeFill], *, by: str, because: str
    ) -> PlacedOrder:
        """Ends an order that nobody knows of on the word of a person: `fills` are what it traded beyond what is booked.

        Raises `IllegalMove` where the exchange has said something of it, which is stronger than any word.
        """
        with self._write() as connection:
            row = self._find_order(connection, exchange, client_id)
            if OrderState(row.state) not in UNCLEAR_ORDERS:
                raise IllegalMove(
                    f"order {client_id} at {exchange} is {row.state}; only one of unknown fate is settled"
                )
            for fill in fills:
                self._book_trade(connection, row, fill)
            traded = self._filled(connection, row)
            if traded > row.amount:
                raise IllegalMove(f"order {client_id} at {exchange} was for {row.amount} units, not for {traded}")
            ended = (
                OrderState.FILLED if traded == row.amount else OrderState.CANCELLED if traded else OrderState.REJECTED
            )
            self._change(
                connection,
                _CHANGE_ORDER,
                order=row.id,
                state=ended.value,
                settled_by=by,
                settled_because=because,
                updated_ms=self._now_ms(),
            )
            self._book_result(connection, row.intent_id)
            told = f"{client_id} at {exchange} is {ended}, by {by}: {because}"
            self._keep_event(connection, Level.WARNING, "order_settled_by_hand", told)
            return self._orders(connection, _ORDER, order=row.id)[0]

    def order(self, exchange: str, client_id: str) -> PlacedOrder:
        """Raises `LedgerError` when there is none."""
        with self.read() as connection:
            row = self._find_order(connection, exchange, client_id)
            return self._orders(connection, _ORDER, order=row.id)[0]

    def orders_of(self, intent_id: int) -> tuple[PlacedOrder, ...]:
        """The orders of an intent, oldest first."""
        with self.read() as connection:
            return self._orders(connection, _OF_INTENT, intent=intent_id)

    def open_orders(self) -> tuple[PlacedOrder, ...]:
        """Orders that may still trade, those of unknown fate included."""
        with self.read() as connection:
            return self._orders(connection, _OPEN)

    def _find_order(self, connection: Connection, exchange: str, client_id: str) -> Any:
        wanted = {"instance": self.run.instance, "exchange": exchange, "client": client_id}
        row = quick.first(connection, _NAMED, wanted)
        if row is None:
            raise LedgerError(f"order {client_id} at {exchange} is not in the ledger")
        return row

    def _take_word_back(self, connection: Connection, order: Any) -> None:
        """What a person said that it traded did not happen so."""
        trade_id = f"{order.symbol}:{BY_HAND}{order.client_id}"
        self._reverse(connection, EntryRow.intent_id == order.intent_id, EntryRow.source == trade_id)
        self._change(connection, _CHANGE_FILL, of_order=order.id, of_trade=trade_id, undone=True)
        self._change(connection, _CHANGE_ORDER, order=order.id, settled_by=None, settled_because=None)

    def _book_trade(self, connection: Connection, order: Any, fill: TradeFill) -> None:
        # Exchanges number trades per symbol.
        trade_id = f"{order.symbol}:{fill.trade_id}"
        buys = order.side == Side.BUY
        incoming, outgoing = (order.base, order.quote) if buys else (order.quote, order.base)
        gained, spent = (fill.base_units, fill.quote_units) if buys else (fill.quote_units, fill.base_units)
        same = {"instance": self.run.instance, "venue": order.exchange, "trade": trade_id}
        booked = quick.first(connection, _TRADE, same)
        if booked is not None:
            if tuple(booked) != (order.id, spent, gained):
                raise LedgerError(f"trade {trade_id} at {order.exchange} was booked with other amounts; stop and look")
            return
        ((strategy,),) = quick.rows(connection, _STRATEGY, {"intent": order.intent_id})
        self._insert(
            connection,
            FillRow,
            instance=self.run.instance,
            intent_id=order.intent_id,
            order_id=order.id,
            venue=order.exchange,
            trade_id=trade_id,
            block_hash="",
            token_in=outgoing,
            amount_in=spent,
            token_out=incoming,
            amount_out=gained,
            fee_token=fill.fee_currency,
            fee_units=fill.fee_units,
            undone=False,
            at_ms=self._now_ms(),
        )
        traded = {
            Account(order.exchange, order.owner, incoming): gained,
            Account(order.exchange, order.owner, outgoing): -spent,
        }
        paid = {Account(order.exchange, order.owner, fill.fee_currency): -fill.fee_units}
        lines = accounts.moved(traded, accounts.TRADING + strategy)
        lines += accounts.moved(paid, accounts.FEES + strategy)
        self._post(connection, "trade", lines, source=trade_id, strategy=strategy, intent_id=order.intent_id)

    def _orders(self, connection: Connection, which: Select[Any], **wanted: Any) -> tuple[PlacedOrder, ...]:
        rows = quick.rows(connection, which, {"instance": self.run.instance, **wanted})
        return tuple(_as_order(row, self._filled(connection, row)) for row in rows)

    def _filled(self, connection: Connection, order: Any) -> int:
        ((units,),) = quick.rows(connection, _FILLED[Side(order.side)], {"order": order.id})
        return units or 0


def _as_order(row: Any, filled_units: int) -> PlacedOrder:
    return PlacedOrder(
        id=row.id,
        client_id=row.client_id,
        intent_id=row.intent_id,
        purpose=Purpose(row.purpose),
        exchange=row.exchange,
        owner=row.owner,
        symbol=row.symbol,
        side=Side(row.side),
        base=row.base,
        quote=row.quote,
        amount=row.amount,
        limit_price=Decimal(row.limit_price),
        state=OrderState(row.state),
        filled_units=filled_units,
        exchange_order_id=row.exchange_order_id,
    )
