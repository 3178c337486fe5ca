"""What halmos proves of the executor's entries, for all callers and arguments: `python -m tests.torture.symbolic`.

halmos is no dependency: it gets an environment of its own under `var/`. Where it cannot be installed it is NOT RUN.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from chains.tools import ROOT, foundry

RELEASE = "halmos==0.3.3"
CHECKS = 6
NOT_RUN = 4
_HOME = ROOT / "var" / "analysers" / "halmos"
_OUT = ROOT / "var" / "analysers" / "symbolic-out"
_RESULT = re.compile(r"Symbolic test result: (\d+) passed; (\d+) failed; time: ([\d.]+)s")
_LONGEST_S = 1_200


def main() -> int:
    """Prove; 0 when every check passed, 4 when halmos could not be had."""
    halmos = _installed()
    if halmos is None:
        print(f"NOT RUN: {RELEASE} could not be installed")
        return NOT_RUN
    forge = foundry("forge")
    environment = {
        **os.environ,
        "PATH": f"{Path(forge).parent}{os.pathsep}{os.environ['PATH']}",
        "FOUNDRY_OUT": str(_OUT),
        "FOUNDRY_CACHE_PATH": str(_OUT.with_name("symbolic-cache")),
    }
    build = [str(forge), "build", "--ast", "--quiet"]
    subprocess.run(build, cwd=ROOT, env=environment, check=True, timeout=_LONGEST_S)
    asked = ["--root", str(ROOT), "--contract", "SymbolicTest", "--loop", "16", "--forge-build-out"]
    done = subprocess.run(
        [str(halmos), *asked, str(_OUT.relative_to(ROOT))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
    )
    found = _RESULT.search(done.stdout)
    passed, failed = (int(found[1]), int(found[2])) if found else (0, CHECKS)
    if done.returncode or failed or passed != CHECKS:
        print(done.stdout[-4000:] + done.stderr[-2000:])
    print(f"{passed} of {CHECKS} checks proven by halmos for all callers and arguments, {failed} not")
    return 0 if passed == CHECKS and not failed else 1


def _installed() -> Path | None:
    """halmos's command, installed on the first call; None where that fails."""
    command = _HOME / "bin" / "halmos"
    if command.exists():
        return command
    venv.create(_HOME, with_pip=True)
    quietly = ["install", "--quiet", "--disable-pip-version-check", RELEASE]
    done = subprocess.run(
        [str(_HOME / "bin" / "python"), "-m", "pip", *quietly], capture_output=True, timeout=_LONGEST_S
    )
    return command if done.returncode == 0 and command.exists() else None


if __name__ == "__main__":
    sys.exit(main())
