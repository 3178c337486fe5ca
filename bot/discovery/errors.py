"""What can go wrong with discovering pools, each in one line: what, where, what to do."""

from __future__ import annotations


class DiscoveryError(RuntimeError):
    """Pools cannot be discovered or kept; the message says what to do."""


class StoreFailed(DiscoveryError):
    """The database of pools cannot be used."""


class ScanFailed(DiscoveryError):
    """The node does not give the logs that discovery needs."""


class NotAFactory(DiscoveryError):
    """A contract that is called a factory, and is none."""
