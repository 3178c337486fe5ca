"""What the signer's process gives up before it opens its key. Off Linux most of it is absent, and said so."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000


def confine(*, off_network: bool | None = None) -> dict[str, bool]:
    """Give up what can be given up; which protections are now in force, by name. Call it before any thread starts.

    `off_network` says whether it left the network before it became a user of its own, which afterwards it cannot.
    Raises `OSError` when it got half-way out of the network: the process must not go on like that.
    """
    # Entering a user namespace resets what the later calls set, so the network goes first.
    return {
        "no_network": _leave_network() if off_network is None else off_network,
        "no_core_dump": _forbid_core_dumps(),
        "not_dumpable": _process_control(_PR_SET_DUMPABLE, 0),
        "no_new_privileges": _process_control(_PR_SET_NO_NEW_PRIVS, 1),
        # The kernel ties this to the thread that started the process: start the signer from a thread that lasts.
        "dies_with_parent": _process_control(_PR_SET_PDEATHSIG, signal.SIGKILL),
    }


def _forbid_core_dumps() -> bool:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return True


def _process_control(option: int, value: int) -> bool:
    return _linux("prctl", option, value, 0, 0, 0)


def _leave_network() -> bool:
    """Into an empty network namespace; without privilege, by way of a user namespace of our own, where it can be had.

    A root without capabilities, as in some containers, may make one and not be himself in it: a child tries it first.
    """
    if _linux("unshare", _CLONE_NEWNET):
        return True
    child = os.fork()
    if child == 0:
        left = False
        with suppress(OSError):
            left = _leave_as_ourselves()
        os._exit(0 if left else 1)
    _, status = os.waitpid(child, 0)
    return status == 0 and _leave_as_ourselves()


def _leave_as_ourselves() -> bool:
    user, group = os.getuid(), os.getgid()
    if not _linux("unshare", _CLONE_NEWUSER | _CLONE_NEWNET):
        return False
    # Unmapped ids all look alike to the peer check, so ours must stay itself.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def _linux(function: str, *arguments: int) -> bool:
    if sys.platform != "linux":
        return False
    call = getattr(ctypes.CDLL(None), function)
    return bool(call(*(ctypes.c_ulong(argument) for argument in arguments)) == 0)


if __name__ == "__main__":
    # What a signer would give up here, for who asks before there is one.
    print(json.dumps(confine(off_network="--off-network" in sys.argv if "--client" in sys.argv else None)))
