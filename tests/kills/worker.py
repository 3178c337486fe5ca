"""The part of the bot that may be killed anywhere: the real desk, ledger and signer in one process, on a bad line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from sqlalchemy import Connection, select

from bot.clock import SystemClock
from bot.execution.fees import FeePolicy
from bot.execution.marks import Marks
from bot.execution.transactions import Identity, Prepared, TransactionDesk
from bot.ledger.ledger import Ledger
from bot.ledger.models import PlanRow
from bot.ledger.records import Account, Mark
from bot.market import Market
from bot.mode import Mode
from bot.plan import Plan, Swap
from bot.reasons import Refusal
from bot.rpc import HttpRpc
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.policy import EXECUTOR_SELECTORS, WETH_MARK, SignerPolicy, StrategyLimits, Target, TransactionCaps
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.simulator.verdict import Outcome, Verdict
from chains.anvil import RpcError
from chains.assets import Address, Assets, Token
from chains.blocks import Block, Head
from chains.pools.constant_product import ConstantProductPool
from tests.bot.execution.scripted import Connection as SignerConnection
from tests.contracts.market import CHAIN_ID, OPERATOR
from tests.faults.chain import ETHER, GWEI, Setting
from tests.kills.line import Dropped, Line

NETWORK = "anvil"
STRATEGY = "marked"
SECRET = b"\x02" * 32
FINALITY_BLOCKS = 8
_INSTANCE = "kills"
_MARKS = 2**44
_PATIENCE_BLOCKS = 3
_PATIENCE_S = 600
_GAS = 160_000
_POLL_S = 0.004
_ANNOUNCED = 2
"""How often a node tells of the same head: more than once, as some do."""
_LIMITS = StrategyLimits(*(10**6 * ETHER,) * 4, min_profit_wei=1)
_CAPS = TransactionCaps(1_500_000, 200 * GWEI, 100 * GWEI, 5, max_verdict_age_s=12.0, max_slippage_ppm=10_000)
_FEES = FeePolicy(2 * GWEI, 200 * GWEI)

MakeDesk = Callable[..., TransactionDesk]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a worker works: the chain at `url`, its own files in `folder`. `desk` makes the desk, a broken one too."""

    setting: Setting
    url: str
    folder: Path
    desk: MakeDesk = TransactionDesk
    forgets: bool = False
    """Decides again what was decided before, in other words: the broken twin without an idempotency key."""
    unsynced: bool = False
    """Leaves the syncing to the system: the broken twin whose commits are not on the disk."""

    @property
    def ledger(self) -> str:
        return str(self.folder / "ledger.sqlite3")


class NoSimulator:
    """Verdicts are given; nothing is simulated again, so that what is stuck is sent again or cancelled."""

    async def verdict(self, *question: object, **options: object) -> Verdict:
        return Verdict(Outcome.INVALID, "", 0, "", 0, 0, reason="there is no simulator")


class Stepping(Ledger):
    """Says when something is on the disk that the bot then acts on."""

    step: Callable[[], None]

    @contextmanager
    def _write_ahead(self, act: str, *, leaves: bool = True) -> Iterator[Connection]:
        with super()._write_ahead(act, leaves=leaves) as connection:
            yield connection
        self.step()


def _leave_unsynced(ledger: Ledger) -> None:
    """Its one connection comes back from the pool as it is left here."""
    connection = ledger._writer.raw_connection()
    connection.cursor().execute("PRAGMA synchronous = NORMAL")
    connection.close()


async def work(scene: Scene, seed: int, step: Callable[[], None], *, finish: bool = False) -> None:
    """Trade until killed; with `finish`, begin nothing and return when everything is final.

    `step` is called when it has taken up where the journal ends, after each commit that it acts on, and before and
    after each sending.
    """
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        ledger = Stepping.open(scene.ledger, SystemClock(), hold=NETWORK)
        stack.callback(ledger.close)
        ledger.step = step
        if scene.unsynced:
            _leave_unsynced(ledger)
        line = Line(await stack.enter_async_context(HttpRpc(scene.url)), rng, step)
        head = await line.begin()
        await _begin(ledger, scene.setting, line, head)
        desk = _desk(scene, ledger, line, stack)
        await desk.start()
        step()
        while True:
            for one in await line.news():
                if not isinstance(one, Block):
                    desk.undo(one)
                    continue
                ledger.at_head(one.head.number, one.head.timestamp_s)
                await desk.on_block(one)
                head = one.head
            if finish and not ledger.open_intents() and not ledger.mined_intents():
                return
            if not finish:
                # The block it decides on may be dropped while it reads it.
                with suppress(RpcError, Dropped):
                    for _ in range(_ANNOUNCED):
                        await _decide(scene, desk, ledger, line, head, rng)
            await asyncio.sleep(_POLL_S)


async def _begin(ledger: Ledger, setting: Setting, line: Line, head: Head) -> None:
    ledger.start_run(Mode.LIVE, NETWORK, CHAIN_ID, None, "", _INSTANCE)
    ledger.at_head(head.number, head.timestamp_s)
    ledger.set_marks([Mark(NETWORK, token.address, worth) for token, worth in _worth(setting).items()])
    weth, executor = Address(setting.weth.address), setting.made.executor
    if not ledger.accounts():
        # One transaction: a kill between the two would leave half an opening.
        native, earned = await line.balance(OPERATOR), await line.held(weth, executor)
        with ledger.batch():
            ledger.open_account(Account.native(NETWORK, OPERATOR), native)
            ledger.open_account(Account(NETWORK, executor, weth), earned)


async def _decide(
    scene: Scene, desk: TransactionDesk, ledger: Ledger, line: Line, head: Head, rng: random.Random
) -> None:
    """One plan for each head, which bears the head's own mark however often it is decided."""
    again = f" again {rng.getrandbits(32)}" if scene.forgets else ""
    plan = await _plan(scene.setting, line, head, again)
    if ledger.is_acted_on(plan.id) or desk.refusal() is not None:
        return
    if not scene.forgets and _read_of_another_block(ledger, plan):
        return
    ledger.record_plan(plan)
    prepared = desk.prepare(plan, head)
    sent = await desk.submit(prepared, _verdict(prepared, head, scene), head)
    if isinstance(sent, Refusal):
        ledger.record_refusal(sent, STRATEGY, plan.id)


def _read_of_another_block(ledger: Ledger, plan: Plan) -> bool:
    """Whether the same head led to another plan before: while Anvil makes a block, it may answer of the one before from
    the new one's state, and say that the one before is still the newest.
    """
    with ledger.read() as connection:
        decided = select(PlanRow.digest).where(PlanRow.block_hash == plan.block_hash, PlanRow.digest != plan.id)
        others = connection.execute(decided).scalars().all()
    return any(ledger.is_acted_on(other) for other in others)


async def _plan(setting: Setting, line: Line, head: Head, again: str) -> Plan:
    amount = ETHER + mark_at(head.hash)
    there = _swap(await line.pool(setting.dear, head), setting.weth, amount)
    back = _swap(await line.pool(setting.cheap, head), setting.dai, there.amount_out)
    return Plan(
        strategy=STRATEGY,
        network=NETWORK,
        legs=(there, back),
        atomic=True,
        expected_profit_wei=back.amount_out - amount,
        min_profit_wei=1,
        gas_estimate=_GAS,
        block_number=head.number,
        block_hash=head.hash,
        deadline_block=head.number + _PATIENCE_BLOCKS,
        deadline_s=head.timestamp_s + _PATIENCE_S,
        note=f"on {head.number}{again}",
    )


def mark_at(block_hash: str) -> int:
    """What a plan decided on that block bears, in wei beside its one WETH."""
    return int(block_hash[2:], 16) % _MARKS


def _swap(pool: ConstantProductPool, token_in: Token, amount: int) -> Swap:
    token_out = next(token for token in pool.tokens if token != token_in)
    return Swap(pool.hop(token_in), token_in, token_out, amount, pool.quote(token_in, amount))


def _verdict(prepared: Prepared, head: Head, scene: Scene) -> Verdict:
    """What the plan's exact quotes promise, as a simulator would have found it."""
    made, weth = scene.setting.made, Address(scene.setting.weth.address)
    price = _FEES.gas_price_wei(head)
    deltas = {(made.executor, weth): prepared.plan.expected_profit_wei}
    return Verdict(
        Outcome.OK,
        prepared.transaction.digest,
        head.number,
        head.hash,
        _GAS,
        price,
        deltas,
        made_at_s=SystemClock().wall_s(),
        code_hash=made.code_hash,
    )


def _worth(setting: Setting) -> dict[Token, Fraction]:
    return {setting.weth: Fraction(1), setting.dai: Fraction(1, 2000)}


def _desk(scene: Scene, ledger: Ledger, line: Line, stack: AsyncExitStack) -> TransactionDesk:
    made = scene.setting.made
    return scene.desk(
        identity=Identity(CHAIN_ID, NETWORK, OPERATOR, made.executor, made.inventory, made.code_hash),
        ledger=ledger,
        simulator=NoSimulator(),
        signer=SignerConnection(_signer(scene, stack)),
        submitter=line,
        fee_policy=_FEES,
        market=Market(Assets({})),
        marks=Marks(_worth(scene.setting)),
        held=list(_worth(scene.setting)),
        unwind_loss_ppm=10_000,
        finality_blocks=FINALITY_BLOCKS,
        clock=SystemClock(),
    )


def _signer(scene: Scene, stack: AsyncExitStack) -> Signer:
    made, weth = scene.setting.made, Address(scene.setting.weth.address)
    policy = SignerPolicy(
        chain_id=CHAIN_ID,
        test_chain=True,
        network=NETWORK,
        operator=OPERATOR,
        targets={made.executor: Target(made.code_hash, made.inventory)},
        selectors=EXECUTOR_SELECTORS,
        profit_marks={weth: WETH_MARK},
        inventory_caps={},
        pools=None,
        caps=_CAPS,
        strategies={STRATEGY: _LIMITS},
    )
    journal = stack.enter_context(Journal(scene.folder / "signer.db"))
    clock, switch = SystemClock(), KillSwitch(scene.folder / "control")
    switch.establish(clock.wall_s())
    key = SigningKey(SECRET)
    return Signer(policy=policy, policy_digest="", key=key, journal=journal, switch=switch, clock=clock, protections={})
