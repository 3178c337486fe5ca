"""An order's parts in exact integers: swapped one after another, along ways that others have planned in floats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, permutations

from bot.market.dual.exact import Desk, Swapped, quoted, swaps
from bot.market.dual.problem import Way
from bot.market.exact import PoolHop, backward
from bot.market.graph import VenueId
from bot.market.opportunity import Step, gas_of
from chains.pools.pool import Pool, PoolError

SLACK = 1e-6
"""An input is the least once so much less of it, relative to it, gives too little."""

LITTLE = 1e-3
"""What the parts leave of an order is little if it is no more than this, relative to it."""

POURED = 16
"""In how many slices what the planned parts leave is poured over their ways."""

MOST_POURED = 8
"""How many times as often as there are slices a part is tried at most, where pools take less than a slice at once."""

SHIFTED = (0.25, 0.1, 0.03, 0.01)
"""What part of one path's input is tried in another, in turn, where ways of one pool are in each other's way."""

MOST_SETTLED = 3
"""How many paths are settled so, the widest."""

HALVINGS = 8
"""How often a part that a pool refuses is halved, to go through it in several swaps, one after another."""

_HAIRS = (0.0, 1e-9, 1e-6, 1e-3)
"""By how much a part is made smaller where a pool refuses it: a plan in floats fills a known range to its very end."""

_EXACTLY = _HAIRS[:1]

Ways = tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """One part of an order, exact on the state that the parts before it leave."""

    steps: tuple[Step, ...]

    @property
    def amount_in(self) -> int:
        return self.steps[0].amount_in

    @property
    def amount_out(self) -> int:
        return self.steps[-1].amount_out

    @property
    def gas(self) -> int:
        """An estimate, for a transaction of its own."""
        return gas_of(step.hop.kind for step in self.steps if step.hop is not None)


class Parts:
    """Orders executed at `pools`, each as they are now. `found` are all ways on which any part went so far."""

    def __init__(self, pools: Mapping[VenueId, Pool]) -> None:
        self._pools = pools
        self.found: dict[Ways, None] = {}

    def poured(self, ways: Sequence[Ways], amount: int, slices: int) -> tuple[Path, ...]:
        """`amount` in slices, each along the way that pays most for it by then; nothing where they do not take it."""
        return self._poured(Desk(self._pools), (), ways, amount, slices)

    def alone(self, ways: Ways, amount: int) -> Path | None:
        """`amount` along one way; None where a pool refuses."""
        return _nearly(Desk(self._pools), ways, amount)

    def exact(self, parts: Sequence[tuple[Ways, float]], amount: int) -> tuple[Path, ...]:
        """The parts in integers that add up to `amount`. A little that they leave, or that pools refuse, goes along the
        widest path that takes it with its own part; more is poured over all ways found so far.

        Nothing where they do not take it.
        """
        if not parts:
            return ()
        total = sum(part for _, part in parts)
        asked = [int(amount * (part / max(total, amount))) for _, part in parts]
        if amount - sum(asked) <= amount * SLACK:
            asked[0] += amount - sum(asked)
        ways = [way for way, _ in parts]
        desk = Desk(self._pools)
        made = [self._taken(desk, way, units) for way, units in zip(ways, asked, strict=True)]
        rest = amount - sum(map(paid, made))
        if 0 < rest <= amount * LITTLE:
            given = {way: paid(paths) for way, paths in zip(ways, made, strict=True)}
            for widest in ways:
                again = self._all_taken(given | {widest: given[widest] + rest})
                if paid(again) == amount:
                    return again
        return self._poured(desk, tuple(chain.from_iterable(made)), tuple(self.found), rest, POURED)

    def _all_taken(self, asked: Mapping[Ways, int]) -> tuple[Path, ...]:
        """What each of the ways takes of what is asked of it, one after another."""
        desk = Desk(self._pools)
        return tuple(path for ways, units in asked.items() for path in self._taken(desk, ways, units))

    def _poured(
        self, desk: Desk, made: Sequence[Path], ways: Sequence[Ways], rest: int, slices: int
    ) -> tuple[Path, ...]:
        """What was made on the desk, and `rest` in slices, each along the way that pays most for it by then.

        All that takes the same way is swapped there at once where that takes it, and pays as much. Nothing where the
        ways do not take all, or only in very many swaps.
        """
        if not rest or not ways:
            return () if rest else tuple(made)
        made = list(made)
        size = most = max(1, rest // slices)
        least = max(1, most >> HALVINGS)
        known: dict[Ways, tuple[tuple[Step, ...], dict[str, Swapped]] | None] = {}
        for _ in range(MOST_POURED * slices):
            if not rest:
                break
            units = min(size, rest)
            for way in ways:
                if way not in known:
                    known[way] = _tried(desk, way, units)
            steps, swapped = max(known.values(), key=lambda tried: tried[0][-1].amount_out if tried else 0) or ((), {})
            if not steps:
                if size <= least:
                    return ()
                size, known = max(least, size // 2), {}
                continue
            desk.keep(swapped)
            made.append(Path(steps))
            rest -= units
            size = min(2 * size, most)
            if min(size, rest) != units:
                known = {}
            known = {way: tried for way, tried in known.items() if swapped.keys().isdisjoint(w.venue for w in way)}
        if rest:
            return ()
        gathered = self._all_taken(by_way(made))
        return max(tuple(made), gathered if paid(gathered) == paid(made) else (), key=received)

    def settled(self, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        """The same paths, the widest at the sizes that pay most together, as the pools themselves quote.

        Only where one pool is swapped at in several ways: each of them was planned as a pool of its own.
        """
        asked = by_way(paths)
        if not in_each_others_way(asked):
            return paths
        widest = sorted(asked, key=asked.__getitem__, reverse=True)[:MOST_SETTLED]
        for part in SHIFTED:
            for giver, taker in permutations(widest, 2):
                asked = by_way(paths)
                more = int(asked[giver] * part)
                asked[giver], asked[taker] = asked[giver] - more, asked[taker] + more
                shifted = self._all_taken(asked)
                if paid(shifted) == paid(paths):
                    paths = max(paths, shifted, key=received)
        return paths

    def _taken(self, desk: Desk, ways: Ways, amount: int) -> list[Path]:
        """`amount` along the ways, at once or in as few swaps as their pools take; less where they are full then."""
        made: list[Path] = []
        rest = size = amount
        while rest > 0 and size > amount >> HALVINGS:
            path = _nearly(desk, ways, min(size, rest), _HAIRS if size == amount else _EXACTLY)
            if path is None:
                size = min(size, rest) // 2
            else:
                made.append(path)
                rest, size = rest - path.amount_in, 2 * size
        return made

    def trimmed(self, paths: tuple[Path, ...], amount: int) -> tuple[Path, ...]:
        """The paths, each at about the least that pays what it pays, until that is `amount`: rounding took the rest."""
        desk, made, needed = Desk(self._pools), list[Path](), amount
        try:
            for path in paths:
                if needed > 0:
                    ways = _ways_of(path)
                    asked = self._least(desk, ways, min(path.amount_out, needed)) or path.amount_in
                    made.append(Path(swaps(desk, ways, min(asked, path.amount_in))))
                    needed -= made[-1].amount_out
        except (PoolError, ArithmeticError):
            return paths
        return tuple(made) if needed <= 0 else paths

    def asking(self, ways: Ways, amount_out: int) -> Path | None:
        """The path at about the least that pays at least that much out."""
        desk = Desk(self._pools)
        asked = self._least(desk, ways, amount_out)
        path = _nearly(desk, ways, asked) if asked else None
        return path if path is not None and path.amount_out >= amount_out else None

    def _least(self, desk: Desk, ways: Ways, amount_out: int) -> int | None:
        """About the least that pays at least that much; None where a pool refuses."""
        try:
            return backward([self._hop(desk, way) for way in ways], amount_out)
        except (PoolError, ArithmeticError):
            return None

    def _hop(self, desk: Desk, way: Way) -> PoolHop:
        pool = desk.venue(way.venue)
        assert isinstance(pool, type(self._pools[way.venue]))
        return PoolHop(pool, way.token_in, way.token_out)


def by_way(paths: Iterable[Path]) -> dict[Ways, int]:
    """What goes into each of the paths' ways in all, in the order in which they are taken first."""
    asked: dict[Ways, int] = {}
    for path in paths:
        ways = _ways_of(path)
        asked[ways] = asked.get(ways, 0) + path.amount_in
    return asked


def in_each_others_way(paths: Iterable[Ways]) -> bool:
    """Whether one pool is swapped at in several ways."""
    ways = {way for path in paths for way in path}
    return len({way.venue for way in ways}) < len(ways)


def _nearly(desk: Desk, ways: Ways, amount: int, hairs: Iterable[float] = _EXACTLY) -> Path | None:
    """`amount` along the ways, or one of these hairs less; None where that is too much at once."""
    for hair in hairs:
        units = amount - int(amount * hair)
        try:
            return Path(swaps(desk, ways, units))
        except (PoolError, ArithmeticError):
            continue
    return None


def _tried(desk: Desk, ways: Ways, amount: int) -> tuple[tuple[Step, ...], dict[str, Swapped]] | None:
    try:
        return quoted(desk, ways, amount)
    except (PoolError, ArithmeticError):
        return None


def _ways_of(path: Path) -> Ways:
    return tuple(Way(step.venue, step.token_in, step.token_out) for step in path.steps)


def received(paths: Iterable[Path]) -> int:
    return sum(path.amount_out for path in paths)


def paid(paths: Iterable[Path]) -> int:
    return sum(path.amount_in for path in paths)
