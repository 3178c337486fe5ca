"""Random closed cycles over every family, on one chain: what a verdict foresees is held against the mined block."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from eth_account import Account

from bot.exactness.contracts import ANVIL_ARGUMENTS
from bot.simulator import FinalVerdict, Simulator
from bot.simulator.holdings import Watched
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import UnsignedTransaction
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.blocks import Head
from chains.executor import CycleCall, Hop, HopKind, encode
from chains.node import wire
from tests.bot.simulator.support import GWEI, simulator_at, twin
from tests.contracts.families import COIN, MOCKED, PRICE, Families
from tests.contracts.market import CHAIN_ID, ETH, FEE_PPM, OPERATOR, Market, other_side
from tests.reference import fields_of

_OPERATOR_KEY = Account.from_key("0x" + "02" * 32)
_GAS_LIMIT = 3_000_000
_MOST_HOPS = 4
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """One direction of a venue."""

    kind: HopKind
    hop: Hop
    token_in: Token
    token_out: Token


@dataclass(frozen=True, slots=True)
class Trial:
    """One plan: what was foreseen in this process, on the fork and by this process' own last word, and what the mined
    block says.
    """

    tx: UnsignedTransaction
    kinds: tuple[HopKind, ...]
    here: Verdict | None
    fork: Verdict
    alone: Verdict
    deltas: dict[Watched, int]
    succeeded: bool
    gas_used: int

    @property
    def wrong(self) -> list[str]:
        """How either verdict differs from the block; a plan that this process leaves to the fork is not wrong."""
        verdicts = {"in process": self.here, "on the fork": self.fork, "as the last word in process": self.alone}
        return [f"{name}: {difference}" for name, it in verdicts.items() if it for difference in self._differences(it)]

    def _differences(self, verdict: Verdict) -> list[str]:
        if (verdict.outcome is Outcome.OK) != self.succeeded:
            return [f"{verdict.outcome} {verdict.reason}, but the block says {self.succeeded}"]
        found = [f"gas {verdict.gas_used}, really {self.gas_used}"] if verdict.gas_used != self.gas_used else []
        return found + [
            f"{pair} {verdict.delta(*pair)}, really {really}"
            for pair, really in self.deltas.items()
            if verdict.delta(*pair) != really
        ]


@dataclass
class Rig:
    """The chain with its venues, the executor, and the simulators that stand on it; `alone` has its last word here."""

    families: Families
    simulator: Simulator
    alone: Simulator
    steps: tuple[Step, ...]
    watched: tuple[Watched, ...]

    @property
    def market(self) -> Market:
        return self.families.market

    @property
    def anvil(self) -> Anvil:
        return self.market.chain.anvil

    async def head(self) -> Head:
        return wire.header(await self.anvil.rpc("eth_getBlockByNumber", "latest", False)).head

    async def transaction(self, call: CycleCall) -> UnsignedTransaction:
        """The operator's next transaction."""
        nonce = int(await self.anvil.rpc("eth_getTransactionCount", OPERATOR, "latest"), 16)
        return UnsignedTransaction(
            CHAIN_ID, nonce, OPERATOR, self.market.executor, 0, encode(call), _GAS_LIMIT, 5 * GWEI, GWEI
        )

    def through_v3(self, amount: int) -> CycleCall:
        """WETH to MID to DAI to WETH, each through its V3 pool; it gains at the prices the rig begins with."""
        market = self.market
        hops = {(it.token_in, it.token_out): it.hop for it in self.steps if it.kind is HopKind.CONCENTRATED}
        walk = itertools.pairwise((market.weth, market.mid, market.dai, market.weth))
        return CycleCall(
            Address(market.weth.address), amount, 0, 2**40, 2**40, bytes(32), tuple(hops[way] for way in walk)
        )

    async def move(self, amount: int) -> None:
        """A block in which that walk was taken, so that the pools' state is another."""
        receipt = await self._mined(await self.transaction(self.through_v3(amount)), await self.head())
        assert receipt["status"] == "0x1"

    def cycle(self, chance: random.Random) -> tuple[CycleCall, tuple[HopKind, ...]]:
        """A closed walk from WETH, of two to four venues, none taken twice."""
        weth = self.market.weth
        while True:
            path: list[Step] = []
            token, length = weth, chance.randint(2, _MOST_HOPS)
            while len(path) < length:
                used = {step.hop.pool for step in path if step.kind not in _SINGLETONS}
                ways = [
                    step
                    for step in self.steps
                    if step.token_in == token
                    and (step.hop.pool not in used)
                    and (step.token_out == weth) == (len(path) == length - 1)
                    and all(step.hop.pool != taken.hop.pool or step.kind not in _SINGLETONS for taken in path)
                ]
                if not ways:
                    break
                path.append(chance.choice(ways))
                token = path[-1].token_out
            if len(path) == length:
                break
        amount = int(ETH * 10 ** chance.uniform(-4, 0.5))
        least = chance.choice((0, 0, 0, amount // 1000))
        hops = tuple(step.hop for step in path)
        call = CycleCall(Address(weth.address), amount, least, 2**40, 2**40, bytes(32), hops)
        return call, tuple(step.kind for step in path)

    async def trial(self, chance: random.Random, *, keep: bool) -> Trial:
        """One random plan, judged twice and then mined; unless `keep`, the chain is then as before."""
        snapshot = None if keep else await self.anvil.rpc("evm_snapshot")
        call, kinds = self.cycle(chance)
        tx, head = await self.transaction(call), await self.head()
        here = await self.simulator.screened(tx, head, self.watched)
        fork = await self.simulator.verdict(tx, head, self.watched)
        alone = await self.alone.verdict(tx, head, self.watched)
        before = await self._balances()
        receipt = await self._mined(tx, head)
        after = await self._balances()
        if snapshot is not None:
            await self.anvil.rpc("evm_revert", snapshot)
        deltas = {pair: after[pair] - before[pair] for pair in before}
        return Trial(tx, kinds, here, fork, alone, deltas, receipt["status"] == "0x1", int(receipt["gasUsed"], 16))

    async def _mined(self, tx: UnsignedTransaction, head: Head) -> dict[str, str]:
        raw = bytes(_OPERATOR_KEY.sign_transaction(fields_of(tx)).raw_transaction)
        await self.anvil.rpc("evm_setNextBlockTimestamp", hex(head.timestamp_s + twin().block_step_s))
        await self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(head.next_base_fee_wei()))
        sent = await self.anvil.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        await self.anvil.rpc("evm_mine")
        receipt: dict[str, str] = await self.anvil.rpc("eth_getTransactionReceipt", sent)
        return receipt

    async def _balances(self) -> dict[Watched, int]:
        pairs = [(OPERATOR, ZERO_ADDRESS), *self.watched]
        asked = [
            ("eth_getBalance", (account, "latest"))
            if token == ZERO_ADDRESS
            else ("eth_call", ({"to": token, "data": "0x70a08231" + "00" * 12 + account[2:]}, "latest"))
            for account, token in pairs
        ]
        answers = await self.anvil.batch(asked)
        return {pair: int(answer, 16) for pair, answer in zip(pairs, answers, strict=True)}


_SINGLETONS = frozenset({HopKind.UNISWAP_V4, HopKind.BALANCER_V2, HopKind.BALANCER_V3})


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """A chain on which most cycles through its cheap and dear venues gain."""
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        families = await Families.open(anvil)
        steps = await _steps(families)
        market = families.market
        await anvil.rpc("anvil_setBalance", OPERATOR, hex(10**4 * ETH))
        await anvil.rpc("evm_setAutomine", False)
        await anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        await anvil.rpc("evm_mine")
        tokens = sorted({step.token_out.address for step in steps})
        pools = sorted({step.hop.pool for step in steps if step.kind in _PLAIN})
        watched = [(account, Address(token)) for account in (market.executor, *pools) for token in tokens]
        async with (
            simulator_at(anvil.http_url, timeout_s=_PATIENCE_S) as simulator,
            simulator_at(anvil.http_url, timeout_s=_PATIENCE_S, final=FinalVerdict.IN_PROCESS) as alone,
        ):
            yield Rig(families, simulator, alone, steps, (*watched, (market.executor, ZERO_ADDRESS)))


_PLAIN = frozenset({HopKind.CONSTANT_PRODUCT, HopKind.CONCENTRATED})


async def _steps(families: Families) -> tuple[Step, ...]:
    market = families.market
    weth, mid, dai = market.weth, market.mid, market.dai
    pairs = [
        await market.pair(market.uniswap, weth, 100 * ETH, mid, 100 * ETH),
        await market.pair(market.sushi, weth, 90 * ETH, mid, 400 * ETH),
        await market.pair(market.uniswap, mid, 500 * ETH, dai, 200 * ETH),
        await market.pair(market.sushi, dai, 100 * ETH, weth, 100 * ETH),
    ]
    pools = [
        await market.pool(weth, 100 * ETH, mid, 250 * ETH),
        await market.pool(mid, 300 * ETH, dai, 310 * ETH),
        await market.pool(dai, 300 * ETH, weth, 200 * ETH),
    ]
    steps = [
        Step(kind, Hop(kind, facts.address, token == facts.tokens[0], FEE_PPM), token, other_side(facts, token))
        for kind, group in ((HopKind.CONSTANT_PRODUCT, pairs), (HopKind.CONCENTRATED, pools))
        for facts in group
        for token in facts.tokens
    ]
    real = (
        (HopKind.UNISWAP_V4, await families.pool(weth, 100 * ETH, mid, 300 * ETH)),
        (HopKind.BALANCER_V2, await families.weighted(weth, 100 * ETH, mid, 350 * ETH)),
    )
    for kind, facts in real:
        pool = await families.loaded(facts)
        steps += [Step(kind, pool.hop(token), token, other_side(facts, token)) for token in facts.tokens]
    coins = await families.loaded(await families.pool(COIN, 100 * ETH, mid, 320 * ETH))
    wrapped = HopKind.WRAPPED_NATIVE
    steps += [
        Step(wrapped, Hop(wrapped, Address(weth.address), False, 0), weth, COIN),
        Step(HopKind.UNISWAP_V4, coins.hop(COIN), COIN, mid),
        Step(HopKind.UNISWAP_V4, coins.hop(mid), mid, COIN),
        Step(wrapped, Hop(wrapped, Address(weth.address), True, 0), COIN, weth),
    ]
    for kind in MOCKED:
        venue = await families.venue(kind)
        if venue.bought not in (weth, mid, dai):
            shared = await market.pair(market.uniswap, weth, 100 * ETH, venue.bought, 10 * PRICE * ETH)
            steps += [
                Step(
                    HopKind.CONSTANT_PRODUCT,
                    Hop(HopKind.CONSTANT_PRODUCT, shared.address, token == shared.tokens[0], FEE_PPM),
                    token,
                    other_side(shared, token),
                )
                for token in shared.tokens
            ]
        steps += [Step(kind, venue.forth, weth, venue.bought), Step(kind, venue.back, venue.bought, weth)]
    return tuple(steps)
