"""Where a node can be asked, and on what terms. Settings only; nothing here connects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from chains.node.errors import InvalidEndpoint, shown


class Wire(StrEnum):
    """How an endpoint is spoken to. `WS` and `IPC` tell of heads by themselves; `HTTP` has to be asked."""

    HTTP = "http"
    WS = "ws"
    IPC = "ipc"


_WIRES = {"http": Wire.HTTP, "https": Wire.HTTP, "ws": Wire.WS, "wss": Wire.WS, "ipc": Wire.IPC}


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """One endpoint and its terms.

    `url` is http(s), ws(s), or a Unix socket as `ipc:///path` or a bare path that ends in `.ipc`; it may carry a
    key, so it is absent from `repr`. `requests_per_s` and `daily_units` are the provider's limits, None where there
    are none; `units` overrides the cost of a method. A `backup` is asked only when the others cannot answer.
    `not_asked` are methods the provider must not be asked. `archive` says whether it has the state of old blocks;
    None is to be found out.
    """

    url: str = field(repr=False)
    requests_per_s: float | None = None
    daily_units: int | None = None
    backup: bool = False
    archive: bool | None = None
    not_asked: frozenset[str] = frozenset()
    units: Mapping[str, int] = field(default_factory=dict)

    @property
    def wire(self) -> Wire:
        """Raises `InvalidEndpoint`."""
        if self.url.endswith(".ipc") and "://" not in self.url:
            return Wire.IPC
        scheme, separator, rest = self.url.partition("://")
        if not separator or scheme not in _WIRES or not rest:
            raise InvalidEndpoint(
                f"{shown(self.url)}: is not an endpoint; write http(s)://…, ws(s)://… or ipc:///path/of/the/socket"
            )
        return _WIRES[scheme]

    @property
    def path(self) -> str:
        """The path of an IPC endpoint's socket."""
        return urlsplit(self.url).path if "://" in self.url else self.url

    @property
    def name(self) -> str:
        """How people are told of it, without what may be secret."""
        return self.path if self.wire is Wire.IPC else shown(self.url)

    @property
    def key(self) -> str:
        """What its use is counted under: two keys at one provider are two quotas."""
        return f"{self.name}#{hashlib.sha256(self.url.encode()).hexdigest()[:8]}"
