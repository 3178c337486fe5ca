"""What rings of observations move on to is read ahead: against the real pools, over more blocks than the rings hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exactness.bare_pools import answering, growing_tokens
from bot.exactness.contracts import Chain
from bot.simulator import FinalVerdict, Simulator
from bot.simulator.ahead import MOST_STALE, Ahead
from bot.simulator.screen import Screen
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import UnsignedTransaction
from chains.anvil import RpcError
from chains.assets import Address, address
from chains.blocks import Head
from chains.pools.observations import Observations, observations_of
from chains.pools.tick_math import MAX_SQRT_PRICE, MIN_SQRT_PRICE
from chains.twin.artefacts import creation_code
from tests.bot.simulator.assembly import assemble
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import OWNER, World, act, call_data, simulator, twin, world

pytestmark = needs_evm

FORWARDER = address("0x" + "f0" * 20)
DEPLOYER = address("0x" + "de" * 20)
# OWNER's call goes on to the address it begins with; what a pool calls back does nothing.
FORWARDS = (
    f"CALLER {OWNER} EQ @forward JUMPI STOP "
    "forward: 32 CALLDATASIZE SUB 32 0 CALLDATACOPY 0 0 32 CALLDATASIZE SUB 0 0 0 CALLDATALOAD GAS CALL "
    "ISZERO @fail JUMPI STOP fail: 0 0 REVERT"
)
POOLS = {
    "uniswap": ("@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json", 8),
    "pancake": ("@pancakeswap/v3-core/artifacts/contracts/PancakeV3Pool.sol/PancakeV3Pool.json", 9),
}
LIQUIDITY, AMOUNT = 10**24, 10**22
STEP_S = twin().block_step_s


@dataclass
class Pooled:
    """A world with one pool of a V3's real bytecode, spoken to through the forwarder."""

    on: World
    pool: Address

    async def swap(self, down: bool, **changes: Any) -> UnsignedTransaction:
        limit = MIN_SQRT_PRICE + 1 if down else MAX_SQRT_PRICE - 1
        arguments = FORWARDER, down, AMOUNT, limit, b""
        return await self.call("swap(address,bool,int256,uint160,bytes)", *arguments, **changes)

    async def observe(self, *seconds_ago: int, **changes: Any) -> UnsignedTransaction:
        return await self.call("observe(uint32[])", list(seconds_ago), **changes)

    async def call(self, signature: str, *arguments: Any, **changes: Any) -> UnsignedTransaction:
        return await self.on.transaction(FORWARDER, self.forwarded(signature, *arguments), **changes)

    def forwarded(self, signature: str, *arguments: Any) -> bytes:
        return bytes(12) + bytes.fromhex(self.pool[2:]) + call_data(signature, *arguments)

    async def ring(self) -> Observations:
        """As its storage says."""
        words = [await self.on.anvil.rpc("eth_getStorageAt", self.pool, hex(slot), "latest") for slot in (0, 1)]
        found = observations_of({slot: int(word, 16) for slot, word in enumerate(words)})
        assert found is not None
        return found


@asynccontextmanager
async def pooled(kind: str, cardinality: int) -> AsyncIterator[Pooled]:
    """A pool of `kind` that will keep so many observations."""
    async with world() as on:
        chain = Chain(on.anvil, OWNER)
        await on.anvil.rpc("anvil_setCode", FORWARDER, "0x" + assemble(FORWARDS).hex())
        tokens = [int(token.address, 16) for token in await growing_tokens(chain)]
        await answering(chain, DEPLOYER, [int(DEPLOYER, 16), *tokens, 500, 10])
        await on.anvil.rpc("anvil_impersonateAccount", DEPLOYER)
        await on.anvil.rpc("anvil_setBalance", DEPLOYER, hex(10**20))
        code = "0x" + creation_code(POOLS[kind][0]).hex()
        tx_hash = await on.anvil.rpc("eth_sendTransaction", {"from": DEPLOYER, "gas": hex(8_000_000), "data": code})
        await on.anvil.rpc("evm_mine")
        receipt = await on.anvil.rpc("eth_getTransactionReceipt", tx_hash)
        there = Pooled(on, address(receipt["contractAddress"]))
        await act(on.anvil, there.pool, call_data("initialize(uint160)", 2**96 + 2**80))
        minting = "mint(address,int24,int24,uint128,bytes)", FORWARDER, -100_000, 100_000, LIQUIDITY, b""
        await act(on.anvil, FORWARDER, there.forwarded(*minting))
        growing = call_data("increaseObservationCardinalityNext(uint16)", cardinality)
        await act(on.anvil, there.pool, growing)
        yield there


async def judged(here: Simulator, fork: Simulator, tx: UnsignedTransaction, head: Head, *after: Any) -> Verdict:
    """What both say."""
    one, other = await here.verdict(tx, head, [], after), await fork.verdict(tx, head, [], after)
    assert replace(one, made_at_s=0) == replace(other, made_at_s=0)
    return one


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The heads on which something was learned from a trace."""
    heads: list[str] = []
    learn = Screen._learn

    async def noted(self: Screen, question: Any, tracer: Any) -> bool:
        heads.append(question.environment.head.hash)
        return await learn(self, question, tracer)

    monkeypatch.setattr(Screen, "_learn", noted)
    return heads


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("cardinality", [1, 2, 3, 8])
async def test_a_swap_a_block_is_traced_once_however_often_the_ring_wraps_around(
    kind: str, cardinality: int, traced: list[str]
):
    async with (
        pooled(kind, cardinality) as there,
        simulator(there.on, final=FinalVerdict.IN_PROCESS) as here,
        simulator(there.on) as fork,
    ):
        traced_at_first = 0
        for number in range(2 * cardinality + 3):
            head, tx, ring = await there.on.head(), await there.swap(number % 3 == 0), await there.ring()
            assert ring.first == POOLS[kind][1]
            await here.prepare(head)
            assert (await judged(here, fork, tx, head)).outcome is Outcome.OK
            behind = await there.swap(number % 2 == 0, nonce=tx.nonce + 1)
            assert (await judged(here, fork, behind, head, tx)).outcome is Outcome.OK
            traced_at_first = traced_at_first or len(traced)
            [receipt] = await there.on.really(head, tx)
            assert receipt["status"] == "0x1"
            assert await there.ring() == ring.written()
        assert here.pid is None and here.screening.left == 0
        assert len(set(traced)) == 1 and len(traced) == traced_at_first


@pytest.mark.parametrize("kind", POOLS)
async def test_who_reads_a_mean_price_reads_as_far_behind_the_newest_in_the_next_blocks(kind: str, traced: list[str]):
    """The ring has gone around when the reading begins; each block, somebody else's swap writes one on."""
    async with (
        pooled(kind, 20) as there,
        simulator(there.on, final=FinalVerdict.IN_PROCESS) as here,
        simulator(there.on) as fork,
    ):
        for number in range(45):
            head, swap = await there.on.head(), await there.swap(number % 2 == 0)
            if number >= 22:
                await here.prepare(head)
                observing = await there.observe(10 * STEP_S, 0)
                assert (await judged(here, fork, observing, head)).outcome is Outcome.OK
                behind = await there.observe(10 * STEP_S, 0, nonce=swap.nonce + 1)
                assert (await judged(here, fork, swap, head)).outcome is Outcome.OK
                assert (await judged(here, fork, behind, head, swap)).outcome is Outcome.OK
            [receipt] = await there.on.really(head, swap)
            assert receipt["status"] == "0x1"
        assert here.pid is None and here.screening.left == 0
        assert len(set(traced)) <= 2, "the search may go another way once, where a swap is behind another"


async def test_a_slot_that_could_not_be_read_ahead_leaves_nothing_known(monkeypatch: pytest.MonkeyPatch):
    """A node that fails at the read of the next head: the verdict is the fork's, or invalid, and never from zeros."""
    async with pooled("uniswap", 3) as there, simulator(there.on, final=FinalVerdict.IN_PROCESS) as here:
        head, tx = await there.on.head(), await there.swap(True)
        assert (await here.verdict(tx, head, [])).outcome is Outcome.OK
        await there.on.really(head, tx)
        head, tx = await there.on.head(), await there.swap(True)

        async def refused(self: Screen, head: Head, node: Any) -> None:
            raise RpcError("eth_call", -32000, "no state")

        monkeypatch.setattr(Screen, "renew", refused)
        await here.prepare(head)
        await there.on.anvil.close()
        verdict = await here.verdict(tx, head, [])
        assert (verdict.outcome, verdict.gas_used) == (Outcome.INVALID, 0)


words = st.dictionaries(st.integers(0, 12), st.integers(0, 2**256 - 1), max_size=6)


@given(words)
def test_what_is_no_pool_of_a_known_layout_has_no_ring_and_its_slots_are_read_as_they_are(held: dict[int, int]):
    ahead, token = Ahead(), address("0x" + "70" * 20)
    ahead.note(token, held, held)
    keys = ahead.keys([token], {token: held})
    if observations_of(held) is None:
        assert keys == {token: tuple(held)}
    else:
        assert set(held) <= set(keys[token])


@pytest.mark.parametrize("state", [0, 1, 2**96, 2**96 | 1 << 240, 2**96 | 5 << 184 | 3 << 200 | 3 << 216 | 1 << 240])
def test_a_word_that_is_not_a_pools_state_says_nothing_of_a_ring(state: int):
    assert observations_of({0: state, 1: 0}) is None


def state_word(index: int, cardinality: int) -> int:
    return 2**96 | index << 184 | cardinality << 200 | cardinality << 216 | 1 << 240


@given(st.integers(1, 2_000), st.integers(0, 5_000), st.lists(st.integers(0, 70_000), max_size=8))
def test_what_is_read_is_bounded_and_holds_what_the_next_write_touches(
    cardinality: int, writes: int, offsets: list[int]
):
    ahead, pool = Ahead(), address("0x" + "70" * 20)
    ring = Observations(8, 0, cardinality, cardinality)
    held = {0: state_word(0, cardinality), **{ring.slot(offset): 1 for offset in (0, 1, *offsets)}}
    ahead.note(pool, held, held)
    for written in range(min(writes, 3 * cardinality)):
        index = (written + 1) % cardinality
        now = replace(ring, index=index)
        touched = {now.slot(offset) for offset in (0, 1, *offsets)}
        assert touched <= set(ahead.keys([pool], {pool: held})[pool])
        held = {**dict.fromkeys(ahead.keys([pool], {pool: held})[pool], 1), 0: state_word(index, cardinality)}
        assert len(held) <= MOST_STALE + 200


def search(ring: Observations, end: int) -> set[int]:
    """The slots that Oracle.binarySearch touches on its way to the observation `end` after the newest, around it."""
    first, last = ring.index + 1, ring.index + ring.cardinality
    touched: set[int] = set()
    while (middle := (first + last) // 2) != ring.index + end:
        touched |= {ring.slot(middle - ring.index), ring.slot(middle + 1 - ring.index)}
        first, last = (first, middle - 1) if middle > ring.index + end else (middle + 1, last)
    return touched | {ring.slot(end), ring.slot(end + 1)}


@given(st.data(), st.integers(1, 5_000), st.integers(-40, 40))
def test_a_search_for_the_same_age_is_read_ahead_wherever_it_ends_in_the_next_blocks(
    data: st.DataObject, cardinality: int, moved: int
):
    ahead, pool = Ahead(), address("0x" + "70" * 20)
    index, end = data.draw(st.integers(0, cardinality - 1)), data.draw(st.integers(1, cardinality))
    ring = Observations(8, index, cardinality, cardinality)
    held = {0: state_word(index, cardinality), **dict.fromkeys(search(ring, end), 1)}
    ahead.note(pool, held, held)
    read = set(ahead.keys([pool], {pool: held})[pool])
    assert search(ring.written(), min(max(1, end + moved), cardinality)) <= read
    assert len(read) <= 400
