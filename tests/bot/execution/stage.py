"""A transaction desk on a real chain: pools, executor, simulator and signer are real; a relay makes the blocks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

from bot.clock import SystemClock
from bot.execution.fees import FeePolicy
from bot.execution.marks import Marks
from bot.execution.replacing import ReplacementPolicy
from bot.execution.routes import Routes
from bot.execution.settling import Identity, Sent
from bot.execution.transactions import TransactionDesk
from bot.ledger.ledger import Ledger
from bot.ledger.records import Account, Mark
from bot.ledger.states import IntentState
from bot.market import Market
from bot.mode import Mode
from bot.plan import Plan, Swap
from bot.reasons import Refusal
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.policy import EXECUTOR_SELECTORS, WETH_MARK, SignerPolicy, StrategyLimits, Target, TransactionCaps
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.simulator import Simulator
from bot.simulator.verdict import Verdict
from chains.anvil import Anvil
from chains.assets import Address, Token, address
from chains.blocks import Block, Head, Undone
from chains.networks import Network, load_network
from chains.pools.constant_product import ConstantProductPool
from chains.relays import Destination, Mempool, Relay, RelayClient, RelayKind, SearcherIdentity
from chains.relays.destinations import MEMPOOL
from tests.bot.execution.scripted import Connection
from tests.chains.pools.contracts import call_data
from tests.chains.relays.blocks import Blocks
from tests.chains.relays.local import LocalRelay
from tests.contracts.market import CHAIN_ID, OPERATOR
from tests.faults.bot import SECRET
from tests.faults.chain import ETHER, GWEI, Setting
from tests.faults.marked import mark_of

NAME = "staged"
FEE_CAP_WEI, TIP_CAP_WEI = 200 * GWEI, 10 * GWEI
FEE_POLICY = FeePolicy(2 * GWEI, FEE_CAP_WEI)
REPLACING = ReplacementPolicy(FEE_CAP_WEI, TIP_CAP_WEI)
PATIENCE_BLOCKS = 3
_PATIENCE_S = 600
_GAS = 250_000
FINALITY_BLOCKS = 8
_ARGUMENTS = ("--no-mining", "--order", "fifo", "--gas-limit", "30000000", "--chain-id", str(CHAIN_ID))
_LIMITS = StrategyLimits(*(1000 * ETHER,) * 4, min_profit_wei=1)
_CAPS = TransactionCaps(1_500_000, FEE_CAP_WEI, TIP_CAP_WEI, 5, max_verdict_age_s=12.0, max_slippage_ppm=10_000)
_NETWORK = """\
inherits = "twin"
[tokens]
WETH = {{ address = "{weth}", decimals = 18 }}
DAI = {{ address = "{dai}", decimals = 18 }}
"""


@cache
def setting() -> Setting:
    """Made once: two real pairs far apart in price, and an executor."""
    return asyncio.run(Setting.make())


@dataclass(slots=True)
class Stage:
    """`desk` decides by hand on `head`; `relay` makes the blocks. `began` are the principals, by account."""

    facts: Setting
    blocks: Blocks
    relay: LocalRelay
    ledger: Ledger
    desk: TransactionDesk
    head: Head
    began: dict[tuple[Address, Token], int] = field(default_factory=dict)
    count: int = 0

    async def plan(self, min_profit_wei: int = 1) -> Plan:
        """A cycle through both pairs on the present head, marked by its input."""
        self.count += 1
        amount = ETHER + self.count
        weth, dai = self.facts.weth, self.facts.dai
        there = await self._swap(self.facts.dear.address, weth, dai, amount)
        back = await self._swap(self.facts.cheap.address, dai, weth, there.amount_out)
        return Plan(
            strategy=NAME,
            network=self.desk.identity.network,
            legs=(there, back),
            atomic=True,
            expected_profit_wei=back.amount_out - amount,
            min_profit_wei=min_profit_wei,
            gas_estimate=150_000,
            block_number=self.head.number,
            block_hash=self.head.hash,
            deadline_block=self.head.number + PATIENCE_BLOCKS,
            deadline_s=self.head.timestamp_s + _PATIENCE_S,
        )

    async def send(self, plan: Plan | None = None) -> Sent:
        """A plan carried out of the door."""
        plan = plan or await self.plan()
        self.ledger.record_plan(plan)
        prepared = self.desk.prepare(plan, self.head, _GAS)
        verdict = await self.desk.verdict(prepared, self.head)
        assert isinstance(verdict, Verdict), verdict
        sent = await self.desk.submit(prepared, verdict, self.head)
        assert not isinstance(sent, Refusal), sent
        return sent

    async def advance(self, blocks: int = 1) -> None:
        """Blocks, and what the desk makes of each."""
        for _ in range(blocks):
            before = self.head
            for head in await self.relay.mine():
                if self.head != before:
                    self.desk.undo(Undone(before, (self.head.hash,)))
                self.head = head
                self.ledger.at_head(head.number, head.timestamp_s)
                await self.desk.on_block(Block(head, ()))

    async def home(self, blocks: int = 24) -> int:
        """Advance until nothing is in flight; how many blocks that took. `blocks` is more than it may take."""
        for taken in range(blocks):
            if not self.ledger.open_intents():
                return taken
            await self.advance()
        return blocks

    async def wrongs(self) -> list[str]:
        """What must not be: a principal that moved, a call that landed twice, books that differ from the chain."""
        found = [
            f"{token} of {owner} fell from {units}"
            for (owner, token), units in self.began.items()
            if await self._held(owner, token) < units
        ]
        landed = Counter(mark for mark in [mark_of(data) for data in await self._landed()] if mark is not None)
        found += [f"plan {mark} landed {count} times" for mark, count in landed.items() if count > 1]
        for account, booked in self.ledger.accounts().items():
            token = self.facts.weth if account.token == self.facts.weth.address else None
            held = await self._held(address(account.owner), token)
            if held != booked:
                found.append(f"{account} holds {held}, by the ledger {booked}")
        states = [intent.state for intent in self.ledger.open_intents()]
        return found + [f"an intent is {state}" for state in states if state is not IntentState.MINED]

    async def _swap(self, at: Address, token_in: Token, token_out: Token, amount_in: int) -> Swap:
        facts = next(facts for facts in self.facts.pools if facts.address == at)
        words = await self.blocks.call(at, bytes.fromhex(call_data("getReserves()")[2:]))
        reserves = int.from_bytes(words[:32], "big"), int.from_bytes(words[32:64], "big")
        pool = ConstantProductPool(at, (facts.tokens[0], facts.tokens[1]), reserves, facts.fee_ppm)
        return Swap(pool.hop(token_in), token_in, token_out, amount_in, pool.quote(token_in, amount_in))

    async def _held(self, owner: Address, token: Token | None) -> int:
        if token is None:
            return await self.blocks.balance(owner)
        data = bytes.fromhex(call_data("balanceOf(address)", owner)[2:])
        return int.from_bytes(await self.blocks.call(Address(token.address), data), "big")

    async def _landed(self) -> list[bytes]:
        """The call data of the operator's transactions that succeeded, on the canonical chain."""
        found = []
        for number in range(self.head.number + 1):
            block = await self.blocks.anvil.rpc("eth_getBlockByNumber", hex(number), True)
            for tx in block["transactions"] if block else ():
                if address(tx["from"]) == OPERATOR:
                    receipt = await self.blocks.receipt(tx["hash"])
                    if receipt is not None and receipt.status:
                        found.append(bytes.fromhex(tx["input"][2:]))
        return found

    async def measure(self) -> None:
        """Take the present holdings of the contracts for their principal, and open the books."""
        made = self.facts.made
        for owner in (made.executor, made.inventory):
            for token in (self.facts.weth, self.facts.dai):
                self.began[owner, token] = await self._held(owner, token)
        network = self.desk.identity.network
        self.ledger.open_account(Account.native(network, OPERATOR), await self._held(OPERATOR, None))
        weth = Account(network, made.executor, Address(self.facts.weth.address))
        self.ledger.open_account(weth, self.began[made.executor, self.facts.weth])


@asynccontextmanager
async def open_stage(
    folder: Path,
    send_to: Sequence[str] = (MEMPOOL,),
    kind: RelayKind = RelayKind.BUNDLE,
    desk: type[TransactionDesk] = TransactionDesk,
) -> AsyncIterator[Stage]:
    """A desk whose transactions go to `send_to`: `mempool`, `relay`, or both."""
    facts = setting_in_thread()
    async with AsyncExitStack() as stack:
        anvil = await stack.enter_async_context(Anvil(_ARGUMENTS))
        await anvil.rpc("anvil_loadState", facts.dump)
        blocks = Blocks(anvil)
        blocks.base_fee_wei = GWEI
        relay = await stack.enter_async_context(LocalRelay(blocks))
        (head,) = await relay.mine()
        network = _network(folder, facts)
        client = await stack.enter_async_context(RelayClient(relay.url, SearcherIdentity.create()))
        simulator = await stack.enter_async_context(Simulator(network, anvil.http_url, SystemClock()))
        ledger = Ledger.open(str(folder / "ledger.sqlite3"), SystemClock())
        stack.callback(ledger.close)
        marks = Marks({facts.weth: Fraction(1), facts.dai: Fraction(1, 2000)})
        ledger.start_run(Mode.LIVE, network.name, CHAIN_ID, None, "", "the stage")
        ledger.at_head(head.number, head.timestamp_s)
        ledger.set_marks([Mark(token.place, token.address, worth) for token, worth in marks.wei_per_unit.items()])
        destinations: dict[str, Destination] = {
            MEMPOOL: Mempool(blocks.send_raw),
            "relay": Relay("relay", kind, client),
        }
        made = facts.made
        traded = desk(
            identity=Identity(CHAIN_ID, network.name, OPERATOR, made.executor, made.inventory, made.code_hash),
            ledger=ledger,
            simulator=simulator,
            signer=Connection(_signer(folder, facts, network, stack)),
            submitter=blocks,
            fee_policy=FEE_POLICY,
            market=Market(network.assets),
            marks=marks,
            held=list(marks.wei_per_unit),
            unwind_loss_ppm=10_000,
            finality_blocks=FINALITY_BLOCKS,
            clock=SystemClock(),
            routes=Routes(destinations, send_to),
            replacing=REPLACING,
        )
        stage = Stage(facts, blocks, relay, ledger, traded, head)
        await stage.measure()
        await traded.start()
        yield stage


def setting_in_thread() -> Setting:
    """`setting`, also from within a running loop."""
    return _threaded(setting)


def _threaded(make: Callable[[], Setting]) -> Setting:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


def _network(folder: Path, facts: Setting) -> Network:
    at = folder / "stage.toml"
    at.write_text(_NETWORK.format(weth=facts.weth.address, dai=facts.dai.address))
    return load_network(at)


def _signer(folder: Path, facts: Setting, network: Network, stack: AsyncExitStack) -> Signer:
    policy = SignerPolicy(
        chain_id=CHAIN_ID,
        test_chain=True,
        network=network.name,
        operator=OPERATOR,
        targets={facts.made.executor: Target(facts.made.code_hash, facts.made.inventory)},
        selectors=EXECUTOR_SELECTORS,
        profit_marks={Address(facts.weth.address): WETH_MARK},
        inventory_caps={},
        pools=None,
        caps=_CAPS,
        strategies={NAME: _LIMITS},
    )
    clock, switch = SystemClock(), KillSwitch(folder / "control")
    switch.establish(clock.wall_s())
    return Signer(
        policy=policy,
        policy_digest="",
        key=SigningKey(SECRET),
        journal=stack.enter_context(Journal(folder / "signer.db")),
        switch=switch,
        clock=clock,
        protections={},
    )
