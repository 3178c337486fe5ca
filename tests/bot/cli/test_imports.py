"""What a command loads before it does anything: nobody waits for what he does not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chains.tools import ROOT

_HELP = "import sys\nfrom bot.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    print()\n"
_RUN = "import sys\nimport bot.cli.run\nimport bot.run.app\n"
_TELL = "print(*sys.modules)"
_OURS = {"bot", "chains", "strategies"}


def loaded(program: str) -> set[str]:
    """The names of the modules that `program` loads."""
    told = subprocess.run([sys.executable, "-c", program + _TELL], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(told.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("program", "most", "never"),
    [
        (_HELP, 185, {"pydantic", "web3", "ccxt", "aiohttp", "sqlalchemy", "numpy"}),
        (_RUN, 825, {"alembic", "ccxt", "eth_account", "numba", "pyrevm", "requests", "web3"}),
    ],
    ids=["help", "run"],
)
def test_a_command_loads_few_modules_and_none_that_another_path_needs(program: str, most: int, never: set[str]) -> None:
    names = loaded(program)
    assert not names & never
    assert len({name for name in names if name.partition(".")[0] not in _OURS}) <= most
