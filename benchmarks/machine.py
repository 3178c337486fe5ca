"""Where and with what a figure was measured, so that anyone can repeat it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from chains.tools import foundry


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def memory_gib() -> float:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def versions(*packages: str) -> dict[str, str]:
    """Python's version and those of installed packages."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def anvil_version() -> str:
    """What Anvil says its version is. Raises `MissingTool`."""
    said = subprocess.run([foundry("anvil"), "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0].rpartition(" ")[2]


def report(figure: int | str, text: str, raw: dict[str, Any]) -> None:
    """Print a human line, and the same with all that is needed to repeat it as one line of JSON."""
    print(f"figure {figure}: {text}")
    where = {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    command = " ".join(["python", "-m", sys.modules["__main__"].__spec__.name, *sys.argv[1:]])  # type: ignore[union-attr]
    document = {
        "figure": figure,
        "command": command,
        "machine": where,
        "versions": versions("numpy", "numba", "pyrevm", "web3"),
        **raw,
    }
    print(json.dumps(document), flush=True)
