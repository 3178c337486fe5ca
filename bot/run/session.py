"""A run that is open: moved on until it is over, brought home, and closed with a summary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from bot.balances import BalanceReader, at_exchanges, final_block, on_chain
from bot.clock import Clock
from bot.config.load import Loaded
from bot.config.options import Reporter, RunOptions
from bot.discovery.watch import PoolWatch
from bot.engine import Engine
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError, LedgerUnwritable
from bot.ledger.reconcile import Reconciliation, UnknownPlace, reconcile
from bot.ledger.summary import summarise
from bot.market import Market
from bot.market.certificate.certifier import Certifier
from bot.mode import Mode
from bot.replay.recorder import Ears, Recorder
from bot.run.certifying import LAST_ANSWERS_S, captured
from bot.run.collecting import Collecting
from bot.run.ending import Stopping
from bot.run.hands import Hands
from bot.run.report import Summary
from bot.run.standstill import Standstill
from bot.run.twin_session import Stepper
from bot.safety.watch import TokenWatch
from bot.signer.client import SignerClient
from bot.world.ground import ask_ahead
from bot.world.world import World
from chains.anvil import AnvilFailed, RpcError
from chains.blocks import Head
from chains.exchanges.troubles import ExchangeUnavailable
from chains.node import NodeError
from chains.pools.extension import families_with
from chains.pools.registry import topics_of
from chains.twin.errors import TwinUnavailable

_LAST_BLOCKS = 8
"""How many blocks a run waits for what is in flight, before it ends anyway."""

_LAST_LEAST_S = 30.0
"""It waits at least so long and at most twice the time those blocks should take, should the node fall silent."""

_BLOCK_WITHIN_S, _POLL_S = 5.0, 0.005
"""How long the block that is being taken in may take yet, and how often that is looked at."""

_SILENT = (NodeError, ExchangeUnavailable, UnknownPlace, AnvilFailed, RpcError, TimeoutError)
"""What asking for balances raises when the other side is gone, or nobody is named who could be asked."""


@dataclass(slots=True)
class Session:
    """A run that is open: its engine, and what moves it."""

    loaded: Loaded
    options: RunOptions
    world: World
    market: Market
    engine: Engine
    tokens: TokenWatch
    pools: PoolWatch | None
    recorder: Recorder | None
    ears: Engine | Ears
    hands: Hands
    stepper: Stepper | None
    certifier: Certifier | None
    collecting: Collecting
    standstill: Standstill
    first: Head
    clock: Clock
    out: Reporter
    signer: SignerClient | None
    stopping: Stopping
    begun_ns: int
    calls_before: int
    following: asyncio.Task[None] | None = None
    trouble: str | None = None

    async def trade(self) -> None:
        """Follow the chain until the end asked for; then bring home what is in flight."""
        self.stopping.trading = True
        ask_ahead(self.world.node, self.hands.ground, self.engine.sought)
        topics = {*topics_of(families_with(self.loaded.config.families)), *(self.pools.topics if self.pools else ())}
        events = self.tokens.seen(self.world.node.blocks(sorted(topics), self.first, self.ears.on_silence))
        events = self.pools.seen(events) if self.pools else events
        events = self.recorder.events(events) if self.recorder else events
        self.following = asyncio.create_task(self.engine.run(events))
        await self._until(self._over)
        self.engine.ending = True
        if self.recorder is not None:
            self.recorder.ending()
        last = self._number() + _LAST_BLOCKS
        latest_s = max(_LAST_LEAST_S, 2.0 * _LAST_BLOCKS * self.world.network.block_time_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(latest_s):
                await self._until(lambda: self.engine.idle or self._number() >= last)
        await self._between_two_blocks()
        self.stop()

    async def _between_two_blocks(self) -> None:
        """Wait for the end of the block that is being taken in: what was begun for it is not left half done."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_BLOCK_WITHIN_S):
                while self.engine.taking:  # noqa: ASYNC110 - looked at for milliseconds, once, as a run ends
                    await asyncio.sleep(_POLL_S)

    async def _until(self, over: Callable[[], bool]) -> None:
        """Move on until `over`, or until something the run cannot do without is gone."""
        assert self.following is not None
        moving = asyncio.create_task(self.stepper.run(over) if self.stepper else self._watch(over))
        watching = [asyncio.create_task(watch) for watch in (self._signer_gone(), self._twin_gone())]
        try:
            await asyncio.wait({moving, self.following, *watching}, return_when=asyncio.FIRST_COMPLETED)
            for task in (*watching, self.following, moving):
                if task.done():
                    task.result()
        finally:
            for task in (moving, *watching):
                task.cancel()
            await asyncio.gather(moving, *watching, return_exceptions=True)

    async def _signer_gone(self) -> None:
        """Nothing can be begun without the signer, but what is in flight can be brought home."""
        if self.signer is None or self.trouble is not None:
            await asyncio.Event().wait()
            return
        self.trouble = await self.signer.ended()
        self.out.line(f"ending: {self.trouble}")

    async def _twin_gone(self) -> None:
        if self.world.twin is None:
            await asyncio.Event().wait()
            return
        raise TwinUnavailable(await self.world.twin.ended())

    async def _watch(self, over: Callable[[], bool]) -> None:
        while not over():
            if self.engine.silence is None and not self.engine.taking:
                self.standstill.look(self.engine.head or self.first)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.engine.decided(self._number() + 1), 0.25)

    def _over(self) -> bool:
        elapsed_s = (self.clock.monotonic_ns() - self.begun_ns) / 1e9
        blocks = self._number() - self.first.number
        return (
            self.stopping.asked.is_set()
            or (self.options.duration_s is not None and elapsed_s >= self.options.duration_s)
            or (self.options.blocks is not None and blocks >= self.options.blocks)
        )

    def _number(self) -> int:
        return (self.engine.head or self.first).number

    def note_end(self, error: BaseException) -> None:
        """Leave word in the ledger, if it can still be written, of an end that comes before its summary."""
        open_intents = 0
        with suppress(LedgerError):
            open_intents = len(self.world.ledger.open_intents())
            self.world.ledger.record_event(Level.ERROR, "stop", str(error) or "stopped at once")
        if open_intents:
            self.out.line(f"still in flight: {open_intents}; what is known of it is in {self.world.ledger.where}")

    def stop(self) -> None:
        if self.following is not None:
            self.following.cancel()

    async def finish(self, setup_s: float) -> Summary:
        """Prove the ledger, and say what the run came to."""
        world, ledger = self.world, self.world.ledger
        if self.recorder is not None:
            self.recorder.close(self.engine.decisions_digest)
        proof = await self._reconciled()
        if self.certifier is not None:
            await self.certifier.finished(LAST_ANSWERS_S)
        strategies = [strategy.name for strategy in self.loaded.config.strategies]
        summary = Summary(
            network=world.network.name,
            mode=self.options.mode,
            chain_id=world.network.chain_id,
            seed=ledger.run.seed,
            pools=len(self.market.pools),
            pool_states=world.pool_states,
            books=len(self.market.books),
            blocks=self.engine.counts["heads"],
            duration_s=(self.clock.monotonic_ns() - self.begun_ns) / 1e9,
            setup_s=setup_s,
            node_calls=world.node.calls_made - self.calls_before,
            node_units={it.name: str(it.quota) for it in world.node.endpoints if it.quota.cap is not None},
            exchange_calls=sum(exchange.calls_made for exchange in world.exchanges.values()),
            counts=self.engine.counts,
            result=summarise(ledger, strategies),
            captured=captured(ledger),
            screening=self.hands.simulator.screening,
            reconciliation=proof,
            not_as_simulated=self.engine.counts["not_as_simulated"],
            decisions=self.engine.decisions_digest,
            gc_pause_ms=round(self.collecting.longest_ms, 3),
            ledger_url=ledger.where,
            trouble=self.trouble or self.engine.silence,
            in_flight=len(ledger.open_intents()),
            halted={name: why for name in strategies if (why := ledger.halted_because(name)) is not None},
        )
        try:
            ledger.finish_run(summary.document())
        except LedgerUnwritable as error:
            return replace(summary, trouble=summary.trouble or f"the summary could not be kept: {error}")
        return summary

    async def _reconciled(self) -> Reconciliation | None:
        if self.options.mode is Mode.DRY:
            return None
        chain: BalanceReader = self.hands.ground.submitter
        accounts = at_exchanges(self.hands.accounts)
        try:
            # A private fork is made anew at each head: nothing of it is ever final.
            final = await final_block(self.world.node) if self.options.mode is Mode.LIVE else None
            return await reconcile(self.world.ledger, on_chain(chain), accounts, final)
        except _SILENT as error:
            self.trouble = self.trouble or f"the ledger could not be compared: {error}"
            return None
