"""The signer's first step where root starts it: out of the network, then another user for good, then its program.

Run as a script under `python -I -S`: nothing but the standard library ever runs as root here. What it was and did is
added to the program's words: `--client UID` is who started it, `--off-network` says that it left the network.
"""

from __future__ import annotations

import ctypes
import os
import sys

_CLONE_NEWNET = 0x4000_0000


def main(words: list[str]) -> None:
    """`words` are the user's and the group's number, and the program with its own words. Does not return."""
    uid, gid, *program = words
    told = ["--client", str(os.getuid())]
    # Without this privilege later, only a user namespace would do, in which all peers look alike.
    if ctypes.CDLL(None).unshare(ctypes.c_ulong(_CLONE_NEWNET)) == 0:
        told.append("--off-network")
    os.setgroups([])
    os.setresgid(int(gid), int(gid), int(gid))
    os.setresuid(int(uid), int(uid), int(uid))
    os.execv(program[0], [*program, *told])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
