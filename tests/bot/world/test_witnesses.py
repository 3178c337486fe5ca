"""Beyond a worst case that one endpoint's word is good enough for, two have to tell the same block."""

from __future__ import annotations

import pytest

from bot.ledger.records import WorstCase
from bot.reasons import Reason
from bot.world.witnesses import Witnesses
from tests.chains.node.support import chain, mine, node_on


@pytest.mark.parametrize(("loss", "capital"), [(10, 0), (4, 6)])
async def test_up_to_the_threshold_nobody_is_asked(loss: int, capital: int):
    async with chain() as one, chain() as other, node_on(one.http_url, other.http_url) as node:
        head = await node.head()
        before = node.calls_made
        assert await Witnesses(node, 10).refusal(head, WorstCase(loss, 0, capital)) is None
        assert node.calls_made == before


async def test_beyond_it_a_second_endpoint_has_to_tell_the_same_block():
    async with chain() as one, chain() as other, node_on(one.http_url, other.http_url) as node:
        await one.rpc("anvil_setNextBlockBaseFeePerGas", "0x77")
        await mine(one)
        head = (await node.endpoints[0].latest()).head
        silent = await Witnesses(node, 10).refusal(head, WorstCase(11, 0))
        assert silent is not None and "no second endpoint tells of block 1" in silent.detail
        await mine(other)
        another = await Witnesses(node, 10).refusal(head, WorstCase(11, 0))
        assert another is not None and another.reason is Reason.PROVIDERS_DISAGREE
    async with chain() as one, node_on(one.http_url, one.ws_url) as node:
        assert await Witnesses(node, 10).refusal(await node.head(), WorstCase(11, 0)) is None


async def test_where_there_is_one_endpoint_there_is_nobody_to_ask():
    async with chain() as one, node_on(one.http_url) as node:
        assert await Witnesses(node, 0).refusal(await node.head(), WorstCase(1, 0)) is None
