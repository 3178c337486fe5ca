"""The page of `make torture` keeps the lines that were not made anew."""

from __future__ import annotations

from dataclasses import replace

from tests.torture.__main__ import TORTURES, Result, document


def test_lines_that_were_not_made_anew_stay() -> None:
    results = [Result(torture, torture.command(short=False), f"said {torture.name}", 0, 60.0) for torture in TORTURES]
    page = document(results, "")
    assert [page.index(f"said {torture.name}") for torture in TORTURES] == sorted(
        page.index(f"said {torture.name}") for torture in TORTURES
    )
    again = document([replace(results[-1], said="otherwise", code=1)], page)
    assert again == page.replace(f"held: said {TORTURES[-1].name}", "**failed**: otherwise")
