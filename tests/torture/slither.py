"""What slither finds in the contracts, held against what docs/executor.md explains: `python -m tests.torture.slither`.

A finding that the page does not explain fails, and so does an explanation of what is not found any more. slither is no
dependency: it gets an environment of its own under `var/`. Where it cannot be installed it is NOT RUN.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from chains.tools import ROOT
from tests.torture.analysers import LONGEST_S, NOT_RUN, build, installed

RELEASE = "slither-analyzer==0.11.6"
PAGE = ROOT / "docs" / "executor.md"
_SECTION = "## What slither says"
_ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (.+?) \| .+ \|$", re.MULTILINE)
_PLACE = re.compile(r"`([\w.]+)`")
_ANYWHERE = "anywhere"
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
    new, gone = compared(found, explained(PAGE.read_text(encoding="utf-8")))
    for detector, place in sorted(new):
        print(f"not explained in {PAGE.name}: {detector} at {place}")
    for detector, place in sorted(gone):
        print(f"explained in {PAGE.name}, and not found: {detector} at {place}")
    told = f"{len(found) - len(new)} explained, {len(new)} not; {len(gone)} explained and found no more"
    print(f"{len(found)} places found by {RELEASE}, {told}")
    return 1 if new or gone else 0


def read(document: Mapping[str, Any]) -> set[Finding]:
    """The findings in slither's JSON. Raises `KeyError` and `TypeError` for a document of another kind."""
    return {(each["check"], _place(each["elements"][0])) for each in document["results"].get("detectors", [])}


def _place(element: Mapping[str, Any]) -> str:
    """`Contract.function`, or what else it is, within what it is in."""
    parent = element.get("type_specific_fields", {}).get("parent", {})
    within = f"{_place(parent)}." if parent.get("type") in ("contract", "function") else ""
    return f"{within}{element['name']}"


def explained(page: str) -> set[Finding]:
    """The findings that the page's table explains, by detector and place: functions, or `anywhere`."""
    table = page.partition(_SECTION)[2].partition("\n## ")[0]
    return {
        (row[1], place)
        for row in _ROW.finditer(table)
        for place in (_PLACE.findall(row[2]) if row[2] != _ANYWHERE else [_ANYWHERE])
    }


def compared(found: set[Finding], known: set[Finding]) -> tuple[set[Finding], set[Finding]]:
    """What was found and is not known, and what is known and was not found."""
    new = {finding for finding in found if not {finding, (finding[0], _ANYWHERE)} & known}
    gone = {(check, place) for check, place in known - found if place != _ANYWHERE or check not in dict(found)}
    return new, gone


if __name__ == "__main__":
    sys.exit(main())
