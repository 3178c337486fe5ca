"""What slither finds in the contracts, held against what docs/executor.md explains: `python -m tests.torture.slither`.

A finding that the page does not explain fails, and so does an explanation of what is not found any more. slither is no
dependency: it gets an environment of its own under `var/`. Where it cannot be installed it is NOT RUN.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from chains.tools import ROOT
from tests.torture.analysers import LONGEST_S, NOT_RUN, build, installed

RELEASE = "slither-analyzer==0.11.6"
PAGE = ROOT / "docs" / "executor.md"
_SECTION = "## What slither says"
_ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (.+?) \| .+ \|$", re.MULTILINE)
_PLACE = re.compile(r"`([\w.]+)`(?: ×(\d+))?")
_ELSEWHERE = "contracts/(test|script|src/twin|src/safety)/"

Finding = tuple[str, str]
"""A detector's name, and the function (or other element) that it names first."""


def main() -> int:
    """Look; 0 when exactly what is explained was found, 4 when slither could not be had."""
    slither = installed(RELEASE, "slither")
    if slither is None:
        print(f"NOT RUN: {RELEASE} could not be installed")
        return NOT_RUN
    out, environment = build("slither", "--build-info", "--skip", "test", "--skip", "script")
    asked = [str(ROOT), "--ignore-compile", "--foundry-out-directory", str(out.relative_to(ROOT)), "--json", "-"]
    done = subprocess.run(
        [str(slither), *asked, "--filter-paths", _ELSEWHERE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
    try:
        found = read(orjson.loads(done.stdout))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        print(done.stdout[-2000:] + done.stderr[-2000:])
        print(f"{RELEASE} ended with {done.returncode} and told nothing that can be read")
        return 1
    known = explained(PAGE.read_text(encoding="utf-8"))
    for (detector, place), count in sorted((found - known).items()):
        print(f"not explained in {PAGE.name}: {detector} at {place}, {count} times")
    for (detector, place), count in sorted((known - found).items()):
        print(f"explained in {PAGE.name}, and not found: {detector} at {place}, {count} times")
    new, gone = (found - known).total(), (known - found).total()
    print(f"{found.total()} findings of {RELEASE}, {found.total() - new} explained, {new} not; {gone} found no more")
    return 1 if new or gone else 0


def read(document: Mapping[str, Any]) -> Counter[Finding]:
    """The findings in slither's JSON. Raises `KeyError` and `TypeError` for a document of another kind."""
    return Counter((each["check"], _place(each["elements"][0])) for each in document["results"].get("detectors", []))


def _place(element: Mapping[str, Any]) -> str:
    parent = element.get("type_specific_fields", {}).get("parent", {})
    return f"{parent['name']}.{element['name']}" if parent.get("type") == "contract" else str(element["name"])


def explained(page: str) -> Counter[Finding]:
    """The findings that the page's table explains, by detector and place; `×n` where one is found n times."""
    table = page.partition(_SECTION)[2].partition("\n## ")[0]
    return Counter(
        {(row[1], place[1]): int(place[2] or 1) for row in _ROW.finditer(table) for place in _PLACE.finditer(row[2])}
    )


if __name__ == "__main__":
    sys.exit(main())
