"""How long a verdict takes, in process and on the fork, beside a plain Anvil fork in the same run.

    .venv/bin/python -m benchmarks.bench_simulator [--verdicts 300] [--heads 5] [--delay-ms 40]

The plan goes through three real Uniswap V3 pools. Warm: the same plan again and again on one block. From head to head:
a block comes in which the pools moved, from a node as far away as asked for; the time is from the head's arrival to the
answer. The peer is an Anvil forked from the same node in the plain way, asked by `eth_call` for the same plan: warm,
once as web3.py asks and once by the leanest request there is; then on each new head, by the latter.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.types import TxParams, Wei

from benchmarks.machine import report
from benchmarks.slow_node import delayed
from bot.simulator.fork import PinnedFork
from bot.simulator.holdings import Watched
from bot.simulator.overlay import Overlay
from bot.simulator.question import transaction_call
from bot.simulator.simulator import Simulator
from bot.simulator.verdict import Outcome
from bot.transaction import UnsignedTransaction
from chains.assets import Address
from tests.bot.simulator.plans import Rig, rig
from tests.bot.simulator.support import simulator_at
from tests.contracts.market import ETH

_FIGURE = 3
_BUDGET = 8.0
_WARM_UP = 10
_AMOUNT = ETH // 100


@dataclass(frozen=True, slots=True)
class _Asked:
    """The plan's transaction, and the balances that matter to it."""

    tx: UnsignedTransaction
    watched: tuple[Watched, ...]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--verdicts", type=int, default=300)
    arguments.add_argument("--heads", type=int, default=5)
    arguments.add_argument("--delay-ms", type=float, default=40.0)
    chosen = arguments.parse_args()
    asyncio.run(_measured(chosen.verdicts, chosen.heads, chosen.delay_ms / 1_000))


async def _measured(verdicts: int, heads: int, delay_s: float) -> None:
    async with rig() as world:
        await _warm(world, verdicts)
        for away_s in (0.0, delay_s):
            await _head_to_head(world, heads, away_s)


async def _warm(world: Rig, count: int) -> None:
    asked, head = await _plan(world), await world.head()
    simulator = world.simulator

    async def here() -> None:
        verdict = await simulator.screened(asked.tx, head, asked.watched)
        assert verdict is not None and verdict.outcome is Outcome.OK, verdict

    async def final() -> None:
        verdict = await simulator.verdict(asked.tx, head, asked.watched)
        assert verdict.outcome is Outcome.OK, verdict.reason

    peer = PinnedFork(world.anvil.http_url)
    await peer.pin(head, Overlay())
    call = transaction_call(asked.tx)
    web3 = AsyncWeb3(AsyncHTTPProvider(peer.anvil.http_url))
    asked_of_web3 = _for_web3(asked.tx)
    timed = {
        "in_process": await _times_ms(here, count),
        "final_anvil": await _times_ms(final, count // 3),
        "peer_eth_call": await _times_ms(lambda: peer.anvil.rpc("eth_call", call, "latest"), count // 3),
        "peer_web3": await _times_ms(lambda: web3.eth.call(asked_of_web3), count // 3),
    }
    await web3.provider.disconnect()
    await peer.discard()
    p50 = {name: statistics.median(times) for name, times in timed.items()}
    p99 = {name: statistics.quantiles(times, n=100)[98] for name, times in timed.items()}
    ratio, lean = p50["peer_web3"] / p50["in_process"], p50["peer_eth_call"] / p50["in_process"]
    report(
        _FIGURE,
        f"3-hop V3 plan, warm: in process p50 {p50['in_process']:.2f} ms (budget 1), p99 {p99['in_process']:.2f}; "
        f"final on Anvil, two builders, p50 {p50['final_anvil']:.1f} ms (budget 60), p99 {p99['final_anvil']:.1f}; "
        f"eth_call on a warm Anvil fork by web3.py p50 {p50['peer_web3']:.2f} ms, {ratio:.1f} times in process (budget "
        f"{_BUDGET:.0f}); by the leanest request {p50['peer_eth_call']:.2f} ms, {lean:.1f} times",
        {"state": "warm", "p50_ms": p50, "p99_ms": p99, "ratio": ratio, "lean_ratio": lean},
    )


async def _head_to_head(world: Rig, heads: int, away_s: float) -> None:
    asked = await _plan(world)
    times: dict[str, list[float]] = {"in_process": [], "final_anvil": [], "peer_eth_call": []}
    requests = dict.fromkeys(times, 0)
    async with delayed(world.anvil.http_url, away_s) as node, simulator_at(node.url, timeout_s=60) as simulator:
        await simulator.verdict(asked.tx, await world.head(), asked.watched)
        await simulator.screened(asked.tx, await world.head(), asked.watched)
        peer = PinnedFork(node.url)
        await peer.pin(await world.head(), Overlay())
        for _ in range(heads):
            await world.move(_AMOUNT)
            asked = await _plan(world)
            await _on_a_head(world, simulator, asked, times, node, requests)
            await _on_a_peer(world, peer, asked, times, node, requests)
        await peer.discard()
    p50 = {name: statistics.median(found) for name, found in times.items()}
    ratio = p50["peer_eth_call"] / p50["in_process"]
    asked_for = {name: count / heads for name, count in requests.items()}
    report(
        _FIGURE,
        f"a new head from a node {away_s * 1_000:.0f} ms away: the first answer in process after "
        f"{p50['in_process']:.0f} ms, on the prefetched fork after {p50['final_anvil']:.0f} ms; eth_call on a plain "
        f"Anvil fork after {p50['peer_eth_call']:.0f} ms, {ratio:.1f} times in process",
        {"state": "new head", "delay_ms": away_s * 1_000, "p50_ms": p50, "ratio": ratio, "requests": asked_for},
    )


async def _on_a_head(
    world: Rig, simulator: Simulator, asked: _Asked, times: dict[str, list[float]], node: Any, requests: dict[str, int]
) -> None:
    head, before = await world.head(), node.requests
    begun = time.perf_counter()
    await simulator.prepare(head)
    verdict = await simulator.screened(asked.tx, head, asked.watched)
    assert verdict is not None and verdict.outcome is Outcome.OK, verdict
    times["in_process"].append((time.perf_counter() - begun) * 1_000)
    final = await simulator.verdict(asked.tx, head, asked.watched)
    assert final.deltas == verdict.deltas, final.reason
    times["final_anvil"].append((time.perf_counter() - begun) * 1_000)
    requests["final_anvil"] += node.requests - before


async def _on_a_peer(
    world: Rig, peer: PinnedFork, asked: _Asked, times: dict[str, list[float]], node: Any, requests: dict[str, int]
) -> None:
    head, before = await world.head(), node.requests
    begun = time.perf_counter()
    await peer.pin(head, Overlay())
    await peer.anvil.rpc("eth_call", transaction_call(asked.tx), "latest")
    times["peer_eth_call"].append((time.perf_counter() - begun) * 1_000)
    requests["peer_eth_call"] += node.requests - before


def _for_web3(tx: UnsignedTransaction) -> TxParams:
    return {
        "from": tx.sender,
        "to": tx.to,
        "data": HexBytes(tx.data),
        "gas": tx.gas_limit,
        "maxFeePerGas": Wei(tx.max_fee_wei),
        "maxPriorityFeePerGas": Wei(tx.tip_wei),
    }


async def _plan(world: Rig) -> _Asked:
    market = world.market
    tx = await world.transaction(world.through_v3(_AMOUNT))
    accounts, tokens = (market.executor, market.inventory), (market.weth, market.mid, market.dai)
    return _Asked(tx, tuple((account, Address(token.address)) for account in accounts for token in tokens))


async def _times_ms(act: Callable[[], Awaitable[object]], count: int) -> list[float]:
    for _ in range(_WARM_UP):
        await act()
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        await act()
        times.append((time.perf_counter() - begun) * 1_000)
    return times


if __name__ == "__main__":
    main()
