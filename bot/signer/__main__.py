"""`python -m bot.signer`: the process that alone knows the key. It reads its passphrase from a file descriptor."""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.clock import SystemClock
from bot.signer.confinement import confine
from bot.signer.journal import Journal, JournalError
from bot.signer.keystore import KeystoreError
from bot.signer.policy import InvalidPolicy, read_policy
from bot.signer.presence import Presence, announced
from bot.signer.server import Server, SocketError
from bot.signer.service import Signer
from bot.signer.sources import FORMS, KeySource, Kind, open_key
from bot.signer.switch import KillSwitch, SwitchUnwritten

READY = "ready"
MAX_PASSPHRASE_BYTES = 4096
LOOKED_AT_S = 2.0
"""How long who only looks may keep a signer from its journal."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. 0 on a clean end; 1, and one line on stderr, when it cannot start."""
    options = _options(arguments)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    os.umask(0o077)
    try:
        apart = options.client not in (None, os.getuid())
        protections = confine(off_network=options.off_network if apart else None)
        # Who starts it may still be making the policy, and says the passphrase when that is there to be read.
        secret = _read_passphrase(options.passphrase_fd)
        policy, policy_bytes = read_policy(options.policy)
        handed = iter(options.key_fd or ())
        key, *further_keys = (
            open_key(
                source,
                secret,
                chain_id=policy.chain_id,
                test_chain=policy.test_chain,
                opened=next(handed, None) if source.kind is Kind.KEYSTORE else None,
            )
            for source in options.key
        )
        clock, switch = SystemClock(), KillSwitch(options.control)
        switch.establish(clock.wall_s())
        with Journal(options.journal, LOOKED_AT_S) as journal:
            signer = Signer(
                policy=policy,
                policy_digest=hashlib.sha256(policy_bytes).hexdigest(),
                key=key,
                further_keys=further_keys,
                journal=journal,
                switch=switch,
                clock=clock,
                protections=protections,
            )
            server = Server(options.socket, signer.answer, options.client if apart else os.getuid())
            presence = Presence(
                os.getpid(), *(str(path.absolute()) for path in (options.socket, options.journal, options.policy))
            )
            with (
                server.listening() as listener,
                _woken_by_signals() as woken,
                announced(options.control, presence),
            ):
                # What is here stays; a collection that went through all of it would fall into an answer.
                gc.freeze()
                print(READY, *policy.operators, flush=True)
                server.serve(listener, woken, lambda numbers: _heed(signer, numbers))
    except (InvalidPolicy, KeystoreError, JournalError, SocketError, SwitchUnwritten, ValueError, OSError) as error:
        print(f"signer: {error}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bot.signer", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to make, in a directory of mode 0700")
    parser.add_argument(
        "--key",
        type=KeySource.parse,
        action="append",
        required=True,
        help=f"where a key is kept, once for each operator of the policy: {FORMS}",
    )
    parser.add_argument(
        "--key-fd",
        type=int,
        action="append",
        help="file descriptor of a keystore, once for each of them, where the files are another user's",
    )
    parser.add_argument("--policy", type=Path, required=True, help="what may be signed; read once")
    parser.add_argument("--passphrase-fd", type=int, required=True, help="file descriptor of the passphrase or PIN")
    parser.add_argument("--journal", type=Path, required=True, help="SQLite file of everything signed")
    parser.add_argument("--control", type=Path, required=True, help="folder of the kill switch and of grants")
    parser.add_argument("--client", type=int, help="number of the user who may ask; left out, this process's own")
    parser.add_argument("--off-network", action="store_true", help="it left the network before it became this user")
    return parser.parse_args(arguments)


@contextmanager
def _woken_by_signals() -> Iterator[socket.socket]:
    """A socket on which SIGUSR1 is read, between two answers and never within one."""
    hears, says = socket.socketpair()
    with hears, says:
        says.setblocking(False)
        signal.set_wakeup_fd(says.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        try:
            yield hears
        finally:
            signal.set_wakeup_fd(-1)


def _heed(signer: Signer, numbers: bytes) -> None:
    if signal.SIGUSR1 in numbers:
        signer.halt("SIGUSR1")


def _read_passphrase(descriptor: int) -> bytes:
    try:
        with os.fdopen(descriptor, "rb") as source:
            passphrase = source.read(MAX_PASSPHRASE_BYTES + 1)
    except OSError as error:
        raise KeystoreError(f"cannot read the passphrase from descriptor {descriptor}: {error.strerror}") from None
    if len(passphrase) > MAX_PASSPHRASE_BYTES:
        raise KeystoreError(f"the passphrase is longer than {MAX_PASSPHRASE_BYTES} bytes")
    return passphrase.removesuffix(b"\n")


if __name__ == "__main__":
    sys.exit(main())
