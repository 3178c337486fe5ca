"""`python -m bot.signer`: the process that alone knows the key. It reads its passphrase from a file descriptor."""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
from pathlib import Path

from bot.clock import SystemClock
from bot.signer.confinement import confine
from bot.signer.journal import Journal, JournalError
from bot.signer.key import SigningKey
from bot.signer.keystore import KeystoreError, is_light, unseal
from bot.signer.policy import InvalidPolicy, SignerPolicy, read_policy
from bot.signer.server import Server, SocketError
from bot.signer.service import Signer

READY = "ready"
MAX_PASSPHRASE_BYTES = 4096


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. 0 on a clean end; 1, and one line on stderr, when it cannot start."""
    options = _options(arguments)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    os.umask(0o077)
    try:
        protections = confine()
        policy, policy_bytes = read_policy(options.policy)
        key = _open_keystore(options.keystore, _read_passphrase(options.passphrase_fd), policy)
        with Journal(options.journal) as journal:
            signer = Signer(
                policy=policy,
                policy_digest=hashlib.sha256(policy_bytes).hexdigest(),
                key=key,
                journal=journal,
                clock=SystemClock(),
                protections=protections,
            )
            server = Server(options.socket, signer.answer)
            with server.listening() as listener:
                print(READY, key.address, flush=True)
                server.serve(listener)
    except (InvalidPolicy, KeystoreError, JournalError, SocketError, ValueError, OSError) as error:
        print(f"signer: {error}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bot.signer", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to make, in a directory of mode 0700")
    parser.add_argument("--keystore", type=Path, required=True, help="web3 secret storage file, version 3")
    parser.add_argument("--policy", type=Path, required=True, help="what may be signed; read once")
    parser.add_argument("--passphrase-fd", type=int, required=True, help="file descriptor that holds the passphrase")
    parser.add_argument("--journal", type=Path, required=True, help="SQLite file of everything signed")
    return parser.parse_args(arguments)


def _read_passphrase(descriptor: int) -> bytes:
    try:
        with os.fdopen(descriptor, "rb") as source:
            passphrase = source.read(MAX_PASSPHRASE_BYTES + 1)
    except OSError as error:
        raise KeystoreError(f"cannot read the passphrase from descriptor {descriptor}: {error.strerror}") from None
    if len(passphrase) > MAX_PASSPHRASE_BYTES:
        raise KeystoreError(f"the passphrase is longer than {MAX_PASSPHRASE_BYTES} bytes")
    return passphrase.removesuffix(b"\n")


def _open_keystore(path: Path, passphrase: bytes, policy: SignerPolicy) -> SigningKey:
    try:
        data = path.read_bytes()
        if is_light(data) and not policy.test_chain:
            raise KeystoreError(f"its key derivation is too weak for chain {policy.chain_id}; make a new one")
        return unseal(data, passphrase)
    except OSError as error:
        raise KeystoreError(f"cannot read keystore {path}: {error.strerror}") from None
    except KeystoreError as error:
        raise KeystoreError(f"keystore {path}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
