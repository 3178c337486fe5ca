"""The source behind the page of a running bot: its ledger, its market, its head."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from bot.clock import Clock
from bot.dashboard import source
from bot.dashboard.picture import Changes, Painter, Swapped
from bot.dashboard.recorded import (
    read_budgets,
    read_decision,
    read_decisions,
    read_open_decisions,
    read_profit,
)
from bot.dashboard.source import Venue, VenueKind, VenueState
from bot.drift.freshness import STALE_BOOK_S
from bot.ledger.history import last_settled_swaps
from bot.ledger.ledger import Ledger
from bot.ledger.reading import notable_events
from bot.ledger.states import IN_FLIGHT
from bot.ledger.summary import Counts, counts
from bot.market import Market
from bot.market.books import usable
from bot.market.graph import VenueId
from bot.risk.allowances import Allowance, allowed, unchanged
from bot.risk.budget import Budget, summed
from bot.signer.switch import TOTAL
from chains.assets import Address
from chains.blocks import Head
from chains.exchanges.books import Book

STALE_BLOCKS = 4
"""A node is stale after so many block times without a head."""

QUIET_BLOCKS = 5
MOST_REFUSED = 20
MOST_EVENTS = 50

_NS = 1e9


class NodeState(Protocol):
    """What is shown of the node."""

    @property
    def connected(self) -> bool: ...

    @property
    def calls_made(self) -> int: ...


class LiveRun:
    """A `Source`. Give it a ledger of its own (`Ledger.view`, attached), because it is read in threads.

    `counted` are the engine's counts, `head` its newest head, `stopped` says why a strategy's switch stops it,
    `allowance` by how much its limits were changed, `rests` why nothing new is begun at an exchange; `total` is what
    all together may risk. Call `on_head` for each head that was decided on.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        market: Market,
        node: NodeState,
        head: Callable[[], Head | None],
        counted: Mapping[str, int],
        stopped: Callable[[str], str | None],
        budgets: Mapping[str, Budget],
        total: Budget,
        protocols: Mapping[VenueId, str],
        block_time_s: float,
        clock: Clock,
        rests: Callable[[str], str | None] = lambda exchange: None,
        operators: Sequence[Address] = (),
        allowance: Allowance = unchanged,
    ) -> None:
        self._ledger = ledger
        self._market = market
        self._node = node
        self._head = head
        self._counted = counted
        self._stopped = stopped
        self._budgets = budgets
        self._total = total
        self._block_time_s = block_time_s
        self._clock = clock
        self._rests = rests
        self._operators = tuple(operators)
        self._allowance = allowance
        self._calls_before = node.calls_made
        self._events: tuple[source.EventShown, ...] = ()
        self._events_upto = 0
        self._changes = Changes(market)
        self._painter = Painter(market, self._changes, protocols)

    def on_head(self, head: Head) -> None:
        """Notes what changed with this head, whether or not somebody looks."""
        self._changes.look(head.number)
        self._ledger.at_head(head.number, head.timestamp_s)

    async def header(self) -> source.Header:
        run, head = self._ledger.run, self._head()
        halted = await asyncio.to_thread(self._halted)
        operators = await asyncio.to_thread(self._keys)
        return source.Header(
            mode=run.mode,
            network=run.network,
            chain_id=run.chain_id,
            strategies=tuple(self._budgets),
            started_ms=run.started_ms,
            head_number=None if head is None else head.number,
            head_age_s=None if head is None else self._age_s(head.arrived_ns),
            halted=halted,
            operators=operators,
        )

    async def counters(self) -> source.Counters:
        so_far: Counts = await asyncio.to_thread(counts, self._ledger)
        return source.Counters(
            heads=self._counted.get("heads", 0),
            plans=self._counted.get("plans", 0),
            sent=so_far.sent,
            reverted=so_far.reverted,
            settled=so_far.settled,
            refused=so_far.refused,
            head_to_signed_ms_p50=so_far.head_to_signed_ms.p50,
            head_to_signed_ms_p99=so_far.head_to_signed_ms.p99,
            node_calls=self._node.calls_made - self._calls_before,
        )

    async def profit_series(self, after: int) -> Mapping[str, Sequence[source.ProfitPoint]]:
        return await asyncio.to_thread(read_profit, self._ledger, tuple(self._budgets), after)

    async def decisions(self, limit: int, before: int | None = None) -> Sequence[source.Decision]:
        return await asyncio.to_thread(read_decisions, self._ledger, limit, before)

    async def open_decisions(self, also: Collection[int]) -> Sequence[source.Decision]:
        return await asyncio.to_thread(read_open_decisions, self._ledger, also)

    async def decision(self, id: int) -> source.DecisionDetail | None:
        return await asyncio.to_thread(read_decision, self._ledger, id)

    async def budgets(self) -> Sequence[source.BudgetShown]:
        now = {name: allowed(budget, self._allowance(name)) for name, budget in self._budgets.items()}
        total = allowed(self._total, self._allowance(TOTAL))
        # What the strategies' own add up to bounds nothing beyond them.
        if total != summed(self._budgets.values()):
            now = {TOTAL: total, **now}
        return await asyncio.to_thread(self._read_budgets, now)

    async def venues(self) -> Sequence[Venue]:
        node = self._node_venue()
        venues = [node, *self._exchange_venues(), *self._pool_venues(node), *self._refused_venues()]
        # Where there are more than a page shows, what is well is left out first.
        return sorted(venues, key=lambda venue: venue.state in (VenueState.FRESH, VenueState.QUIET))

    async def events(self) -> Sequence[source.EventShown]:
        return await asyncio.to_thread(self._read_events)

    async def graph(self) -> source.Picture:
        plan = await asyncio.to_thread(last_settled_swaps, self._ledger)
        swaps = () if plan is None else plan.swaps
        cycle: list[Swapped] = [(swap.hop.pool, swap.token_in, swap.token_out) for swap in swaps]
        return self._painter.paint(cycle)

    def _halted(self) -> dict[str, str]:
        reasons = {name: self._stopped(name) or self._ledger.halted_because(name) for name in self._budgets}
        return {strategy: why for strategy, why in reasons.items() if why is not None}

    def _read_budgets(self, now: Mapping[str, Budget]) -> Sequence[source.BudgetShown]:
        halted: dict[str, str | None] = {TOTAL: self._stopped(TOTAL), **self._halted()}
        return read_budgets(self._ledger, now, halted)

    def _keys(self) -> tuple[source.OperatorKey, ...]:
        waiting = Counter(it.sender for it in self._ledger.open_intents() if it.state in IN_FLIGHT)
        return tuple(
            source.OperatorKey(operator, waiting[operator], self._ledger.halted_because(f"account:{operator}"))
            for operator in self._operators
        )

    def _read_events(self) -> Sequence[source.EventShown]:
        self._events_upto, added = notable_events(self._ledger, self._events_upto, MOST_EVENTS)
        shown = (source.EventShown(it.id, it.at_ms, it.block_number, it.level, it.name, it.detail) for it in added)
        self._events = (*shown, *self._events)[:MOST_EVENTS]
        return self._events

    def _age_s(self, since_ns: int) -> float:
        return max(0.0, (self._clock.monotonic_ns() - since_ns) / _NS)

    def _node_venue(self) -> Venue:
        head = self._head()
        age_s = None if head is None else self._age_s(head.arrived_ns)
        state = VenueState.FRESH
        if not self._node.connected:
            state = VenueState.DOWN
        elif age_s is None or age_s > STALE_BLOCKS * self._block_time_s:
            state = VenueState.STALE
        name = f"{self._ledger.run.network} node"
        return Venue("node", name, VenueKind.NODE, state, age_s, changes=self._counted.get("heads", 0))

    def _exchange_venues(self) -> list[Venue]:
        books = self._market.books
        venues = [self._book_venue(venue, book) for venue, book in books.items()]
        for exchange in sorted({book.exchange for book in books.values()}):
            ages = [self._age_s(book.arrived_ns) for book in books.values() if book.exchange == exchange]
            state = VenueState.STALE if min(ages) > STALE_BOOK_S else VenueState.FRESH
            why = self._rests(exchange)
            if why is not None:
                state = VenueState.REFUSED
            venues.append(Venue(exchange, exchange, VenueKind.EXCHANGE, state, min(ages), detail=why or ""))
        return venues

    def _book_venue(self, venue: VenueId, book: Book) -> Venue:
        age_s = self._age_s(book.arrived_ns)
        state, detail = VenueState.FRESH, ""
        if age_s > STALE_BOOK_S:
            state, detail = VenueState.STALE, f"no update for {STALE_BOOK_S:g} s and more"
        elif not usable(book):
            state = VenueState.DOWN
            detail = "a side is empty, the sides cross, its stream broke, or it is told late"
        changes = self._changes.times[venue]
        name = f"{book.symbol} at {book.exchange}"
        return Venue(venue, name, VenueKind.BOOK, state, age_s, changes=changes, detail=detail)

    def _pool_venues(self, node: Venue) -> list[Venue]:
        """One line per protocol. Pools are known through `node` alone: none is fresher than that."""
        block = self._market.number or 0
        kinds = {venue: self._painter.kind(venue) for venue in self._market.pools}
        members, changes = Counter(kinds.values()), Counter[str]()
        newest: dict[str, int] = {}
        for venue, last in self._changes.last_block.items():
            if venue in kinds:
                changes[kinds[venue]] += self._changes.times[venue]
                newest[kinds[venue]] = max(last, newest.get(kinds[venue], 0))
        families = [
            self._family_venue(kind, members[kind], changes[kind], block - newest[kind] if kind in newest else None)
            for kind in members
        ]
        if node.state is VenueState.FRESH:
            return families
        return [
            replace(
                family, state=VenueState.STALE, age_s=node.age_s, age_blocks=None, detail="nothing heard from the node"
            )
            for family in families
        ]

    def _family_venue(self, kind: str, members: int, changes: int, age_blocks: int | None) -> Venue:
        fresh = age_blocks is not None and age_blocks <= QUIET_BLOCKS
        return Venue(
            id=kind,
            name=kind.replace("_", " ").title(),
            kind=VenueKind.POOLS,
            state=VenueState.FRESH if fresh else VenueState.QUIET,
            age_blocks=age_blocks,
            changes=changes,
            members=members,
        )

    def _refused_venues(self) -> list[Venue]:
        refused = list(self._market.refused.items())[:MOST_REFUSED]
        return [Venue(venue, venue, VenueKind.POOL, VenueState.REFUSED, detail=why) for venue, why in refused]
