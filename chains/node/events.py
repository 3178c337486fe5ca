"""What happens to a node's endpoints, told as it happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_KEPT = 256


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """A happening with a name, such as `endpoint_down`. `grave` ones call for somebody's attention."""

    name: str
    detail: str
    grave: bool = True


class Events:
    """Keeps what nobody has listened to yet, and tells it first."""

    def __init__(self) -> None:
        self._kept: deque[NodeEvent] = deque(maxlen=_KEPT)
        self._listener: Callable[[NodeEvent], None] | None = None

    def tell(self, name: str, detail: str, grave: bool = True) -> None:
        event = NodeEvent(name, detail, grave)
        if self._listener is None:
            self._kept.append(event)
        else:
            self._listener(event)

    def listen(self, listener: Callable[[NodeEvent], None]) -> None:
        """Tell `listener` everything from now on, what was kept first."""
        self._listener = listener
        while self._kept:
            listener(self._kept.popleft())
