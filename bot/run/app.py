"""One run of the bot: every room opened in order, wired into the road, and closed again with a summary."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from bot.clock import Clock, SystemClock
from bot.config.load import Loaded
from bot.config.options import Reporter, RunOptions
from bot.dashboard.app import Dashboard
from bot.dashboard.live import LiveRun
from bot.dashboard.stopping import StopFailed, UnknownStrategy
from bot.drift.freshness import Freshness
from bot.engine import Engine
from bot.execution.fees import require_priced_gas
from bot.execution.marks import Marks
from bot.known import KnownPools
from bot.ledger.custody import renewing
from bot.ledger.decisions import Level
from bot.ledger.keylock import account_in_use, key_in_use
from bot.ledger.ledger import Ledger
from bot.market import Market
from bot.mode import Mode
from bot.opening import filters, marked_by_books, open_pools, opening_marks
from bot.pending.opening import open_pending
from bot.permissions import budgets, scopes, signer_policy, whole_budget
from bot.replay.recording import begin_recording
from bot.risk.allowances import Allowance, Allowances
from bot.risk.halting import Halting
from bot.risk.watch import Watch
from bot.road import Road
from bot.run.certifying import Optimum, certify
from bot.run.collecting import collect_between_decisions, keeping_all
from bot.run.ending import Stopping
from bot.run.hands import Hands, open_hands
from bot.run.lodging import begin_signer
from bot.run.reopening import require_named, require_reconciled
from bot.run.report import Summary
from bot.run.session import Session
from bot.run.standstill import Standstill
from bot.run.starting import Starting, load_kernels
from bot.run.twin_session import Stepper
from bot.safety.lab import TokenLab
from bot.safety.watch import TokenWatch
from bot.signer.account import standing
from bot.signer.client import SignerClient
from bot.signer.policy import SignerPolicy
from bot.signer.switch import TOTAL, SwitchUnwritten
from bot.simulator import Simulator
from bot.wiring import Ends, Footing, build_road, open_books, start
from bot.world.relays import open_relays
from bot.world.world import World, open_world
from chains.assets import Address
from chains.blocks import Head

_SWITCH_S = 0.0005
"""How long a thread beside the loop, such as the one that records, may keep the interpreter to itself."""


async def run(loaded: Loaded, options: RunOptions, out: Reporter, stopping: Stopping | None = None) -> Summary:
    """Trade until the end asked for, or Ctrl-C, or `stopping`. Raises what the rooms raise, each in one line."""
    sys.setswitchinterval(_SWITCH_S)
    clock = SystemClock()
    begun_ns, starting = clock.monotonic_ns(), Starting(clock)
    # First, since a signer that is awake halts what proves its books no more, and connections end that nobody answers.
    with keeping_all():
        load_kernels(loaded.network.assets, out.line)
    starting.reached("kernels")
    with stopping or Stopping(out) as stopping:
        async with AsyncExitStack() as stack:
            with keeping_all():
                world = await open_world(loaded, options, clock, out, stack)
                starting.reached("world")
                session = await _open(loaded, options, world, stopping, starting, clock, out, stack)
            setup_s = (clock.monotonic_ns() - begun_ns) / 1e9
            try:
                await session.trade()
            except BaseException as error:
                session.note_end(error)
                raise
            finally:
                session.stop()
            return await session.finish(setup_s)


async def _open(
    loaded: Loaded,
    options: RunOptions,
    world: World,
    stopping: Stopping,
    starting: Starting,
    clock: Clock,
    out: Reporter,
    stack: AsyncExitStack,
) -> Session:
    """Connect, load the market, start the signer, wire the road, and watch the books."""
    config, network, ledger = loaded.config, world.network, world.ledger
    as_whom = standing(config.signer.user, [world.folder])
    await world.node.connect()
    hands = await open_hands(loaded, options, world, clock, stack)
    for operator in hands.identity.operators:
        stack.enter_context(key_in_use(world.instance, operator))
    if options.mode is Mode.LIVE and world.twin is None:
        for each in config.exchanges:
            key, _ = world.api_keys[each.name]
            if key:
                stack.enter_context(account_in_use(each.name, f"{each.ccxt_id or each.name}|{each.urls}", key))
    # After the keys: who is refused those must not have ended a run that only stands still for a while.
    ledger.hold(network.name)
    await stack.enter_async_context(renewing(ledger))
    awaking = None
    if options.mode is not Mode.DRY:
        awaking = await begin_signer(as_whom, world, hands, clock, out)
        stack.push_async_callback(awaking.end)
    starting.reached("hands")
    for name, exchange in world.exchanges.items():
        await exchange.connect(to_trade=options.mode is Mode.LIVE and name in hands.accounts)
    starting.reached("exchanges")
    head = await world.node.head()
    pools = await open_pools(loaded, world.node, head, out, stack)
    known, market = pools.known, pools.market
    currencies = [token for exchange in world.exchanges.values() for token in exchange.currencies()]
    marks = opening_marks(market, [*network.tokens.values(), *currencies])
    marks = await marked_by_books(marks, world.exchanges.values())
    require_priced_gas(network, marks)
    seed = _seed(loaded, options, world)
    footing = Footing(hands.identity, hands.caps, hands.profit_tokens, currencies, known, market, marks)
    starting.reached("market")
    tokens = TokenWatch(ledger, [*hands.caps, *hands.profit_tokens], head)
    halting = Halting(world.kill_switch(clock), clock)
    allowances = Allowances(world.control, clock)
    optimum = Optimum(config.certificate.plan_within_ms / 1e3)
    ends = Ends(
        ground=hands.ground,
        node=world.node,
        simulator=hands.simulator,
        signer=None,
        accounts=hands.accounts,
        may_hold=halting.before(tokens.refusal),
        freshness=Freshness(clock, config.state.max_age_s, by_timestamp=not network.test_chain),
        may_order=halting.may_order,
        allowance=allowances.of,
        relays=await open_relays(config, network.name, world.memory, stack) if options.mode is Mode.LIVE else {},
        optimum=optimum,
    )
    recorder = None
    if config.recording.enabled:
        recorder = await begin_recording(loaded, options.mode, seed, world, footing, ends, head, clock, out, stack)
        ends = recorder.ends(ends)
        if pools.watch is not None:
            pools.watch.on_joined = recorder.joined
    await open_books(ledger, loaded, options.mode, seed, world.instance, footing, ends, head)
    if recorder is not None and recorder.lacks:
        ledger.record_event(Level.WARNING, "recording", recorder.lacks)
    books = {(name, symbol) for name in hands.accounts for symbol in world.exchanges[name].symbols}
    require_named(ledger, books, {strategy.name for strategy in config.strategies})
    starting.reached("books")
    async with TokenLab(network, world.fork_url) as lab:
        await tokens.open(lab, world.node.request)
    for refused in tokens.refusals():
        out.line(f"neither spent nor brought home: {refused.detail}")
    starting.reached("tokens")
    signer = None
    if awaking is not None:
        policy = _policy(loaded, options.mode, world, hands, known, market, marks)
        signer = await SignerClient.of(awaking, hands.passphrase, policy)
        stack.push_async_callback(signer.close)
        ends = replace(ends, signer=recorder.end("signer", signer) if recorder else signer)
    starting.reached("signer")
    road = build_road(loaded, ledger, footing, ends, clock)
    await start(road, head)
    if options.mode is Mode.LIVE:
        await require_reconciled(ledger, world.node, hands.accounts, head)
    starting.reached("recovery")
    engine = Engine(road, out)
    ears = recorder.ears(engine, road.guard) if recorder else engine
    world.node.listen(ears.on_node)
    for exchange in world.exchanges.values():
        await exchange.watch(ears.on_book, ears.on_trouble)
    await open_pending(config.pending, world, market, engine, stack)
    ears.prepare(head)
    starting.reached("search")
    if config.dashboard.enabled:
        keys = hands.identity.operators
        await _dashboard(loaded, world, keys, road, known, engine, halting, allowances.of, clock, out, stack)
    certifier = None
    if config.certificate.enabled:
        certifier = await certify(market, network.wrapped, ledger, road, engine, stack, optimum)
    resume = ears.on_resumed
    await _watch(loaded, options, world, engine, resume, head, halting, allowances, signer, stopping, clock, out, stack)
    stepper = None
    if world.twin is not None and config.twin.stepped:
        stepper = Stepper(world.twin, engine, list(world.exchanges.values()), config.twin.pace_s)
    _make_ready_between_decisions(engine, hands.simulator)
    collecting = collect_between_decisions(engine, stack)
    starting.reached("watching")
    ledger.record_event(Level.INFO, "ready", str(starting))
    out.line(str(starting))
    return Session(
        loaded=loaded,
        options=options,
        world=world,
        market=market,
        engine=engine,
        tokens=tokens,
        pools=pools.watch,
        recorder=recorder,
        ears=ears,
        hands=hands,
        stepper=stepper,
        certifier=certifier,
        collecting=collecting,
        standstill=Standstill.of(
            network.block_time_s, config.state.max_age_s, clock.monotonic_ns, ledger.record_event, out.line
        ),
        first=head,
        clock=clock,
        out=out,
        signer=signer,
        stopping=stopping,
        begun_ns=clock.monotonic_ns(),
        calls_before=world.node.calls_made,
    )


async def _watch(
    loaded: Loaded,
    options: RunOptions,
    world: World,
    engine: Engine,
    resume: Callable[[str, str], None],
    first: Head,
    halting: Halting,
    allowances: Allowances,
    signer: SignerClient | None,
    stopping: Stopping,
    clock: Clock,
    out: Reporter,
    stack: AsyncExitStack,
) -> None:
    """Watch what halts everything, for as long as the run is open."""

    async def beat() -> None:
        if signer is not None:
            await signer.heartbeat()

    async def hear() -> None:
        if signer is not None:
            await allowances.refresh(signer.status)

    watch = Watch(
        halting=halting,
        engine=engine,
        first=first,
        ledger=world.ledger,
        node=world.node if options.mode is Mode.LIVE else None,
        settings=loaded.config.breakers,
        beat=beat,
        hear=hear,
        resume=resume,
        clock=clock,
        out=out,
    )
    stopping.on_halt = lambda: watch.halt("SIGUSR1", "the process was told so")
    watching = asyncio.create_task(watch.run())
    stack.callback(watching.cancel)


async def _dashboard(
    loaded: Loaded,
    world: World,
    operators: Sequence[Address],
    road: Road,
    known: KnownPools,
    engine: Engine,
    halting: Halting,
    allowance: Allowance,
    clock: Clock,
    out: Reporter,
    stack: AsyncExitStack,
) -> None:
    """Serve the page, over a reading view of the ledger, and tell it of every head."""
    settings = loaded.config.dashboard
    view = Ledger.view(world.ledger_url, clock)
    stack.callback(view.close)
    view.attach(world.ledger.run.id)
    shown = LiveRun(
        ledger=view,
        market=road.market,
        node=world.node,
        head=lambda: engine.head,
        counted=engine.counts,
        stopped=halting.stopped,
        budgets=budgets(loaded.config),
        total=whole_budget(loaded.config),
        protocols=known.protocols,
        block_time_s=world.network.block_time_s,
        clock=clock,
        rests=road.hedges.resting.why,
        operators=operators,
        allowance=allowance,
    )
    trading = {strategy.name for strategy in loaded.config.strategies}

    def stop(strategy: str, because: str, *, flatten: bool) -> str:
        if strategy != TOTAL and strategy not in trading:
            raise UnknownStrategy(strategy)
        try:
            return str(halting.halt("the dashboard", because, strategy, flatten=flatten))
        except SwitchUnwritten as error:
            raise StopFailed(str(error)) from error

    dashboard = Dashboard(shown, stop, clock, settings.host, settings.port)
    url = await dashboard.start()
    stack.push_async_callback(dashboard.close)

    def tell(head: Head) -> None:
        shown.on_head(head)
        dashboard.tell()

    engine.on_decided = tell
    out.line(f"dashboard: {url}")


def _make_ready_between_decisions(engine: Engine, simulator: Simulator) -> None:
    told_before = engine.on_decided

    def decided(head: Head) -> None:
        told_before(head)
        simulator.make_ready()

    engine.on_decided = decided


def _seed(loaded: Loaded, options: RunOptions, world: World) -> int | None:
    if world.twin is None:
        return None
    return loaded.config.twin.seed if options.seed is None else options.seed


def _policy(
    loaded: Loaded, mode: Mode, world: World, hands: Hands, known: KnownPools, market: Market, marks: Marks
) -> SignerPolicy:
    allowed = filters(loaded.config.strategies, world.network, known)
    return signer_policy(
        loaded.config,
        world.network,
        hands.identity,
        profit_tokens=hands.profit_tokens,
        caps=hands.caps,
        pools=[pool.hop(*pool.tokens[:2]).pool for pool in market.pools.values()],
        marks=marks,
        scopes=scopes(loaded.config, allowed, market),
        proven=mode is Mode.LIVE,
    )
