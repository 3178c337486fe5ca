"""What a head's promises, its key and its node take by themselves, with next to no code run: the least of any road that
has them.

Each is asked after a pause of `_PAUSE_S`, as on a head, where nothing of it was just used.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chains.anvil import Anvil

_PAUSE_S = 0.02
_TIMES = 100
_COMMITS = 3
_ROW_BYTES = 1024
_ECHO = """
import socket, sys
with socket.socket(fileno=int(sys.argv[1])) as other:
    while said := other.recv(64):
        other.send(said)
"""


@dataclass(frozen=True, slots=True)
class Least:
    """Milliseconds, p50: three commits of one row each, one after the other; a byte to another process and back; a
    node's answer to the smallest question.
    """

    commits_ms: float
    hop_ms: float
    answer_ms: float

    @property
    def road_ms(self) -> float:
        """All of it, since each waits for the one before."""
        return self.commits_ms + self.hop_ms + self.answer_ms


def least(folder: Path) -> Least:
    """Measured with a database in `folder`, and a bare Anvil."""
    return Least(_commits_ms(folder), _hop_ms(), asyncio.run(_answer_ms()))


def _commits_ms(folder: Path) -> float:
    path = folder / "least.sqlite3"
    database = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, row BLOB)")

        def commit() -> None:
            for _ in range(_COMMITS):
                database.execute("BEGIN IMMEDIATE")
                database.execute("INSERT INTO kept (row) VALUES (?)", (os.urandom(_ROW_BYTES),))
                database.execute("COMMIT")

        return _p50_ms(commit)
    finally:
        database.close()
        path.unlink()


def _hop_ms() -> float:
    here, there = socket.socketpair()
    with here, there:
        number = there.fileno()
        with subprocess.Popen([sys.executable, "-c", _ECHO, str(number)], pass_fds=[number]) as echo:

            def hop() -> None:
                here.send(b"?")
                here.recv(64)

            hop()
            took = _p50_ms(hop)
            here.shutdown(socket.SHUT_RDWR)
            echo.wait(10)
    return took


async def _answer_ms() -> float:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
    head = f"POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    async with Anvil() as anvil:
        host, _, port = anvil.http_url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as node:
            node.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def ask() -> None:
                node.send(head.encode() + body)
                while not node.recv(4096).endswith(b"}"):
                    pass

            return await asyncio.to_thread(_p50_ms, ask)


def _p50_ms(once: Callable[[], None]) -> float:
    taken = []
    for _ in range(_TIMES):
        time.sleep(_PAUSE_S)
        begun = time.perf_counter_ns()
        once()
        taken.append(time.perf_counter_ns() - begun)
    return statistics.median(taken) / 1e6
