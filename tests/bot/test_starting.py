"""A run's kernels are there before anything is open, and a person hears of it where that takes long."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot import starting
from bot.market import Market
from bot.starting import load_kernels
from chains.kernels.cache import compiled
from chains.tools import ROOT
from tests.bot.market.samples import ASSETS
from tests.bot.running import twin_config
from tests.told import Told

_OPENED = """
import asyncio, sys
from pathlib import Path
from bot import app
from bot.config.load import load
from bot.config.options import Quiet, RunOptions
from bot.market.dual.compiled import kernels
from tests.bot.market.samples import USDC, WETH, market, v2

async def opened(*room):
    from bot.market.packed.detect import block_step
    made = (block_step, kernels().newton, kernels().flows)
    print([len(kernel.signatures) for kernel in made])
    searched = market(v2(1, WETH, USDC, (10**21, 10**12)), v2(2, WETH, USDC, (10**21, 2 * 10**12)))
    searched.prepare()
    assert list(searched.cycles())
    print([len(kernel.signatures) for kernel in made])
    sys.exit()

app.open_world = opened
asyncio.run(app.run(load(Path(sys.argv[1])), RunOptions(), Quiet()))
"""


@pytest.mark.skipif(not compiled(), reason="nothing is compiled here")
def test_all_that_a_search_waits_for_is_compiled_before_a_run_opens_anything(tmp_path: Path) -> None:
    """A signer that is awake halts where the books are not proven in time, which nobody does who compiles."""
    run = [sys.executable, "-c", _OPENED, str(twin_config(tmp_path))]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[1, 1, 1]"] * 2


@pytest.mark.parametrize(("takes_s", "lines"), [(0.0, 0), (0.5, 1)])
def test_a_person_is_told_once_where_kernels_take_long(
    monkeypatch: pytest.MonkeyPatch, takes_s: float, lines: int
) -> None:
    monkeypatch.setattr(starting, "_TOLD_AFTER_S", 0.2)
    monkeypatch.setattr(Market, "prepare", lambda market: time.sleep(takes_s))
    told = Told()
    load_kernels(ASSETS, told.line)
    time.sleep(0.3)
    assert len(told) == lines
    assert all("compiled" in line and "once" in line for line in told)
