"""The road, wired: one block in, decisions out, every step written down. What differs between live, dry, fork and
replay is where events come from and what stands at the end; nothing in here knows which it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial

from bot.deciding import Deciding
from bot.drift.freshness import BookAges
from bot.drift.upkeep import Upkeep
from bot.enduring import UNANSWERED, Unwritten, unanswered
from bot.execution.debts import Closed
from bot.execution.homecoming import Found, Waits
from bot.execution.settling import Settled
from bot.execution.stages import Stage
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError, LedgerUnwritable
from bot.ledger.records import Intent, PlacedOrder
from bot.ledger.states import MinedAs
from bot.market import OutOfOrder, VenueId
from bot.market.books import book_id, usable
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.road import Output, Road
from bot.telling import Teller
from chains.blocks import Block, ChainEvent, Head, Undone
from chains.exchanges.books import Book
from chains.exchanges.orders import OrderReport
from chains.exchanges.troubles import FeedTrouble
from chains.node import NodeEvent
from chains.node.reads import others_asked
from chains.node.seen import Sought


class Engine:
    """Takes chain events one at a time; between two of them nothing is half decided.

    While `ending`, what is in flight is brought home and nothing new is begun.
    """

    def __init__(self, road: Road, output: Output) -> None:
        self._road = road
        self._output = output
        self._head: Head | None = None
        self._decided = asyncio.Condition()
        self.counts: Counter[str] = Counter()
        self.ending = False
        self._taking = False
        self._brought_home = self._went_home = True
        self._final: Sequence[Intent] = ()
        self._unwritten = Unwritten(output)
        self._upkeep = Upkeep(road.market, road.upkeep, self._note, self.counts)
        self._too_old: str | None = None
        self._book_ages = BookAges(road.by_timestamp)
        self._stale_books: set[tuple[str, str]] = set()
        self.silence: str | None = None
        """Why the node does not answer, while it does not."""
        self._teller = Teller(max((len(strategy.name) for strategy in road.strategies), default=0))
        self.deciding = Deciding(road, self._upkeep, self._stale, output, self.counts)
        self.on_decided: Callable[[Head], None] = lambda head: None
        """Called after each head that was decided on."""
        self.on_left: Callable[[], None] = lambda: None
        """Called on each head once all that it led to has left, before what may wait is booked."""

    @property
    def head(self) -> Head | None:
        """The newest head that was fully taken in and decided on."""
        return self._head

    @property
    def decisions_digest(self) -> str:
        """`Deciding.digest`."""
        return self.deciding.digest

    def prepare(self, head: Head) -> None:
        """Have the market do now what the first decision would wait for."""
        self._road.market.prepare(self.deciding.screening_price_wei(head))

    def on_book(self, book: Book) -> None:
        """A new order book: its edges change now, the next decision sees it."""
        known = self._road.market.books.get(book_id(book.exchange, book.symbol))
        if known is not None and book.taker_fee_ppm != known.taker_fee_ppm:
            charged = f"{book.taker_fee_ppm} ppm are charged instead of {known.taker_fee_ppm}"
            self._event(Level.WARNING, "exchange_fee", f"{book.symbol} at {book.exchange}: {charged}")
        self._road.market.set_book(book)
        self._close_if_stale(book)
        if self._head is not None and not self._taking:
            self._road.market.pack()
        self.counts["books"] += 1

    def on_trouble(self, trouble: FeedTrouble) -> None:
        """A book stream broke: nothing is decided on that book until it is whole again, which it becomes by itself."""
        self._road.market.close_book(trouble.exchange, trouble.symbol)
        self._event(Level.WARNING, "book_stream", f"{trouble.symbol} at {trouble.exchange}: {trouble.detail}")

    def on_node(self, event: NodeEvent) -> None:
        """Something happened to one of the node's endpoints; the others go on."""
        self._event(Level.WARNING if event.grave else Level.INFO, event.name, event.detail)
        if event.grave:
            self._output.line(f"{event.name}: {event.detail}")

    def on_silence(self, detail: str) -> None:
        """The node stopped answering; it is asked again until it does, and nothing is decided meanwhile."""
        self.silence = detail
        self._event(Level.WARNING, "node_silent", detail)
        self._output.line(f"node silent: {detail}; asking again until it answers")

    def on_resumed(self, strategy: str, because: str) -> None:
        """A person lets a strategy that the ledger has halted trade again."""
        self._road.ledger.resume(strategy, because)

    async def run(self, events: AsyncGenerator[ChainEvent]) -> None:
        """Take events until they end or the task is cancelled; then close them."""
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    await self.take(event)
        finally:
            await self.close()

    async def close(self) -> None:
        """Give up what runs beside the deciding."""
        await self._upkeep.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is being decided, nothing is in flight and nothing is owed."""
        return not self._taking and not self._road.ledger.open_intents()

    @property
    def taking(self) -> bool:
        """Whether a head is being taken in."""
        return self._taking

    @property
    def booked(self) -> bool:
        """Whether the ledger stands on `head`: nothing is being taken in, and all that was in flight was looked for."""
        return not self._taking and self._brought_home

    async def decided(self, number: int) -> None:
        """Wait until block `number` is taken in and everything it led to has left."""
        async with self._decided:
            await self._decided.wait_for(lambda: self._head is not None and self._head.number >= number)
        await self._upkeep.finished()

    async def take(self, event: ChainEvent) -> None:
        """One block, or one reorganisation, from the wire to the ledger."""
        self._taking = True
        try:
            await self._unwritten.take(event, self._take, self._done)
        finally:
            self._taking = False

    async def _take(self, event: ChainEvent) -> None:
        with self._road.ledger.gathering():
            if isinstance(event, Undone):
                self._brought_home = False
                self._undo(event)
            else:
                await self._take_block(event)
        if isinstance(event, Block):
            await self._done(event.head)
            self._get_ready()

    def sought(self) -> Sought:
        """What the next head's look asks the node, as things stand between two heads. Raises `LedgerError`."""
        return self._road.transactions.sought()

    def _get_ready(self) -> None:
        """What the next head asks the ledger is read while nobody waits."""
        with contextlib.suppress(LedgerError):
            self._road.transactions.prepare_to_look()
            self._road.guard.prepare()

    async def _take_block(self, block: Block) -> None:
        """What is owed and what may have lost comes home before anything is decided, all else after it."""
        road, head = self._road, block.head
        road.ledger.at_head(head.number, head.timestamp_s)
        self._book_ages.at_head(head)
        self._answers_again(head)
        stages = road.transactions.stages
        stages.begin(head)
        self._brought_home = self._went_home = False
        self._final = ()
        silent = await unanswered(road.ground.on_head(head))
        looking = asyncio.create_task(self._look(block))
        try:
            # What was begun asks its questions now, and is answered while the block is taken in.
            await others_asked()
            self._take_in(block)
            stages.reached(Stage.TAKEN_IN)
            for book in [book for book in road.market.books.values() if usable(book)]:
                self._close_if_stale(book)
            await self._upkeep.on_head(head)
            if road.lenders is not None:
                await road.lenders.refresh(head)
            road.guard.prepare()
            road.market.settle(self.deciding.screening_price_wei(head))
            found = await looking
            await road.turns.take("looked", head.hash)
        finally:
            looking.cancel()
        in_use: set[VenueId] = set()
        waits = self._waits(found)
        if isinstance(found, str):
            silent = silent or found
        elif waits is Waits.NOTHING:
            silent = await self._come_home(found, in_use) or silent
        stages.reached(Stage.FOUND)
        if silent:
            self._note(Level.WARNING, "node_gone", f"nothing is decided on block {head.number}: {silent}")
            self.counts["unanswered_blocks"] += 1
        elif not road.ground.is_newest(head):
            road.ledger.record_event(Level.INFO, "skipped_block", f"block {head.number} was not the newest any more")
            self.counts["skipped"] += 1
        elif isinstance(found, Found) and self._old(head) is None and not self.ending:
            await self.deciding.decide(head, in_use, partial(self._home_before, waits, found, in_use))
        self.on_left()
        if isinstance(found, Found):
            await self._home(found, in_use)
            # It only makes room: no plan waits for it.
            await road.transactions.finish(self._final)
        road.transactions.keep_borne(head)
        if road.lenders is not None:
            # So that the next head's plans need not wait for it.
            await road.lenders.refresh(head, ahead=1)
        self._upkeep.after(head)

    def _waits(self, found: Found | str) -> Waits:
        """What is owed from before is paid before everything new; no cycle waits where only word of it is awaited."""
        hedges = self._road.hedges
        if isinstance(found, str) or hedges.has_to_act:
            return Waits.NOTHING
        waits = self._road.transactions.waits(found)
        return Waits.CYCLES if hedges.owes and waits is Waits.ALL else waits

    async def _home_before(self, waits: Waits, found: Found, in_use: set[VenueId]) -> bool:
        """Whether all is home that may not wait for plans with another side."""
        return waits is Waits.ALL or await self._home(found, in_use)

    async def _home(self, found: Found, in_use: set[VenueId]) -> bool:
        """Whether all is home; tried once for each head."""
        if not self._went_home:
            not_home = await self._come_home(found, in_use)
            if not_home:
                number = found.head.number
                self._note(Level.WARNING, "node_gone", f"block {number} is booked with the next one: {not_home}")
        return self._brought_home

    async def _come_home(self, found: Found, in_use: set[VenueId]) -> str | None:
        """`_bring_home`; or why the node or an exchange did not let it."""
        self._went_home = True
        not_home = await unanswered(self._bring_home(found, in_use))
        self._brought_home = not_home is None
        return not_home

    async def _look(self, block: Block) -> Found | str:
        """What became of what is in flight, or why the node did not say."""
        try:
            return await self._road.transactions.look(block)
        except UNANSWERED as error:
            return str(error)

    def _answers_again(self, head: Head) -> None:
        if self.silence is not None:
            self.silence = None
            self._event(Level.INFO, "node_answers", f"block {head.number}")
            self._output.line(f"node answers again: block {head.number}")

    async def _done(self, head: Head) -> None:
        self.counts["heads"] += 1
        async with self._decided:
            self._head = head
            self._decided.notify_all()
        self.on_decided(head)

    async def _bring_home(self, found: Found, in_use: set[VenueId]) -> None:
        """What is in flight: book what the chain made of it, and go on with what is owed. Raises `UNANSWERED`.

        What is in a block and the orders for its other side are one commit, what the exchanges answer another; what is
        still out is seen to while they are waited for.
        """
        road, head = self._road, found.head
        settled, placed = self._settle(found)
        paying = asyncio.create_task(road.hedges.pay(settled, placed))
        try:
            self._final = await road.transactions.go_on(found, settled)
        finally:
            # Whatever became of the rest, what was traded is booked.
            reports = await paying
            await road.turns.take("paid", head.hash)
            self._close(placed, reports)
        gas_price_wei = road.fee_policy.coin.cost_wei(road.fee_policy.gas_price_wei(head))
        closed, unwinds = await road.hedges.on_block(head, gas_price_wei)
        await road.turns.take("home", head.hash)
        self._told_closed(closed)
        in_use |= road.hedges.ordered()
        await self.deciding.take_back(unwinds, head, in_use)

    def _take_in(self, block: Block) -> None:
        """The block into the market. Where blocks are missing, nothing that was known holds any more."""
        market = self._road.market
        try:
            market.apply(block)
        except OutOfOrder as error:
            lost = market.begin_anew(f"blocks are missing: {error}")
            self._note(Level.ERROR, "gap", f"{error}; {len(lost)} pools are read again")
            market.apply(block)

    def _undo(self, event: Undone) -> None:
        road = self._road
        road.transactions.undo(event)
        road.market.undo(event.ancestor.number)
        self._upkeep.undone(event.ancestor.number)
        detail = f"{len(event.dropped)} blocks above {event.ancestor.number} are no longer canonical"
        self._note(Level.WARNING, "reorg", detail)

    def _event(self, level: Level, name: str, detail: str) -> None:
        """Something that happened between two blocks; where there is no space to write it down, it is not."""
        with contextlib.suppress(LedgerUnwritable):
            self._road.ledger.record_event(level, name, detail)

    def _note(self, level: Level, name: str, detail: str) -> None:
        """Into the ledger; and told, where a person should look."""
        self._road.ledger.record_event(level, name, detail)
        if level is not Level.INFO:
            self._output.line(f"{name.replace('_', ' ')}: {detail}")

    def _old(self, head: Head) -> str | None:
        """Why the state is too old to decide on; said once until it is young again."""
        freshness = self._road.freshness
        too_old = freshness.too_old(head) if freshness is not None else None
        if too_old and not self._too_old:
            self._note(Level.WARNING, "state_too_old", too_old)
        elif self._too_old and not too_old:
            self._note(Level.INFO, "state_fresh", f"block {head.number}")
        self._too_old = too_old
        self.counts["too_old"] += too_old is not None
        return too_old

    def _close_if_stale(self, book: Book) -> None:
        """A book that is too old is not decided on until it is told in time again; said once until then."""
        why, known = self._book_ages.too_old(book), (book.exchange, book.symbol)
        if why is None:
            self._stale_books.discard(known)
            return
        self._road.market.close_book(*known)
        if known not in self._stale_books:
            self._stale_books.add(known)
            self._event(Level.WARNING, "stale_book", why)
            self._output.line(f"stale book: {why}")

    def _stale(self, head: Head, plan: Plan) -> Refusal | None:
        """Why what `plan` was decided on no longer holds."""
        distrusted = self._upkeep.distrusted(plan.pools)
        if distrusted:
            return Refusal(Reason.STALE_DATA, f"{', '.join(sorted(distrusted))} was found to differ from the chain")
        if self.silence is not None:
            return Refusal(Reason.STALE_DATA, f"the node is silent: {self.silence}")
        old = self._old(head)
        if old is not None:
            return Refusal(Reason.STALE_DATA, old)
        if self._road.ground.is_newest(head):
            return None
        return Refusal(Reason.STALE_DATA, f"block {head.number} is not the newest any more; it would come too late")

    def _settle(self, found: Found) -> tuple[Sequence[Settled], Sequence[PlacedOrder]]:
        """The chain has answered; a two-sided plan goes on at the exchange and is told when that is done too."""
        landed = [intent for intent, at in found.awaited if at is not None]
        if not landed:
            return (), ()
        with self._road.hedges.together(acts=any(intent.two_sided for intent in landed)):
            settled = self._road.transactions.settle(found)
            placed = self._road.hedges.owe(settled)
        for each in settled:
            if each.suspects is not None:
                self._upkeep.denials.failed(each.plan, each.suspects, each.others, each.least)
            elif each.intent.mined_as is MinedAs.OK:
                self._upkeep.denials.traded(each.plan)
            if not each.plan.orders or each.intent.mined_as is not MinedAs.OK:
                self.counts["not_as_simulated"] += bool(each.explanation)
                self._output.line(self._teller.settled(each))
        return settled, placed

    def _close(self, placed: Sequence[PlacedOrder], reports: Sequence[OrderReport]) -> None:
        if self._road.hedges.owes:
            with self._road.hedges.together():
                closed = self._road.hedges.book(placed, reports)
            self._told_closed(closed)

    def _told_closed(self, closed: Sequence[Closed]) -> None:
        for done in closed:
            profit_wei = self._road.ledger.profit_of(done.intent.id)
            self._output.line(self._teller.closed(done, self._road.market.number or 0, profit_wei))
