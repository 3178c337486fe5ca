"""Pools for `bench_discovery`: many like the recorded ones in a store, and real ones on a chain."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.config.pools import PoolSettings
from bot.discovery.discovery import Discovery
from bot.discovery.filters import Filters
from bot.discovery.opening import Opened, PoolBook
from bot.discovery.store import PoolStore, Position, Step
from chains.anvil import Anvil
from chains.assets import Address, Token
from chains.blocks import Head
from chains.discovery.found import Found
from chains.networks import load_network
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import MAX_RESERVE, ConstantProductPool
from chains.pools.pool import Pool
from chains.pools.tick_math import MAX_TICK, MIN_TICK, Ticks, all_words, word_of
from chains.twin.accounts import BUILDER
from chains.twin.data import RecordedPair, RecordedV3Pool, Snapshot, snapshot
from chains.twin.deploy import GAS_PRICE_WEI, UNISWAP_V2_FACTORY, call_data
from chains.twin.layout import WETH9
from chains.twin.opening import in_batches

HEAD = Head(20_000_000, "0x" + "ab" * 32, "0x" + "aa" * 32, 1_700_000_000, 10**9, 0, 30_000_000)
_GENESIS = "0x" + "01" * 32
_CONCENTRATED_SHARE = 5
"""One pool in so many has ticks."""
_OWN_TOKEN_SHARE = 0.7
"""So many of the pairs are the only one of a token, as most are on mainnet."""
_POSITIONS = (1, 60)
"""A concentrated pool has between so many positions, drawn evenly by logarithm: few pools have many."""
_PAIRS_PER_BATCH = 1_500
_GAS_LIMIT = 10**12


class StandingNode:
    """A chain that stands at `HEAD`, for a store that was saved there. It answers nothing else."""

    async def block_by_number(self, number: int) -> Head | None:
        return HEAD if number == HEAD.number else None

    async def request(self, method: str, *params: Any) -> Any:
        raise AssertionError(f"{method} was asked of a chain that did not move")

    async def call(self, to: Address, data: bytes, block_hash: str) -> bytes:
        raise AssertionError("everything is in the store")


@dataclass(frozen=True, slots=True)
class _Sample:
    found: Found
    pool: Pool


def write_store(file: Path, count: int) -> int:
    """Store `count` pools like the recorded ones, seeded; how many ticks they have."""
    store = PoolStore.open(str(file), "ethereum", 1, _GENESIS)
    market, rng = snapshot(), random.Random(1)
    tokens = {at: Token("ethereum", at, row.symbol, row.decimals) for at, row in market.tokens.items()}
    ticks = 0
    for batch in _batched(_samples(market, tokens, count, rng), 10_000):
        pools = [sample.found for sample in batch]
        store.record(Step(pools=pools, tokens=list({at: tokens[at] for f in pools for at in f.tokens}.values())))
        store.measured({found.venue: rng.randrange(10**18, 10**22) for found in pools}, HEAD.number)
        store.save_states([sample.pool for sample in batch], (), Position(HEAD.number, HEAD.hash))
        ticks += sum(len(s.pool.ticks.net) for s in batch if isinstance(s.pool, ConcentratedPool))
    store.close()
    return ticks


async def opened_from(file: Path, node: StandingNode) -> Opened:
    """What a start does with a store: everything in it becomes a market."""
    network = load_network("ethereum")
    settings = PoolSettings.model_validate({"folder": file.parent, "max_pools": 10**6})
    store = PoolStore.open(str(file), network.name, network.chain_id, _GENESIS)
    discovery = Discovery(node, store, network, ())
    book = PoolBook(node, store, network, discovery, Filters(settings, network), settings.max_gap_blocks)
    return await book.open(HEAD, lambda what, done, total: None)


async def create_pairs(anvil: Anvil, count: int) -> int:
    """Make real pairs of the twin's tokens until there are about `count` pools; how many were made."""
    market = snapshot()
    existing = {frozenset(pool.tokens) for pool in market.pools}
    pools = {pool.address for pool in market.pools}
    tokens = sorted(token for token in market.tokens if token not in pools)
    pairs = ((a, b) for i, a in enumerate(tokens) for b in tokens[i + 1 :] if frozenset((a, b)) not in existing)
    wanted = [pair for pair, _ in zip(pairs, range(max(0, count - len(market.pools))), strict=False)]
    await anvil.rpc("evm_setBlockGasLimit", hex(_GAS_LIMIT))
    await anvil.rpc("anvil_impersonateAccount", BUILDER)
    await anvil.rpc("anvil_setBalance", BUILDER, hex(10**30))
    nonce = int(await anvil.rpc("eth_getTransactionCount", BUILDER, "latest"), 16)
    for start in range(0, len(wanted), _PAIRS_PER_BATCH):
        calls = []
        for pair in wanted[start : start + _PAIRS_PER_BATCH]:
            data = call_data("createPair(address,address)", *pair)
            message = {"from": BUILDER, "to": UNISWAP_V2_FACTORY, "data": data, "nonce": hex(nonce)}
            calls.append(("eth_sendTransaction", [message | {"gas": hex(4_000_000), "gasPrice": hex(GAS_PRICE_WEI)}]))
            nonce += 1
        await in_batches(anvil, calls)
        await anvil.rpc("evm_mine", timeout_s=120)
    return len(wanted)


def _samples(market: Snapshot, tokens: dict[Address, Token], count: int, rng: random.Random) -> Iterator[_Sample]:
    pairs = [pool for pool in market.pools if isinstance(pool, RecordedPair)]
    ranged = [pool for pool in market.pools if isinstance(pool, RecordedV3Pool)]
    for number in range(count):
        at = Address(f"0x{number + 2**150:040x}")
        if number % _CONCENTRATED_SHARE:
            yield _pair(rng.choice(pairs), at, tokens, rng)
        else:
            yield _ranged(rng.choice(ranged), at, tokens, rng)


def _pair(like: RecordedPair, at: Address, tokens: dict[Address, Token], rng: random.Random) -> _Sample:
    scale = rng.randrange(500, 2000)
    first, second = (min(max(1, reserve * scale // 1000), MAX_RESERVE) for reserve in like.reserves)
    both = [tokens[token] for token in like.tokens]
    if rng.random() < _OWN_TOKEN_SHARE:
        place = 1 if like.tokens[0] == WETH9 else 0
        own = Address(f"0x{int(at, 16) + 2**151:040x}")
        both[place] = tokens[own] = Token("ethereum", own, f"T{int(at, 16) % 10**6}", both[place].decimals)
    names = Address(both[0].address), Address(both[1].address)
    found = Found(like.family.value, ConstantProductPool.family, at, names, like.fee_ppm, like.block)
    return _Sample(found, ConstantProductPool(at, (both[0], both[1]), (first, second), like.fee_ppm))


def _ranged(like: RecordedV3Pool, at: Address, tokens: dict[Address, Token], rng: random.Random) -> _Sample:
    spacing, low = like.tick_spacing, like.tick // like.tick_spacing * like.tick_spacing
    first, last = all_words(spacing)
    ticks = Ticks(spacing, max(first, word_of(low, spacing) - 10), min(last, word_of(low, spacing) + 10), {}, {})
    active = 0
    for _ in range(int(_POSITIONS[0] * (_POSITIONS[1] / _POSITIONS[0]) ** rng.random())):
        below, above = rng.randrange(0, 200), rng.randrange(1, 200)
        lower, upper = max(low - below * spacing, MIN_TICK), min(low + above * spacing, MAX_TICK)
        if lower % spacing or upper % spacing:
            continue
        liquidity = max(1, like.liquidity // rng.randrange(1, 50))
        ticks, active = ticks.with_position(lower, upper, liquidity), active + liquidity
    both = tokens[like.tokens[0]], tokens[like.tokens[1]]
    found = Found(like.family.value, ConcentratedPool.family, at, like.tokens, like.fee_ppm, like.block)
    return _Sample(found, ConcentratedPool(at, both, like.fee_ppm, like.sqrt_price_x96, like.tick, active, ticks))


def _batched(samples: Iterator[_Sample], size: int) -> Iterator[list[_Sample]]:
    batch: list[_Sample] = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
