"""Where the external tools are: Foundry's platform binaries and the npm packages that carry real bytecode."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE_MODULES = ROOT / "node_modules"

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class MissingTool(RuntimeError):
    """An external tool is not installed; the message says how to get it."""


def foundry_package(tool: str) -> str:
    """The npm package that carries `tool` for this machine."""
    machine = platform.machine().lower()
    return f"@foundry-rs/{tool}-{platform.system().lower()}-{_MACHINES.get(machine, machine)}"


def foundry(tool: str) -> Path:
    """The platform binary of `anvil`, `forge` or `cast`; never npm's wrapper, which outlives its own kill.

    Raises `MissingTool`.
    """
    bundled = NODE_MODULES / foundry_package(tool) / "bin" / tool
    if bundled.is_file():
        return bundled
    on_path = shutil.which(tool)
    if on_path and NODE_MODULES not in Path(on_path).resolve().parents:
        return Path(on_path)
    raise MissingTool(
        f"{tool} is not installed; run `make setup` (x86-64 Linux), or put Foundry 1.7's {tool} on the PATH (elsewhere)"
    )


def npm_package(name: str) -> Path:
    """The folder of an installed npm package. Raises `MissingTool`."""
    folder = NODE_MODULES / name
    if not folder.is_dir():
        raise MissingTool(f"the npm package {name} is not installed; run `make setup`")
    return folder
