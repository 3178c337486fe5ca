"""What a head is asked anyway is asked while its logs are under way, and counts only as of that very block."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

from chains.anvil import Anvil, RpcError
from chains.blocks import Block, Head
from chains.node import Node
from tests.chains.node.scripted import PASS, Scripted
from tests.chains.node.support import LOGGER, SENDER, TOPIC, chain, emit, node_on


async def head_with_a_transaction(node: Node, anvil: Anvil) -> tuple[Head, Head, str]:
    """The head before it, its own, and its hash."""
    before = await node.head()
    mined = await emit(anvil)
    return before, await node.head(), mined


async def test_it_is_asked_before_the_logs_are_here_and_not_once_more() -> None:
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        before, head, mined = await head_with_a_transaction(node, anvil)
        asked = asyncio.Event()

        async def once_asked() -> Any:
            await asyncio.wait_for(asked.wait(), 5)
            return PASS

        def held(method: str, params: list[Any]) -> Awaitable[Any] | object:
            if method == "eth_getTransactionReceipt":
                asked.set()
            return once_asked() if method == "eth_getLogs" else PASS

        server.replace = held
        coming: list[Head] = []

        def expect(head: Head) -> None:
            coming.append(head)
            node.expect(head, ([mined], [SENDER], [SENDER]))

        node.on_coming = expect
        async with contextlib.aclosing(node.blocks([TOPIC], before)) as events:
            block = await anext(events)
        assert isinstance(block, Block) and [block.head.hash] == [each.hash for each in coming] == [head.hash]
        messages = server.messages
        seen = await node.seen([mined], [SENDER], [SENDER])
        assert server.messages == messages
        assert seen.receipts[mined] == await node.receipt(mined) is not None
        assert seen.nonces == {SENDER: 1} and seen.balances == {SENDER: await node.balance(SENDER, head)}
        messages = server.messages
        assert await node.seen([mined], [SENDER], [SENDER]) == seen
        assert server.messages == messages + 1, "it was expected once"


async def test_what_was_not_expected_is_asked_and_so_is_everything_once_the_next_blocks_logs_are() -> None:
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        _, head, mined = await head_with_a_transaction(node, anvil)
        node.expect(head, ([mined], [SENDER], []))
        assert (await node.seen([mined], [SENDER, LOGGER], [])).nonces == {SENDER: 1, LOGGER: 0}
        node.expect(head, ([mined], [SENDER], []))
        await asyncio.sleep(0.1)
        later = await emit(anvil)
        await node.logs_of(await node.head(), [TOPIC])
        seen = await node.seen([mined], [SENDER], [])
        assert seen.nonces == {SENDER: 2}, "it is not the answer as of a block that is past"
        assert await node.receipt(later) is not None


async def test_an_endpoint_that_does_not_know_the_block_yet_is_not_believed_that_nothing_has_landed() -> None:
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        _, head, mined = await head_with_a_transaction(node, anvil)
        ahead = 0

        def lags(method: str, params: list[Any]) -> object:
            nonlocal ahead
            if method == "eth_getTransactionCount" and isinstance(params[1], dict):
                ahead += 1
                return RpcError(method, -32000, "header not found")
            # The first of each two is asked ahead, and does not know of the block; the second is asked later, and does.
            return None if method == "eth_getTransactionReceipt" and server.counts[method] % 2 else PASS

        server.replace = lags
        for _ in range(3):
            node.expect(head, ([mined], [SENDER], []))
            seen = await node.seen([mined], [SENDER], [])
            assert seen.receipts[mined] is not None and seen.nonces == {SENDER: 1}
        assert ahead == 3
        node.expect(head, ([mined], [SENDER], []))
        assert (await node.seen([mined], [SENDER], [])).nonces == {SENDER: 1}
        assert ahead == 3, "who cannot tell is not asked ahead for ever"


async def test_one_that_does_not_answer_is_not_waited_for_longer_than_the_others_are() -> None:
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url) as node:
        _, head, mined = await head_with_a_transaction(node, anvil)

        released = asyncio.Event()

        async def late() -> Any:
            await released.wait()
            return PASS

        server.replace = lambda method, params: (
            late() if method == "eth_getTransactionCount" and isinstance(params[1], dict) else PASS
        )
        node.expect(head, ([mined], [SENDER], []))
        async with asyncio.timeout(3):
            assert (await node.seen([mined], [SENDER], [])).nonces == {SENDER: 1}
        released.set()
