"""Searching a packed market: filters in, the best sized walks out. One compiled call per block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bot.market.packed.arrays import PackedMarket
from bot.market.packed.kernels import kernels
from bot.market.packed.shapes import (
    CLASSES,
    F4,
    F8,
    FOLLOW,
    GAINING,
    HITS,
    I4,
    LANES,
    MAX_HOPS,
    REFILL,
    SEARCH,
    SIZES,
    TAKE,
    U1,
    Arrays,
    Candidate,
    Changes,
    Filter,
    Found,
    Hits,
    Limits,
    Work,
)

SCREEN = 0.4
"""The share of gas that a walk must gain at some size of the ladder: at the best of sizes four times apart a smooth
profit shows 0.44 of its optimum at the least. Of sizes further apart less is asked."""

NOISE = 1e-6
"""A product of float32 rates is not told from 1 below this."""

_MOST_TRIED = 12
"""More walks than are made of one hit at one lane: by which hop is the counted one, and which chooses first."""

WEI_PER_ETH = 1e18
EVERYTHING = Filter()
NO_PIECES = np.zeros((0, 3)), np.zeros(0, np.int32), np.zeros(1, np.int32)


class Detector:
    """Finds closed walks of two to four hops through changed pools.

    Exhaustive over walks that pass a hub, and over triangles without one, for each changed edge with the best pools of
    the other hops at each of eight sizes; what is best is decided by the exact float optimum.
    """

    def __init__(self, market: PackedMarket, most: int = 32, most_sized: int = 512, sizes: F8 = SIZES) -> None:
        """Gives at most `most` walks, after sizing the `most_sized` that promise most at any of the `sizes`, in ETH."""
        self._market = market
        self.sizes = sizes
        self._screen = SCREEN * min(1.0, float(SIZES[1] / SIZES[0]) / float(sizes[1] / sizes[0]))
        self._kernels = kernels()
        self._most, self._most_sized = most, most_sized
        self._layouts = -1
        self._work = self._new_work(0, 0)
        self._arrays: Arrays | None = None
        self._open = np.ones(0, np.uint8), np.ones(0, np.uint8), np.zeros(0, np.uint8)
        self._closed = NO_PIECES[1], NO_PIECES[1], NO_PIECES[1]
        self._costs: tuple[Filter, tuple[float, F8, F4] | None] = EVERYTHING, None
        self._everything: tuple[Limits, F4]

    def step(
        self,
        pools: I4,
        values: F8,
        piece_edges: I4 = NO_PIECES[1],
        piece_starts: I4 = NO_PIECES[2],
        pieces: F8 = NO_PIECES[0],
        allowed: Filter = EVERYTHING,
    ) -> Found:
        """Take in a block's changes, as in `Changes`, and search through them.

        New pieces must fit the room of their edge: `PackedMarket.set_pieces` makes more. What was changed on the
        market itself is taken in as well.
        """
        dirty, links = self._refresh()
        if len(dirty):
            pools = np.concatenate([pools, dirty])
            values = np.concatenate([values, np.full((len(dirty), 2), np.nan)])
        changes = Changes(pools, values, piece_edges, piece_starts, pieces, links)
        self._run(changes, self._limits(allowed), FOLLOW)
        return self._found()

    def take_in(self) -> None:
        """Take in what was changed on the market itself, so that the next search need not."""
        dirty, links = self._refresh()
        if len(dirty) or len(links):
            self._run(_as_they_stand(dirty, links), self._everything, TAKE)

    def search(self, pools: I4, allowed: Filter = EVERYTHING) -> Found:
        """Search through pools as they stand, as another strategy would."""
        self.take_in()
        self._run(_as_they_stand(np.asarray(pools, np.int32), NO_PIECES[1]), self._limits(allowed), SEARCH)
        return self._found()

    def size(self, walk: tuple[int, ...]) -> tuple[float, float]:
        """The best input of a closed walk of edges, and its gain, in ETH of value."""
        self.take_in()
        walks, sized = np.full((1, max(len(walk), MAX_HOPS)), -1, np.int32), np.zeros((1, 2))
        walks[0, : len(walk)] = walk
        hops, width = np.array([len(walk)], np.int32), len(walks[0])
        self._kernels.size_all(walks, hops, self._ready(), np.zeros((width, 3)), np.zeros(width, np.int32), sized)
        return float(sized[0, 0]), float(sized[0, 1])

    def _ready(self) -> Arrays:
        assert self._arrays is not None
        return self._arrays

    def _run(self, changes: Changes, limits: tuple[Limits, F4], task: int) -> None:
        self._kernels.block_step(changes, self._ready(), limits[0], self._work, self.sizes, limits[1], task)

    def _refresh(self) -> tuple[I4, I4]:
        """The market's arrays as they are now, derived tables filled; pools and links that still must be taken in."""
        arrays = self._arrays = self._market.arrays()
        dirty, links = self._market.take_dirty()
        if self._market.layouts == self._layouts:
            return dirty, links
        self._layouts = self._market.layouts
        self._work = self._new_work(len(arrays.chains.of), len(arrays.links.hub_of))
        everything = np.arange(self._market.pools, dtype=np.int32)
        self._everything = self._limits(EVERYTHING)
        self._run(_as_they_stand(everything, links), self._everything, REFILL)
        return NO_PIECES[1], NO_PIECES[1]

    def _limits(self, allowed: Filter) -> tuple[Limits, F4]:
        """The filter as kernels take it, and the least product of a walk of each number of hops at each size."""
        if not 2 <= allowed.max_hops <= MAX_HOPS:
            raise ValueError(f"closed walks have 2 to {MAX_HOPS} hops; not {allowed.max_hops}")
        if allowed.exactly not in (None, 0, 1):
            raise ValueError(f"0 or 1 hops can be of the counted classes; not {allowed.exactly}")
        classes = (1 << CLASSES) - 1 if allowed.classes is None else _bits(allowed.classes)
        edges, nodes, starts = self._gates(allowed)
        base, gas, needed = self._priced(allowed)
        exactly = -1 if allowed.exactly is None else allowed.exactly
        limits = Limits(
            np.uint64(classes),
            np.uint64(_bits(allowed.counted)),
            exactly,
            edges,
            nodes,
            starts,
            len(allowed.starts),
            allowed.max_hops,
            base,
            gas,
        )
        return limits, needed

    def _priced(self, allowed: Filter) -> tuple[float, F8, F4]:
        """Gas around the hops and by their classes, in ETH, and the least products; of one block the same each time."""
        last, known = self._costs
        if known is None or (
            (last.gas_price_wei, last.gas_base) != (allowed.gas_price_wei, allowed.gas_base)
            or last.gas_of_class is not allowed.gas_of_class
        ):
            price = allowed.gas_price_wei / WEI_PER_ETH
            classes = np.zeros(CLASSES) if allowed.gas_of_class is None else allowed.gas_of_class
            base, gas = allowed.gas_base * price, np.asarray(classes, np.float64) * price
            least = base + gas.min() * np.arange(2, MAX_HOPS + 1)
            needed = 1.0 + np.maximum(self._screen * least[:, None] / self.sizes[None, :], NOISE)
            known = base, gas, needed.astype(np.float32)
            self._costs = allowed, known
        return known

    def _gates(self, allowed: Filter) -> tuple[U1, U1, U1]:
        """A byte per edge and node, whether it may be used, and per node its rank as a start.

        What the last filter closed is opened again, and nothing else is written: a market has far more.
        """
        arrays, (edges, nodes, starts) = self._ready(), self._open
        if (len(edges), len(nodes)) != (len(arrays.edges.pool), len(arrays.links.hub_of)):
            edges, nodes = np.ones(len(arrays.edges.pool), np.uint8), np.ones(len(arrays.links.hub_of), np.uint8)
            starts = np.zeros(len(nodes), np.uint8)
        else:
            edges[self._closed[0]], nodes[self._closed[1]], starts[self._closed[2]] = 1, 1, 0
        pools = allowed.forbidden_pools if allowed.forbidden_pools is not None else ()
        barred = [np.asarray(self._market.edges_of(int(pool)), np.int32) for pool in pools]
        if allowed.forbidden_edges is not None:
            barred.append(allowed.forbidden_edges)
        self._open = edges, nodes, starts
        self._closed = (
            np.concatenate(barred) if barred else NO_PIECES[1],
            NO_PIECES[1] if allowed.forbidden_nodes is None else np.asarray(allowed.forbidden_nodes, np.int32),
            np.array(allowed.starts[::-1], np.int32),
        )
        edges[self._closed[0]], nodes[self._closed[1]] = 0, 0
        starts[self._closed[2]] = np.minimum(np.arange(1, len(allowed.starts) + 1), 255)
        return edges, nodes, starts

    def _found(self) -> Found:
        work = self._work
        there = work.found[:, 0] >= 0
        found = tuple(
            Candidate(tuple(edge for edge in walk if edge >= 0), *values)
            for walk, values in zip(work.found[there].tolist(), work.found_value[there].tolist(), strict=True)
        )
        hits, gaining = int(work.counts[HITS]), int(work.counts[GAINING])
        return Found(found, gaining - len(found), max(hits - self._most_sized, 0))

    def _new_work(self, links: int, nodes: int) -> Work:
        return Work(
            np.zeros(links, np.uint8),
            np.zeros(links, np.int32),
            np.zeros(nodes, np.int32),
            np.zeros((4, LANES), np.float32),
            Hits(np.zeros((self._most_sized, 4), np.int32), np.zeros(self._most_sized)),
            np.zeros(8, np.int64),
            np.zeros((MAX_HOPS, 3)),
            np.zeros(12, np.int32),
            np.zeros(8, np.int32),
            np.zeros((_MOST_TRIED * LANES * self._most_sized, 4), np.int32),
            np.zeros(_MOST_TRIED * LANES * self._most_sized, np.int64),
            np.zeros((self._most, MAX_HOPS), np.int32),
            np.zeros((self._most, 3)),
        )


def _as_they_stand(pools: I4, links: I4) -> Changes:
    """Pools to be looked at again without a new value."""
    edges, starts, pieces = NO_PIECES[1], NO_PIECES[2], NO_PIECES[0]
    return Changes(pools, np.full((len(pools), 2), np.nan), edges, starts, pieces, links)


def _bits(classes: Iterable[int]) -> int:
    return sum(1 << each for each in classes)
