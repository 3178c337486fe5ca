"""A market misled on purpose, on a real chain: what differs goes out at once, is named, and comes back right."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any, cast

import pytest

from bot.drift.audit import FORGIVEN_AFTER, STRIKES, Allowance, Audit
from bot.drift.chain import PoolReader, Reads
from bot.drift.comparison import differences
from bot.drift.policy import AuditPolicy
from bot.market import UnknownVenue, rows
from bot.market.rows import with_words
from bot.turns import Turns
from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Log
from chains.kernels.cache import compiled
from chains.node import NodeError
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.pool import Pool, PoolFacts
from tests.bot.drift.scene import Scene, open_scene
from tests.bot.market import samples
from tests.chains.codec.viewed import viewed

RESERVES_SLOT = hex(8)


async def reserves_become(scene: Scene, first: int, second: int, index: int = 0) -> None:
    """The chain's state changes without a log."""
    word = f"0x{first | second << 112:064x}"
    await scene.world.anvil.rpc("anvil_setStorageAt", scene.pair(index), RESERVES_SLOT, word)


async def all_equal(scene: Scene) -> bool:
    head = await scene.world.head()
    fresh = await scene.world.fresh(head.hash)
    return fresh.keys() == scene.market.pools.keys() and not any(
        differences(scene.market.pools[venue], pool) for venue, pool in fresh.items()
    )


async def test_a_market_that_follows_is_never_found_to_differ() -> None:
    async with open_scene() as scene:
        for _ in range(30):
            for _ in range(2):
                await scene.world.move()
            await scene.step()
        assert +scene.audit.counts == {"compared": 30 * 6}
        assert scene.events == [] and await all_equal(scene)


async def test_a_missed_log_is_named_and_the_pool_comes_back_at_the_next_head() -> None:
    async with open_scene() as scene:
        await scene.step()
        await scene.swap()
        await scene.step(keep=lambda log: log.topics[0] != SYNC)
        with pytest.raises(UnknownVenue, match="differs from the chain"):
            scene.market.pool(scene.pair())
        assert len(scene.market.pools) == 5
        await scene.step()
        assert scene.names == ["pool_differs", "divergence_missed_log", "pool_resynced"]
        assert "reserves is" in scene.events[0][1] and "the chain's is" in scene.events[0][1]
        assert scene.audit.counts["diverged_missed_log"] == 1 and await all_equal(scene)


async def test_a_state_of_an_orphaned_block_is_named_as_a_reorganisation() -> None:
    async with open_scene() as scene:
        start = await scene.step()
        await scene.swap(amount=3 * 10**18)
        await scene.step()
        left = scene.market.pool(scene.pair())
        await scene.world.anvil.rpc("anvil_reorg", 1, [])
        scene.market.undo(start.number)
        scene.audit.undone(start.number)
        scene.market.renew_pool(left)
        await scene.take(await scene.world.block())
        assert scene.names == ["pool_differs", "divergence_reorg"]
        await scene.step()
        assert await all_equal(scene)


async def test_a_wrong_decoder_is_named_with_the_block_it_went_wrong_in(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ConstantProductPool.applied

    def wrong(self: ConstantProductPool, log: Log) -> ConstantProductPool:
        after = right(self, log)
        many = after.reserves[0] - self.reserves[0] > 10**19
        return ConstantProductPool(after.address, after.tokens, (after.reserves[0] + many, after.reserves[1]), 3000)

    async with open_scene(AuditPolicy(every_blocks=4, pools=100, calls_per_minute=10**6)) as scene:
        monkeypatch.setattr(ConstantProductPool, "applied", wrong)
        await scene.step()
        for amount in (10**18, 10**18, 10**18, 10**20):
            await scene.swap(amount=amount)
            head = await scene.step()
        assert scene.names == ["pool_differs", "divergence_decoder"]
        assert f"the logs of block {head.number} do not lead" in scene.events[1][1]


async def test_a_change_without_a_log_is_named_as_unknown_behaviour() -> None:
    async with open_scene() as scene:
        await scene.step()
        await reserves_become(scene, 5 * 10**21, 6 * 10**21)
        await scene.step()
        assert scene.names == ["pool_differs", "divergence_unknown_behaviour"]
        assert "changed without any log" in scene.events[1][1]


async def test_a_change_without_a_log_is_told_from_a_decoder_though_there_were_logs() -> None:
    async with open_scene(AuditPolicy(every_blocks=8, pools=100, calls_per_minute=10**6)) as scene:
        await scene.step()
        for _ in range(3):
            await scene.swap()
            await scene.step()
        await scene.world.mine()
        scene.market.apply(await scene.world.block())
        await reserves_become(scene, 5 * 10**21, 6 * 10**21)
        changed_in = (await scene.step()).number
        for _ in range(3):
            await scene.step()
        assert scene.names == ["pool_differs", "divergence_unknown_behaviour"]
        # What is set between two blocks is seen in the state of the one before.
        assert f"in block {changed_in - 1} without any log" in scene.events[1][1]


async def test_a_pool_that_differs_again_and_again_stays_out_while_others_go_on() -> None:
    async with open_scene() as scene:
        for number in range(STRIKES):
            await reserves_become(scene, 5 * 10**21 + number, 6 * 10**21)
            await scene.step()
            assert scene.pair() not in scene.market.pools
            for _ in range(3):
                await scene.step()
        for _ in range(5):
            await scene.swap(1)
            await scene.step()
        assert scene.pair() not in scene.market.pools and len(scene.market.pools) == 5
        assert f"differed {STRIKES} times" in scene.market.refused[scene.pair()]
        assert scene.names.count("pool_resynced") == STRIKES - 1 and "pool_kept_out" in scene.names
        assert scene.audit.counts["differed"] == STRIKES


async def test_a_pool_that_was_right_for_long_begins_anew() -> None:
    async with open_scene() as scene:
        for number in range(STRIKES + 1):
            await reserves_become(scene, 5 * 10**21 + number, 6 * 10**21)
            for _ in range(FORGIVEN_AFTER + 3):
                await scene.step()
        assert scene.audit.counts["differed"] == STRIKES + 1
        assert scene.audit.counts["kept_out"] == 0 and await all_equal(scene)


async def test_a_pool_that_is_a_pool_no_more_goes_out_and_is_read_again_with_patience() -> None:
    async with open_scene() as scene:
        code = await scene.world.anvil.rpc("eth_getCode", scene.pair(), "latest")
        await scene.world.anvil.rpc("anvil_setCode", scene.pair(), "0x")
        await scene.step()
        assert "cannot be read any more" in scene.market.refused[scene.pair()]
        for _ in range(10):
            await scene.step()
        assert scene.resync.counts["resync_failed"] == 3, "after 1, 3 and 7 blocks"
        await scene.world.anvil.rpc("anvil_setCode", scene.pair(), code)
        for _ in range(10):
            await scene.step()
        assert await all_equal(scene) and scene.names[-1] == "pool_resynced"


async def test_a_node_that_does_not_answer_costs_nothing_but_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_scene() as scene:

        async def refuse(*_: object) -> bytes:
            raise RpcError("eth_call", -32000, "header not found")

        with monkeypatch.context() as patched:
            patched.setattr(type(scene.world), "call", refuse)
            await scene.step()
            assert +scene.audit.counts == {"unanswered": 1} and len(scene.market.pools) == 6
        await scene.step()
        assert scene.audit.counts["compared"] == 6


async def test_logs_that_are_none_leave_a_divergence_unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_scene() as scene:
        await scene.step()
        await scene.swap()
        ask = type(scene.world).request

        async def garbled(self: object, method: str, *params: Any) -> Any:
            ranged = method == "eth_getLogs" and "fromBlock" in params[0]
            return [{"topics": None}] if ranged else await ask(scene.world, method, *params)

        monkeypatch.setattr(type(scene.world), "request", garbled)
        await scene.step(keep=lambda log: log.topics[0] != SYNC)
        assert scene.names == ["pool_differs", "divergence_unexplained"]
        assert "cannot be read" in scene.events[1][1]


async def test_a_node_that_answers_of_another_state_once_takes_no_pool_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_scene() as scene:
        before = (await scene.step()).hash
        await scene.swap()
        ask, asked = type(scene.world).call, 0

        async def behind(self: object, to: Address, data: bytes, block_hash: str, /) -> bytes:
            nonlocal asked
            asked += 1
            return await ask(scene.world, to, data, before if asked == 1 else block_hash)

        monkeypatch.setattr(type(scene.world), "call", behind)
        await scene.step()
        assert scene.audit.counts["unconfirmed"] == 1 and scene.events == []
        assert scene.pair() in scene.market.pools and not scene.audit.distrusted


class Watching(Turns):
    """What the audit distrusts as each turn is taken."""

    def __init__(self) -> None:
        self.scene: Scene
        self.taken: list[tuple[str, bool, bool]] = []

    async def take(self, what: str, of: str) -> None:
        scene = self.scene
        self.taken.append((what, bool(scene.audit.distrusted), scene.pair() in scene.market.pools))


@pytest.mark.parametrize("answers", [True, False])
async def test_what_others_see_of_a_comparison_changes_in_turn(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Watching()
    async with open_scene(turns=turns) as scene:
        turns.scene = scene
        await scene.step()
        turns.taken.clear()
        await scene.swap()
        ask = type(scene.world).call

        async def once(self: object, to: Address, data: bytes, block_hash: str, /) -> bytes:
            if turns.taken and not answers:
                raise NodeError("gone")
            return await ask(scene.world, to, data, block_hash)

        monkeypatch.setattr(type(scene.world), "call", once)
        await scene.step(keep=lambda log: log.topics[0] != SYNC)
        assert turns.taken[:2] == [("pools", False, True), ("pools", True, True)]
        assert (scene.pair() in scene.market.pools) is not answers


async def test_a_comparison_that_a_reorganisation_overtakes_proves_nothing() -> None:
    async with open_scene() as scene:
        await scene.step()
        await scene.swap()
        await scene.world.mine()
        block = await scene.world.block()
        scene.market.apply(block)
        scene.audit.before(scene.market.take_changed())
        scene.audit.after(block.head)
        scene.market.undo(block.head.number - 1)
        scene.audit.undone(block.head.number - 1)
        await scene.audit.finished()
        assert scene.audit.counts["compared"] == 6 and scene.events == []


async def test_ticks_that_run_out_are_widened_by_what_the_comparison_read() -> None:
    async with open_scene() as scene:
        deployment = scene.world.deployment
        pool = next(fact for fact in scene.world.facts.values() if fact.fee_ppm == 500)
        known = scene.market.pool(pool.venue).ticks
        first, second = deployment.tokens
        await scene.world.mint_v3(500, -60_000, 60_000, 10**22)
        await scene.step()
        for _ in range(3):
            await scene.world.anvil.rpc("evm_setAutomine", True)
            await deployment.swap(500, second, first, 10**22)
            await scene.world.anvil.rpc("evm_setAutomine", False)
            await scene.take(await scene.world.block())
        now = scene.market.pool(pool.venue)
        assert now.ticks.highest > known.highest and now.ticks.highest - now.tick > 5_000
        assert await all_equal(scene) and scene.events == []


async def test_who_waits_for_a_comparison_that_is_given_up_goes_on() -> None:
    async with open_scene(AuditPolicy(every_blocks=1, pools=2)) as scene:
        head = await scene.world.block()
        scene.market.apply(head)
        scene.audit.after(head.head)
        waiting = asyncio.create_task(scene.audit.finished())
        await asyncio.sleep(0)
        await scene.audit.close()
        await waiting


async def test_the_budget_of_questions_holds_over_time() -> None:
    async with open_scene(AuditPolicy(every_blocks=1, pools=2, calls_per_minute=12)) as scene:
        first = await scene.step()
        for _ in range(60):
            last = await scene.step()
        minutes = (last.timestamp_s - first.timestamp_s) / 60
        assert scene.chain.calls_made <= 12 * (minutes + 1) + 3


@pytest.mark.skipif(not compiled(), reason="without Numba there are objects alone")
async def test_only_pools_that_are_compared_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = [samples.v2(number, samples.USDC, samples.WETH, (10**12, 10**21)) for number in range(1, 9)]
    market, made = samples.market(*pools), list[Pool]()
    logs = viewed([replace(samples.sync(pool, (10**12, 10**20)), log_index=at) for at, pool in enumerate(pools)])
    market.apply(replace(samples.block(1), logs=logs))
    monkeypatch.setattr(rows, "with_words", lambda pool, words: made.append(with_words(pool, words)) or made[-1])
    facts = {pool.venue: PoolFacts(pool.family, pool.address, pool.tokens, pool.fee_ppm) for pool in pools}
    chain = PoolReader(cast("Reads", None), facts)
    audit = Audit(market, chain, AuditPolicy(every_blocks=1, pools=2), lambda *_: None, Counter())
    audit.before(market.changed)
    audit.after(samples.block(1).head)
    assert len(made) == 2
    await audit.close()


def test_an_allowance_is_earned_by_time_and_saves_no_more_than_a_minute() -> None:
    allowance = Allowance(6)
    allowance.earn(0)
    allowance.spend(9)
    allowance.earn(39)
    assert not allowance.left
    allowance.earn(40)
    assert allowance.left
    allowance.earn(10_000)
    allowance.spend(6)
    assert not allowance.left
