"""Workers under strace: killed, or failed, at the k-th call of one kind; or only watched, call by call."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.kills.worker import Scene

ATTACHED = re.compile(rb"strace: Process \d+ attached")
_ATTACHED_WITHIN_S = 10.0
_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Strike:
    """One worker under `strace` with `arguments`. It is let go on for `steps` steps, then it is killed."""

    scene: Scene
    seed: int
    arguments: tuple[str, ...]
    steps: int


@dataclass(frozen=True, slots=True)
class Struck:
    """How the worker ended: `survived` when it took all its steps; what it said it failed of otherwise."""

    survived: bool
    error: str = ""


def missing() -> str | None:
    """Why nothing can be struck here; None when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "strace may not trace here"


def attached(worker: int, arguments: Iterable[str]) -> subprocess.Popen[bytes]:
    """A tracer of the process `worker`, once it is there."""
    command = ["strace", "-f", "-p", str(worker), *arguments]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    said, deadline = b"", time.monotonic() + _ATTACHED_WITHIN_S
    while not ATTACHED.search(said):
        readable, _, _ = select.select([tracer.stderr], [], [], deadline - time.monotonic())
        part = os.read(tracer.stderr.fileno(), 4096) if readable else b""
        if not part:
            raise RuntimeError(f"strace did not attach: {said.decode(errors='replace')}")
        said += part
    return tracer


def watched(worker: int, said: int, steps: int) -> bool:
    """Whether the worker takes so many steps before it ends; it is killed then, or when it takes none for long."""
    deadline, taken = time.monotonic() + _WITHIN_S, 0
    while taken < steps and (left_s := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([said], [], [], left_s)
        if not readable or os.read(said, 1) != b".":
            break
        taken += 1
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    return taken == steps


_WAL_WRITE = re.compile(r"pwrite64\(\d+<[^>]*ledger\.sqlite3-wal>")
_WAL_SYNC = re.compile(r"fdatasync\(\d+<[^>]*ledger\.sqlite3-wal>\)")
_SENDING = "eth_sendRawTransaction"


def sent_unsynced(trace: Path) -> tuple[int, int]:
    """How many signed transactions were handed over in a trace, and before how many the log was not on the disk."""
    sendings = unsynced = 0
    dirty = False
    for line in trace.read_text(errors="replace").splitlines():
        if _WAL_WRITE.search(line):
            dirty = True
        elif _WAL_SYNC.search(line):
            dirty = False
        elif _SENDING in line and "send" in line:
            sendings += 1
            unsynced += dirty
    return sendings, unsynced
