"""What passes the road on one head: strategies are asked, and each plan goes as far as it gets."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.drift.upkeep import Upkeep
from bot.execution.marks import NoMark
from bot.execution.settling import Prepared, Sent
from bot.execution.stages import Stage
from bot.execution.unwind import names_of
from bot.ledger.decisions import Level
from bot.market import Opportunity, VenueId
from bot.market.books import books_of
from bot.plan import Plan, encode_plan
from bot.reasons import Reason, Refusal
from bot.road import Filter, Output, Road
from bot.simulator.verdict import Verdict
from bot.strategy import InvalidParameter, MarketView, Strategy, StrategyFailed
from bot.telling import Teller
from bot.vain import IN_VAIN, Vain
from chains.blocks import Head

_SLOW_NS = 1_000_000_000
"""A strategy that plans for longer than that is told of."""

_PASSING = frozenset({Reason.STALE_DATA, Reason.PROVIDERS_DISAGREE, Reason.ORDER_UNKNOWN, Reason.TOO_MANY_IN_FLIGHT})
"""Refusals that say nothing of the plan: the next head may find the same opportunity, and take it."""

Doubts = Callable[[Head, Plan], Refusal | None]
"""Why what a plan was decided on no longer holds; None while it does."""

ComeHome = Callable[[], Awaitable[bool]]
"""Books what is in a block and hedges what it owes, unless that was done or may wait; whether what may not is done."""


class Deciding:
    """Decides on one head after the other. Pools and books `in_use` are in an earlier plan of the same head, or in an
    order of it."""

    def __init__(self, road: Road, upkeep: Upkeep, doubts: Doubts, output: Output, counts: Counter[str]) -> None:
        self._road = road
        self._upkeep = upkeep
        self._stale = doubts
        self._output = output
        self._counts = counts
        self._teller = Teller(max((len(strategy.name) for strategy in road.strategies), default=0))
        self._digest = hashlib.sha256()
        self._failed: set[str] = set()
        self._slow: set[str] = set()
        self._vain = Vain()
        self._again: set[VenueId] = set()
        """Venues that count as changed on the next head: what they offered was put off, and may be there still."""
        self.on_told: Callable[[Plan, str], None] = lambda plan, said: None
        """Called with each plan and how far it got: `sent`, `simulated`, or the reason of its refusal."""
        self.on_seen: Callable[[str, int, Opportunity], None] = lambda strategy, block, opportunity: None
        """Called with each opportunity that a strategy was shown, on the block of that number."""

    @property
    def digest(self) -> str:
        """Hex of SHA-256 over every decision and its outcome so far: equal for runs that decided the same.

        What is of a run's own making (hashes of blocks and their seconds, the executor, transactions) is left out.
        """
        return self._digest.hexdigest()

    def screening_price_wei(self, head: Head) -> int:
        """What gas costs as opportunities are looked for, in wei of ETH."""
        policy = self._road.fee_policy
        return policy.coin.cost_wei(policy.screening_price_wei(head))

    async def decide(self, head: Head, in_use: set[VenueId], come_home: ComeHome) -> None:
        """Ask every strategy, and carry what it plans as far as it gets.

        `come_home` is awaited before a strategy that needs inventory is asked, and before any plan but a cycle is
        carried; neither is done where it fails.
        """
        road = self._road
        moved = road.market.take_changed()
        self._upkeep.before(moved)
        changed, self._again = moved | self._again, set()
        price = self.screening_price_wei(head)
        walks = () if road.optimum is None else await road.optimum.walks(head.number, price)
        await road.turns.take("asked", head.hash)
        quotes = {book.quote for book in road.market.books.values()}
        seen = []
        tried = list[tuple[Plan, Sent | Refusal | None]]()
        for strategy in road.strategies:
            if self._rests(strategy):
                continue
            if strategy.needs_inventory and not await come_home():
                self._again |= changed
                continue
            view = MarketView(
                market=road.market,
                head=head,
                network=road.network,
                strategy=strategy.name,
                gas_price_wei=price,
                changed=changed,
                inventory=road.inventory.offered(quotes) if strategy.needs_inventory else {},
                allowed=_unless_taken(in_use, road.filters.get(strategy.name)),
                lenders=None if road.lenders is None else road.lenders.offers,
                optimum=walks,
                most_gas=road.fee_policy.most_gas,
                gains=road.gains,
                vain=self._vain,
            )
            planned: dict[str, str] = {}
            put_off: set[str] = set()
            seen.append((view, planned, put_off))
            try:
                for plan in self._planned(strategy, view):
                    if not plan.atomic and not await come_home():
                        put_off.add(plan.note)
                        continue
                    planned[plan.note] = plan.id
                    behind_others = road.transactions.has_flowing
                    outcome = await self._decided_on(plan, head, in_use)
                    tried.append((plan, outcome))
                    if not isinstance(outcome, Refusal):
                        self._vain.note(plan.swaps, head.number, went=True)
                    elif outcome.reason in IN_VAIN and not behind_others:
                        self._vain.note(plan.swaps, head.number, went=False)
                    if isinstance(outcome, Refusal) and _passes(outcome.reason, names_of(plan, road.market), moved):
                        put_off.add(plan.note)
            except (StrategyFailed, InvalidParameter) as error:
                self._let_rest(strategy, error)
        for view, planned, put_off in seen:
            self._remember(view, planned, put_off)
        # Not before: a strategy may still be looking at the pools that this takes out.
        for plan, outcome in tried:
            self._upkeep.denials.tried(plan, outcome)

    def _planned(self, strategy: Strategy, view: MarketView) -> Iterator[Plan]:
        """What it plans; one that takes long is told of, once until it is quicker again."""
        clock, took_ns = self._road.transactions.stages.clock, 0
        plans = strategy.plans(view)
        while True:
            asked_ns = clock.monotonic_ns()
            plan = next(plans, None)
            took_ns += clock.monotonic_ns() - asked_ns
            if plan is None:
                break
            yield plan
        if took_ns < _SLOW_NS:
            self._slow.discard(strategy.name)
        elif strategy.name not in self._slow:
            self._slow.add(strategy.name)
            took = f"{took_ns / 1e9:.1f} s to plan on block {view.head.number}"
            told = f"{strategy.name} took {took}, while all else waited"
            self._road.ledger.record_event(Level.WARNING, "slow_strategy", told)
            self._output.line(f"{told}; let it look at less")

    def _rests(self, strategy: Strategy) -> bool:
        """Whether its own code failed, and no person has resumed it since."""
        if strategy.name in self._failed and self._road.ledger.halted_because(strategy.name) is None:
            self._failed.remove(strategy.name)
        return strategy.name in self._failed

    def _let_rest(self, strategy: Strategy, error: Exception) -> None:
        """The others go on without it. Raises `error` where there are none."""
        self._failed.add(strategy.name)
        if all(other.name in self._failed for other in self._road.strategies):
            raise error
        self._road.ledger.halt(strategy.name, str(error))
        told = f"{error}; the other strategies go on, this one after `isthmus resume {strategy.name} --because …`"
        self._output.line(told)

    async def take_back(self, unwinds: Sequence[Plan], head: Head, in_use: set[VenueId]) -> None:
        """Carry plans that unwind what is owed; one that is refused is tried again on the next block."""
        for plan in unwinds:
            if not isinstance(await self._decided_on(plan, head, in_use), Sent):
                self._road.hedges.unwind_failed(plan.id)

    def _remember(self, view: MarketView, planned: Mapping[str, str], put_off: Collection[str]) -> None:
        """Every opportunity the strategy was shown, with the plan it became, if it became one; and what was put off."""
        for seen in view.seen:
            route = str(seen)
            if route in put_off:
                self._again |= seen.venues
            self._road.ledger.record_opportunity(view.strategy, route, seen.gain_wei, planned.get(route))
            self.on_seen(view.strategy, view.head.number, seen)
        self._counts["opportunities"] += len(view.seen)

    async def _decided_on(
        self, plan: Plan, head: Head, in_use: set[VenueId], *, halved: bool = False
    ) -> Sent | Refusal | None:
        """One plan: recorded, carried as far as it gets, told; and at half its size, if it is too sensitive."""
        self._road.ledger.record_plan(plan)
        outcome = await self._consider(plan, head, in_use)
        await self._road.turns.take("considered", plan.id)
        smaller = None
        if isinstance(outcome, Refusal):
            if outcome.reason is Reason.SIM_SENSITIVE and not halved:
                smaller = self._road.transactions.smaller(plan)
                tried = f"tried at half its size as plan {smaller.id}" if smaller else "half its size gains nothing"
                outcome = replace(outcome, detail=f"{outcome.detail}; {tried}")
            self._road.ledger.record_refusal(outcome, plan.strategy, plan.id)
        self._told(plan, outcome)
        return outcome if smaller is None else await self._decided_on(smaller, head, in_use, halved=True)

    async def _consider(self, plan: Plan, head: Head, in_use: set[VenueId]) -> Sent | Refusal | None:
        """One plan along the road. None: nothing trades in this mode, and everything but the signature passed."""
        road = self._road
        road.transactions.stages.reached(Stage.DECIDED)
        refusal = self._stale(head, plan) or self._overlap(plan, in_use) or road.transactions.refusal(plan)
        refusal = refusal or road.hedges.refusal(plan)
        refusal = refusal or await road.fee_policy.refresh(head)
        if refusal is not None:
            return refusal
        try:
            tried = await self._tried(plan, head)
        except NoMark as error:
            return Refusal(Reason.NO_MARK, str(error))
        if road.witnesses is not None and not isinstance(tried, Refusal):
            tried = await road.witnesses.refusal(head, tried[0].worst) or tried
        await road.turns.take("tried", plan.id)
        tried = self._stale(head, plan) or tried
        if isinstance(tried, Refusal):
            return tried
        prepared, verdict = tried
        road.transactions.stages.reached(Stage.SIMULATED)
        if not road.trading:
            in_use |= self._used(plan)
            return None
        sent = await road.transactions.submit(prepared, verdict, head)
        if isinstance(sent, Sent):
            self._upkeep.denials.sent(plan)
            in_use |= self._used(plan)
            road.inventory.speak_for(sent.intent.id, plan)
        return sent

    async def _tried(self, plan: Plan, head: Head) -> tuple[Prepared, Verdict] | Refusal:
        """Its transaction, on terms that pay for the gas it was seen to burn, and the last word on that. Raises
        `NoMark`.
        """
        desk, anew = self._road.transactions, False
        prepared = desk.prepare(plan, head)
        refusal = self._unfit(prepared, head)
        for is_last, ask in ((False, desk.screened), (True, desk.verdict), (True, desk.verdict)):
            shown = refusal or await ask(prepared, head)
            if isinstance(shown, Refusal):
                return shown
            if shown is not None and shown.gas_used > prepared.gas and not anew:
                # Terms that pay for more gas are other call data, which may itself burn a little more.
                prepared, anew = desk.prepare(plan, head, (shown.gas_used - prepared.data_gas) * 102 // 100), True
                refusal = self._unfit(prepared, head)
            elif shown is not None and is_last:
                return prepared, shown
        raise AssertionError("a plan is prepared anew once at most")

    def _unfit(self, prepared: Prepared, head: Head) -> Refusal | None:
        """Why its terms are not the signer's, or its worst case not the budget's."""
        road = self._road
        return road.fee_policy.unsigned(prepared.fees, head) or road.guard.check(prepared.plan, prepared.worst)

    def _used(self, plan: Plan) -> frozenset[VenueId]:
        """What no other plan of its head may use: what it offers was seen once."""
        return names_of(plan, self._road.market) | books_of(plan.orders)

    def _overlap(self, plan: Plan, in_use: set[VenueId]) -> Refusal | None:
        shared = (plan.pools | books_of(plan.orders)) & in_use
        if shared:
            return Refusal(Reason.POOL_IN_USE, f"{', '.join(sorted(shared))} is in an earlier plan of this block")
        return None

    def _told(self, plan: Plan, outcome: Sent | Refusal | None) -> None:
        self._counts["plans"] += 1
        said = outcome.reason.value if isinstance(outcome, Refusal) else "sent" if outcome else "simulated"
        self._digest.update(encode_plan(replace(plan, block_hash="", deadline_s=0)) + said.encode())
        self.on_told(plan, said)
        word = "sent" if isinstance(outcome, Sent) else "simulated" if outcome is None else f"refused:{outcome.reason}"
        self._counts[word] += 1
        self._output.line(self._teller.decided(plan, outcome))


def _passes(reason: Reason, pools: frozenset[VenueId], moved: Collection[VenueId]) -> bool:
    """Whether the next head may see it otherwise. One that no fork answers for costs seconds: it has one more try."""
    return reason in _PASSING or (reason is Reason.SIM_INVALID and not pools.isdisjoint(moved))


def _unless_taken(in_use: Collection[VenueId], permitted: Filter | None) -> Filter:
    """A strategy's filter, and no pool that an earlier plan of this block goes through."""
    if permitted is None:
        return lambda venue, token: venue not in in_use
    return lambda venue, token: venue not in in_use and permitted(venue, token)
