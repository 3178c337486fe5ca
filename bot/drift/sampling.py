"""Which pools are held against the chain next: what changed first, and every pool in its turn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable

from bot.market import VenueId

_TURN = 3
"""At least every third pool of a sample is the next in turn, changed or not."""


class Sampler:
    """Two queues without duplicates: the pools that changed, oldest change first, and all of them in rotation."""

    def __init__(self) -> None:
        self._changed: OrderedDict[VenueId, None] = OrderedDict()
        self._rotation: OrderedDict[VenueId, None] = OrderedDict()

    def meet(self, venues: Iterable[VenueId]) -> None:
        """Pools that have a turn from now on; the ones known already keep theirs."""
        for venue in venues:
            self._rotation.setdefault(venue)

    def note(self, changed: Iterable[VenueId]) -> None:
        """Pools whose state moved since they were last compared."""
        for venue in changed:
            self._changed.setdefault(venue)

    def pick(self, among: Collection[VenueId], count: int) -> list[VenueId]:
        """The next `count` pools of those `among`, each once; pools that are gone lose their turn."""
        picked = self._taken(self._changed, among, count - -(-count // _TURN), ())
        picked += self._taken(self._rotation, among, count - len(picked), picked)
        for venue in picked:
            self._changed.pop(venue, None)
            self._rotation[venue] = None
            self._rotation.move_to_end(venue)
        return picked

    def _taken(
        self, queue: OrderedDict[VenueId, None], among: Collection[VenueId], count: int, but: Collection[VenueId]
    ) -> list[VenueId]:
        taken: list[VenueId] = []
        passed: list[VenueId] = []
        while queue and len(taken) < count:
            venue, _ = queue.popitem(last=False)
            if venue in but:
                passed.append(venue)
            elif venue in among:
                taken.append(venue)
        for venue in passed:
            queue[venue] = None
        return taken
