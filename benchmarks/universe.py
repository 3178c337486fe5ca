"""A synthetic market of any size, shaped like mainnet's: a few hubs, many leaves, parallel pools, mostly dust.

Every pool's price is off its true one by less than its fee, or by so little value that no trade pays its gas: the clean
market has nothing to gain. What a benchmark finds is what it planted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.market.packed import PackedMarket
from bot.market.packed.shapes import F8, I4
from chains.pools.fitted import Point, fitted

V2, V3, FITTED, BOOK = 0, 1, 2, 3
"""Classes of the universe's pools."""

V3_FEES = (0.0001, 0.0005, 0.003, 0.01)
V2_FEE, FITTED_FEE, BOOK_FEE = 0.003, 0.0004, 0.001
BAND = 0.9
"""How much of its fee a pool's price is off by at most."""

TOKENS, BOOK_TOKENS = 80_000, 200
HUB_LINKS, NEAR_LINKS = (72_000, 9_000, 7_000, 3_000, 1_600), 6_000
POOLS = {"v2": 99_996, "v3": 20_000, "fitted": 300, "books": 500}
"""What there is of each in the universe of 120,800 pools."""


@dataclass
class Universe:
    """The packed market with what is needed to move its pools. Arrays are by pool number unless they say otherwise."""

    market: PackedMarket
    true_value: F8
    klass: I4
    nodes: I4
    fee: F8
    depth: F8
    weight: F8
    noise: F8
    nodes_of: dict[int, I4]
    decimals: I4
    ranges: tuple[I4, F8, F8] | None = None
    """V3 pools one after the other: where each begins, bounds and liquidity, in whole units."""

    @property
    def pools(self) -> int:
        return len(self.klass)

    def values(self, pools: I4, noise: F8) -> F8:
        """What `Changes` takes for V2 and V3 pools whose log price is off by `noise`; NaN for the others."""
        values = np.full((len(pools), 2), np.nan)
        one, other = (self.true_value[self.nodes[pools, side]] for side in (0, 1))
        v2, v3 = self.klass[pools] == V2, self.klass[pools] == V3
        values[v2, 0] = (self.depth[pools] / one * np.exp(-noise / 2))[v2]
        values[v2, 1] = (self.depth[pools] / other * np.exp(noise / 2))[v2]
        values[v3, 0] = np.sqrt(one / other * np.exp(noise))[v3]
        return values

    def pieces(self, pool: int, noise: float) -> list[F8]:
        """The pieces of a fitted pool or a book whose first price is off by `noise`, in whole units, edge by edge."""
        nodes = self.nodes_of[pool]
        make = book_pieces if self.klass[pool] == BOOK else weighted_pieces
        given = []
        for at, one in enumerate(nodes):
            for to, other in enumerate(nodes):
                if at != to:
                    off = noise * ((at == 0) - (to == 0))
                    rate = self.true_value[one] / self.true_value[other] * np.exp(off)
                    given.append(make(rate, float(self.depth[pool] / self.true_value[one]), float(self.fee[pool])))
        return given

    def calm_noise(self, pools: I4, rng: np.random.Generator) -> F8:
        """New deviations from which nothing can be gained."""
        return np.asarray(rng.uniform(-1, 1, len(pools)) * (BAND * self.fee[pools]))


def weighted_pieces(rate: float, reserve_in: float, fee: float) -> F8:
    """A pool of equal weights with as much value on both sides, fitted as such families are."""
    kept, reserve_out = 1.0 - fee, reserve_in * rate

    def point(amount: float) -> Point:
        grown = reserve_in + kept * amount
        return Point(amount, reserve_out * kept * amount / grown, reserve_out * reserve_in * kept / grown / grown)

    return np.array(fitted(point, reserve_in * 0.5))


def book_pieces(rate: float, depth: float, fee: float) -> F8:
    """Twenty levels, one hundredth of a percent apart, together `depth`."""
    level = np.arange(20)
    return np.column_stack([rate * (1.0 - fee) * (1.0 - 1e-4 * level), np.zeros(20), np.full(20, depth / 20)])


def _links(scale: float, rng: np.random.Generator) -> tuple[int, NDArray[np.int64]]:
    """How many tokens, and the links between them, tokens with low numbers being popular."""
    tokens = max(int(TOKENS * scale), 60)

    def popular(many: int) -> NDArray[np.int64]:
        return np.asarray(5 + (tokens - 5) * rng.random(many) ** 3).astype(np.int64)

    chosen = []
    for hub, links in enumerate(HUB_LINKS):
        want = min(int(links * scale), tokens - 6)
        others = np.arange(5, 5 + want) if hub == 0 else np.unique(popular(2 * want))
        others = others if hub == 0 else rng.permutation(others)[:want]
        chosen.append(np.column_stack([np.full(len(others), hub), others]))
    chosen.append(np.array([(one, other) for one in range(5) for other in range(one + 1, 5)]))
    near = np.sort(popular(4 * int(NEAR_LINKS * scale)).reshape(-1, 2), axis=1)
    near = np.unique(near[near[:, 0] < near[:, 1]], axis=0)
    chosen.append(rng.permutation(near)[: int(NEAR_LINKS * scale)])
    return tokens, np.unique(np.concatenate(chosen), axis=0)


def universe(pools: int = 120_800, seed: int = 1) -> Universe:
    """A universe of about that many pools."""
    rng = np.random.default_rng(seed)
    scale = pools / 120_796
    tokens, links = _links(scale, rng)
    many = {name: max(int(POOLS[name] * scale), 4) for name in POOLS}
    value = np.exp(rng.normal(-7, 2, tokens))
    value[:5] = (1.0, 1 / 2000, 1 / 2000, 1 / 2000, 15.0)
    decimals = np.full(tokens, 18, np.int32)
    decimals[[1, 2, 4]] = (6, 6, 8)
    market = PackedMarket()
    market.add_nodes(value, decimals)
    v2_link, v3_link, v3_fee = _placed(links, many["v2"], many["v3"], rng)
    nodes = np.concatenate([links[v2_link], links[v3_link]]).astype(np.int32)
    klass = np.concatenate([np.full(len(v2_link), V2), np.full(len(v3_link), V3)])
    fee = np.concatenate([np.full(len(v2_link), V2_FEE), v3_fee])
    deep = np.where(nodes.max(axis=1) < 5, 3000.0, 1.0)
    depth = np.exp(rng.normal(np.log(0.47), 2.85, len(nodes))) * np.where(klass == V3, 8.0, 1.0)
    depth = np.where(deep > 1.0, deep * rng.uniform(0.3, 3.0, len(nodes)), np.minimum(depth, 5000.0)) / 2.0
    made = Universe(market, value, klass, nodes, fee, depth, depth**0.6, np.zeros(len(nodes)), {}, decimals)
    numbers = np.arange(len(nodes), dtype=np.int32)
    dust = np.minimum(1.0, 0.2 * np.sqrt(0.0001 / depth)) * rng.uniform(-1, 1, len(nodes))
    made.noise = made.calm_noise(numbers, rng) + dust
    _put_v2_v3(made, rng)
    _put_pieces(made, many["fitted"], many["books"], rng)
    made.weight = made.weight / made.weight.sum()
    return made


def _placed(
    links: NDArray[np.int64], v2: int, v3: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], F8]:
    """Which link each V2 and V3 pool joins, and V3 fees: one pool for each link, more where there is most traffic.

    At most six V2 pools and one V3 pool of each fee join a link.
    """
    order = rng.permutation(len(links))
    alone = int(len(links) * v3 / (v2 + v3) * 0.6)
    popular = 1.0 / np.sqrt(1.0 + links.max(axis=1)) + (links.max(axis=1) < 5)
    popular /= popular.sum()
    v2_link = np.concatenate([order[alone:], rng.choice(len(links), 2 * v2, p=popular)])
    v3_link = np.concatenate([order[:alone], rng.choice(len(links), 4 * v3, p=popular)])
    tier = rng.choice(len(V3_FEES), len(v3_link), p=(0.1, 0.2, 0.4, 0.3))
    _, first = np.unique(v3_link * len(V3_FEES) + tier, return_index=True)
    chosen = np.sort(first)[:v3]
    by_link = np.argsort(v2_link, kind="stable")
    rank = np.empty(len(v2_link), np.int64)
    rank[by_link] = np.arange(len(v2_link)) - np.searchsorted(v2_link[by_link], v2_link[by_link])
    return v2_link[rank < 6][:v2], v3_link[chosen], np.array(V3_FEES)[tier[chosen]]


def _put_v2_v3(made: Universe, rng: np.random.Generator) -> None:
    v2, v3 = np.flatnonzero(made.klass == V2).astype(np.int32), np.flatnonzero(made.klass == V3).astype(np.int32)
    kept = np.repeat((1.0 - made.fee[v2])[:, None], 2, axis=1)
    made.market.add_products(made.nodes[v2], made.values(v2, made.noise[v2]), kept, np.full(len(v2), V2))
    counts = rng.integers(10, 101, len(v3)).astype(np.int32)
    rows = counts + 1
    at = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows, rows)
    middle, spacing = np.repeat(counts, rows) / 2, np.repeat(np.sqrt(made.fee[v3]) * 0.2, rows)
    one, other = (made.true_value[made.nodes[v3, side]] for side in (0, 1))
    bounds = np.repeat(np.sqrt(one / other), rows) * np.exp(spacing * (at - middle) / 2)
    shape = np.exp(-(((at - middle) / (0.35 * middle)) ** 2)) * rng.uniform(0.5, 1.5, len(at)) + 0.02
    held = np.repeat(made.depth[v3], rows) * 4.0 / (np.repeat(counts, rows) * spacing)
    liquidity = held * shape / np.sqrt(np.repeat(one * other, rows))
    roots = made.values(v3, made.noise[v3])[:, 0]
    made.ranges = np.concatenate([[0], np.cumsum(rows)]).astype(np.int32), bounds, liquidity
    made.market.add_ranges(made.nodes[v3], counts, bounds, liquidity, roots, 1.0 - made.fee[v3], np.full(len(v3), V3))


def _put_pieces(made: Universe, many_fitted: int, many_books: int, rng: np.random.Generator) -> None:
    """Fitted pools of two to four tokens, and books of a popular token against a hub."""
    added: list[tuple[int, I4, float, float]] = []
    popular = min(BOOK_TOKENS, len(made.true_value))
    for number in range(many_fitted + many_books):
        book = number >= many_fitted
        hub = rng.integers(0, 3 if book else 5)
        others = rng.choice(np.arange(5, popular), 1 if book else rng.integers(1, 4), replace=False)
        fee, depth = (BOOK_FEE, 200.0) if book else (FITTED_FEE, float(np.exp(rng.normal(3, 1))))
        added.append((BOOK if book else FITTED, np.array([hub, *others], np.int32), fee, depth))
    first = len(made.klass)
    made.klass = np.concatenate([made.klass, [klass for klass, _, _, _ in added]]).astype(np.int32)
    made.nodes = np.concatenate([made.nodes, [nodes[:2] for _, nodes, _, _ in added]]).astype(np.int32)
    made.fee = np.concatenate([made.fee, [fee for _, _, fee, _ in added]])
    made.depth = np.concatenate([made.depth, [depth for _, _, _, depth in added]])
    made.noise = np.concatenate([made.noise, np.zeros(len(added))])
    share = made.weight.sum() * np.where(made.klass[first:] == BOOK, 0.04 / many_books, 0.02 / many_fitted)
    made.weight = np.concatenate([made.weight, share])
    for pool, (klass, nodes, _, _) in enumerate(added, first):
        made.nodes_of[pool] = nodes
        noise = float(made.calm_noise(np.array([pool], np.int32), rng)[0])
        made.noise[pool] = noise
        if made.market.add_pieces(nodes, klass, made.pieces(pool, noise)) != pool:
            raise AssertionError("pool numbers follow one another")
