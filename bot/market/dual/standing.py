"""A market's problem from block to block: what changed is laid out anew, and the rest stands as it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from bot.market.dual.problem import UNTRADABLE, Curves, Problem, Way, curves_of, posed_by, summed
from bot.market.dual.venues import Venue
from chains.assets import Token
from chains.pools.pool import NOT_UNDERSTOOD

MOST_ROWS = 2
"""The pieces are laid out anew once there are this many times as many rows as there were then."""


class Standing:
    """The problem that venues pose, by what each block changed. One numeraire; one writer.

    Problems that were given keep their own arrays, so that what was solved of them stays true.
    """

    def __init__(self, numeraire: Token) -> None:
        self._numeraire = numeraire
        self._venues: dict[str, Venue] = {}
        self._curves: dict[str, Curves] = {}
        self._refused: dict[str, str] = {}
        self._problem: Problem | None = None
        self._edges: dict[Way, int] = {}
        self._laid_out = 0
        self.layouts = 0
        """How often everything was laid out anew."""

    def posed(self, changed: Collection[Venue], gone: Collection[str] = ()) -> Problem:
        """The problem after `changed` have become these, and `gone` are not there any more; as `problem_of` says it."""
        before = {venue.venue: self._curves.get(venue.venue, {}) for venue in changed}
        left = [self._curves.pop(name, {}) for name in gone]
        for name in gone:
            self._venues.pop(name, None)
            self._refused.pop(name, None)
        for venue in changed:
            self._take(venue)
        alike = all(self._curves[name].keys() == known.keys() for name, known in before.items()) and not any(left)
        problem = self._problem
        if problem is None or not alike or len(problem.pieces) > MOST_ROWS * self._laid_out:
            return self._anew()
        self._problem = self._moved(problem, before)
        return self._problem

    def _take(self, venue: Venue) -> None:
        name = venue.venue
        self._venues[name] = venue
        self._refused.pop(name, None)
        try:
            self._curves[name] = curves_of(venue)
        except NOT_UNDERSTOOD as error:
            self._curves[name] = {}
            self._refused[name] = f"no price curve: {error}"
            return
        if not self._curves[name]:
            self._refused[name] = UNTRADABLE

    def _anew(self) -> Problem:
        problem = posed_by(self._curves, self._venues, self._numeraire, self._refused)
        self._problem, self._laid_out = problem, max(len(problem.pieces), 1)
        self._edges = {way: edge for edge, way in enumerate(problem.ways)}
        self.layouts += 1
        return problem

    def _moved(self, problem: Problem, names: Mapping[str, object]) -> Problem:
        """The same ways, those of `names` by new rows at the end of the pieces."""
        rows: list[tuple[float, float, float, float, float]] = []
        stretches = problem.stretches.copy()
        for name in names:
            for way, curve in self._curves[name].items():
                edge = self._edges.get(way)
                if edge is not None:
                    first = len(problem.pieces) + len(rows)
                    rows.extend(summed(curve))
                    stretches[edge] = first, len(problem.pieces) + len(rows)
        pieces = np.concatenate([problem.pieces, np.array(rows, dtype=np.float64).reshape(-1, 5)])
        posing = {name: venue for name, venue in self._venues.items() if name not in self._refused}
        return replace(problem, venues=posing, stretches=stretches, pieces=pieces, refused=dict(self._refused))
