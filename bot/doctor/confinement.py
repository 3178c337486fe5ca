"""A look at what the signer's process can give up on this machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import orjson

from bot.doctor.checks import Check, Status, graded
from bot.signer.account import NoAccount, Standing, standing
from chains.tools import ROOT

_TIMEOUT_S = 20
_MEANINGS = {
    "no_network": "leaves the network",
    "no_core_dump": "leaves no core dump",
    "not_dumpable": "cannot be read by your other processes",
    "no_new_privileges": "gains no privileges",
    "dies_with_parent": "ends with the bot",
}


async def confinement(user: str | None, folder: Path | None) -> Iterable[Check]:
    """As whom it runs, what it gives up and what it cannot. `user` is `signer.user`, `folder` where runs keep files."""
    try:
        as_whom = standing(user, [] if folder is None else [folder / "a run"])
    except NoAccount as error:
        what, _, remedy = str(error).partition("; ")
        return [Check("signer", Status.FAIL, what, remedy or "start the bot as root, or leave it out")]
    return [await asyncio.to_thread(_confinement, as_whom)]


def _confinement(as_whom: Standing) -> Check:
    command = [sys.executable, "-P", "-m", "bot.signer.confinement"]
    answer = subprocess.run(
        command if as_whom.own is None else as_whom.own.command(command),
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
        f"{', '.join(kept)}; {as_whom}",
        warn=bool(lost),
        remedy=f"here it cannot do this: {', '.join(lost)}; allow user namespaces, or run it on Linux",
    )
