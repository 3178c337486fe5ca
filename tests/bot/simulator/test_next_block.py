"""From block to block: what is known is read anew, the EVM is moved, and verdicts are of the block that was meant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from bot.rpc import HttpRpc, NodeRpc
from bot.simulator import FinalVerdict, screen
from bot.simulator.local import LocalEvm, Missed
from bot.simulator.verdict import Outcome
from tests.bot.execution.given import head
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import (
    ETHER,
    ODD,
    OWNER,
    both,
    simulator,
    simulator_at,
    twin,
    world,
)
from tests.chains.node.support import node_on


@needs_evm
async def test_the_next_block_is_read_at_once_and_judged_as_it_is():
    async with world() as on, simulator(on) as fork:
        watch = [(OWNER, token) for token in on.tokens]
        for _ in range(3):
            head, tx = await on.head(), await on.swap(10**22, (0, 1))
            await fork.prepare(head)
            await both(fork, tx, head, watch)
            await on.really(head, tx)


@needs_evm
async def test_a_block_is_known_by_the_word_of_the_node_and_where_that_is_gone_the_fork_judges(
    monkeypatch: pytest.MonkeyPatch,
):
    asked: list[list[str]] = []
    batch = HttpRpc.batch

    async def noted(self: HttpRpc, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        asked.append([method for method, _ in calls])
        return await batch(self, calls)

    async with (
        world() as on,
        node_on(on.anvil.ws_url, network=twin()) as node,
        simulator(on, final=FinalVerdict.IN_PROCESS, node=NodeRpc(node)) as here,
    ):
        watch = [(OWNER, token) for token in on.tokens]

        async def judged() -> None:
            head, tx = await on.head(), await on.swap(10**21, (0, 1))
            await here.prepare(head)
            verdict = await here.verdict(tx, head, watch)
            assert verdict.outcome is Outcome.OK
            before = await on.balance(OWNER, on.tokens[1])
            await on.really(head, tx)
            assert verdict.delta(OWNER, on.tokens[1]) == await on.balance(OWNER, on.tokens[1]) - before

        await judged()
        monkeypatch.setattr(HttpRpc, "batch", noted)
        called = node.calls_made
        await judged()
        assert (node.calls_made > called, asked, here.pid) == (True, [], None)
        await node.close()
        await judged()


@needs_evm
async def test_an_evm_is_moved_from_block_to_block_and_answers_as_the_fork_does(monkeypatch: pytest.MonkeyPatch):
    made: list[LocalEvm] = []
    first_filled = LocalEvm.__init__

    def noted(self: LocalEvm, *arguments: Any) -> None:
        made.append(self)
        first_filled(self, *arguments)

    monkeypatch.setattr(LocalEvm, "__init__", noted)
    async with world() as on, simulator(on) as fork:
        watch = [(OWNER, token) for token in on.tokens]
        for path in ((0, 1), (1, 0)):
            await both(fork, await on.swap(10**22, path), await on.head(), watch)
        first = len(made)
        for path in ((0, 1), (1, 0), (0, 1)):
            head, tx = await on.head(), await on.swap(10**21, path)
            follows = await on.swap(10**20, path, nonce=tx.nonce + 1)
            await both(fork, tx, head, watch)
            await both(fork, follows, head, watch, [tx])
            await on.really(head, tx)
        assert len(made) == first


@needs_evm
@pytest.mark.parametrize("misses", [False, True])
async def test_the_evm_stands_on_a_head_before_it_is_asked_there_unless_it_misses(
    monkeypatch: pytest.MonkeyPatch, misses: bool
):
    async with world() as on, simulator_at(on.anvil.http_url, final=FinalVerdict.IN_PROCESS) as here:
        watch = [(OWNER, token) for token in on.tokens]
        head, tx = await on.head(), await on.swap(10**22, (0, 1))
        assert (await here.verdict(tx, head, watch)).outcome is Outcome.OK
        await on.really(head, tx)
        head, tx = await on.head(), await on.swap(10**21, (0, 1))
        if misses:
            monkeypatch.setattr(LocalEvm, "_before", Mock(side_effect=Missed))
        await here.prepare(head)
        await asyncio.gather(*here._preparing)
        monkeypatch.undo()
        laid, asked = (Mock(side_effect=getattr(LocalEvm, name)) for name in ("_lay", "_balances"))
        monkeypatch.setattr(LocalEvm, "_lay", lambda *given: laid(*given))
        monkeypatch.setattr(LocalEvm, "_balances", lambda *given: asked(*given))
        verdict = await here.verdict(tx, head, watch)
        assert (laid.call_count, asked.call_count) == ((1, 2) if misses else (0, 1))
        before = await on.balance(OWNER, on.tokens[1])
        await on.really(head, tx)
        assert verdict.delta(OWNER, on.tokens[1]) == await on.balance(OWNER, on.tokens[1]) - before


async def test_what_a_new_head_is_asked_was_worked_out_before_and_has_all_that_was_learned_since():
    asked: list[Sequence[Any]] = []

    class Node:
        async def rpc(self, method: str, *params: Any) -> Any:
            raise AssertionError

        async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
            ((_, (call, _, code)),) = calls
            asked.append((call, code))
            # Of each account it is told the address and the length, and says the balance and the code's hash.
            return ["0x" + "00" * (len(call["input"]) // 2 - 1)]

    screened = screen.Screen(31337)
    first, second = (head(number) for number in (10, 11))
    known = {"balance": "0x1", "nonce": 1, "code": "0x00", "storage": {"0x7": "0x8"}}
    screened.store.learn(first.hash, {ODD: known})
    screened.make_ready()
    made_ready = screened._ready
    screened.make_ready()
    assert screened._ready is made_ready, "nothing was learned since"
    screened.store.learn(first.hash, {OWNER: known})
    await screened.renew(second, Node())
    ((_, code),) = asked
    assert {ODD, OWNER} < code.keys() and screened.stands_on(second)
    assert screened.store.slots == {ODD: {7: 0}, OWNER: {7: 0}}


@needs_evm
async def test_a_node_that_dies_between_two_blocks_leaves_nothing_known():
    async with world() as on, simulator(on) as fork:
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        assert await fork.screened(tx, head, []) is not None
        await on.anvil.close()
        later = replace(head, number=head.number + 1, hash="0x" + "12" * 32)
        assert await fork.screened(tx, later, []) is None
        assert (await fork.verdict(tx, later, [])).outcome is Outcome.INVALID


@needs_evm
async def test_verdicts_of_two_blocks_asked_at_once_do_not_mix():
    async with world() as on, simulator(on) as fork:
        watch = [(OWNER, on.tokens[1])]
        old, tx = await on.head(), await on.swap(10**23, (0, 1))
        first = await both(fork, tx, old, watch)
        await on.really(old, tx)
        new, later = await on.head(), replace(tx, nonce=tx.nonce + 1)
        asked = [(tx, old), (later, new)] * 3
        found = await asyncio.gather(*(fork.screened(each, head, watch) for each, head in asked))
        told = [verdict.delta(*watch[0]) for verdict in found if verdict is not None and verdict.outcome is Outcome.OK]
        assert first.delta(*watch[0]) in told
        assert all(
            verdict is None or verdict.block_hash == head.hash for verdict, (_, head) in zip(found, asked, strict=True)
        )
