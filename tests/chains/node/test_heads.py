"""When heads are asked for, where nobody tells them."""

from __future__ import annotations

import time
from typing import cast

import pytest

from chains.node.endpoint import Endpoint
from chains.node.heads import CALLS_PER_BLOCK, Allowance, AskedHeads
from chains.node.wire import Header
from tests.chains.node.test_follower import ForkingChain

BLOCK_TIME_S = 0.2


class Waiting:
    """An endpoint at the tip of a chain in memory."""

    def __init__(self) -> None:
        self.chain = ForkingChain()
        self.chain.mine(2)

    def now_s(self) -> float:
        return time.monotonic()

    async def latest(self) -> Header:
        return self.chain.canonical[-1]


async def silent_for(blocks: float) -> tuple[Waiting, AskedHeads]:
    """An endpoint whose head was told, and that then told nothing for the time of so many blocks."""
    endpoint = Waiting()
    heads = AskedHeads(cast(Endpoint, endpoint), BLOCK_TIME_S, Allowance(), lambda *_: None)
    await heads.now()
    with pytest.raises(TimeoutError):
        await heads.next(blocks * BLOCK_TIME_S)
    return endpoint, heads


def test_a_silence_however_long_is_made_up_for_by_a_few_blocks() -> None:
    allowance = Allowance()
    for _ in range(1000):
        allowance.use()
    assert not allowance.lends
    allowance.block()
    assert allowance.lends


def test_no_more_is_saved_than_a_few_blocks_earn() -> None:
    allowance = Allowance()
    allowance.block(1000)
    uses = 0
    while allowance.spare:
        allowance.use()
        uses += 1
    assert uses <= 2 * CALLS_PER_BLOCK


async def test_after_heads_that_were_missed_the_next_is_asked_for_within_half_a_block() -> None:
    endpoint, heads = await silent_for(8)
    endpoint.chain.mine(9)
    assert await heads.next(BLOCK_TIME_S) == endpoint.chain.canonical[-1]
    endpoint.chain.mine(1)
    assert await heads.next(0.55 * BLOCK_TIME_S) == endpoint.chain.canonical[-1]


async def test_a_head_that_came_as_expected_is_no_reason_to_ask_much_earlier() -> None:
    endpoint, heads = await silent_for(1.2)
    endpoint.chain.mine(1)
    assert await heads.next(BLOCK_TIME_S) == endpoint.chain.canonical[-1]
    endpoint.chain.mine(1)
    with pytest.raises(TimeoutError):
        await heads.next(0.55 * BLOCK_TIME_S)
