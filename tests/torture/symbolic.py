"""What halmos proves of the executor's entries, for all callers and arguments: `python -m tests.torture.symbolic`.

halmos is no dependency: it gets an environment of its own under `var/`. Where it cannot be installed it is NOT RUN.
"""

from __future__ import annotations

import re
import subprocess
import sys

from chains.tools import ROOT
from tests.torture.analysers import LONGEST_S, NOT_RUN, build, installed

RELEASE = "halmos==0.3.3"
CHECKS = 6
_RESULT = re.compile(r"Symbolic test result: (\d+) passed; (\d+) failed; time: ([\d.]+)s")


def main() -> int:
    """Prove; 0 when every check passed, 4 when halmos could not be had."""
    halmos = installed(RELEASE, "halmos")
    if halmos is None:
        print(f"NOT RUN: {RELEASE} could not be installed")
        return NOT_RUN
    out, environment = build("symbolic", "--ast")
    asked = ["--root", str(ROOT), "--contract", "SymbolicTest", "--loop", "16", "--forge-build-out"]
    done = subprocess.run(
        [str(halmos), *asked, str(out.relative_to(ROOT))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
    found = _RESULT.search(done.stdout)
    passed, failed = (int(found[1]), int(found[2])) if found else (0, CHECKS)
    if done.returncode or failed or passed != CHECKS:
        print(done.stdout[-4000:] + done.stderr[-2000:])
    print(f"{passed} of {CHECKS} checks proven by halmos for all callers and arguments, {failed} not")
    return 0 if passed == CHECKS and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
