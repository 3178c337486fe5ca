"""What the node does about single faults, seen from its user's side."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chains.anvil import Anvil
from chains.node import NodeEvent
from chains.node.errors import Unreachable
from tests.chains.node.support import SENDER, TOPIC, Follow, chain, emit, mine, node_on
from tests.faults.fault import Fault, Kind
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Upstreams


@pytest.fixture
async def anvil() -> AsyncIterator[Anvil]:
    async with chain() as anvil:
        yield anvil


async def test_a_half_open_socket_is_left_after_one_question(anvil: Anvil) -> None:
    async with (
        FaultProxy(Upstreams(anvil.http_url)) as proxy,
        node_on(proxy.ws_url, request_timeout_s=0.3) as node,
    ):
        proxy.schedule.plan(Fault(Kind.HALF_OPEN, frozenset({"eth_blockNumber"}), requests=2))
        with pytest.raises(Unreachable):
            await node.request("eth_blockNumber")
        assert await node.request("eth_blockNumber") == "0x0"


async def test_heads_that_are_told_late_are_not_decided_on_and_are_asked_for_once_that_goes_on(anvil: Anvil) -> None:
    """The node knows of blocks that its subscription does not tell of yet."""
    async with (
        chain() as further,
        FaultProxy(Upstreams(anvil.http_url, {Kind.STALE: further.http_url})) as proxy,
        node_on(proxy.ws_url) as node,
    ):
        told: list[NodeEvent] = []
        node.listen(told.append)
        await mine(further, 8)
        sent = await emit(further)
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        assert (await node.seen([sent], [SENDER], [])).nonces == {SENDER: 0}
        assert node.newest_number == 0
        proxy.schedule.plan(Fault(Kind.STALE, frozenset({"eth_getTransactionReceipt"})))
        for number in (1, 2, 3):
            assert not told
            await mine(anvil)
            await follow.until_height(number)
            await node.seen([sent], [SENDER], [])
            assert node.newest_number == 9
        assert [event.name for event in told] == ["heads_late"]
        proxy.schedule.clear()
        await mine(anvil)
        await follow.until_height(4)
        assert proxy.requests["eth_subscribe"] == 1
        await follow._events.aclose()  # type: ignore[attr-defined]
