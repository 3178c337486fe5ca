"""Why small messages of a peer would come 40 ms late, and what to do about it."""

from __future__ import annotations

import asyncio
import contextlib
import socket


def acknowledge_at_once(transport: asyncio.BaseTransport | None) -> None:
    """What comes next is acknowledged as it arrives, where the system can (Linux); it forgets this now and then.

    A peer that does not set TCP_NODELAY, such as Anvil, keeps a second message back until its first is acknowledged,
    which a system puts off by 40 ms where nothing is sent meanwhile (RFC 896, RFC 1122 4.2.3.2).
    """
    raw = None if transport is None else transport.get_extra_info("socket")
    if raw is not None and hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
