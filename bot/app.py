"""One run of the bot: every room opened in order, wired into the road, and closed again with a summary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from bot.balances import BalanceReader, at_exchanges, on_chain
from bot.clock import Clock, SystemClock
from bot.config.load import Loaded
from bot.config.options import Reporter, RunOptions
from bot.dashboard.app import Dashboard
from bot.dashboard.live import LiveRun
from bot.ending import Stopping
from bot.engine import Engine, Road
from bot.execution.fees import FeePolicy
from bot.execution.hedges import HedgeDesk, HedgePolicy
from bot.execution.inventory import InventoryDesk
from bot.execution.marks import Marks
from bot.execution.transactions import TransactionDesk
from bot.hands import Hands, open_hands
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.reconcile import Reconciliation, reconcile
from bot.ledger.summary import summarise
from bot.market import Market
from bot.mode import Mode
from bot.opening import (
    KnownPools,
    filters,
    known_pools,
    ledger_marks,
    open_accounts,
    open_market,
    opening_marks,
    reloader,
)
from bot.permissions import GWEI, budgets, signer_policy
from bot.report import Summary
from bot.risk.guard import Guard
from bot.safety.code import UPGRADED
from bot.safety.lab import TokenLab
from bot.safety.watch import TokenWatch
from bot.signer.client import SignerClient
from bot.twin_session import Stepper
from bot.world import World, open_world
from chains.anvil import AnvilFailed, RpcError
from chains.assets import Token
from chains.blocks import Head
from chains.exchanges.adapter import ExchangeUnavailable
from chains.node import NodeError
from chains.pools.registry import TOPICS
from chains.twin.errors import TwinUnavailable

_LAST_BLOCKS = 8
"""How many blocks a run waits for what is in flight, before it ends anyway."""

_LAST_LEAST_S = 30.0
"""It waits at least so long and at most twice the time those blocks should take, should the node fall silent."""

_SILENT = (NodeError, ExchangeUnavailable, AnvilFailed, RpcError, TimeoutError)
"""What asking for balances raises when the other side is gone."""


async def run(loaded: Loaded, options: RunOptions, out: Reporter) -> Summary:
    """Trade until the end asked for, or Ctrl-C. Raises what the rooms raise, each in one line."""
    clock = SystemClock()
    begun_ns = clock.monotonic_ns()
    with Stopping(out) as stopping:
        async with AsyncExitStack() as stack:
            world = await open_world(loaded, options, clock, out, stack)
            session = await _open(loaded, options, world, stopping, clock, out, stack)
            setup_s = (clock.monotonic_ns() - begun_ns) / 1e9
            try:
                await session.trade()
            except BaseException as error:
                session.note_end(error)
                raise
            finally:
                session.stop()
            return await session.finish(setup_s)


@dataclass(slots=True)
class Session:
    """A run that is open: its engine, and what moves it."""

    loaded: Loaded
    options: RunOptions
    world: World
    market: Market
    engine: Engine
    tokens: TokenWatch
    hands: Hands
    stepper: Stepper | None
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
        self.following = asyncio.create_task(
            self.engine.run(
                self.tokens.seen(
                    self.world.node.blocks(sorted({*TOPICS, UPGRADED}), self.first, self.engine.on_silence)
                )
            )
        )
        await self._until(self._over)
        self.engine.ending = True
        last = self._number() + _LAST_BLOCKS
        latest_s = max(_LAST_LEAST_S, 2.0 * _LAST_BLOCKS * self.world.network.block_time_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(latest_s):
                await self._until(lambda: self.engine.idle or self._number() >= last)

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
            self.out.line(f"still in flight: {open_intents}; what is known of it is in {self.world.ledger_url}")

    def stop(self) -> None:
        if self.following is not None:
            self.following.cancel()

    async def finish(self, setup_s: float) -> Summary:
        """Prove the ledger, and say what the run came to."""
        world, ledger = self.world, self.world.ledger
        proof = await self._reconciled()
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
            exchange_calls=sum(exchange.calls_made for exchange in world.exchanges.values()),
            counts=self.engine.counts,
            result=summarise(ledger, strategies),
            reconciliation=proof,
            not_as_simulated=self.engine.counts["not_as_simulated"],
            decisions=self.engine.decisions_digest,
            ledger_url=world.ledger_url,
            trouble=self.trouble or self.engine.silence,
            in_flight=len(ledger.open_intents()),
            halted={name: why for name in strategies if (why := ledger.halted_because(name)) is not None},
        )
        ledger.finish_run(summary.document())
        return summary

    async def _reconciled(self) -> Reconciliation | None:
        if self.options.mode is Mode.DRY:
            return None
        chain: BalanceReader = self.hands.ground.submitter
        try:
            return await reconcile(self.world.ledger, on_chain(chain), at_exchanges(self.hands.accounts))
        except _SILENT as error:
            self.trouble = self.trouble or f"the ledger could not be compared: {error}"
            return None


async def _open(
    loaded: Loaded,
    options: RunOptions,
    world: World,
    stopping: Stopping,
    clock: Clock,
    out: Reporter,
    stack: AsyncExitStack,
) -> Session:
    """Connect, load the market, start the signer, wire the road, and watch the books."""
    config, network, ledger = loaded.config, world.network, world.ledger
    await world.node.connect()
    hands = await open_hands(loaded, options, world, clock, stack)
    for exchange in world.exchanges.values():
        await exchange.connect()
    head = await world.node.head()
    known = known_pools(network)
    market = await open_market(network, world.node, head, known, out.progress)
    currencies = [token for exchange in world.exchanges.values() for token in exchange.currencies()]
    marks = opening_marks(market, [*network.tokens.values(), *currencies])
    seed = _seed(loaded, options, world)
    ledger.start_run(options.mode, network.name, network.chain_id, seed, config.digest, world.instance)
    ledger.at_head(head.number, head.timestamp_s)
    ledger.set_marks(ledger_marks(marks))
    await open_accounts(
        ledger,
        network,
        hands.ground.submitter,
        hands.accounts,
        operator=hands.identity.operator,
        holders={hands.identity.executor: hands.profit_tokens, hands.identity.inventory: list(hands.caps)},
        currencies=currencies,
    )
    tokens = TokenWatch(ledger, [*hands.caps, *hands.profit_tokens], head)
    async with TokenLab(network, world.http_url) as lab:
        await tokens.open(lab, world.node.request)
    signer = None
    if options.mode is not Mode.DRY:
        signer = await _signer(loaded, world, hands, market, marks)
        stack.push_async_callback(signer.close)
    road = _road(loaded, world, hands, known, market, marks, currencies, tokens, signer, clock)
    await road.transactions.start()
    road.hedges.start(head)
    engine = Engine(road, out)
    for exchange in world.exchanges.values():
        await exchange.watch(engine.on_book, engine.on_trouble)
    if config.dashboard.enabled:
        await _dashboard(loaded, world, market, known, engine, clock, out, stack)
    stepper = None
    if world.twin is not None and config.twin.stepped:
        stepper = Stepper(world.twin, engine, list(world.exchanges.values()), config.twin.pace_s)
    return Session(
        loaded=loaded,
        options=options,
        world=world,
        market=market,
        engine=engine,
        tokens=tokens,
        hands=hands,
        stepper=stepper,
        first=head,
        clock=clock,
        out=out,
        signer=signer,
        stopping=stopping,
        begun_ns=clock.monotonic_ns(),
        calls_before=world.node.calls_made,
    )


async def _dashboard(
    loaded: Loaded,
    world: World,
    market: Market,
    known: KnownPools,
    engine: Engine,
    clock: Clock,
    out: Reporter,
    stack: AsyncExitStack,
) -> None:
    """Serve the page, over a reading view of the ledger, and tell it of every head."""
    settings = loaded.config.dashboard
    view = Ledger.view(world.ledger_url, clock)
    stack.callback(view.close)
    view.attach()
    shown = LiveRun(
        ledger=view,
        market=market,
        node=world.node,
        head=lambda: engine.head,
        counted=engine.counts,
        budgets=budgets(loaded.config),
        protocols={str(at): protocol for at, protocol in known.protocols.items()},
        block_time_s=world.network.block_time_s,
        clock=clock,
    )
    dashboard = Dashboard(shown, settings.host, settings.port)
    url = await dashboard.start()
    stack.push_async_callback(dashboard.close)

    def tell(head: Head) -> None:
        shown.on_head(head)
        dashboard.tell()

    engine.on_decided = tell
    out.line(f"dashboard: {url}")


def _seed(loaded: Loaded, options: RunOptions, world: World) -> int | None:
    if world.twin is None:
        return None
    return loaded.config.twin.seed if options.seed is None else options.seed


async def _signer(loaded: Loaded, world: World, hands: Hands, market: Market, marks: Marks) -> SignerClient:
    policy = signer_policy(
        loaded.config,
        world.network,
        hands.identity,
        profit_tokens=hands.profit_tokens,
        caps=hands.caps,
        pools=[pool.address for pool in market.pools.values()],
        marks=marks,
    )
    return await SignerClient.start(
        keystore=hands.keystore,
        passphrase=hands.passphrase,
        policy=policy,
        directory=world.folder / "signer",
        journal=world.signer_journal(hands.identity.operator),
    )


def _road(
    loaded: Loaded,
    world: World,
    hands: Hands,
    known: KnownPools,
    market: Market,
    marks: Marks,
    currencies: Sequence[Token],
    tokens: TokenWatch,
    signer: SignerClient | None,
    clock: Clock,
) -> Road:
    config, ledger, execution = loaded.config, world.ledger, loaded.config.execution
    fee_policy = FeePolicy(int(execution.tip_gwei * GWEI), int(config.signer.max_fee_gwei * GWEI))
    inventory = InventoryDesk(ledger=ledger, holder=hands.identity.inventory, caps=hands.caps, currencies=currencies)
    transactions = TransactionDesk(
        identity=hands.identity,
        ledger=ledger,
        simulator=hands.simulator,
        signer=signer,
        submitter=hands.ground.submitter,
        fee_policy=fee_policy,
        marks=marks,
        unwind_loss_ppm=execution.unwind_loss_ppm,
        finality_blocks=world.network.finality_blocks,
        clock=clock,
    )
    hedges = HedgeDesk(
        market=market,
        assets=world.network.assets,
        ledger=ledger,
        exchanges=hands.accounts,
        inventory=inventory,
        marks=marks,
        policies={
            strategy.name: HedgePolicy(
                tolerance_ppm=execution.hedge_tolerance_ppm,
                deadline_blocks=strategy.parameters.get("hedge_deadline_blocks", HedgePolicy().deadline_blocks),
                unwind_loss_ppm=execution.unwind_loss_ppm,
            )
            for strategy in config.strategies
        },
    )
    return Road(
        market=market,
        strategies=[strategy.create() for strategy in config.strategies],
        guard=Guard(ledger, budgets(config), tokens.refusal),
        transactions=transactions,
        hedges=hedges,
        inventory=inventory,
        ledger=ledger,
        fee_policy=fee_policy,
        ground=hands.ground,
        filters=filters(config.strategies, world.network, known),
        reload=reloader(world.node, known),
        network=world.network.name,
        trading=signer is not None,
    )
