"""Decoding a block's logs: raw answer to arrays, beside web3.py's event codec and degenbot's dispatch.

Run as `python -m benchmarks.bench_codec`. 300 logs a block, about 710 bytes each: swaps, syncs, mints, burns.
Ours and degenbot's are timed from the answer's bytes to pool states; ours to arrays as well, degenbot's also with logs
that are parsed already. web3.py gets its logs parsed already, and only decodes.
Exit code 1 if a figure is missed: 2 million logs a second, 400x web3.py, 2x degenbot.
"""

from __future__ import annotations

import json
import random
import timeit
from collections.abc import Sequence
from typing import Any

from eth_utils.abi import event_abi_to_log_topic
from web3 import Web3
from web3._utils.events import get_event_data

from benchmarks.bench_quotes import RUST
from benchmarks.machine import report
from bot.market.integers import kernels
from bot.market.integers.directory import Heard, directory
from bot.market.integers.layout import States, Taken, packed
from bot.market.integers.topics import KNOWN
from chains.assets import Token, address
from chains.codec import decoded, plain
from chains.pools.concentrated import BURN, MINT, SWAP, ConcentratedPool
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.tick_math import Ticks, all_words, sqrt_price_at
from chains.pools.words import word

LOGS, REPEATS = 300, 400
V3_POOL = "0xCBCdF9626bC03E24f779434178A73a0B4bad62eD"
V2_POOL = "0xBb2b8038a1640196FbE3e38816F3e67Cba72D940"
PARTY = bytes.fromhex("00" * 12 + "11" * 20)
SHARES = ((SYNC, 45), (SWAP, 45), (MINT, 5), (BURN, 5))

_SWAP_ABI: Any = {
    "type": "event",
    "anonymous": False,
    "name": "Swap",
    "inputs": [
        {"name": "sender", "type": "address", "indexed": True},
        {"name": "recipient", "type": "address", "indexed": True},
        {"name": "amount0", "type": "int256", "indexed": False},
        {"name": "amount1", "type": "int256", "indexed": False},
        {"name": "sqrtPriceX96", "type": "uint160", "indexed": False},
        {"name": "liquidity", "type": "uint128", "indexed": False},
        {"name": "tick", "type": "int24", "indexed": False},
    ],
}


def logs_of(rng: random.Random) -> list[dict[str, Any]]:
    """A block's logs as a node writes them."""
    kinds = rng.choices([kind for kind, _ in SHARES], [share for _, share in SHARES], k=LOGS)
    return [_log(rng, kind, place) for place, kind in enumerate(kinds)]


def _log(rng: random.Random, kind: bytes, place: int) -> dict[str, Any]:
    tick = rng.randint(-500, 500)
    topics, data = [kind], [rng.getrandbits(100), rng.getrandbits(100)]
    if kind == SWAP:
        topics += [PARTY, PARTY]
        data = [rng.getrandbits(80), -rng.getrandbits(80), sqrt_price_at(tick), 10**18, tick]
    elif kind in (MINT, BURN):
        topics += [PARTY, word(-600), word(600)]
        data = [int.from_bytes(PARTY, "big"), 10**6, 1, 1] if kind == MINT else [10**6, 1, 1]
    pool, transaction = V2_POOL if kind == SYNC else V3_POOL, f"0x{rng.getrandbits(256):064x}"
    return written(pool, topics, data, "0x" + "ab" * 32, 0x112A880, place, transaction)


def written(
    emitter: str, topics: Sequence[bytes], words: Sequence[int], block: str, number: int, place: int, transaction: str
) -> dict[str, Any]:
    """A log as a node writes it: the one at `place` in its block, three to a transaction."""
    return {
        "address": emitter.lower(),
        "blockHash": block,
        "blockNumber": hex(number),
        "data": "0x" + b"".join(map(word, words)).hex(),
        "logIndex": hex(place),
        "removed": False,
        "topics": ["0x" + topic.hex() for topic in topics],
        "transactionHash": transaction,
        "transactionIndex": hex(place // 3),
    }


def pools() -> tuple[ConstantProductPool, ConcentratedPool]:
    tokens = (
        Token("ethereum", address("0x" + "11" * 20), "A", 18),
        Token("ethereum", address("0x" + "22" * 20), "B", 18),
    )
    ticks = Ticks(60, *all_words(60), {}, {}).with_position(-600, 600, 10**18)
    pair = ConstantProductPool(address(V2_POOL), tokens, (10**21, 10**21), 3000)
    return pair, ConcentratedPool(address(V3_POOL), tokens, 3000, sqrt_price_at(0), 0, 10**18, ticks)


def _answer(logs: list[dict[str, Any]]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": logs}, separators=(",", ":")).encode()


def best_s(task: Any, number: int, repeats: int) -> float:
    """The best seconds per log."""
    return min(timeit.repeat(task, repeat=repeats, number=number)) / number / LOGS


def measured() -> dict[str, Any]:
    logs = logs_of(random.Random(8))
    raw = _answer(logs)
    both = pools()
    states, done = States.of(packed(both)), Taken.room(LOGS)
    heard = Heard(directory([pool.address for pool in both]), directory([]))
    compute = kernels()

    def taken() -> None:
        compute.apply_logs(decoded(raw), heard, KNOWN, 1, states, done)

    swaps = [log for log in logs if log["topics"][0] == "0x" + SWAP.hex()]
    web3 = Web3()
    received = [_received(log) for log in swaps]
    assert event_abi_to_log_topic(_SWAP_ABI) == SWAP
    web3_s = min(
        timeit.repeat(lambda: [get_event_data(web3.codec, _SWAP_ABI, log) for log in received], repeat=15, number=1)
    ) / len(received)
    pool = both[1]
    job = {
        "pool": V3_POOL,
        "slot": (pool.sqrt_price_x96, pool.tick, pool.liquidity),
        "ticks": [(tick, (pool.ticks.gross[tick], pool.ticks.net[tick])) for tick in pool.ticks.order],
        "answer": _answer(swaps).decode(),
        "block": 18_000_000,
        "repeats": 200,
    }
    peer = RUST.beside("degenbot_logs.py").ask(job)
    taken()
    return {
        "bytes_per_log": len(raw) / LOGS,
        "decode_s": best_s(lambda: decoded(raw), 5, REPEATS),
        "decode_and_apply_s": best_s(taken, 5, REPEATS),
        "reference_s": best_s(lambda: plain.decoded(raw), 1, 20),
        "web3_s": web3_s,
        "degenbot_s": None if peer is None else peer["seconds"],
        "degenbot_parsed_s": None if peer is None else peer["parsed_seconds"],
    }


def _received(log: dict[str, Any]) -> Any:
    """A log as web3.py's formatters hand it to its event codec."""
    numbers = {key: int(log[key], 16) for key in ("blockNumber", "logIndex", "transactionIndex")}
    topics = [Web3.to_bytes(hexstr=topic) for topic in log["topics"]]
    return {**log, **numbers, "topics": topics, "data": Web3.to_bytes(hexstr=log["data"])}


def missed(figures: dict[str, Any]) -> list[str]:
    wrong = []
    if figures["decode_s"] > 0.5e-6:
        wrong.append(f"{1e-6 / figures['decode_s']:.2f} million logs/s, promised 2")
    if figures["web3_s"] / figures["decode_s"] < 400:
        wrong.append(f"{figures['web3_s'] / figures['decode_s']:.0f}x web3.py, promised 400x")
    if figures["degenbot_s"] and figures["degenbot_s"] / figures["decode_and_apply_s"] < 2:
        wrong.append(f"{figures['degenbot_s'] / figures['decode_and_apply_s']:.2f}x degenbot's dispatch, promised 2x")
    return wrong


def main() -> int:
    figures = measured()
    wrong = missed(figures)
    print(f"{figures['bytes_per_log']:.0f} bytes a log, {LOGS} logs an answer")
    for name in ("decode", "decode_and_apply", "reference", "web3", "degenbot", "degenbot_parsed"):
        seconds = figures[f"{name}_s"]
        ours = figures["decode_and_apply_s" if name.startswith("degenbot") else "decode_s"]
        figure = (
            f"{seconds * 1e6:9.3f} µs {1e-6 / seconds:6.3f} M logs/s {seconds / ours:7.1f}x" if seconds else "NOT RUN"
        )
        print(f"{name.replace('_', ' '):<18} {figure}")
    theirs, ours = figures["degenbot_s"], figures["decode_and_apply_s"]
    beside = f", {theirs / ours:.1f}x degenbot's" if theirs else ""
    text = (
        f"logs decoded at {1e-6 / figures['decode_s']:.2f} M a second, {figures['web3_s'] / figures['decode_s']:.0f}x "
        f"web3.py; decoded and applied at {1e-6 / ours:.2f} M{beside}"
    )
    report(8, text, {**figures, "missed": wrong})
    for line in wrong:
        print(f"missed: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
