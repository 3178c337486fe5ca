"""A node 40 ms away: what is known is read at once at each head, and the fork is given it before it asks itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp import web

from bot.simulator import FinalVerdict, Simulator
from bot.simulator.verdict import Outcome
from chains.blocks import Head
from chains.node.gateway import Gateway
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import OWNER, World, simulator_at, world
from tests.chains.node.support import node_on
from tests.faults.fault import Fault, Kind
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Upstreams

_AMOUNT = 10**22
_PATH = (0, 1, 2, 0)
_OF_ACCOUNTS = ("eth_getBalance", "eth_getTransactionCount", "eth_getCode")


class Far(FaultProxy):
    """Notes when each request came and when it was answered."""

    def __init__(self, url: str) -> None:
        super().__init__(Upstreams(url))
        self.schedule.plan(Fault(Kind.SLOW_40_MS))
        self.spans: list[tuple[float, float]] = []

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        came = asyncio.get_running_loop().time()
        try:
            return await super()._serve(request)
        finally:
            self.spans.append((came, asyncio.get_running_loop().time()))

    def forget(self) -> None:
        self.requests.clear()
        self.spans.clear()

    @property
    def round_trips(self) -> int:
        """The most requests of which each waited for the one before."""
        count, free = 0, float("-inf")
        for came, answered in sorted(self.spans, key=lambda span: span[1]):
            if came >= free:
                count, free = count + 1, answered
        return count


async def asked(on: World, simulator: Simulator, far: Far, head: Head) -> tuple[int, int, int]:
    """Slots fetched one by one, requests, and round trips until the fork has given its verdict on `head`."""
    far.forget()
    watch = [(OWNER, token) for token in on.tokens]
    await simulator.prepare(head)
    verdict = await simulator.verdict(await on.swap(_AMOUNT, _PATH), head, watch)
    assert verdict.outcome is Outcome.OK, verdict.reason
    return far.requests["eth_getStorageAt"], far.requests.total(), far.round_trips


@needs_evm
async def test_at_a_new_head_a_far_node_is_asked_for_no_slot_and_in_few_round_trips() -> None:
    async with (
        world() as on,
        Far(on.anvil.http_url) as far,
        simulator_at(far.http_url, timeout_s=60) as known,
        simulator_at(far.http_url, timeout_s=60, prefetch=False) as plain,
    ):
        watch = [(OWNER, token) for token in on.tokens]
        for each in (known, plain):
            await each.screened(await on.swap(_AMOUNT, _PATH), await on.head(), watch)
        await on.really(await on.head(), await on.swap(_AMOUNT, _PATH))
        head = await on.head()
        slots, requests, trips = await asked(on, known, far, head)
        slots_plain, _, trips_plain = await asked(on, plain, far, head)
    assert slots == 0 < slots_plain
    assert trips <= 9 and trips_plain >= 2 * trips, (trips, trips_plain, requests)


@needs_evm
async def test_of_contracts_that_are_known_a_new_head_asks_a_node_nothing() -> None:
    """Each would cost three questions in every block, in those too in which nothing happens."""
    contracts, plain = await _asked_of_accounts(tell=False)
    assert {(method, contract) for method in _OF_ACCOUNTS for contract in contracts} <= plain
    contracts, known = await _asked_of_accounts(tell=True)
    assert known and not {account for _, account in known} & contracts


async def _asked_of_accounts(*, tell: bool) -> tuple[set[str], set[tuple[str, str]]]:
    """Contracts that a swap touches, and what the node is asked of which account from a new head to its verdict."""
    asked: set[tuple[str, str]] = set()
    async with (
        world() as on,
        node_on(on.anvil.http_url) as node,
        Gateway(node) as gateway,
        simulator_at(gateway.ws_url, timeout_s=60, gateway=gateway if tell else None) as simulator,
        contextlib.aclosing(node.blocks([])) as blocks,
    ):
        request = node.request

        async def noted(method: str, *params: Any) -> Any:
            if method in _OF_ACCOUNTS:
                asked.add((method, params[0].lower()))
            return await request(method, *params)

        await anext(blocks)
        watch = [(OWNER, token) for token in on.tokens]
        assert await simulator.screened(await on.swap(_AMOUNT, _PATH), await on.head(), watch)
        await on.really(await on.head(), await on.swap(_AMOUNT, _PATH))
        await anext(blocks)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(node, "request", noted)
            verdict = await simulator.verdict(await on.swap(_AMOUNT, _PATH), await on.head(), watch)
        assert verdict.outcome is Outcome.OK, verdict.reason
    return {contract.lower() for contract in (on.router, *on.tokens)}, asked


@needs_evm
async def test_in_process_a_new_head_costs_a_far_node_one_round_trip() -> None:
    async with world() as on, Far(on.anvil.http_url) as far, simulator_at(far.http_url, timeout_s=60) as simulator:
        watch = [(OWNER, token) for token in on.tokens]
        assert await simulator.screened(await on.swap(_AMOUNT, _PATH), await on.head(), watch)
        await on.really(await on.head(), await on.swap(_AMOUNT, _PATH))
        head, tx = await on.head(), await on.swap(_AMOUNT, _PATH)
        far.forget()
        assert await simulator.screened(tx, head, watch)
        assert far.round_trips == 1
        assert far.requests["eth_getStorageAt"] == far.requests["debug_traceCall"] == 0


@needs_evm
async def test_a_head_that_was_expected_is_read_once_and_once_more_where_the_node_did_not_know_it_yet() -> None:
    async with (
        world() as on,
        Far(on.anvil.http_url) as far,
        simulator_at(far.http_url, timeout_s=60, final=FinalVerdict.IN_PROCESS) as simulator,
    ):
        watch = [(OWNER, token) for token in on.tokens]
        assert await simulator.verdict(await on.swap(_AMOUNT, _PATH), await on.head(), watch)
        await on.really(await on.head(), await on.swap(_AMOUNT, _PATH))
        head, tx = await on.head(), await on.swap(_AMOUNT, _PATH)
        far.forget()
        simulator.expect(head)
        await simulator.prepare(head)
        assert (await simulator.verdict(tx, head, watch)).outcome is Outcome.OK
        assert far.requests["eth_call"] == far.round_trips == 1

        await on.really(head, tx)
        head, tx = await on.head(), await on.swap(_AMOUNT, _PATH)
        far.schedule.clear()
        far.schedule.plan(Fault(Kind.UNAVAILABLE, requests=1), Fault(Kind.SLOW_40_MS))
        far.forget()
        simulator.expect(head)
        await asyncio.sleep(0.2)
        assert far.round_trips == 1
        await simulator.prepare(head)
        await asyncio.sleep(0.2)
        assert far.round_trips == 2
        assert (await simulator.verdict(tx, head, watch)).outcome is Outcome.OK
        assert far.round_trips == 2
