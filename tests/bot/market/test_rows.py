"""A market that takes logs in as numbers is, after anything, the market that takes them in one by one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from bot.market import Market, rows
from bot.market.market import OutOfOrder
from bot.market.packed.shapes import RANGES as RANGED
from bot.market.ranges import Ranged
from bot.market.rows import with_words
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Block, Head, Log
from chains.kernels.cache import compiled
from chains.pools import uniswap_v4
from chains.pools.concentrated import BURN, INITIALIZE, MINT, SWAP
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.pool import Pool, PoolError, Source
from chains.pools.tick_math import MAX_TICK, MIN_TICK, Ticks, sqrt_price_at
from chains.pools.uniswap_v4 import UniswapV4Pool
from chains.pools.uniswap_v4_key import DYNAMIC_FEE, PoolKey
from chains.pools.upgrades import UPGRADED
from chains.pools.words import word
from tests.bot.market.samples import DAI, USDC, WBTC, WETH, market, v2, v3
from tests.chains.codec.viewed import viewed
from tests.chains.pools.samples import at, log, ticks_of


@dataclass(frozen=True, slots=True)
class Shadow(ConstantProductPool):
    """A pool that another's logs change too, each by a unit."""

    @property
    def sources(self) -> tuple[Source, ...]:
        return Source(self.address), Source(HEARD.address)

    def applied(self, log: Log) -> ConstantProductPool:
        if log.address == self.address:
            return ConstantProductPool.applied(self, log)
        return replace(self, reserves=(self.reserves[0] + 1, self.reserves[1]))


PAIR = v2(1, USDC, WETH, (1_900_000 * 10**6, 10**21))
OTHER = v2(2, WBTC, WETH, (50 * 10**8, 10**21), 2500)
RANGES = v3(3, DAI, WETH, -75_000, [(-90_000, -60_000, 10**21), (-75_600, -74_400, 10**23)])
NARROW = replace(
    v3(4, USDC, DAI, 276_330, [(276_000, 276_600, 10**18)]), ticks=Ticks.around(276_330, 60), address=at(4)
)

# Two managers, one with a fee that follows its hook, and one whose directions differ in fee.
MANAGER, ANOTHER = at(7), at(8)
TICKS_BY_ID = ticks_of([(-90_000, -60_000, 10**21), (-75_600, -74_400, 10**23)], 60)


def by_id(manager: Address, fee_ppm: int, protocol_fees: int = 0) -> UniswapV4Pool:
    key = PoolKey(
        (WETH, DAI), fee_ppm, 60, ZERO_ADDRESS if fee_ppm != DYNAMIC_FEE else address(f"0x{0xABC << 60:040x}")
    )
    price = sqrt_price_at(-75_000)
    lp_fee = 3000 if fee_ppm == DYNAMIC_FEE else fee_ppm
    return UniswapV4Pool(manager, key, lp_fee, protocol_fees, price, -75_000, 10**21 + 10**23, TICKS_BY_ID)


HELD, ALIKE = by_id(MANAGER, 3000), by_id(ANOTHER, 500)
ASKEW, DYNAMIC = by_id(MANAGER, 100, 40), by_id(MANAGER, DYNAMIC_FEE)
HEARD = v2(6, WBTC, USDC, (50 * 10**8, 10**12))
SHADOW = Shadow(at(5), (USDC, WBTC), (10**12, 10**8), 3000)
POOLS = (PAIR, OTHER, RANGES, NARROW, HEARD, SHADOW, HELD, ALIKE, ASKEW, DYNAMIC)
MANY = (*[HELD] * 4, ALIKE, ASKEW, DYNAMIC)
PAIRS = (*[PAIR, OTHER] * 3, HEARD, SHADOW)
STRANGER = at(99)
PARTY = bytes(32)


RESERVES = [0, 1, 13, 2**112 - 1, 2**112, 2**64, 10**9, 10**12 + 7, 10**20 + 1, 10**24 - 1]
TICKS = [MIN_TICK, MAX_TICK - 1, -75_600, -74_400, -75_601, -75_000, -74_999, -74_401, *range(-75_010, -75_000)]
LIQUIDITIES = [*[None] * 16, 0, *[10**20] * 4, *[10**21 + 10**23 + 1] * 4]
"""None: what the ticks say."""
PLACES = ["at", "above", *["within"] * 30]
"""Where a price is told: at the end of its tick, where only the pool knows what that means, or surely within it."""
STRANGE = [
    log(PAIR.address, [SYNC, PARTY], 10**12, 10**20),
    log(PAIR.address, [SYNC], 10**12),
    log(PAIR.address, []),
    log(PAIR.address, [SWAP, PARTY, PARTY], 5, -5, 2**96, 1, 0),
    log(RANGES.address, [SYNC], 10**12, 10**20),
    log(RANGES.address, [SWAP, PARTY, PARTY], 5, -5, 2**96, 10**20, 2**60),
    log(RANGES.address, [SWAP, PARTY], 5, -5, 2**96 + 2**80, 10**20, 0),
    log(RANGES.address, [INITIALIZE], 2**96, 0),
    log(OTHER.address, [UPGRADED, PARTY]),
    log(OTHER.address, [b"\x07" * 32], 1),
    log(STRANGER, [SYNC], 1, 1),
    log(MANAGER, [uniswap_v4.SWAP]),
    log(MANAGER, [SWAP, HELD.key.pool_id, PARTY], 5, -5, 2**96 + 2**80, 10**20, 0),
    log(ANOTHER, [uniswap_v4.SWAP, HELD.key.pool_id, PARTY], 5, -5, 2**96 + 2**80, 10**20, 0, 3000),
    log(RANGES.address, [uniswap_v4.SWAP, PARTY, PARTY], 5, -5, 2**96 + 2**80, 10**20, 0, 3000),
    log(MANAGER, [uniswap_v4.PROTOCOL_FEE_UPDATED, HELD.key.pool_id], 10 << 12 | 10),
    log(MANAGER, [uniswap_v4.PROTOCOL_FEE_UPDATED, HELD.key.pool_id], 10),
    log(MANAGER, [uniswap_v4.PROTOCOL_FEE_UPDATED, ASKEW.key.pool_id], 0),
    log(MANAGER, [uniswap_v4.MODIFY_LIQUIDITY, HELD.key.pool_id, PARTY], -90_000, -74_400, 10**20, 0),
]


def swapped(pool: Ranged, tick: int, place: str, liquidity: int | None, fee_ppm: int = -1) -> Log:
    low, high = sqrt_price_at(tick), sqrt_price_at(tick + 1)
    price = {"below": low - 1, "at": low, "within": (low + high) // 2, "above": high}[place]
    held = 10**21 + (10**23 if -75_600 <= tick < -74_400 else 0) if liquidity is None else liquidity
    if isinstance(pool, UniswapV4Pool):
        told = pool.fee_ppm if fee_ppm < 0 else fee_ppm
        return log(pool.address, [uniswap_v4.SWAP, pool.key.pool_id, PARTY], -5, 5, price, held, tick, told)
    return log(pool.address, [SWAP, PARTY, PARTY], 5, -5, price, held, tick)


def placed(kind: bytes, upper: int) -> Log:
    """Liquidity put between ticks, or taken from there."""
    amounts = [0, 10**20, 1, 1] if kind == MINT else [10**20, 1, 1]
    return log(RANGES.address, [kind, PARTY, word(-90_000), word(upper)], *amounts)


def event(rng: random.Random) -> Log:
    kind = rng.random()
    pool: Ranged
    if kind < 0.3:
        pool = rng.choice(MANY)
        fee_ppm = rng.choice([*[-1] * 12, 3001, 2**64 + 3000])
        return swapped(pool, rng.choice(TICKS), rng.choice(PLACES), rng.choice(LIQUIDITIES), fee_ppm)
    if kind < 0.6:
        return log(rng.choice(PAIRS).address, [SYNC], rng.choice(RESERVES[-7:]), rng.choice(RESERVES[-4:]))
    if kind < 0.92:
        return swapped(
            rng.choice([*[RANGES] * 5, NARROW]), rng.choice(TICKS), rng.choice(PLACES), rng.choice(LIQUIDITIES)
        )
    if kind < 0.95:
        return placed(rng.choice([MINT, BURN]), rng.choice([-75_600, -75_000, -74_400, -60_000, 7]))
    if kind < 0.96:
        return swapped(RANGES, rng.choice(TICKS), rng.choice(["below", *PLACES]), rng.choice([2**128 - 1, 2**128]))
    if kind < 0.98:
        return log(rng.choice(PAIRS).address, [SYNC], rng.choice(RESERVES), rng.choice(RESERVES))
    return rng.choice(STRANGE)


Step = Callable[[Market, bool], object]


def taken(logs: list[Log]) -> Step:
    def step(made: Market, as_numbers: bool) -> object:
        number = (made.number or 0) + 1
        parent = made._journal.last_hash or f"0x{number - 1:064x}"
        head = Head(number, f"0x{number:064x}", parent, 1_700_000_000 + number, 10**9, 0, 30_000_000)
        told = tuple(
            replace(one, block_number=number, block_hash=head.hash, log_index=place) for place, one in enumerate(logs)
        )
        return made.apply(Block(head, viewed(told) if as_numbers else told))

    return step


def undone(depth: int) -> Step:
    return lambda made, _: made.undo(max((made.number or 0) - depth, 0))


def read(pool: Pool, behind: int | None) -> Step:
    number = (lambda made: None) if behind is None else (lambda made: (made.number or 0) - behind)
    return lambda made, _: made.add_pool(pool, at_block=number(made))


def removed(venue: str) -> Step:
    return lambda made, _: made.remove(venue, "somebody said so")


def asked(venue: str) -> Step:
    """Who asks makes an object; who does not leaves numbers: neither may show."""

    def step(made: Market, as_numbers: bool) -> object:
        made.settle(0)
        return made.pools.get(venue)

    return step


def drawn(rng: random.Random, made: Market) -> Step:
    kind, pool = rng.random(), rng.choice(POOLS)
    if kind < 0.5:
        return taken([event(rng) for _ in range(rng.randint(1, 4))])
    if kind < 0.6:
        return undone(rng.randint(0, 3))
    if kind < 0.8:
        return read(
            rng.choice([each for each in POOLS if each.venue not in made.pools] or POOLS), rng.choice([None, 0, 1, -1])
        )
    return removed(pool.venue) if kind < 0.83 else asked(pool.venue)


def done(step: Step, made: Market, as_numbers: bool) -> object:
    try:
        return step(made, as_numbers)
    except (OutOfOrder, PoolError) as error:
        return str(error)


def packed(made: Market) -> list[object]:
    """What the kernels know of the pools, by their numbers there."""
    numbers = {venue: known.pools for venue, known in made._packing._venues.items()}
    market, there = made._packing.market, sorted(number for pools in numbers.values() for number in pools)
    table, columns = market._pools, market._ranges
    spans = [table["state"][number, 3:5].astype(int).tolist() for number in there if table["kind"][number] == RANGED]
    ranges = [[columns[name][at : at + many + 1].tolist() for name in ("bound", "liquidity")] for at, many in spans]
    return [numbers, ranges, *(table[name][there].tolist() for name in ("kind", "open", "first", "state"))]


@pytest.mark.skipif(not compiled(), reason="without Numba there are objects alone")
@pytest.mark.parametrize("seed", range(6))
def test_numbers_and_objects_come_to_the_same_market(seed: int) -> None:
    rng, objects, numbers = random.Random(seed), market(*POOLS), market(*POOLS)
    for _ in range(600):
        step = drawn(rng, objects)
        assert done(step, objects, False) == done(step, numbers, True)
        assert np.array_equal(objects.graph.rates, numbers.graph.rates)
        assert (objects.changed, objects.number, objects._moved) == (numbers.changed, numbers.number, numbers._moved)
        assert dict(objects.refused) == dict(numbers.refused) and objects.take_lost() == numbers.take_lost()
        if step.__qualname__.startswith("asked"):
            assert packed(objects) == packed(numbers)
    assert dict(objects.pools) == dict(numbers.pools)
    for venue in objects.pools:
        assert objects.orphaned(venue) == numbers.orphaned(venue)


@pytest.mark.skipif(not compiled(), reason="without Numba there are objects alone")
@pytest.mark.parametrize("seed", range(3))
def test_a_pool_that_was_known_and_its_numbers_now_are_the_pool_now(seed: int) -> None:
    rng, made, known, moved = random.Random(seed), market(*POOLS), dict[str, Pool](), 0
    for turn in range(400):
        done(drawn(rng, made), made, True)
        if turn % 4 == 0:
            now = made.moved_from(sorted(made.pools), known)
            known |= {
                venue: with_words(known[venue], words)
                for venue, words in zip(now.venues, now.states.tolist(), strict=True)
            }
            moved += sum(known[venue] is not made.pools[venue] for venue in now.venues)
            known |= {venue: pool for venue, pool in made.pools.items() if venue not in now.venues}
            assert {venue: known[venue] for venue in made.pools} == dict(made.pools)
    assert moved > 100


@pytest.mark.skipif(not compiled(), reason="without Numba there are objects alone")
def test_a_small_price_at_the_end_of_all_liquidity_sells_nothing_beyond_it() -> None:
    pool = v3(9, DAI, WETH, -887_000, [(-887_220, -880_020, 10**20)])
    told = log(pool.address, [SWAP, PARTY, PARTY], 5, -5, sqrt_price_at(-887_220), 10**20, -887_220)
    objects, numbers = market(pool), market(pool)
    taken([told])(objects, False)
    taken([told])(numbers, True)
    assert np.array_equal(objects.graph.rates, numbers.graph.rates)


@pytest.mark.skipif(not compiled(), reason="without Numba there are objects alone")
def test_whether_a_pool_is_as_it_was_read_is_told_without_making_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = market()
    for pool in (PAIR, OTHER):
        made.add_pool(pool, at_block=0)
    taken([log(PAIR.address, [SYNC], 10**12, 10**20)])(made, True)
    monkeypatch.setattr(rows, "with_words", None)
    assert (made.is_as_read(PAIR.venue), made.is_as_read(OTHER.venue)) == (False, True)
    monkeypatch.undo()
    made.undo(0)
    assert made.is_as_read(PAIR.venue)
