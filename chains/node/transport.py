"""What an endpoint needs: clocks, and a connection of whichever wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from chains.node.answers import Answer, Request
from chains.node.conversation import Subscription


class NodeClock(Protocol):
    """The clocks a node needs."""

    def wall_s(self) -> float: ...

    def monotonic_ns(self) -> int: ...


class Transport(Protocol):
    """A connection. It does not reconnect by itself; once shut or lost, another is made."""

    @property
    def open(self) -> bool: ...

    @property
    def subscriptions(self) -> int: ...

    async def open_up(self) -> None: ...

    async def shut(self) -> None: ...

    async def exchange(self, requests: Sequence[Request]) -> list[Answer]: ...

    async def listen(self, subscription: Subscription, *params: Any) -> None: ...

    async def unlisten(self, subscription: Subscription) -> None: ...
