"""Small random markets, and what can be gained in them by trying."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from hypothesis import strategies as st

from bot.market.dual.exact import Desk, Walk
from bot.market.dual.problem import Way
from chains.assets import Token
from chains.pools.pool import Pool
from tests.chains.pools.samples import pair, token

WETH = token(0xE, "WETH")
TOKENS = (WETH, token(1, "A", 0), token(2, "B", 6), token(3, "C", 36))
FRACTIONS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.3)


@st.composite
def markets(draw: st.DrawFn, least: int = 1, most: int = 10**24) -> list[Pool]:
    """Two to seven pairs of four tokens, some parallel, of any reserves and fees."""
    reserves = st.integers(least, most)
    pairs = st.sampled_from(list(itertools.combinations(TOKENS, 2)))
    chosen = draw(
        st.lists(st.tuples(pairs, reserves, reserves, st.sampled_from([0, 100, 3000])), min_size=2, max_size=7)
    )
    return [
        pair((one, other), number=number, tokens=tokens, fee_ppm=fee_ppm)
        for number, (tokens, one, other, fee_ppm) in enumerate(chosen, 100)
    ]


def cycles(pools: Sequence[Pool], start: Token, most_hops: int = 3) -> Iterator[Walk]:
    """Every closed walk from `start`, no pool twice."""

    def onwards(ways: tuple[Way, ...], at: Token) -> Iterator[Walk]:
        if ways and at == start:
            yield Walk(ways)
            return
        if len(ways) == most_hops:
            return
        for pool in pools:
            if at in pool.tokens and all(pool.venue != way.venue for way in ways):
                other = next(token for token in pool.tokens if token != at)
                yield from onwards((*ways, Way(pool.venue, at, other)), other)

    yield from onwards((), start)


def best_known(pools: Sequence[Pool], start: Token) -> int:
    """The most that some order of cycles gains, each tried at sizes around its best, again and again."""
    venues = {pool.venue: pool for pool in pools}
    walks = list(cycles(pools, start))
    return max((_gained(venues, order) for order in _orders(walks)), default=0)


def _orders(walks: Sequence[Walk]) -> Iterable[Sequence[Walk]]:
    return [walks, walks[::-1], *([walk, *walks] for walk in walks[:6])]


def _gained(venues: dict[str, Pool], walks: Sequence[Walk]) -> int:
    desk, gained = Desk(venues), 0
    for walk in itertools.chain(walks, walks):
        best, model = desk.best_input(walk, float("inf"))
        if model <= 0.0:
            continue
        tried = []
        for fraction in FRACTIONS:
            trial = Desk({way.venue: desk.venue(way.venue) for way in walk.cycle})
            made = trial.trade(walk, max(1.0, best * fraction))
            if made is not None:
                tried.append((made.gain, made.amount_in))
        if tried:
            made = desk.trade(walk, max(tried)[1])
            gained += made.gain if made is not None else 0
    return gained
