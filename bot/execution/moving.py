"""What a plan brings where its pools have moved against it, by our own exact quotes: nobody is asked anything.

A pool has moved by n bps when the plan's own amount, sold there behind another's trade, brings n bps less than it did.
`bot.simulator.sensitivity` finds the same on a fork, with real trades.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from bot.execution.unwind import through
from bot.market import Market, UnknownVenue
from bot.plan import Plan, Swap
from chains.blocks import Log
from chains.hops import WRAPPERS
from chains.pools.pool import NOT_UNDERSTOOD, InsufficientLiquidity, Pool, PoolError, Source
from chains.pools.upgrades import followed

_BPS = 10**4
_FINE = 1_000
_MOST_STEPS = 64


def brought(plan: Plan, market: Market, levels_bps: Sequence[int]) -> list[int | None]:
    """What all routes of `plan` bring at each level, base units, with each of its swaps' pools moved so far.

    None where a pool is not known, cannot be moved so far, or would not take what is left for it.
    """
    pools = pools_of(plan, market)
    if pools is None:
        return [None for _ in levels_bps]
    pressed: dict[Swap, _Pressed] = {}
    return [_brought(plan, pools, pressed, bps) for bps in levels_bps]


def pools_of(plan: Plan, market: Market) -> dict[Swap, Pool] | None:
    """The pool of each swap as it stands now; None where one is not known."""
    try:
        return {swap: through(swap, market) for swap in plan.swaps}
    except UnknownVenue:
        return None


def brought_behind(plan: Plan, pools: Mapping[Swap, Pool], logs: Sequence[Log]) -> int | None:
    """What all routes of `plan` bring where `logs` came first to its `pools`, base units; None where nobody knows."""
    try:
        moved = {pool.venue: reduce(followed, _of(pool, logs), pool) for pool in pools.values()}
        return sum(_along(route, pools, moved) for route in plan.routes)
    except NOT_UNDERSTOOD:
        return None


def _of(pool: Pool, logs: Sequence[Log]) -> Iterator[Log]:
    """Those that may change `pool`."""
    for log in logs:
        named = Source(log.address), Source(log.address, log.topics[1] if len(log.topics) > 1 else b"")
        if any(source in named for source in pool.sources):
            yield log


def _brought(plan: Plan, pools: Mapping[Swap, Pool], pressed: dict[Swap, _Pressed], bps: int) -> int | None:
    """A pool that several routes go through is moved once, by the measure of the first, and stays as each leaves it.

    What no trade moves stays as it is.
    """
    moved: dict[str, Pool] = {}
    try:
        for swap, pool in pools.items():
            if swap.hop.kind in WRAPPERS:
                moved[pool.venue] = pool
            elif pool.venue not in moved:
                if swap not in pressed:
                    pressed[swap] = _Pressed(pool, swap)
                moved[pool.venue] = pressed[swap].moved(bps)
        return sum(_along(route, pools, moved) for route in plan.routes)
    except PoolError:
        return None


def _along(route: tuple[Swap, ...], pools: Mapping[Swap, Pool], moved: dict[str, Pool]) -> int:
    amount = route[0].amount_in
    for swap in route:
        venue = pools[swap].venue
        pool, spent = moved[venue], amount
        amount = pool.paid(swap.token_in, spent, swap.token_out)
        moved[venue] = pool.swapped(swap.token_in, spent, swap.token_out)
    return amount


class _Pressed:
    """`pool` behind trades after which `swap` brings less, level after level. Raises `PoolError`."""

    def __init__(self, pool: Pool, swap: Swap) -> None:
        self._pool, self._swap = pool, swap
        self._usual = pool.paid(swap.token_in, swap.amount_in, swap.token_out)
        self._found: tuple[int, int] | None = None
        """The last trade found, and how much less the swap then brings."""

    def moved(self, bps: int) -> Pool:
        """After a trade by which the swap brings `bps` less, to a thousandth of that. Raises `PoolError`.

        False position, kept within its bracket; the trade for one level tells nearly that for the next.
        """
        pool, swap, usual = self._pool, self._swap, self._usual
        wanted = usual * bps // _BPS
        low, high, trade = 0, 0, max(1, self._guess(wanted, bps))
        enough: Pool | None = None
        for _ in range(_MOST_STEPS):
            behind, brings = _behind(pool, swap, trade)
            lost = usual - brings
            if behind and abs(lost - wanted) <= max(1, wanted // _FINE):
                self._found = (trade, lost) if lost > _FINE else None
                return behind
            if lost < wanted:
                low = trade
            else:
                high, enough = trade, behind or enough
            if high and high - low <= 1:
                break
            trade = self._scaled(trade, lost, wanted) if lost > 0 else 2 * trade
            if high and not low < trade < high:
                trade = (low + high) // 2
            trade = max(trade, low + 1)
        if enough is None:
            raise InsufficientLiquidity(f"{pool.venue} cannot be moved {bps} bps")
        return enough

    def _guess(self, wanted: int, bps: int) -> int:
        if self._found is None:
            return self._swap.amount_in * bps // _BPS
        return self._scaled(*self._found, wanted)

    def _scaled(self, trade: int, lost: int, wanted: int) -> int:
        """The trade that takes `wanted` from the swap, where `trade` takes `lost`.

        Of x · y = k a trade t leaves a small swap 1 / (1 + t / x)² of what it brings: to take the part b, t grows as
        1 / √(1 - b) - 1, which is (4 b + 3 b²) / 8 up to the third power of b.
        """
        usual = self._usual
        return trade * wanted * (4 * usual + 3 * wanted) // (lost * (4 * usual + 3 * lost))


def _behind(pool: Pool, swap: Swap, trade: int) -> tuple[Pool | None, int]:
    """`pool` after `trade`, and what the swap then brings; None and nothing where it is not taken any more."""
    try:
        behind = pool.swapped(swap.token_in, trade, swap.token_out)
        return behind, behind.paid(swap.token_in, swap.amount_in, swap.token_out)
    except PoolError:
        return None, 0
