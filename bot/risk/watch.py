"""Beside a run: tells when the kill switch moves, completes a flattening, and trips what no single plan can see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol

from bot.balances import FinalReader
from bot.clock import Clock
from bot.config.budgets import BreakerSettings
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError
from bot.ledger.finality import books_at
from bot.ledger.ledger import Ledger
from bot.reasons import Reason
from bot.risk.halting import Halting
from bot.risk.proof import Proof, prove
from bot.signer.switch import ACTIVE, TOTAL, Switch, SwitchUnwritten, Trading
from chains.anvil import RpcError
from chains.blocks import Head
from chains.node.errors import NodeError

EVERY_S = 0.2
CONFIRMATIONS = 2
"""Money counts as missing when this many heads in a row say so."""

_SENT, _DISAGREED = "sent", f"refused:{Reason.PROVIDERS_DISAGREE}"


class Running(Protocol):
    """The part of the engine that is watched."""

    counts: Counter[str]

    @property
    def head(self) -> Head | None: ...

    @property
    def taking(self) -> bool: ...

    @property
    def booked(self) -> bool: ...


class Output(Protocol):
    """Where a person is told."""

    def line(self, text: str) -> None: ...


class Watch:
    """One run's. `beat` winds up the dead man's switch, `hear` learns what persons changed of the limits, `resume`
    tells who decides that a strategy may trade again."""

    def __init__(
        self,
        *,
        halting: Halting,
        engine: Running,
        first: Head,
        ledger: Ledger,
        node: FinalReader | None,
        settings: BreakerSettings,
        beat: Callable[[], Awaitable[object]],
        hear: Callable[[], Awaitable[None]],
        resume: Callable[[str, str], None],
        clock: Clock,
        out: Output,
    ) -> None:
        """At `first` the books were opened. Without a `node` whose state is ours alone to change, they are not proven
        during the run.
        """
        self._halting = halting
        self._engine = engine
        self._first = first
        self._ledger = ledger
        self._node = node
        self._settings = settings
        self._beat = beat
        self._hear = hear
        self._resume_in_ledger = resume
        self._clock = clock
        self._out = out
        self._seen: Mapping[str, Switch] | None = None
        self._over: Switch | None = None
        self._proven_s = self._now_s()
        self._missing = 0
        self._proven_at: Head | None = None
        self._held = False
        self._disagreeing_since_s: float | None = None
        self._counted = (0, 0)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Everything once. What cannot be done now is done the next time."""
        self._tell()
        await self._hear()
        with suppress(SwitchUnwritten, LedgerError):
            self._flatten()
            self._disagreement()
            await self._prove()

    def halt(self, by: str, because: str) -> None:
        """Halt everything now, and tell."""
        try:
            self._halting.halt(by, because)
        except SwitchUnwritten as error:
            self._out.line(f"halt: {error}")
        self._tell()

    def _now_s(self) -> float:
        """Of the clock that measures: the wall's may be set back, and then nothing would be proven for as long."""
        return self._clock.monotonic_ns() / 1e9

    def _tell(self) -> None:
        look = self._halting.look()
        stored = look.stored.switches if look.stored is not None else None
        if look.over != self._over:
            self._over = look.over
            self._tell_one(TOTAL, str(look.over or (stored or {}).get(TOTAL, ACTIVE)))
        if stored is None:
            return
        seen = self._seen or {}
        for name in sorted({*stored, *seen}):
            before, after = seen.get(name, ACTIVE), stored.get(name, ACTIVE)
            if before != after:
                self._tell_one(name, str(after))
                if after.state is Trading.ACTIVE and name:
                    self._resume(name, after, just_now=self._seen is not None)
        self._seen = stored

    def _tell_one(self, name: str, stands: str) -> None:
        active = stands.startswith(Trading.ACTIVE)
        detail = f"{name or 'all strategies'}: {stands}"
        with suppress(LedgerError):
            self._ledger.record_event(
                Level.INFO if active else Level.ERROR, "trading_resumed" if active else "trading_halted", detail
            )
        self._out.line(f"trading: {detail}")

    def _resume(self, strategy: str, switch: Switch, *, just_now: bool) -> None:
        """A strategy that its drawdown halted in the ledger goes on with its switch, if that was set since.

        One halted later than it is by the clock now was halted before the clock was set back.
        """
        with suppress(LedgerError):
            halted_s = self._ledger.halted_at_s(strategy)
            if halted_s is not None and (switch.at_s >= halted_s or (just_now and halted_s > self._clock.wall_s())):
                self._resume_in_ledger(strategy, str(switch))

    def _flatten(self) -> None:
        standing = self._halting.look().standing.switches
        flattened = {name: it for name, it in standing.items() if it.state is Trading.REDUCING and it.then_halt}
        if not flattened or self._engine.taking:
            return
        # What others go on trading, or owe, keeps no strategy from being halted.
        open_ = {intent.strategy for intent in self._ledger.open_intents()}
        for name, switch in flattened.items():
            if not (open_ if name == TOTAL else name in open_):
                self._halting.flat(name, switch)

    def _disagreement(self) -> None:
        """Endpoints that tell different blocks, plan after plan, for longer than they may."""
        counted = (self._engine.counts[_DISAGREED], self._engine.counts[_SENT])
        before, self._counted = self._counted, counted
        if counted[1] > before[1]:
            self._disagreeing_since_s = None
        elif counted[0] > before[0]:
            now_s = self._now_s()
            since_s = self._disagreeing_since_s = self._disagreeing_since_s or now_s
            if now_s - since_s >= self._settings.disagreement_s:
                self._halting.halt("a breaker", f"{Reason.PROVIDERS_DISAGREE}: for {now_s - since_s:.0f} s")

    async def _prove(self) -> None:
        # Until a block comes the ledger stands where it was opened: what is in flight since moves it in a block only.
        head, due_s = self._engine.head or self._first, self._proven_s + self._settings.prove_every_s
        if self._node is None or not self._engine.booked:
            return
        if self._now_s() < due_s and not self._missing:
            return
        if head == self._proven_at:
            await self._still_proven()
            return
        self._proven_at, self._held = head, False
        try:
            proof = await self._proof(self._node, head)
        except (NodeError, RpcError):
            return
        self._proven_s = self._now_s()
        await self._judge(proof)

    async def _still_proven(self) -> None:
        """No block came since: what held at the newest one holds still. A silent chain is not a dead watch."""
        if self._held:
            self._proven_s = self._now_s()
            await self._beat()

    async def _proof(self, node: FinalReader, head: Head) -> Proof:
        """At the newest final block; and at `head`, so that money which goes is missed before that is final.

        What is missing is asked for twice: Anvil may answer of the block that it is just adding.
        """
        network = self._ledger.run.network
        booked = {account: units for account, units in self._ledger.accounts().items() if account.place == network}
        now = await prove(booked, node, head.hash)
        if not now.holds:
            now = await prove(booked, node, head.hash)
        final = await node.finalized_head()
        books = books_at(self._ledger, final.number) if now.holds and final.number <= head.number else None
        return now if books is None else await prove(books.booked, node, final.hash)

    async def _judge(self, proof: Proof) -> None:
        if proof.holds:
            self._missing, self._held = 0, True
            await self._beat()
            return
        if self._missing == CONFIRMATIONS - 1:
            self._halting.halt("a breaker", f"reconciliation_failed: {proof}")
            self._ledger.record_event(Level.ERROR, "reconciliation_failed", str(proof))
        # Not before: what could not be written down now is, when the next head says so.
        self._missing += 1
