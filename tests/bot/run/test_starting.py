"""A run's kernels are there before anything is open, and a person hears of it where that takes long."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.market import Market
from bot.run import starting
from bot.run.starting import load_kernels
from chains import codec
from chains.kernels.cache import compiled
from chains.tools import ROOT
from tests.bot.market.samples import ASSETS
from tests.bot.running import Isthmus, twin_config
from tests.told import Told

_OPENED = """
import asyncio, sys
from pathlib import Path
from bot.run import app
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

_OTHER = """
network = "second.toml"
strategies = ["{root}/strategies/dex_arbitrage.toml"]
[node]
endpoints = ["http://127.0.0.1:9"]
[ledger]
folder = "runs"
[dashboard]
enabled = false
"""


@pytest.mark.skipif(not compiled(), reason="nothing is compiled here")
def test_all_that_a_search_waits_for_is_compiled_before_a_run_opens_anything(tmp_path: Path) -> None:
    """A signer that is awake halts where the books are not proven in time, which nobody does who compiles."""
    run = [sys.executable, "-c", _OPENED, str(twin_config(tmp_path))]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[1, 1, 1]"] * 2


@pytest.mark.skipif(not compiled(), reason="nothing is compiled here")
@pytest.mark.parametrize("networks", [1, 2])
def test_whoever_stops_a_run_while_it_compiles_does_not_wait_for_the_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, networks: int
) -> None:
    kept = tmp_path / "kernels"
    monkeypatch.setenv("ISTHMUS_KERNEL_CACHE", str(kept))
    files = [twin_config(tmp_path)]
    if networks > 1:
        (tmp_path / "second.toml").write_text('inherits = "twin"\nchain_id = 1337\n')
        files.append(tmp_path / "other.toml")
        files[1].write_text(_OTHER.format(root=ROOT))
    words = [word for file in files for word in ("--config", str(file))]
    with Isthmus(tmp_path, "run", *words, "--mode", "dry") as run:
        deadline_s = time.monotonic() + 60
        while not any(kept.rglob("*.nbc")):
            assert run.process.poll() is None and time.monotonic() < deadline_s
            time.sleep(0.02)
        run.process.send_signal(signal.SIGINT)
        assert run.end(3) == 130
    assert run.errors() == ["stopped"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("takes_s", "lines"), [(0.0, 0), (0.5, 1)])
def test_a_person_is_told_once_where_kernels_take_long(
    monkeypatch: pytest.MonkeyPatch, takes_s: float, lines: int
) -> None:
    monkeypatch.setattr(starting, "_TOLD_AFTER_S", 0.2)
    monkeypatch.setattr(Market, "prepare", lambda market: time.sleep(takes_s))
    monkeypatch.setattr(codec, "warm", lambda: None)
    told = Told()
    load_kernels(ASSETS, told.line)
    time.sleep(0.3)
    assert len(told) == lines
    assert all("compiled" in line and "once" in line for line in told)
