"""The bot's own road over endpoints that may fail: node, engine, desk, simulator, ledger and signer are the real ones.

Like a supervised process, it is started again when its run ends, on the same ledger and the same signer's journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

from bot.balances import on_chain
from bot.clock import SystemClock
from bot.drift.freshness import Freshness
from bot.drift.policy import AuditPolicy
from bot.engine import Engine
from bot.execution.fees import FeePolicy
from bot.execution.hedges import HedgeDesk
from bot.execution.inventory import InventoryDesk
from bot.execution.marks import Marks
from bot.execution.transactions import Identity, TransactionDesk
from bot.known import KnownPools
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Mark
from bot.market import Market
from bot.market.loader import LoadFailed
from bot.mode import Mode
from bot.opening import NoPools, open_market, upkeeping
from bot.plan import Plan, decode_plan
from bot.reasons import Refusal
from bot.risk.budget import Budget
from bot.risk.guard import Guard
from bot.road import Road
from bot.rpc import NodeRpc
from bot.signer.client import SignerClient
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.policy import EXECUTOR_SELECTORS, WETH_MARK, SignerPolicy, StrategyLimits, Target, TransactionCaps
from bot.signer.protocol import Signed, SignRequest
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.simulator import Simulator
from bot.world.ground import LiveGround, ask_ahead
from chains.anvil import AnvilFailed, RpcError
from chains.assets import Address
from chains.blocks import Head
from chains.networks import Network, load_network
from chains.node import Node, NodeError
from chains.node.endpoints import EndpointSettings
from chains.node.gateway import Gateway
from chains.pools.registry import TOPICS
from tests.bot.execution.scripted import Connection
from tests.contracts.market import CHAIN_ID, OPERATOR
from tests.faults.chain import ETHER, GWEI, TrueChain
from tests.faults.marked import NAME, Marked
from tests.told import Told

SECRET = b"\x02" * 32
FINALITY_BLOCKS = 8
FEE_POLICY = FeePolicy(2 * GWEI, 200 * GWEI)
BUDGET = Budget(*(1000 * ETHER,) * 6)
REQUEST_TIMEOUT_BLOCKS = 0.8
"""As ten seconds are of a block of Ethereum's."""
MAX_AGE_BLOCKS = 5
_PAUSE_S = 0.1
_INSTANCE = "the rig"
_LIMITS = StrategyLimits(1000 * ETHER, 1000 * ETHER, 1000 * ETHER, 1000 * ETHER, min_profit_wei=1)
_CAPS = TransactionCaps(1_500_000, 200 * GWEI, 10 * GWEI, 5, max_verdict_age_s=12.0, max_slippage_ppm=10_000)
_EXPECTED = (NodeError, RpcError, AnvilFailed, LoadFailed, NoPools, TimeoutError)
"""What a run may end with, by its own word, when its node fails it. Anything else is a bug."""

_NETWORK = """\
inherits = "twin"
block_time_s = {block_time_s}
[tokens]
WETH = {{ address = "{weth}", decimals = 18 }}
DAI = {{ address = "{dai}", decimals = 18 }}
"""


@dataclass(frozen=True, slots=True)
class Decided:
    """A plan that was signed for, how high the true chain was at that moment, and for how long above its block."""

    plan: Plan
    tip: int
    overtaken_for_s: float


class WatchedSigner(Connection):
    """The signer, and what was asked of it."""

    def __init__(self, signer: Signer, chain: TrueChain, decided: list[Decided]) -> None:
        super().__init__(signer)
        self._chain = chain
        self._decided = decided

    async def sign(self, request: SignRequest) -> Signed | Refusal:
        answer = await super().sign(request)
        if isinstance(answer, Signed):
            plan = decode_plan(request.plan)
            overtaken_for_s = self._chain.overtaken_for_s(plan.block_number)
            self._decided.append(Decided(plan, self._chain.tip.number, overtaken_for_s))
        return answer


@dataclass(slots=True)
class Bot:
    """Over `endpoints`, the URLs. An async context manager; runs until it is closed.

    `desk` is the transaction desk's class. `ends` are the ends of its runs by their own word, `bugs` the others.
    """

    chain: TrueChain
    folder: Path
    endpoints: Sequence[str]
    desk: type[TransactionDesk] = TransactionDesk
    block_time_s: int = 1
    decided: list[Decided] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    bugs: Counter[str] = field(default_factory=Counter)
    told: Told = field(default_factory=Told)
    engine: Engine | None = None
    first: Head | None = None
    ledger: Ledger = field(init=False)
    strategy: Marked = field(init=False)
    network: Network = field(init=False)
    _running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Bot:
        setting = self.chain.setting
        at = self.folder / "rig.toml"
        facts = {"weth": setting.weth.address, "dai": setting.dai.address, "block_time_s": self.block_time_s}
        at.write_text(_NETWORK.format(**facts))
        self.network = load_network(at)
        self.strategy = Marked(setting)
        self.ledger = Ledger.open(str(self.folder / "ledger.sqlite3"), SystemClock())
        self._running = asyncio.create_task(self._supervised())
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()
        self.ledger.close()

    async def stop(self) -> None:
        """End the run where it stands."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._running = self.engine = None

    async def restart(self) -> None:
        """As `kill -9` and a start would, but for what lies in the operating system's hands."""
        await self.stop()
        self._running = asyncio.create_task(self._supervised())

    @property
    def head_hash(self) -> str | None:
        """The head that was last decided on, or else the one the run began with."""
        head = (self.engine.head or self.first) if self.engine is not None else None
        return head.hash if head is not None else None

    async def at_tip(self, within_s: float) -> bool:
        """Whether it decides on the true chain's newest block within that time."""
        until = time.monotonic() + within_s
        while self.head_hash != self.chain.tip.hash:
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.01)
        return True

    async def _supervised(self) -> None:
        while True:
            try:
                await self._run()
            except _EXPECTED as end:
                self.ends[type(end).__name__] += 1
                self.told.line(f"ended: {end}")
            except Exception as bug:
                self.bugs[f"{type(bug).__name__}: {bug}"] += 1
            self.engine = None
            await asyncio.sleep(_PAUSE_S)

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            node = await stack.enter_async_context(self.node())
            node.listen(lambda event: self.told.line(f"{event.name}: {event.detail}"))
            gateway = await stack.enter_async_context(Gateway(node))
            simulator = await stack.enter_async_context(
                Simulator(self.network, gateway.ws_url, SystemClock(), node=NodeRpc(node))
            )
            head = await node.head()
            market = await open_market(self.network, node, head, KnownPools(self.chain.setting.pools, {}), _silently)
            road = await self._road(node, simulator, market, head, stack)
            await road.transactions.start()
            road.hedges.start(head)
            engine = Engine(road, self.told)
            ask_ahead(node, cast(LiveGround, road.ground), engine.sought)
            events = node.blocks(sorted(TOPICS), head, engine.on_silence)
            self.engine, self.first = engine, head
            await engine.run(events)

    def node(self) -> Node:
        """A node over the endpoints."""
        endpoints = [EndpointSettings(url) for url in self.endpoints]
        return Node(
            self.network, endpoints, SystemClock(), request_timeout_s=REQUEST_TIMEOUT_BLOCKS * self.block_time_s
        )

    async def _road(self, node: Node, simulator: Simulator, market: Market, head: Head, stack: AsyncExitStack) -> Road:
        ledger, setting = self.ledger, self.chain.setting
        made, caps = setting.made, {setting.weth: 0, setting.dai: 0}
        marks = Marks({setting.weth: Fraction(1), setting.dai: Fraction(1, 2000)})
        ledger.start_run(Mode.LIVE, self.network.name, CHAIN_ID, None, "", _INSTANCE)
        ledger.at_head(head.number, head.timestamp_s)
        ledger.set_marks([Mark(token.place, token.address, worth) for token, worth in marks.wei_per_unit.items()])
        for account in self._accounts():
            if account not in ledger.accounts():
                ledger.open_account(account, await on_chain(node)(account))
        inventory = InventoryDesk(ledger=ledger, holder=made.inventory, caps=caps, currencies=[])
        transactions = self.desk(
            identity=Identity(CHAIN_ID, self.network.name, OPERATOR, made.executor, made.inventory, made.code_hash),
            ledger=ledger,
            simulator=simulator,
            signer=self._signer(stack),
            submitter=node,
            fee_policy=FEE_POLICY,
            market=market,
            marks=marks,
            held=list(caps),
            unwind_loss_ppm=10_000,
            finality_blocks=FINALITY_BLOCKS,
            clock=SystemClock(),
        )
        hedges = HedgeDesk(
            market=market,
            assets=self.network.assets,
            ledger=ledger,
            exchanges={},
            inventory=inventory,
            marks=marks,
            policies={},
        )
        return Road(
            market=market,
            strategies=[self.strategy],
            guard=Guard(ledger, {NAME: BUDGET}),
            transactions=transactions,
            hedges=hedges,
            inventory=inventory,
            ledger=ledger,
            fee_policy=FEE_POLICY,
            ground=LiveGround(node, simulator),
            filters={},
            upkeep=upkeeping(node, KnownPools(setting.pools, {}), AuditPolicy()),
            network=self.network.name,
            trading=True,
            freshness=Freshness(SystemClock(), MAX_AGE_BLOCKS * self.block_time_s, by_timestamp=False),
        )

    def _accounts(self) -> tuple[Account, Account]:
        """What the ledger keeps: the operator's coin, and what the executor earned."""
        setting = self.chain.setting
        return (
            Account.native(self.network.name, OPERATOR),
            Account(self.network.name, setting.made.executor, Address(setting.weth.address)),
        )

    def _signer(self, stack: AsyncExitStack) -> SignerClient:
        setting = self.chain.setting
        policy = SignerPolicy(
            chain_id=CHAIN_ID,
            test_chain=True,
            network=self.network.name,
            operator=OPERATOR,
            targets={setting.made.executor: Target(setting.made.code_hash, setting.made.inventory)},
            selectors=EXECUTOR_SELECTORS,
            profit_marks={Address(setting.weth.address): WETH_MARK},
            inventory_caps={},
            pools=None,
            caps=_CAPS,
            strategies={NAME: _LIMITS},
        )
        journal = stack.enter_context(Journal(self.folder / "signer.db"))
        key = SigningKey(SECRET)
        clock, switch = SystemClock(), KillSwitch(self.folder / "control")
        switch.establish(clock.wall_s())
        signer = Signer(
            policy=policy, policy_digest="", key=key, journal=journal, switch=switch, clock=clock, protections={}
        )
        return cast(SignerClient, WatchedSigner(signer, self.chain, self.decided))


def _silently(what: str, done: int, of: int) -> None:
    """Nobody watches a rig's progress."""
