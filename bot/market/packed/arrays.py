"""The packed market: nodes, pools and pairs by number, kept in flat arrays that may grow and shrink while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bot.market.packed.columns import Blocks, Columns
from bot.market.packed.joints import Joints
from bot.market.packed.rebasing import rebased
from bot.market.packed.shapes import (
    F8,
    FREE,
    GRAIN,
    I4,
    I8,
    LANES,
    PIECES,
    PRODUCT,
    RANGES,
    Arrays,
    Curves,
    Edges,
    Pools,
)

MOST_HUBS = 12
RANGE = ("bound", "inverse", "liquidity", "sum_0", "sum_1")


def scaled(pieces: F8, value_in: float, value_out: float) -> F8:
    """Pieces in whole units as pieces in value."""
    factors = np.array([value_out / value_in, 1.0 / value_in, value_in])
    return np.asarray(np.asarray(pieces, np.float64).reshape(-1, 3) * factors, np.float64)


def _both_ways(nodes: I4) -> tuple[I4, I4]:
    """Sources and targets of the two edges of each row's two nodes."""
    ends = np.asarray(nodes, np.int32)
    return ends.ravel(), ends[:, ::-1].ravel()


class PackedMarket:
    """Pools of every kind as records, found by number. One writer; searching never changes it.

    What is added or removed takes effect in the derived tables with the next `arrays`, which lays them out anew if
    there is no room left. Whole units go in; inside, everything is in value (see `shapes`).
    """

    def __init__(self, most_hubs: int = MOST_HUBS) -> None:
        self._nodes = Columns({"value": (np.float64, 0, 0.0), "grain": (np.float64, 0, 0.0)})
        self._pools = Columns(
            {
                "state": (np.float64, 8, 0.0),
                "kind": (np.uint8, 0, FREE),
                "open": (np.uint8, 0, 0),
                "klass": (np.uint8, 0, 0),
                "first": (np.int32, 0, 0),
                "edges": (np.int32, 0, 0),
            }
        )
        self._edges = Columns(
            {
                "row": (np.float32, LANES, 0.0),
                "pool": (np.int32, 0, -1),
                "pair": (np.int32, 0, -1),
                "piece_first": (np.int32, 0, 0),
                "piece_count": (np.int32, 0, 0),
                "piece_room": (np.int32, 0, 0),
            }
        )
        self._ranges = Columns(dict.fromkeys(RANGE, (np.float64, 0, 0.0)))
        self._pieces = Columns({"pieces": (np.float64, 3, 0.0)})
        self._joints = Joints(most_hubs)
        self._blocks = {"ranges": Blocks(self._ranges), "pieces": Blocks(self._pieces)}
        self._unattached: list[tuple[I4, I4]] | None = []
        self._free_pools: list[int] = []
        self._free_edges: dict[int, list[int]] = {}
        self._dirty: dict[int, None] = {}

    @property
    def nodes(self) -> int:
        return self._nodes.size

    @property
    def pools(self) -> int:
        """Rows of the pool table, those of removed pools included."""
        return self._pools.size

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        columns = (self._nodes, self._pools, self._edges, self._ranges, self._pieces)
        return sum(each.nbytes for each in columns) + self._joints.nbytes

    def values(self) -> F8:
        """ETH per whole unit of each node."""
        return np.asarray(self._nodes["value"][: self.nodes], np.float64)

    def add_nodes(self, values: F8, decimals: I4) -> I4:
        """New nodes: ETH per whole unit of each, and decimals. A value only scales; it must be positive and finite."""
        values = np.asarray(values, np.float64)
        if not np.all((values > 0.0) & (values < np.inf)):
            raise ValueError("a node's value must be positive and finite; give any guess where none is known")
        first = self._nodes.extend(len(values))
        self._nodes["value"][first : first + len(values)] = values
        self._nodes["grain"][first : first + len(values)] = values * 10.0 ** -np.asarray(decimals, np.float64)
        return np.arange(first, first + len(values), dtype=np.int32)

    def add_products(self, nodes: I4, reserves: F8, kept: F8, klass: I4) -> I4:
        """Pools of x · y = k: per row two nodes, reserves in whole units, and what each input keeps after its fee."""
        pools, first = self._new_pools(PRODUCT, klass, nodes)
        state, value = self._pools["state"], self.values()
        state[pools, 4:6] = value[nodes]
        state[pools, 0:2] = np.asarray(reserves) * value[nodes]
        state[pools, 2:4] = kept
        self._attach(
            first, np.asarray(nodes, np.int32)[:, [0, 1]].ravel(), np.asarray(nodes, np.int32)[:, [1, 0]].ravel()
        )
        return pools

    def add_ranges(self, nodes: I4, counts: I4, bounds: F8, liquidity: F8, root_price: F8, kept: F8, klass: I4) -> I4:
        """Pools of liquidity by price range, one after the other.

        Per pool two nodes, its root price √(token 1 per token 0) in whole units and what an input keeps; it has
        `counts[k]` ranges, `counts[k] + 1` ascending `bounds` (root prices) and as many `liquidity` values, √(whole
        units of both), the last one unused.
        """
        pools, first = self._new_pools(RANGES, klass, nodes)
        state = self._pools["state"]
        state[pools, 1] = np.sqrt(self.values()[nodes[:, 1]] / self.values()[nodes[:, 0]])
        state[pools, 2] = kept
        rows = np.asarray(counts) + 1
        begins = np.array([self._blocks["ranges"].take(int(count)) for count in rows], np.int64)
        state[pools, 3], state[pools, 4], state[pools, 7] = begins, counts, [Blocks.room_for(int(row)) for row in rows]
        at = np.repeat(begins - (np.cumsum(rows) - rows), rows) + np.arange(int(rows.sum()))
        root = np.asarray(root_price) * state[pools, 1]
        state[pools, 0] = root
        above = np.asarray(bounds) * np.repeat(state[pools, 1], rows) <= np.repeat(root, rows)
        state[pools, 5] = np.add.reduceat(above, np.cumsum(rows) - rows) - 1
        self._write_ranges(at, np.repeat(pools, rows), np.repeat(nodes, rows, axis=0), bounds, liquidity)
        self._attach(
            first, np.asarray(nodes, np.int32)[:, [0, 1]].ravel(), np.asarray(nodes, np.int32)[:, [1, 0]].ravel()
        )
        return pools

    def add_pieces(self, nodes: I4, klass: int, pieces: Iterable[F8]) -> int:
        """A pool of any number of nodes; per ordered pair of nodes, row by row, its `Piece`s in whole units."""
        ordered = np.array([(one, other) for one in nodes for other in nodes if one != other], np.int32)
        pools, first = self._new_pools(PIECES, np.array([klass]), nodes[None, :], edges=len(ordered))
        edges = first + np.arange(len(ordered), dtype=np.int32)
        self._attach(first, ordered[:, 0], ordered[:, 1])
        for edge, ends, given in zip(edges, ordered, pieces, strict=True):
            self._put_pieces(int(edge), scaled(given, *self.values()[ends]))
        return int(pools[0])

    def edges_of(self, pool: int) -> range:
        """The pool's edges, in the order its nodes were given."""
        first = int(self._pools["first"][pool])
        return range(first, first + int(self._pools["edges"][pool]))

    def pool_of(self, edge: int) -> int:
        return int(self._edges["pool"][edge])

    def ends_of(self, edge: int) -> tuple[int, int]:
        """The edge's source and target nodes."""
        self._settle()
        pair = int(self._edges["pair"][edge])
        pairs = self._joints.pairs
        return int(pairs.source[pair]), int(pairs.target[pair])

    def set_reserves(self, pools: Sequence[int], reserves: Sequence[Sequence[float]]) -> None:
        """PRODUCT pools' reserves in whole units."""
        state, at = self._pools["state"], np.array(pools, np.int64)
        state[at, 0:2] = np.array(reserves) * state[at, 4:6]
        self._dirty.update(dict.fromkeys(pools))

    def set_ranges(self, pool: int, bounds: F8, liquidity: F8, root_price: float) -> None:
        """A RANGES pool's liquidity and price, as in `add_ranges`."""
        state, rows = self._pools["state"][pool], len(bounds)
        if rows > state[7]:
            self._blocks["ranges"].give_back(int(state[3]), int(state[7]))
            state[3], state[7] = self._blocks["ranges"].take(rows), Blocks.room_for(rows)
        at = int(state[3]) + np.arange(rows)
        nodes = np.array(self.ends_of(self.edges_of(pool)[0]))
        root = root_price * state[1]
        state[0], state[4] = root, rows - 1
        state[5] = int(np.searchsorted(np.asarray(bounds) * state[1], root, side="right")) - 1
        self._write_ranges(at, np.full(rows, pool), np.tile(nodes, (rows, 1)), bounds, liquidity)
        self._dirty[pool] = None

    def set_roots(self, pools: Sequence[int], root_prices: Sequence[float]) -> None:
        """RANGES pools' root prices, √(token 1 per token 0) in whole units; their liquidity stays."""
        state, bound, at = self._pools["state"], self._ranges["bound"], np.array(pools, np.int64)
        moved = state[at]
        roots = np.array(root_prices) * moved[:, 1]
        first, ranges = moved[:, 3].astype(np.int64), moved[:, 4]
        within = np.clip(moved[:, 5], 0, ranges - 1).astype(np.int64)
        stays = (within == moved[:, 5]) & (bound[first + within] <= roots) & (roots < bound[first + within + 1])
        for k in np.flatnonzero(~stays).tolist():
            bounds = bound[first[k] : first[k] + int(ranges[k]) + 1]
            moved[k, 5] = int(np.searchsorted(bounds, roots[k], side="right")) - 1
        state[at, 0], state[at, 5] = roots, moved[:, 5]
        self._dirty.update(dict.fromkeys(pools))

    def set_pieces(self, edge: int, pieces: F8) -> None:
        """One direction of a PIECES pool: rows of rate, curvature and cap in whole units, best price first."""
        self._put_pieces(edge, self.in_value(edge, pieces))

    def _put_pieces(self, edge: int, pieces: F8) -> None:
        edges, rows = self._edges, len(pieces)
        if rows > edges["piece_room"][edge]:
            if edges["piece_room"][edge]:
                self._blocks["pieces"].give_back(int(edges["piece_first"][edge]), int(edges["piece_room"][edge]))
            edges["piece_first"][edge] = self._blocks["pieces"].take(rows)
            edges["piece_room"][edge] = Blocks.room_for(rows)
        first = int(edges["piece_first"][edge])
        edges["piece_count"][edge] = rows
        self._pieces["pieces"][first : first + rows] = pieces
        self._dirty[self.pool_of(edge)] = None

    def in_value(self, edge: int, pieces: F8) -> F8:
        """An edge's pieces in value, as `Changes` wants them, from pieces in whole units."""
        return scaled(pieces, *self.values()[list(self.ends_of(edge))])

    def rebase(self, values: F8) -> None:
        """Give all nodes new values. Prices have moved; nothing that is found or gained changes, only the ladder."""
        old, pools, edges = self.values().copy(), self._pools, self._edges
        if values.shape != old.shape or not np.all((values > 0.0) & (values < np.inf)):
            raise ValueError("every node needs a value, positive and finite")
        self._settle()
        factor, pairs = values / old, self._joints.pairs
        self._nodes["value"][: self.nodes] = values
        self._nodes["grain"][: self.nodes] *= factor
        moved = (factor != 1.0)[np.column_stack([pairs.source, pairs.target])[edges["pair"][: edges.size]]].any(axis=1)
        touched = np.unique(edges["pool"][: edges.size][moved])
        touched = touched[pools["kind"][touched] != FREE]
        rebased(touched, pools, edges, pairs, self._ranges, self._pieces["pieces"], factor, self._nodes["grain"])
        self._dirty.update(dict.fromkeys(touched.tolist()))

    def close(self, pools: Iterable[int]) -> None:
        """Quarantine: the pools stay known, and no walk uses them."""
        for pool in pools:
            self._pools["open"][pool] = 0
            self._dirty[pool] = None

    def reopen(self, pools: Iterable[int]) -> None:
        """Let walks use the pools again."""
        for pool in pools:
            self._pools["open"][pool] = 1
            self._dirty[pool] = None

    def remove(self, pools: Iterable[int]) -> None:
        """Take pools, or all of a venue's, out for good; their numbers are used again."""
        self._settle()
        for pool in pools:
            edges = self.edges_of(pool)
            state, kind = self._pools["state"][pool], int(self._pools["kind"][pool])
            for edge in edges:
                self._joints.detach(edge, int(self._edges["pair"][edge]))
                if self._edges["piece_room"][edge]:
                    room = int(self._edges["piece_room"][edge])
                    self._blocks["pieces"].give_back(int(self._edges["piece_first"][edge]), room)
                    self._edges["piece_room"][edge] = 0
            if kind == RANGES:
                self._blocks["ranges"].give_back(int(state[3]), int(state[7]))
            self._free_edges.setdefault(len(edges), []).append(edges.start)
            self._pools["kind"][pool] = self._pools["open"][pool] = self._pools["edges"][pool] = 0
            self._free_pools.append(pool)

    def arrays(self) -> Arrays:
        """Everything as kernels take it. To be asked for anew after any change but a pool's state."""
        self._settle()
        pools, edges = self._pools, self._edges
        topology = self._joints.topology(self._nodes.room)
        return Arrays(
            Pools(*(pools[name] for name in Pools._fields)),
            Edges(*(edges[name] for name in Edges._fields)),
            self._curves(),
            self._joints.pairs,
            topology.links,
            topology.bridges.table,
            topology.chains.table,
        )

    @property
    def layouts(self) -> int:
        """How often the derived tables were laid out anew: after that, everything in them must be filled again."""
        return self._joints.layouts

    def _curves(self) -> Curves:
        bound, inverse, liquidity, sum_0, sum_1 = (self._ranges[name] for name in RANGE)
        return Curves(bound, inverse, liquidity, sum_0, sum_1, self._pieces["pieces"])

    def take_dirty(self) -> tuple[I4, I4]:
        """Pools whose records were changed here, and links that lost an edge, since last asked."""
        dirty, self._dirty = list(self._dirty), {}
        return np.array(dirty, np.int32), self._joints.take_stale()

    def _new_pools(self, kind: int, klass: I4, nodes: I4, edges: int = 2) -> tuple[I4, int]:
        """Numbers for as many pools as `nodes` has rows, and the first of their edges, which follow one another."""
        nodes = np.asarray(nodes)
        many = len(nodes)
        if many == 1 and self._free_pools:
            pools = np.array([self._free_pools.pop()], np.int32)
        else:
            begin = self._pools.extend(many)
            pools = np.arange(begin, begin + many, dtype=np.int32)
        free = self._free_edges.get(edges)
        first = free.pop() if many == 1 and free else self._edges.extend(many * edges)
        at = slice(first, first + many * edges)
        self._edges["pool"][at] = np.repeat(pools, edges)
        self._edges["piece_count"][at] = 0
        self._pools["state"][pools] = 0.0
        self._pools["kind"][pools], self._pools["open"][pools], self._pools["klass"][pools] = kind, 1, klass
        self._pools["first"][pools] = first + edges * np.arange(many)
        self._pools["edges"][pools] = edges
        self._pools["state"][pools, GRAIN] = self._nodes["grain"][nodes].max(axis=1)
        return pools, first

    def _attach(self, first: int, source: I4, target: I4) -> None:
        """Put the edges from `first` on between their nodes; before anybody asked, only remember to do so."""
        if self._unattached is not None:
            self._unattached.append((source, target))
            return
        pair = self._edges["pair"]
        for edge, one, other in zip(range(first, first + len(source)), source, target, strict=True):
            pair[edge] = self._joints.attach(edge, int(one), int(other), self._nodes.room)
            self._dirty[self.pool_of(edge)] = None

    def _settle(self) -> None:
        """Attach all edges that wait for it, at once."""
        if self._unattached:
            source, target = (np.concatenate(ends) for ends in zip(*self._unattached, strict=True))
            self._edges["pair"][: len(source)] = self._joints.attach_all(source, target)
        self._unattached = None

    def _write_ranges(self, at: I8, pools: I4, nodes: I4, bounds: F8, liquidity: F8) -> None:
        """Rows `at` of the ranges, whose pools follow one another and know their current range."""
        value, state = self.values(), self._pools["state"]
        bound = np.asarray(bounds) * state[pools, 1]
        inverse = 1.0 / bound
        held = np.asarray(liquidity) * np.sqrt(value[nodes[:, 0]] * value[nodes[:, 1]])
        for name, column in (("bound", bound), ("inverse", inverse), ("liquidity", held)):
            self._ranges[name][at] = column
        starts = np.flatnonzero(np.concatenate([[True], pools[1:] != pools[:-1], [True]]))
        current = state[pools[starts[:-1]], 5].astype(np.int64)
        middles = starts[:-1] + np.clip(current, 0, np.diff(starts) - 2)
        for name, steps, zeros in (("sum_0", -np.diff(inverse), middles + 1), ("sum_1", np.diff(bound), middles)):
            sums, within = np.zeros(len(at)), held[:-1] * steps
            for begin, zero, end in zip(starts.tolist(), zeros.tolist(), starts[1:].tolist(), strict=False):
                np.cumsum(within[zero : end - 1], out=sums[zero + 1 : end])
                np.cumsum(-within[begin:zero][::-1], out=sums[begin:zero][::-1])
            self._ranges[name][at] = sums
