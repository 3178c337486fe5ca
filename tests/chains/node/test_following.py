"""Following heads over several endpoints and every wire: what fails is replaced, what lags or lies is left out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chains.anvil import Anvil, RpcError
from chains.blocks import Block
from chains.node import Agreement, EndpointSettings, Node, NodeEvent, Unreachable
from chains.node.conversation import Conversation
from chains.node.headers import header_hash
from chains.node.health import Fault
from chains.node.wire import bloom_mask
from tests.chains.node.scripted import PASS, Scripted, only
from tests.chains.node.support import (
    TOPIC,
    Follow,
    TcpProxy,
    canonical,
    chain,
    emit,
    mine,
    node_on,
    twin_network,
)

QUICK = twin_network(block_time_s=0.2)


async def until(done: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def told_by(node: Node) -> list[NodeEvent]:
    told: list[NodeEvent] = []
    node.listen(told.append)
    return told


async def test_heads_are_asked_for_where_nobody_tells_them():
    async with chain() as anvil, node_on(anvil.http_url, network=QUICK) as node:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        await emit(anvil)
        await mine(anvil, 2)
        await emit(anvil)
        await follow.until_height(4)
        await anvil.rpc("anvil_reorg", 2, [])
        await mine(anvil)
        await follow.until_height(5)
        assert follow.hashes == await canonical(anvil, 0, 5)
        assert [len(block.logs) for block in follow.chain] == [0, 1, 0, 0, 0, 0]
        assert len(follow.undone) >= 1


async def test_a_head_that_was_asked_for_is_not_the_newest_for_longer_than_a_block():
    async with (
        chain() as anvil,
        node_on(anvil.http_url, network=QUICK) as node,
        contextlib.aclosing(node.blocks([TOPIC])) as events,
    ):
        first = await anext(events)
        assert isinstance(first, Block) and node.newest_number == first.head.number
        await asyncio.sleep(1.1 * QUICK.block_time_s)
        assert node.newest_number > first.head.number


async def test_heads_and_logs_come_over_a_unix_socket(tmp_path: Path):
    path = tmp_path / "node.ipc"
    async with chain("--ipc", str(path)) as anvil, node_on(f"ipc://{path}") as node:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        await emit(anvil)
        await mine(anvil)
        await follow.until_height(2)
        assert [len(block.logs) for block in follow.chain] == [0, 1, 0]
        assert node.endpoints[0].subscriptions == 1


async def test_no_socket_at_the_path_is_one_clear_line(tmp_path: Path):
    with pytest.raises(Unreachable, match=r"node\.ipc: no node answers \(No such file or directory\); start one there"):
        await node_on(str(tmp_path / "node.ipc")).connect()


@pytest.mark.parametrize("wire", ["ws_url", "http_url"])
async def test_at_rest_at_most_two_calls_a_block_are_made_in_all(wire: str):
    """Twenty quiet blocks, two endpoints, the second looked at in between."""
    on_its_own = ["--chain-id", "31337", "--block-time", "0.2", "--mixed-mining"]
    async with Anvil(on_its_own) as anvil, Scripted(anvil) as two:  # noqa: SIM117
        async with node_on(getattr(anvil, wire), two.url, network=QUICK) as node:
            follow = Follow(node.blocks([TOPIC]))
            await follow.until(lambda: len(follow.chain) > 0)
            first, before = follow.chain[-1].head.number, node.calls_made
            await follow.until(lambda: follow.chain[-1].head.number >= first + 20)
            blocks = follow.chain[-1].head.number - first
            assert node.calls_made - before <= 2 * blocks
            assert two.counts["eth_getBlockByNumber"] > 0


async def test_another_endpoint_is_followed_when_the_first_is_gone_and_nobody_is_troubled():
    troubles: list[str] = []
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url, anvil.ws_url) as node:
        told = told_by(node)
        follow = Follow(node.blocks([TOPIC], on_trouble=troubles.append))
        await follow.until_height(0)
        proxy.refusing = True
        proxy.drop()
        await emit(anvil)
        await follow.until_height(1)
        assert (troubles, [len(block.logs) for block in follow.chain]) == ([], [0, 1])
    assert "node_leader" in {event.name for event in told}


async def test_heads_are_asked_for_while_no_socket_lives_and_told_again_when_one_does():
    async with chain() as anvil, TcpProxy(anvil) as proxy, node_on(proxy.ws_url, anvil.http_url, network=QUICK) as node:
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        proxy.refusing = True
        proxy.drop()
        await mine(anvil)
        await follow.until_height(1)
        assert node._leading.asking
        proxy.refusing = False
        async with asyncio.timeout(15):
            while node._leading.asking:
                height = follow.chain[-1].head.number
                await mine(anvil)
                await follow.until_height(height + 1)
        height = follow.chain[-1].head.number
        await mine(anvil)
        await follow.until_height(height + 1)
        assert follow.hashes == await canonical(anvil, 0, height + 1)


async def test_a_leader_that_stays_behind_the_others_is_dropped_and_comes_back():
    alike = ("--timestamp", "1700000000")
    async with chain(*alike) as anvil, chain(*alike) as frozen, TcpProxy(frozen) as proxy:  # noqa: SIM117
        async with node_on(proxy.ws_url, anvil.http_url, head_timeout_s=0.3) as node:
            told = told_by(node)
            follow = Follow(node.blocks([TOPIC]))
            await follow.until_height(0)
            behind, ahead = node.endpoints
            await anvil.rpc("anvil_mine", "0x14")
            node._court.told(ahead, await ahead.latest())
            assert behind.health.dropped is not None
            assert behind.health.dropped.fault is Fault.LAGGING
            await follow.until_height(20)
            proxy.point_to(anvil)
            proxy.drop()
            assert await node._court.prove(behind)
    assert [event.name for event in told if "back" in event.name] == ["endpoint_back"]


def _forged(change: dict[str, Any]) -> Callable[[Anvil], Callable[[str, list[Any]], Any]]:
    def replace_of(anvil: Anvil) -> Callable[[str, list[Any]], Any]:
        async def forged(params: list[Any]) -> Any:
            document = await anvil.rpc("eth_getBlockByNumber", *params)
            return {**document, **change}

        return only("eth_getBlockByNumber", forged)

    return replace_of


@pytest.mark.parametrize(
    "change",
    [{"hash": "0x" + "77" * 32}, {"parentHash": "0x" + "66" * 32}, {"logsBloom": "0x" + "00" * 255 + "01"}],
    ids=["hash", "parent", "bloom"],
)
async def test_a_header_whose_hash_is_not_that_of_its_fields_is_not_believed(change: dict[str, Any]):
    async with chain() as anvil, Scripted(anvil) as liar:
        async with node_on(liar.url) as node:
            await node.head()
            liar.replace = _forged(change)(anvil)
            with pytest.raises(Unreachable, match=r"does not have the hash .* it is not believed"):
                await node.head()
        liar.replace = lambda method, params: PASS
        async with node_on(liar.url, anvil.http_url) as node:
            await node.head()
            liar.replace = _forged(change)(anvil)
            node._pool.leader = node.endpoints[0]
            assert (await node.head()).number == 0
            dropped = node.endpoints[0].health.dropped
            assert dropped is not None and dropped.fault is Fault.LYING


async def test_the_only_endpoint_comes_back_though_the_newest_block_is_another_since_it_was_left_out():
    async with chain() as anvil, Scripted(anvil) as server:
        await mine(anvil, 3)
        node = node_on(server.url, network=QUICK)
        async with node, contextlib.aclosing(node.blocks([], 1)) as blocks:
            reader = Follow(blocks)
            await reader.until_height(3)
            node.endpoints[0].drop(Fault.LYING, "a header was not what its hash says")
            await anvil.rpc("anvil_reorg", 1, [])
            await mine(anvil)
            await reader.until_height(4)
            assert reader.hashes == await canonical(anvil, 1, 4)


async def test_logs_of_another_block_or_of_another_topic_are_not_believed():
    async with chain() as anvil, Scripted(anvil) as liar:
        await emit(anvil)
        head = await _head(anvil)
        [log] = await anvil.rpc("eth_getLogs", {"blockHash": head["hash"]})
        for change in ({"blockHash": "0x" + "55" * 32}, {"topics": ["0x" + "44" * 32]}):
            liar.replace = only("eth_getLogs", [{**log, **change}])
            async with node_on(liar.url, anvil.http_url) as node:
                node._pool.leader = node.endpoints[0]
                [found] = await node.logs_of(await node.head(), [TOPIC])
                assert found.topics == (TOPIC,)
                assert node.endpoints[0].health.dropped is not None


@pytest.mark.parametrize("alone", [True, False])
async def test_who_says_that_a_block_has_no_logs_is_held_against_its_bloom(alone: bool):
    """As behind a load balancer, where one backend tells of a block that another does not have."""
    async with chain() as anvil, Scripted(anvil) as lagging:
        others = [] if alone else [anvil.http_url]
        async with node_on(lagging.url, *others, network=QUICK) as node:
            told = told_by(node)
            follow = Follow(node.blocks([TOPIC]))
            await follow.until_height(0)
            lagging.replace = only("eth_getLogs", [])
            await emit(anvil)
            reading = asyncio.create_task(follow.until_height(1))
            await until(lambda: bool(told))
            if alone:
                assert not follow.chain[1:]
                lagging.replace = lambda method, params: PASS
            await reading
            assert [log.topics for log in follow.chain[-1].logs] == [(TOPIC,)]
    assert told[0].name == "endpoint_dropped" and "0 logs of block 1, whose bloom tells of others" in told[0].detail


@pytest.mark.parametrize("gives_all", [True, False])
async def test_a_bloom_that_only_looks_as_if_there_were_logs_keeps_nobody_up(gives_all: bool):
    """Some endpoints give no logs but of topics."""
    async with chain() as anvil, Scripted(anvil) as server, node_on(server.url, network=QUICK) as node:
        told = told_by(node)
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        if not gives_all:
            refusal = RpcError("", -32701, "Please specify an address in your request")
            server.replace = only("eth_getLogs", lambda params: PASS if params[0]["topics"] else refusal)
        for word in _together_as(TOPIC):
            await emit(anvil, word, mine=False)
        await mine(anvil)
        await follow.until_height(1)
        assert (follow.chain[-1].logs, server.counts["eth_getLogs"], told) == ((), 2, [])


def _together_as(topic: bytes) -> list[bytes]:
    """Other words, which together set the bits of `topic` in a bloom."""
    mask = bloom_mask(topic)
    bits = [1 << at for at in range(mask.bit_length()) if mask >> at & 1]
    words = [at.to_bytes(32) for at in range(100, 20_000)]
    return [next(word for word in words if bloom_mask(word) & bit) for bit in bits]


async def _head(anvil: Anvil) -> dict[str, Any]:
    return dict(await anvil.rpc("eth_getBlockByNumber", "latest", False))


async def test_of_two_endpoints_the_one_whose_head_leads_nowhere_is_not_believed():
    """The other was left out as if it lagged, and nothing was decided on any block, since none was the newest."""
    async with chain() as anvil, Scripted(anvil) as server:

        async def far() -> dict[str, Any]:
            document = await anvil.rpc("eth_getBlockByNumber", "latest", False)
            document = {**document, "number": hex(int(document["number"], 16) + 10**6)}
            return {**document, "hash": header_hash(document)}

        server.replace = lambda method, params: far() if params[:1] == ["latest"] else PASS
        async with node_on(anvil.ws_url, server.url, network=QUICK) as node:
            follow = Follow(node.blocks([TOPIC]))
            await follow.until_height(0)
            for height in range(1, 30):
                await mine(anvil)
                await follow.until_height(height)
                if node.endpoints[1].health.dropped is not None:
                    break
            await mine(anvil)
            await follow.until_height(height + 1)
            dropped = [endpoint.health.dropped for endpoint in node.endpoints]
            assert [it and it.fault for it in dropped] == [None, Fault.LYING]
            assert (node.newest_number, node._pool.leader) == (height + 1, node.endpoints[0])
        async with node_on(server.url, anvil.ws_url, network=QUICK) as node:
            assert (await node.head()).number == height + 1


async def test_who_tells_another_block_than_most_do_is_dropped():
    async with chain() as one, chain() as other:
        await mine(one, 3)
        await other.rpc("anvil_setNextBlockBaseFeePerGas", "0x77")
        await mine(other, 3)
        async with node_on(one.ws_url, one.http_url, other.http_url) as node:
            follow = Follow(node.blocks([TOPIC], 1))
            await follow.until_height(3)
            liar = node.endpoints[2]
            node._court.told(liar, await liar.latest())
            await until(lambda: liar.health.dropped is not None)
            assert liar.health.dropped is not None and liar.health.dropped.fault is Fault.LYING
            assert [endpoint.health.dropped for endpoint in node.endpoints[:2]] == [None, None]


async def test_two_endpoints_agree_on_a_head_or_it_is_said_why_not():
    async with chain() as one, chain() as other:
        for anvil in (one, other):
            await mine(anvil, 2)
        async with node_on(one.http_url) as node:
            assert (await node.agreed(await node.head())).agreement is Agreement.ALONE
        async with node_on(one.ws_url, one.http_url) as node:
            assert (await node.agreed(await node.head())).agreement is Agreement.AGREED
        async with node_on(one.http_url, EndpointSettings(other.http_url)) as node:
            ahead, _ = node.endpoints
            await other.rpc("anvil_setNextBlockBaseFeePerGas", "0x77")
            await mine(one)
            head = (await ahead.latest()).head
            assert (await node.agreed(head)).agreement is Agreement.UNCONFIRMED
            await mine(other)
            opinion = await node.agreed(head)
            assert opinion.agreement is Agreement.DISAGREE
            assert "block 3 is another one for 1 of 2 endpoints" in opinion.detail


async def test_a_leader_that_changes_chain_while_connected_is_dropped_and_another_followed():
    async with chain() as anvil, Anvil(["--chain-id", "5"]) as stranger, TcpProxy(anvil) as proxy:  # noqa: SIM117
        async with node_on(proxy.ws_url, anvil.http_url, network=QUICK) as node:
            told = told_by(node)
            follow = Follow(node.blocks([TOPIC]))
            await follow.until_height(0)
            for now_behind, fault in ((stranger, Fault.WRONG_CHAIN), (anvil, None)):
                proxy.point_to(now_behind)
                proxy.drop()
                async with asyncio.timeout(15):
                    while _fault(node) is not fault:
                        await mine(anvil)
                        await follow.until_height(len(follow.chain))
            assert follow.hashes == await canonical(anvil, 0, len(follow.chain) - 1)
    names = [event.name for event in told]
    assert names.index("endpoint_dropped") < names.index("endpoint_back")


def _fault(node: Node) -> Fault | None:
    dropped = node.endpoints[0].health.dropped
    return dropped.fault if dropped else None


async def test_a_leader_that_falls_silent_is_left_for_one_that_is_further():
    alike = ("--timestamp", "1700000000")
    async with (
        chain(*alike) as frozen,
        chain(*alike) as anvil,
        node_on(frozen.ws_url, anvil.ws_url, network=QUICK) as node,
    ):
        told = told_by(node)
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        await mine(anvil)
        await follow.until_height(1)
        assert node._pool.leader is node.endpoints[1]
        assert [endpoint.health.dropped for endpoint in node.endpoints] == [None, None]
    assert "node_leader" in {event.name for event in told}


async def test_a_subscription_that_never_tells_of_a_head_is_given_up_and_heads_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
):
    """Else a run would see one block for each silence: on Ethereum, one in four."""
    monkeypatch.setattr(Conversation, "_told", lambda conversation, params, arrived_ns: None)
    monkeypatch.setattr("chains.node.leading._GRACE_S", 0.01)
    async with chain() as anvil, node_on(anvil.ws_url, network=QUICK, head_timeout_s=0.05) as node:
        told = told_by(node)
        follow = Follow(node.blocks([TOPIC]))
        await follow.until_height(0)
        for height in range(1, 5):
            await mine(anvil)
            await follow.until_height(height)
        assert not node.endpoints[0].tells
    assert [event.name for event in told].count("heads_silent") == 1


async def test_a_half_open_socket_is_noticed_and_another_endpoint_followed():
    async with chain() as anvil, TcpProxy(anvil) as proxy:  # noqa: SIM117
        async with node_on(proxy.ws_url, anvil.ws_url, request_timeout_s=0.3, head_timeout_s=0.3) as node:
            follow = Follow(node.blocks([TOPIC]))
            await follow.until_height(0)
            proxy.stalled = True
            await mine(anvil, 2)
            await follow.until_height(2)
            assert node._pool.leader is node.endpoints[1]
