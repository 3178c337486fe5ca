"""The page of `make torture` keeps what was measured at length, and never counts what did not run."""

from __future__ import annotations

from dataclasses import replace

from tests.torture.page import Outcome, Result, document
from tests.torture.table import TORTURES

HELD = [Result(torture, Outcome.HELD, f"said {torture.name}") for torture in TORTURES]


def test_lines_that_were_not_made_anew_stay() -> None:
    page = document(HELD, "")
    places = [page.index(f"said {torture.name} |") for torture in TORTURES]
    assert places == sorted(places)
    again = document([replace(HELD[-1], said="otherwise", outcome=Outcome.FAILED)], page)
    assert again == page.replace(f"held: said {TORTURES[-1].name}", "FAILED: otherwise")


def test_what_never_ran_is_told_as_not_run() -> None:
    page = document(HELD[:1], "")
    assert page.count("| held: ") == 1 and page.count("| NOT RUN: ") == len(TORTURES) - 1


def test_a_short_run_fills_only_lines_that_no_long_one_measured() -> None:
    short = replace(HELD[1], said="a little", short=True)
    page = document([short], "")
    assert f"`{TORTURES[1].command(short=True)}`" in page and "a little" in page
    long = document([HELD[1]], page)
    assert "a little" not in long
    assert document([short], long) == long
    assert document([replace(short, outcome=Outcome.NOT_RUN)], long) == long
    assert "FAILED: a little" in document([replace(short, outcome=Outcome.FAILED)], long)


def test_every_torture_is_named_once() -> None:
    assert len({torture.name for torture in TORTURES}) == len(TORTURES)
