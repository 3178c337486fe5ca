"""A bot that is killed leaves no process behind: its forks and its certifying process end with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

FORK = """
from chains.anvil import Anvil
started = Anvil()
"""
CERTIFIER = """
from bot.market.certificate.certifier import Certifier
from tests.bot.market import samples
started = Certifier(samples.market(), samples.WETH, print)
"""
WAITING = """
import asyncio
async def main():
    await started.start()
    print(started._process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel can be asked for it")
@pytest.mark.parametrize("started", [FORK, CERTIFIER], ids=["fork", "certifier"])
async def test_what_a_killed_bot_had_started_ends_with_it(started: str) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", started + WAITING, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert runs(pid)
    parent.kill()
    await parent.wait()
    for _ in range(50):
        if not runs(pid):
            return
        await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("it outlived its parent by five seconds")


def runs(pid: int) -> bool:
    """Whether there is such a process, and not only its record."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")
