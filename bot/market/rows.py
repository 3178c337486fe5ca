"""The market's pools: pairs and pools of ranges in rows of numbers, which a block's logs change in one compiled call.

The `Pool` of a row is a view: it is made when somebody asks for it, of the last one and of the row's numbers. Other
families, and what only they understand of a log, are as they were: the object is the state.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import ItemsView, Iterator, Mapping, MutableMapping, Sequence, ValuesView
from types import ModuleType
from typing import NamedTuple, TypeGuard

import numpy as np

from bot.market.graph import Edge, VenueId
from bot.market.integers import kernels
from bot.market.integers.directory import BY_HAND, BY_ID, NOBODY, Heard, Register, address_name, id_name
from bot.market.integers.layout import I4, LIMB_BITS, PRODUCT, RANGES, U8, U64, States, Taken, whole, words_of
from bot.market.integers.topics import KNOWN
from bot.market.packed.columns import Columns
from bot.market.ranges import is_ranged, root_unit
from chains.assets import Address
from chains.blocks import Log
from chains.codec.frames import Logs
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import PPM, Pool, Source, moved
from chains.pools.tick_math import MAX_TICK, MIN_TICK
from chains.pools.uniswap_v4 import UniswapV4Pool
from chains.pools.uniswap_v4_key import DYNAMIC_FEE

Rowed = ConstantProductPool | ConcentratedPool | UniswapV4Pool

NOWHERE = -1
"""Instead of the number of a pool or of an edge that has none."""


class Past(NamedTuple):
    """A pool as it was: some earlier object of it, and its row's words then, row `at` of `states`."""

    of: Pool
    states: U64
    at: int

    def pool(self) -> Pool:
        return with_words(self.of, self.states[self.at].tolist())


class Moved(NamedTuple):
    """Pools that are others than before by a row's words alone: row `k` of `states` is that of `venues[k]`."""

    venues: tuple[VenueId, ...]
    states: U64


class TakenIn(NamedTuple):
    """What a block's logs did to rows, in the order of their first logs: `first` are those logs' places.

    `before` is what the pools were; `edges` are the graph's numbers of both directions, `packed` the pools' numbers in
    the packed market, `kinds` PRODUCT or RANGES. `left` are the places of logs that are for the pools themselves.
    """

    venues: list[VenueId]
    first: list[int]
    before: list[Pool | Past]
    taken: Taken
    edges: I4
    packed: I4
    kinds: U8
    left: list[int]


class Rows(MutableMapping[VenueId, Pool]):
    """Every pool of a market by its venue. What is written is kept; what logs changed is made when asked for."""

    def __init__(self) -> None:
        self._made: dict[VenueId, Pool] = {}
        self._behind: set[VenueId] = set()
        self._row: dict[VenueId, int] = {}
        self._venues: list[VenueId] = []
        self._free: list[int] = []
        self._listeners: dict[Source, dict[VenueId, None]] = {}
        self._ids_heard: Counter[bytes] = Counter()
        self._addresses, self._ids = Register(), Register()
        self._homes: dict[Address, int] = {}
        self._kernels: ModuleType | None = None
        self._columns = Columns(
            {
                "kind": (np.uint8, 0, 0),
                "state": (np.uint64, 7, 0),
                "fixed": (np.float64, 5, 1.0),
                "since": (np.int64, 0, 0),
                "span": (np.int64, 2, 0),
                "span_liquidity": (np.uint64, 2, 0),
                "home": (np.int32, 0, NOBODY),
                "mark": (np.int32, 0, -1),
                "edges": (np.int32, 2, NOWHERE),
                "packed": (np.int32, 0, NOWHERE),
            }
        )

    def __getitem__(self, venue: VenueId) -> Pool:
        return self._renewed(venue) if venue in self._behind else self._made[venue]

    def __setitem__(self, venue: VenueId, pool: Pool) -> None:
        self._made[venue] = pool
        self._behind.discard(venue)
        row = self._row.get(venue)
        if row is not None:
            if _fits_a_row(pool):
                self._write(row, pool)
            else:
                self._vacate(pool, row)

    def __delitem__(self, venue: VenueId) -> None:
        pool = self._made.pop(venue)
        self._behind.discard(venue)
        row = self._row.get(venue)
        if row is not None:
            self._vacate(pool, row)

    def __contains__(self, venue: object) -> bool:
        return venue in self._made

    def __iter__(self) -> Iterator[VenueId]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def values(self) -> ValuesView[Pool]:
        self._renew_all()
        return self._made.values()

    def items(self) -> ItemsView[VenueId, Pool]:
        self._renew_all()
        return self._made.items()

    def listen(self, pool: Pool, edges: Sequence[Edge], since: int) -> None:
        """Whose logs change `pool`, which is already in here; and the block as of which it was read.

        It gets a row where its logs may be taken in there: nobody else hears them.
        """
        for source in pool.sources:
            heard = self._listeners.setdefault(source, {})
            heard[pool.venue] = None
            register, name, home, alone = self._addresses, address_name(source.emitter), NOBODY, len(heard) == 1
            if source.pool_id:
                self._ids_heard[source.pool_id] += 1
                home = self._homes.setdefault(source.emitter, BY_ID - len(self._homes))
                register.put(name, BY_HAND if Source(source.emitter) in self._listeners else home)
                # Two contracts may each hold a pool of the same id.
                register, name, alone = self._ids, id_name(source.pool_id), self._ids_heard[source.pool_id] == 1
            elif source.emitter in self._homes:
                alone = False
            row = self._new_row(pool, edges, since, home) if alone and _fits_a_row(pool) else BY_HAND
            register.put(name, row)

    def ignore(self, pool: Pool) -> None:
        """Undo `listen`."""
        for source in pool.sources:
            heard = self._listeners.get(source, {})
            heard.pop(pool.venue, None)
            if not heard:
                self._listeners.pop(source, None)
            if source.pool_id:
                self._ids_heard[source.pool_id] -= 1

    def hearing(self, log: Log) -> tuple[VenueId, ...]:
        """The venues that `log` may change."""
        heard = self._listeners.get(Source(log.address), {})
        if len(log.topics) > 1 and (others := self._listeners.get(Source(log.address, log.topics[1]))):
            heard = heard | others
        return tuple(heard)

    def moved_from(self, venues: Sequence[VenueId], known: Mapping[VenueId, Pool]) -> Moved:
        """Those of `venues` that are what `known` says but for their rows' words."""
        found = tuple(venue for venue in venues if venue in self._row and _alike(self._made[venue], known.get(venue)))
        return Moved(found, self._columns["state"][[self._row[venue] for venue in found]])

    def is_still(self, venue: VenueId, pool: Pool) -> bool:
        """Whether the venue is this very object, no log having changed it; none is made for that."""
        return venue not in self._behind and self._made.get(venue) is pool

    def read_at(self, venue: VenueId, since: int) -> None:
        """The pool is as it was after block `since`; logs up to that are not to be taken in again."""
        row = self._row.get(venue)
        if row is not None:
            self._columns["since"][row] = since

    def numbered(self, venue: VenueId, number: int) -> None:
        """The venue's number in the packed market, or `NOWHERE`."""
        row = self._row.get(venue)
        if row is not None:
            self._columns["packed"][row] = number

    def anchored(self, pool: Pool) -> None:
        """The ranges that the packed market has of `pool` are those of its present state."""
        row = self._row.get(pool.venue)
        if row is not None and is_ranged(pool):
            order = pool.ticks.order
            above = bisect_right(order, pool.tick)
            low = order[above - 1] if above else MIN_TICK
            high = order[above] if above < len(order) else MAX_TICK
            self._columns["span"][row] = low, high
            self._columns["span_liquidity"][row] = self._columns["state"][row, 3:5]

    def take_in(self, logs: Logs, number: int) -> TakenIn:
        """Put the logs of block `number` into the rows."""
        taken, columns = Taken.room(len(logs.log_index)), self._columns
        states = States(*(columns[name] for name in States._fields))
        heard = Heard(self._addresses.table, self._ids.table)
        self._kernels = self._kernels or kernels()
        changes, left = self._kernels.apply_logs(logs, heard, KNOWN, number, states, taken)
        rows = taken.changed[:changes]
        venues = [self._venues[row] for row in rows.tolist()]
        made, behind, prior = self._made, self._behind, taken.prior
        before: list[Pool | Past] = [
            Past(made[venue], prior, at) if venue in behind else made[venue] for at, venue in enumerate(venues)
        ]
        behind.update(venues)
        return TakenIn(
            venues,
            taken.first[:changes].tolist(),
            before,
            taken,
            columns["edges"][rows],
            columns["packed"][rows],
            columns["kind"][rows],
            taken.left[:left].tolist(),
        )

    def _renewed(self, venue: VenueId) -> Pool:
        self._made[venue] = made = with_words(self._made[venue], self._columns["state"][self._row[venue]].tolist())
        self._behind.discard(venue)
        return made

    def _renew_all(self) -> None:
        for venue in tuple(self._behind):
            self._renewed(venue)

    def _new_row(self, pool: Rowed, edges: Sequence[Edge], since: int, home: int) -> int:
        row = self._free.pop() if self._free else self._columns.extend(1)
        if row == len(self._venues):
            self._venues.append(pool.venue)
        self._venues[row], self._row[pool.venue] = pool.venue, row
        columns = self._columns
        columns["packed"][row], columns["since"][row], columns["home"][row] = NOWHERE, since, home
        columns["edges"][row] = [edge.id for edge in edges]
        self._write(row, pool)
        return row

    def _write(self, row: int, pool: Rowed) -> None:
        columns, (one, other) = self._columns, pool.tokens
        ratio = one.decimals - other.decimals
        if isinstance(pool, ConstantProductPool):
            kind, units = PRODUCT, (float(10**one.decimals), float(10**other.decimals))
        else:
            kind, units = RANGES, (root_unit(pool), 0.0)
        columns["kind"][row] = kind
        columns["state"][row] = words_of(pool)
        columns["fixed"][row] = (1.0 - pool.fee_ppm / PPM, *units, 10.0**ratio, 10.0**-ratio)

    def _vacate(self, pool: Pool, row: int) -> None:
        del self._row[pool.venue]
        (source,) = pool.sources
        if source.pool_id:
            self._ids.put(id_name(source.pool_id), BY_HAND)
        else:
            self._addresses.put(address_name(source.emitter), BY_HAND)
        self._columns["packed"][row] = NOWHERE
        self._free.append(row)


def _is_rowed(pool: Pool) -> TypeGuard[Rowed]:
    return type(pool) in (ConstantProductPool, ConcentratedPool, UniswapV4Pool)


def _fits_a_row(pool: Pool) -> TypeGuard[Rowed]:
    """Whether a row says all that a trade changes of the pool, whose fee is one and stays.

    Where its ticks are known by where it stands, it does not.
    """
    if not _is_rowed(pool):
        return False
    if isinstance(pool, UniswapV4Pool) and (pool.key.fee_ppm == DYNAMIC_FEE or not is_ranged(pool)):
        return False
    return isinstance(pool, ConstantProductPool) or pool.ticks.edges is None


def _alike(one: Pool, other: Pool | None) -> bool:
    """Whether a row's words can make the one of the other."""
    if not _is_rowed(one) or type(one) is not type(other) or one.tokens != other.tokens or one.fee_ppm != other.fee_ppm:
        return False
    return getattr(one, "ticks", None) is getattr(other, "ticks", None)


def with_words(pool: Pool, words: list[int]) -> Pool:
    """The pool, of a kind that has rows, with the state that a row's words say (`Exact.state`)."""
    assert _is_rowed(pool)
    if isinstance(pool, ConstantProductPool):
        return moved(pool, reserves=(words[0] | words[1] << LIMB_BITS, words[2] | words[3] << LIMB_BITS))
    tick = words[6] - ((words[6] >> (LIMB_BITS - 1)) << LIMB_BITS)
    price, liquidity = whole(words[:3]), words[3] | words[4] << LIMB_BITS
    return moved(pool, sqrt_price_x96=price, liquidity=liquidity, tick=tick)
