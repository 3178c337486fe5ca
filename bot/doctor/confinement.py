"""A look at what the signer's process can give up on this machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable

import orjson

from bot.doctor.checks import Check, Status, graded
from chains.tools import ROOT

_TIMEOUT_S = 20
_MEANINGS = {
    "no_network": "leaves the network",
    "no_core_dump": "leaves no core dump",
    "not_dumpable": "cannot be read by your other processes",
    "no_new_privileges": "gains no privileges",
    "dies_with_parent": "ends with the bot",
}


async def confinement() -> Iterable[Check]:
    """What it gives up, and what it cannot; it always runs as the user of the bot."""
    return [await asyncio.to_thread(_confinement)]


def _confinement() -> Check:
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "bot.signer.confinement"],
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    try:
        protections = orjson.loads(answer.stdout)
    except orjson.JSONDecodeError:
        return Check("signer", Status.FAIL, "its process does not start", "run `make setup`")
    kept = [meaning for name, meaning in _MEANINGS.items() if protections.get(name)]
    lost = [meaning for name, meaning in _MEANINGS.items() if not protections.get(name)]
    return graded(
        "signer",
        f"{', '.join(kept)}; runs as user {os.getuid()}, as the bot does",
        warn=bool(lost),
        remedy=f"here it cannot do this: {', '.join(lost)}; allow user namespaces, or run it on Linux",
    )
