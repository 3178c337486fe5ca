"""The pools a run knows by their facts, and which protocol each belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from chains.pools.pool import PoolFacts


class KnownPools:
    """What can be loaded. It grows where pools are discovered while the run goes on; its mappings show that."""

    def __init__(self, facts: Iterable[PoolFacts], protocols: Mapping[str, str]) -> None:
        self._by_venue = {fact.venue: fact for fact in facts}
        self._protocols = {str(venue): protocol for venue, protocol in protocols.items()}

    @property
    def facts(self) -> tuple[PoolFacts, ...]:
        """Every pool's facts, in the order they became known."""
        return tuple(self._by_venue.values())

    @property
    def by_venue(self) -> Mapping[str, PoolFacts]:
        return MappingProxyType(self._by_venue)

    @property
    def protocols(self) -> Mapping[str, str]:
        """The protocol's name by venue."""
        return MappingProxyType(self._protocols)

    def add(self, facts: PoolFacts, protocol: str) -> None:
        """Know one more pool."""
        self._by_venue[facts.venue] = facts
        self._protocols[facts.venue] = protocol
