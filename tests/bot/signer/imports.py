"""Prints the top-level modules, beyond the standard library, that the running signer has loaded once it has signed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from bot.clock import SystemClock
from bot.signer.journal import Journal
from bot.signer.keystore import seal, unseal
from bot.signer.policy import decode_policy
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch

if __name__ == "__main__":
    importlib.import_module("bot.signer.__main__")
    policy_path, body_path, journal_path, secret = sys.argv[1:]
    switch = KillSwitch(Path(journal_path).parent / "control")
    switch.establish(SystemClock().wall_s())
    signer = Signer(
        policy=decode_policy(Path(policy_path).read_bytes()),
        policy_digest="",
        key=unseal(seal(bytes.fromhex(secret), b"pw", light=True), b"pw"),
        journal=Journal(Path(journal_path)),
        switch=switch,
        clock=SystemClock(),
        protections={},
    )
    print(type(signer.answer(Path(body_path).read_bytes())).__name__)
    print(*sorted({name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
    print(*sorted(set(sys.modules)))
