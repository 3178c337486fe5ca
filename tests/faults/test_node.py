"""What the node does about single faults, seen from its user's side."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chains.anvil import Anvil
from chains.node.errors import Unreachable
from tests.chains.node.support import chain, node_on
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
