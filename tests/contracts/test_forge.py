"""The Solidity tests, as part of one test run."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from chains.tools import ROOT, foundry
from tests.conftest import Counted

MEASURED = [
    "--match-contract",
    "^(Run|Exchange|Sweep|Families|Gas|Loans|Splits)Test$",
    "--no-match-test",
    "(Unknown|AtLeast|Outsiders)",
]
"""The tests that settle something, without the fuzzed ones."""


def test_every_forge_test_passes(counted: Counted) -> None:
    done = subprocess.run([foundry("forge"), "test"], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    last = done.stdout.splitlines()[-1]
    assert " 0 failed, 0 skipped" in last
    counted("executor", last)


def test_gas_is_what_the_snapshot_says() -> None:
    """`forge snapshot --snap contracts/gas.snapshot` with these same filters writes it anew."""
    command = [str(foundry("forge")), "snapshot", "--check", "contracts/gas.snapshot", *MEASURED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_sources_are_formatted() -> None:
    done = subprocess.run([foundry("forge"), "fmt", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("contract", ["Executor", "Inventory"])
def test_every_entry_that_can_change_anything_is_among_what_halmos_proves(contract: str) -> None:
    """`python -m tests.torture.symbolic` proves; an entry that no check names would be proven of nobody."""
    checks = [ROOT / "contracts" / "test" / name for name in ("Symbolic.t.sol", "base/Callbacks.sol")]
    named = set(re.findall(r"encodeCall\(\w+\.(\w+), ", "".join(check.read_text() for check in checks)))
    abi = json.loads((ROOT / "contracts" / "out" / f"{contract}.sol" / f"{contract}.json").read_text())["abi"]
    entries = {
        it["name"] for it in abi if it["type"] == "function" and it["stateMutability"] in ("nonpayable", "payable")
    }
    assert entries and entries <= named
