"""How long a verdict takes, in process and on the fork, beside a plain Anvil fork in the same run.

    .venv/bin/python -m benchmarks.bench_simulator [--verdicts 300] [--heads 5] [--delay-ms 40]

The plan goes through three real Uniswap V3 pools. Warm: the same plan again and again on one block. From head to head:
a block comes in which the pools moved, from a node as far away as asked for; the time is from the head's arrival to the
answer. The peer is an Anvil forked from the same node in the plain way, asked by `eth_call` for the same plan: warm,
once as web3.py asks and once by the leanest request there is, beside the verdict and beside the same call alone in the
EVM of this process; then on each new head, by the leanest request.

The goal is held against web3.py's `eth_call`. Against the leanest request it is out of reach, since both sides run
the same 20,500 instructions. An eighth of that request's 0.8 ms would be 5 ns for each, storage and hashing included;
pyrevm 0.3.7, the newest, takes 3.8 ns for one in a loop that touches nothing but the stack. Of a call's processor
time 63 % are the instructions, 7 % the journal and its maps, 5 % hashing, 9 % memory, mostly of call frames, 4 %
Python and all that is converted (`perf record`, 5,754 samples). Around it little is left to take: a call of nothing
4.4 us, snapshot and revert 0.2 us, seven balances 27 us, of which 6 without any token, the digest of a transaction
that nobody has asked for it yet, as here each is, 20 us, and some 35 us of Python, all of it with caches that the call
has just used for itself. The EVM is kept and its code analysed once already, and an allocator that keeps the frames'
memory at hand (glibc.malloc.tcache_max=65536) gained nothing.

The leanest request has two speeds, in one run 0.8 ms and in the next 3 ms: a fork of Anvil asks for
every account and slot that the plan reads from one thread to another, and back (`perf record`: do_get_storage of its
SharedBackend, and half of all samples a switch of threads). It depends on whether the scheduler finds both threads
awake, and makes that request 2.4 to 7.8 times the verdict. The former is what an EVM can be held against.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.types import TxParams, Wei

from benchmarks.bare_call import bare_call
from benchmarks.machine import anvil_version, report
from benchmarks.slow_node import delayed
from bot.simulator.fork import PinnedFork
from bot.simulator.holdings import Watched
from bot.simulator.overlay import Overlay
from bot.simulator.question import Environment, ask, transaction_call
from bot.simulator.simulator import Simulator
from bot.simulator.verdict import Outcome
from bot.transaction import UnsignedTransaction
from chains.assets import Address
from tests.bot.simulator.plans import Rig, rig
from tests.bot.simulator.support import simulator_at, twin
from tests.contracts.market import ETH

_FIGURE = "simulator"
_GOAL = 8.0
_TURNS = 5
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
    timed = await _timed_warm(world, count)
    _tell_warm(
        {name: statistics.median(times) for name, times in timed.items()},
        {name: statistics.quantiles(times, n=100)[98] for name, times in timed.items()},
    )


async def _timed_warm(world: Rig, count: int) -> dict[str, list[float]]:
    asked, head = await _plan(world), await world.head()
    simulator, network = world.simulator, twin()
    environment = Environment(head, network.block_step_s, network.gas.base_fee.after(head))
    question = ask(asked.tx, (), asked.watched, environment)

    async def here() -> None:
        verdict = await simulator.screened(replace(asked.tx), head, asked.watched)
        assert verdict is not None and verdict.outcome is Outcome.OK, verdict

    async def final(judge: Simulator) -> None:
        verdict = await judge.verdict(replace(asked.tx), head, asked.watched)
        assert verdict.outcome is Outcome.OK, verdict.reason

    async def called() -> None:
        assert call() == answer

    async def peer_called() -> None:
        assert await peer.anvil.rpc("eth_call", transaction_call(asked.tx), "latest") == "0x" + answer.hex()

    async def web3_called() -> None:
        assert await web3.eth.call(asked_of_web3) == answer

    peer = PinnedFork(world.anvil.http_url)
    await peer.pin(head, Overlay())
    call = await bare_call(question, network.chain_id, peer.anvil)
    answer = call()
    web3 = AsyncWeb3(AsyncHTTPProvider(peer.anvil.http_url))
    asked_of_web3 = _for_web3(asked.tx)
    nothing = {"from": asked.tx.sender, "to": asked.tx.sender}
    timed = await _in_turns_ms(
        {
            "verdict_in_process": here,
            "call_in_process": called,
            "final_in_process": lambda: final(world.alone),
            "final_anvil": lambda: final(simulator),
            "peer_eth_call": peer_called,
            "peer_web3": web3_called,
            "peer_eth_call_of_nothing": lambda: peer.anvil.rpc("eth_call", nothing, "latest"),
        },
        count,
    )
    await web3.provider.disconnect()
    await peer.discard()
    return timed


def _tell_warm(p50: dict[str, float], p99: dict[str, float]) -> None:
    verdict, call, bare, web3 = (
        p50[name] for name in ("verdict_in_process", "call_in_process", "peer_eth_call", "peer_web3")
    )
    report(
        _FIGURE,
        f"3-hop V3 plan, warm: verdict in process p50 {verdict:.2f} ms (budget 1), p99 "
        f"{p99['verdict_in_process']:.2f}; eth_call of the plan on a warm Anvil fork by the leanest request "
        f"{bare:.2f} ms, {bare / verdict:.1f} times the verdict (goal {_GOAL:.0f}), by web3.py {web3:.2f} ms, "
        f"{web3 / verdict:.1f} times",
        {"state": "warm", "p50_ms": p50, "p99_ms": p99, "ratio": web3 / verdict, "lean_ratio": bare / verdict},
    )
    fork, here = p50["final_anvil"], p50["final_in_process"]
    report(
        _FIGURE,
        f"the last word, for two builders' blocks: on Anvil p50 {fork:.1f} ms (budget 60), p99 "
        f"{p99['final_anvil']:.1f}; in process {here:.2f} ms, {fork / here:.1f} times as fast",
        {"state": "warm, last word", "p50_ms": p50, "p99_ms": p99, "ratio": fork / here},
    )
    report(
        _FIGURE,
        f"the same call on both sides, no balances compared: pyrevm {call:.2f} ms; eth_call by the leanest request "
        f"{bare:.2f} ms, {bare / call:.1f} times, of which {p50['peer_eth_call_of_nothing']:.2f} ms without any plan; "
        f"by web3.py {web3:.2f} ms, {web3 / call:.1f} times",
        {
            "state": "warm, call alone",
            "anvil": anvil_version(),
            "p50_ms": p50,
            "ratio": web3 / call,
            "lean_ratio": bare / call,
        },
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


async def _in_turns_ms(acts: dict[str, Callable[[], Awaitable[object]]], count: int) -> dict[str, list[float]]:
    """What each takes, `count` times in `_TURNS` turns, so that a machine's moods fall on all of them."""
    times: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(_TURNS):
        for name, act in acts.items():
            for _ in range(_WARM_UP):
                await act()
            for _ in range(count // _TURNS):
                begun = time.perf_counter()
                await act()
                times[name].append((time.perf_counter() - begun) * 1_000)
    return times


if __name__ == "__main__":
    main()
