"""Tools that look at the contracts and are no dependency: each in an environment of its own under `var/`."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

from chains.tools import ROOT, foundry

HOME = ROOT / "var" / "analysers"
NOT_RUN = 4
LONGEST_S = 1_200


def installed(release: str, command: str) -> Path | None:
    """`command` of `release`, a package and its version; installed on the first call. None where that fails."""
    home = HOME / command
    found, python = home / "bin" / command, home / "bin" / "python"
    if found.exists() and _version(python, release.partition("==")[0]) == release.partition("==")[2]:
        return found
    venv.create(home, with_pip=True)
    quietly = ["install", "--quiet", "--disable-pip-version-check", release]
    done = subprocess.run([str(python), "-m", "pip", *quietly], capture_output=True, timeout=LONGEST_S)
    return found if done.returncode == 0 and found.exists() else None


def _version(python: Path, package: str) -> str:
    """Which version of `package` an environment has; empty where it has none."""
    question = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return subprocess.run([str(python), "-c", question], capture_output=True, text=True).stdout.strip()


def build(name: str, *arguments: str) -> tuple[Path, dict[str, str]]:
    """The contracts built by forge for one analyser: where, and the environment that has forge build there again."""
    forge, out = foundry("forge"), HOME / f"{name}-out"
    environment = {
        **os.environ,
        "PATH": f"{Path(forge).parent}{os.pathsep}{os.environ['PATH']}",
        "FOUNDRY_OUT": str(out),
        "FOUNDRY_CACHE_PATH": str(HOME / f"{name}-cache"),
    }
    command = [str(forge), "build", "--quiet", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=LONGEST_S)
    return out, environment
