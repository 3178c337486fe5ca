"""Stories of a chain and an exchange whose events arrive in any order, late and twice, and the ledger they leave.

What one block follower tells comes in its own order; what an exchange reports comes whenever it likes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from bot.ledger.ledger import Ledger
from bot.ledger.reading import fills
from bot.ledger.records import PlacedOrder, SwapFill, TradeFill
from bot.ledger.states import Exposure, MinedAs, OrderState
from chains.blocks import Receipt
from tests.bot.ledger.given import (
    ETHER,
    INVENTORY_USDT,
    INVENTORY_WETH,
    POOL,
    USDT,
    WETH,
    atomic_plan,
    begin,
    hash_of,
    hedge_order,
    pending,
    receipt,
    sell_plan,
)
from tests.bot.ledger.test_books import sums_per_token

_GAIN = {INVENTORY_WETH: 5 * 10**15}
_SOLD = {INVENTORY_WETH: -ETHER, INVENTORY_USDT: 2010 * 10**6}
_instances = itertools.count()


@dataclass(frozen=True, slots=True)
class Mined:
    """Transaction `intent` stands in block `block`."""

    intent: int
    block: str


@dataclass(frozen=True, slots=True)
class Undone:
    """`block` is no longer canonical."""

    block: str


@dataclass(frozen=True, slots=True)
class Said:
    """The exchange's word on the order of `intent`: its state, and the trades it tells of."""

    intent: int
    state: OrderState
    trades: tuple[TradeFill, ...]


Event = Mined | Undone | Said


@dataclass(frozen=True, slots=True)
class Tale:
    """By intent, from 1: whether it is two-sided and whether it succeeded; and what happened, in two lanes."""

    two_sided: tuple[bool, ...]
    succeeded: tuple[bool, ...]
    chain: tuple[Mined | Undone, ...]
    exchange: tuple[Said, ...]

    def in_order(self) -> list[Event]:
        """As if the exchange waited for the chain, and said each thing once."""
        return [*self.chain, *dict.fromkeys(self.exchange)]


@st.composite
def tales(draw: st.DrawFn) -> Tale:
    """Up to three intents, reorganisations that bring them back elsewhere, and orders that fill piece by piece."""
    count = draw(st.integers(1, 3))
    two_sided = tuple(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    succeeded = tuple(draw(st.lists(st.sampled_from((True, True, False)), min_size=count, max_size=count)))
    chain: list[Mined | Undone] = []
    exchange: list[Said] = []
    for intent in range(1, count + 1):
        stands = f"{intent}-0"
        chain.append(Mined(intent, stands))
        for again in range(1, draw(st.integers(0, 2)) + 1):
            chain.append(Undone(stands))
            # Back in the very block that was dropped, or in another one.
            stands = stands if draw(st.booleans()) else f"{intent}-{again}"
            chain.append(Mined(intent, stands))
        if two_sided[intent - 1] and succeeded[intent - 1]:
            exchange += _reports(intent, draw(st.lists(st.integers(1, 10**7), min_size=1, max_size=5)))
    return Tale(two_sided, succeeded, tuple(chain), tuple(exchange))


def _reports(intent: int, amounts: Sequence[int]) -> list[Said]:
    trades = tuple(TradeFill(f"{intent}-{n}", amount, 2 * amount + 1, "ETH", n) for n, amount in enumerate(amounts))
    partly = [Said(intent, OrderState.PARTIAL, trades[: n + 1]) for n in range(len(trades))]
    alone = [Said(intent, OrderState.PARTIAL, (trade,)) for trade in trades]
    return [
        Said(intent, OrderState.OPEN, ()),
        *partly,
        *alone,
        Said(intent, OrderState.UNKNOWN, ()),
        Said(intent, OrderState.FILLED, trades),
    ]


@st.composite
def orders(draw: st.DrawFn, tale: Tale) -> list[Event]:
    """The tale's events in another order: reports are shuffled and repeated, and each comes after what it is about."""
    said = list(tale.exchange)
    if said:
        said = draw(st.permutations([*said, *draw(st.lists(st.sampled_from(said), max_size=10))]))
    slots: list[list[Event]] = [[event] for event in tale.chain]
    for report in said:
        first = next(
            at for at, event in enumerate(tale.chain) if isinstance(event, Mined) and event.intent == report.intent
        )
        slots[draw(st.integers(first, len(slots) - 1))].append(report)
    return [event for slot in slots for event in slot]


def hurried(ledger: Ledger) -> Ledger:
    """`ledger`, an SQLite one, waiting for no disk: asked is what stands in it, not what outlives a fall."""
    connection = ledger._writer.raw_connection()
    connection.cursor().execute("PRAGMA synchronous = OFF")
    connection.close()
    return ledger


def told(ledger: Ledger, tale: Tale, events: Sequence[Event], *, forgetful: bool = False) -> dict[str, Any]:
    """What is in the ledger after `events`, in an instance of its own, once nothing is owed any more.

    A `forgetful` twin takes each report's trades for new ones.
    """
    begin(ledger, f"0xorder{next(_instances)}")
    ids = [
        pending(ledger, n, (sell_plan if two_sided else atomic_plan)(n)).id
        for n, two_sided in enumerate(tale.two_sided, 1)
    ]
    placed: dict[int, PlacedOrder] = {}
    for number, event in enumerate(events):
        match event:
            case Mined(intent, block):
                _mine(ledger, tale, ids[intent - 1], intent, block)
                if tale.two_sided[intent - 1] and tale.succeeded[intent - 1] and intent not in placed:
                    placed[intent] = ledger.place_order(ids[intent - 1], hedge_order(), "spot")
            case Undone(block):
                ledger.undo_block(_hash(block))
            case Said(intent, state, trades):
                if forgetful:
                    trades = tuple(replace(trade, trade_id=f"{trade.trade_id}-{number}") for trade in trades)
                ledger.record_order("binance", placed[intent].client_id, state, trades)
    for order in placed.values():
        ledger.close_exposure(order.intent_id, Exposure.HEDGED)
    assert set(sums_per_token(ledger).values()) == {0}
    return _standing(ledger, ids)


def _mine(ledger: Ledger, tale: Tale, intent_id: int, intent: int, block: str) -> None:
    said: Receipt = receipt(intent, status=int(tale.succeeded[intent - 1]), block=_hash(block))
    if not tale.succeeded[intent - 1]:
        ledger.record_mined(intent_id, said, {})
        return
    deltas = _SOLD if tale.two_sided[intent - 1] else _GAIN
    ledger.record_mined(intent_id, said, deltas, [SwapFill(0, POOL, WETH.address, ETHER, USDT.address, 2010 * 10**6)])


def _hash(block: str) -> str:
    intent, again = block.split("-")
    return hash_of("mined", 10 * int(intent) + int(again))


def _standing(ledger: Ledger, ids: Sequence[int]) -> dict[str, Any]:
    """All that events may have changed, but for the order of the rows."""
    standing: dict[str, Any] = {"accounts": dict(ledger.accounts())}
    for number, intent_id in enumerate(ids):
        intent = ledger.intent(intent_id)
        standing[f"intent {number}"] = (intent.state, intent.mined_as or MinedAs.OK, intent.exposure, intent.block_hash)
        standing[f"profit {number}"] = ledger.profit_of(intent_id)
        standing[f"orders {number}"] = [(order.state, order.filled_units) for order in ledger.orders_of(intent_id)]
        standing[f"fills {number}"] = sorted(
            (fill.venue, fill.trade_id, fill.amount_in, fill.amount_out, fill.fee_units)
            for fill in fills(ledger, intent_id)
            if not fill.undone
        )
    for strategy in ("dex_arbitrage", "cex_dex_arbitrage"):
        standing[strategy] = ledger.totals(strategy)[0]
    return standing
