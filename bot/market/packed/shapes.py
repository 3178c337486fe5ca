"""The shapes of the packed market: which arrays there are, what a row of each holds, and what a search gives back.

Everything is in *value*: whole units of a token times the token's reference value in ETH. References only scale; they
cancel round a closed walk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
F4 = NDArray[np.float32]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]

LANES = 8
SIZES: F8 = np.array([0.01 * 4.0**lane for lane in range(LANES)])
"""The trade sizes of the ladder, in ETH."""

GROUP = 64
"""Rows of a via table under one maximum."""

FREE, PRODUCT, RANGES, PIECES = 0, 1, 2, 3
"""Kinds of pool record: unused, x · y = k, liquidity by price range, and pieces per direction."""

GRAIN = 6
"""Where a pool's `state` keeps its grain."""

LEAST_UNITS = 1000.0
"""Sizes below this many base units of a pool's coarser token are not looked at: rounding would be taken for profit."""

MOST_RATE = 1e12
"""No rate of a ladder is above this: float32 still holds the product of three. Beyond, it would be infinite, and times
nothing no number: what is compared with that is not found."""

MAX_HOPS = 4
CLASSES = 64
"""How many classes of pool a filter can tell apart; gas is per class."""


class Pools(NamedTuple):
    """One row per pool. `state` is 64 bytes:

    - PRODUCT: reserve 0, reserve 1, kept 0, kept 1, scale 0, scale 1, grain (kept is 1 less the input fee; a scale
      turns whole units into value; the grain is the value of one base unit of the coarser token);
    - RANGES: root price, scale of the root price, kept, first range, ranges, current range, grain;
    - PIECES: the grain only.

    A PRODUCT pool with less than `LEAST_UNITS` of a token is left out.

    Side 0 of a PRODUCT or RANGES pool is its first edge, side 1 its second.
    """

    state: F8
    kind: U1
    open: U1
    klass: U1
    first: I4
    edges: I4


class Edges(NamedTuple):
    """One row per direction of a pool; a pool's edges follow one another, so that both ladders share a cache line.

    `row` is out / in at each size. Where the kind is PIECES, `piece_first` and `piece_count` say where they lie.
    """

    row: F4
    pool: I4
    pair: I4
    piece_first: I4
    piece_count: I4


class Curves(NamedTuple):
    """Per range its lower root `bound`, that one's `inverse` and the `liquidity` above it; the last row ends the pool.

    `sum_0` adds up what the ranges below hold of token 0 when the price is under them, `sum_1` of token 1 when it is
    above: from the upper and the lower end of the range that it was in when they were written; less than 0 below that.
    `pieces` are as `Piece`.
    """

    bound: F8
    inverse: F8
    liquidity: F8
    sum_0: F8
    sum_1: F8
    pieces: F8


class Pairs(NamedTuple):
    """One row per ordered pair of nodes that a venue joins; pair ^ 1 is the way back.

    `row` is the lane-wise best over its edges, `edges[first : first + many]`.
    """

    row: F4
    source: I4
    target: I4
    first: I4
    many: I4
    edges: I4


class Links(NamedTuple):
    """Neighbours. `hub_of` is a node's hub number or -1, `hub_node` its inverse; `to_hub[node, hub]` is a pair or -1.

    `near[near_first : near_first + near_count]` of a node that is no hub: (other node that is no hub, pair to it).
    Of a node that has such, `beyond[beyond_of[node] · hubs + hub]` is, lane by lane, no less than the best way from it
    by one of them to the hub, and then from the hub to it.
    """

    hub_of: I4
    hub_node: I4
    to_hub: I4
    near_first: I4
    near_count: I4
    near: I4
    beyond_of: I4
    beyond: F4


class Vias(NamedTuple):
    """Ways between two hubs by way of members: nodes (two hops) or pairs of them (three hops).

    A row holds the lanes from the lower to the higher hub, then back; where the member is two nodes, it is the pair of
    them in that order. `first` and `rows` are by lower · hubs + higher; `slot[of[member], …]` is a row's place there.
    `top` is the best of each `GROUP` rows, or more where it is `stale`; `best[from, to]` is the best of all.
    """

    of: I4
    slot: I4
    first: I4
    rows: I4
    member: I4
    row: F4
    top: F4
    stale: U1
    best: F4


class Arrays(NamedTuple):
    """All of it, as kernels take it."""

    pools: Pools
    edges: Edges
    curves: Curves
    pairs: Pairs
    links: Links
    bridges: Vias
    chains: Vias


class Changes(NamedTuple):
    """What a block changed. `values[k]` is reserves in whole units (PRODUCT) or the root price (RANGES) of `pools[k]`.

    A NaN leaves the record as it stands. The pieces of edge `piece_edges[k]`, in value, are rows `piece_starts[k]` to
    `piece_starts[k + 1]` of `pieces`. `links` have lost an edge.
    """

    pools: I4
    values: F8
    piece_edges: I4
    piece_starts: I4
    pieces: F8
    links: I4


class Limits(NamedTuple):
    """What a search may take, as kernels take it: a bit per class, a byte per edge and node; gas in ETH.

    `starts` ranks the nodes of which a walk must pass one, all 0 where any will do (`started` is then 0): the highest
    begins it. `exactly` is how many hops must be of the classes `counted`, -1 where that does not matter.
    """

    classes: np.uint64
    counted: np.uint64
    exactly: int
    edges: U1
    nodes: U1
    starts: U1
    started: int
    max_hops: int
    gas_base: float
    gas_of: F8


class Hits(NamedTuple):
    """What screening leaves, a heap: each walk's edge and pairs back, and what it gains at the best lane."""

    walk: I4
    gain: F8


class Work(NamedTuple):
    """Scratch and results. `seen` are walks that were sized, `seen_in` the searches that did; `found` is the best."""

    pair_seen: U1
    pairs: I4
    beside: I4
    lanes: F4
    hits: Hits
    counts: I8
    rest: F8
    walk: I4
    path: I4
    seen: I4
    seen_in: I8
    found: I4
    found_value: F8


class Room(NamedTuple):
    """What keeping a walk needs: `path` is the walk, `hits` where it is kept."""

    path: I4
    pairs: Pairs
    edge_row: F4
    limits: Limits
    counts: I8
    hits: Hits
    sizes: F8


EDGE, FLIP, SOURCE, TARGET, FIRST_BACK = 0, 1, 2, 3, 4
"""What `Work.path` holds while one edge is searched: the edge, whether its way back is read backwards, its two nodes,
and from `FIRST_BACK` on the pairs of the way back, -1 behind the last."""

FOLLOW, SEARCH, REFILL, TAKE = 0, 1, 2, 3
"""What a block step does: take in and search, search only, fill tables that were laid out anew, or take in only."""

HITS, SIZED, GAINING, PAIRS, SEARCHES = 0, 1, 2, 3, 4
"""Where `Work.counts` keeps how many walks passed the screen, were sized, gain after gas, how many links changed, and
how many searches there were."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a search may use. None allows all. `gas_price_wei` is per gas, and is paid in ETH of value.

    Every walk must pass one of the nodes `starts`, if there are any, and begins at the first of them that it passes.
    `exactly` hops must be of the classes `counted`, where that is given; 0 or 1. `gas_of_class` is gas per hop by
    class, `gas_base` what a transaction burns around its hops.
    """

    classes: frozenset[int] | None = None
    counted: frozenset[int] = frozenset()
    exactly: int | None = None
    forbidden_pools: I4 | None = None
    forbidden_edges: I4 | None = None
    forbidden_nodes: I4 | None = None
    starts: tuple[int, ...] = ()
    max_hops: int = MAX_HOPS
    gas_price_wei: int = 0
    gas_base: int = 0
    gas_of_class: F8 | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A closed walk with its best size, by the float model: `edges` in order, `size` in and `gain` in ETH of value.

    `net` is the gain less gas. Amounts are exact only after an integer re-quote.
    """

    edges: tuple[int, ...]
    size: float
    gain: float
    net: float


@dataclass(frozen=True, slots=True)
class Found:
    """The best candidates, best first, and how many there were beyond: `rest` gain too but are not shown,
    `unsized` passed the screen and were not looked at."""

    candidates: tuple[Candidate, ...]
    rest: int
    unsized: int
