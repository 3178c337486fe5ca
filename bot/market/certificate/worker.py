"""The certifying process: takes updates from its standard input, and answers each on its standard output.

Run as `python -m bot.market.certificate.worker` by `Certifier`, and by nobody else: what comes in is trusted. It yields
to everything else on the machine, and bounds every block; a block is explained if no newer one waits.
"""

from __future__ import annotations

import math
import os
import pickle
import queue
import sys
import threading
import time
from dataclasses import replace
from itertools import islice
from typing import BinaryIO

import numpy as np

from bot.market.certificate.messages import PREFIX, Certified, Proposed, Update, framed
from bot.market.combined import MOST_WALKS, walks_of
from bot.market.dual.certificate import bound
from bot.market.dual.explained import explained, unsupported_in
from bot.market.dual.kernels import Floats
from bot.market.dual.problem import Problem, opening_prices
from bot.market.dual.solve import Solution, solve
from bot.market.dual.standing import Standing
from bot.market.dual.venues import BookVenue, Venue
from bot.market.rows import with_words
from chains.assets import Token
from chains.pools.pool import Pool

NICENESS = 10
LEAST_PRICE = 1e-100
"""Between this and its inverse a token's price in base units is begun from again."""


class Certificates:
    """The market as it was told block by block, and the prices that held last."""

    def __init__(self) -> None:
        self._standing: Standing | None = None
        self._prices: dict[Token, float] = {}
        self._pools: dict[str, Pool] = {}

    def solved(self, update: Update) -> Solution:
        """The optimum of the block that `update` leads to."""
        self._standing = self._standing or Standing(update.numeraire)
        problem = self._standing.posed(self._changed(update), update.gone)
        solution = solve(problem, self._start(problem))
        self._prices.update(zip(problem.tokens, map(float, solution.prices), strict=True))
        return solution

    def proposed(self, update: Update, solution: Solution) -> Proposed:
        """The optimum's walks that keep to the terms and pass no order book."""
        avoided = unsupported_in(solution.problem.venues).keys() | update.terms.avoided.keys()
        found = walks_of(solution, update.terms.most_hops)
        pools = {name for name, venue in solution.problem.venues.items() if not isinstance(venue, BookVenue)} - avoided
        taken = (walk for walk in found if all(way.venue in pools for way in walk.ways))
        return Proposed(update.number, tuple(islice(taken, MOST_WALKS)))

    def certified(self, update: Update, solution: Solution | None = None, *, explain: bool) -> Certified:
        """The certificate of that block, whose optimum is `solution`."""
        began = time.perf_counter()
        solution = solution or self.solved(update)
        problem = solution.problem
        limit = bound(problem, solution.prices)
        within_reach = missed = None
        if explain:
            unsupported = unsupported_in(problem.venues)
            terms = replace(update.terms, avoided={**unsupported, **update.terms.avoided})
            limit, taken, missed = explained(solution, terms, limit, unsupported)
            within_reach = taken.gain
        return Certified(update.number, limit, within_reach, missed, time.perf_counter() - began)

    def _changed(self, update: Update) -> list[Venue]:
        """The venues that the update tells of: pools by name, then books."""
        for name in update.gone:
            self._pools.pop(name, None)
        pools = {pool.venue: pool for pool in update.pools}
        for name, words in zip(update.moved.venues, update.moved.states.tolist(), strict=True):
            pools[name] = with_words(self._pools[name], words)
        self._pools.update(pools)
        return [*(pools[name] for name in sorted(pools)), *update.books]

    def _start(self, problem: Problem) -> Floats | None:
        """The last prices: the optimum is not far from there. Tokens without one get a first guess."""
        known = np.array([self._prices.get(token, math.nan) for token in problem.tokens])
        # A price that ran away, as where pools at the ends of prices form a chain, leads nowhere.
        unknown = ~((known > LEAST_PRICE) & (known < 1.0 / LEAST_PRICE))
        if unknown.all():
            return None
        if unknown.any():
            known[unknown] = opening_prices(problem)[unknown]
        return known


def _read(stream: BinaryIO, updates: queue.Queue[Update | None]) -> None:
    while len(prefix := stream.read(PREFIX.size)) == PREFIX.size:
        updates.put(pickle.loads(stream.read(*PREFIX.unpack(prefix))))  # noqa: S301 - from our own engine
    updates.put(None)


def main() -> None:
    """Answer updates until the input ends, or nobody hears the answers any more."""
    os.nice(NICENESS)
    updates: queue.Queue[Update | None] = queue.Queue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, updates), daemon=True).start()
    certificates = Certificates()
    try:
        while (update := updates.get()) is not None:
            solution = certificates.solved(update)
            if update.propose:
                sys.stdout.buffer.write(framed(certificates.proposed(update, solution)))
                sys.stdout.buffer.flush()
            answer = certificates.certified(update, solution, explain=updates.empty())
            sys.stdout.buffer.write(framed(answer))
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        # What is still buffered would be flushed as the interpreter ends, and fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
