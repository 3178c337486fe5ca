"""Looks at what is installed and built: Python, Foundry, npm's packages, the contracts, the twin's state."""

from __future__ import annotations

import asyncio
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import orjson

from bot.doctor.checks import Check, Status, graded
from bot.simulator import local
from chains.tools import ROOT, MissingTool, foundry, foundry_package, npm_package

LEAST_PYTHON = (3, 11)
SETUP = "run `make setup`"
_BINARIES = ("anvil", "forge")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_VERSION_TIMEOUT_S = 10


async def python() -> Iterable[Check]:
    least = ".".join(map(str, LEAST_PYTHON))
    too_old = sys.version_info < LEAST_PYTHON
    return [graded("python", platform.python_version(), fail=too_old, remedy=f"install Python {least} or newer")]


async def evm() -> Iterable[Check]:
    """Without an EVM in the process, a bot runs every plan on the fork: slower, and otherwise the same."""
    if local.available():
        return [Check("evm", Status.OK, f"pyrevm {metadata.version('pyrevm')}, in process")]
    remedy = "pyrevm has wheels for Python 3.11 and 3.12; use one of them"
    return [Check("evm", Status.WARN, "none in process: every plan is run on the fork alone", remedy)]


async def foundry_binaries() -> Iterable[Check]:
    wanted = _wanted_packages()
    return [await asyncio.to_thread(_binary, tool, wanted.get(foundry_package(tool))) for tool in _BINARIES]


def _binary(tool: str, wanted: str | None) -> Check:
    """The tool starts and is the version that is tested; where npm has none for this machine, any version will do."""
    try:
        path = foundry(tool)
    except MissingTool as error:
        return Check(tool, Status.FAIL, "not installed", str(error).partition("; ")[2])
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(tool, Status.FAIL, f"{path} does not start ({type(error).__name__})", SETUP)
    version = _VERSION.search(answer.stdout)
    if not version:
        return Check(tool, Status.FAIL, f"{path} does not say its version", SETUP)
    unlike = wanted is not None and version[0] != wanted
    return graded(tool, version[0], warn=unlike, remedy=f"{wanted} is what is tested; {SETUP}")


async def npm_packages() -> Iterable[Check]:
    return [await asyncio.to_thread(_npm_packages)]


def _npm_packages() -> Check:
    name, wrong = "npm packages", []
    wanted = _wanted_packages()
    for package, version in wanted.items():
        try:
            found = orjson.loads((npm_package(package) / "package.json").read_bytes())["version"]
        except (MissingTool, OSError, orjson.JSONDecodeError, KeyError):
            wrong.append(f"{package} is missing")
            continue
        if not version.startswith("npm:") and found != version:
            wrong.append(f"{package} is {found}, not {version}")
    if wrong:
        return Check(name, Status.FAIL, ", ".join(wrong), SETUP)
    return Check(name, Status.OK, f"all {len(wanted)} installed")


def _wanted_packages() -> dict[str, str]:
    """Names and versions in package.json, as far as they are for this machine."""
    manifest = orjson.loads((ROOT / "package.json").read_bytes())
    ours = {foundry_package(tool) for tool in _BINARIES}
    binaries = {name: version for name, version in manifest["optionalDependencies"].items() if name in ours}
    return {**manifest["devDependencies"], **binaries}


async def contracts() -> Iterable[Check]:
    return [_contracts(ROOT / "contracts")]


def _contracts(folder: Path) -> Check:
    """The executor's artefact is there, and no source is newer."""
    artefact = folder / "out" / "Executor.sol" / "Executor.json"
    if not artefact.is_file():
        return Check("contracts", Status.FAIL, "not compiled", SETUP)
    newest = max(source.stat().st_mtime for source in (folder / "src").rglob("*.sol"))
    stale = newest > artefact.stat().st_mtime
    return graded("contracts", "older than their sources" if stale else "compiled", warn=stale, remedy=SETUP)


async def twin() -> Iterable[Check]:
    state = ROOT / "var" / "twin" / "state.json"
    if not state.is_file():
        remedy = "it is built at the first run, in about a minute; `isthmus twin --build-only` builds it now"
        return [Check("twin", Status.WARN, "not built yet", remedy)]
    return [Check("twin", Status.OK, f"built, {state.stat().st_size / 1e6:.0f} MB")]
