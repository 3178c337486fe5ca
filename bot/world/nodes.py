"""The node that a configuration describes."""

from __future__ import annotations

from collections.abc import Sequence

from bot.clock import Clock
from bot.config.model import EndpointConfig, RunSections
from bot.config.values import plain
from chains.networks import Network
from chains.node import EndpointSettings, Node

_USAGE_FILE = "node-units.json"


def node_of(config: RunSections, network: Network, clock: Clock, urls: Sequence[str] = ()) -> Node:
    """Not yet connected. `urls` replace the configured endpoints. Raises `UnreadableSecret`, `NodeError`."""
    given = [EndpointSettings(url) for url in urls]
    return Node(
        network,
        given or [_settings(endpoint) for endpoint in config.node.endpoints],
        clock,
        usage=None if given else config.ledger.folder / _USAGE_FILE,
        request_timeout_s=config.node.timeout_s,
    )


def _settings(endpoint: EndpointConfig) -> EndpointSettings:
    rate = endpoint.requests_per_s
    return EndpointSettings(
        plain(endpoint.url),
        requests_per_s=None if rate is None else float(rate),
        daily_units=endpoint.daily_units,
        backup=endpoint.backup,
        archive=endpoint.archive,
        not_asked=frozenset(endpoint.not_asked),
        units=endpoint.units,
    )
