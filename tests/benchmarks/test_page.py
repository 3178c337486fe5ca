"""`docs/benchmarks.md` says where, with what and how everything was measured, and keeps every raw figure."""

import subprocess
import sys

from benchmarks.__main__ import benchmarks
from benchmarks.page import Ran, page
from chains.tools import ROOT

SAID = Ran("python -m benchmarks.bench_x", ("figure 1: 2 ms", '{"figure": 1, "ms": 2}', "{no json}"), 0, 3.2, 2.6)


def test_a_page_names_machine_versions_commands_and_every_raw_figure():
    text = page("A processor", 8.0, {"python": "3.11", "numpy": "2"}, [SAID])
    for part in ("A processor", "8 GiB", "numpy 2", SAID.command, "3 s, 3 s of processor time.", *SAID.lines):
        assert part in text
    assert text.index("{no json}") < text.index("```json") < text.index(SAID.lines[1])


def test_figures_come_first_by_their_number():
    ran = [Ran("python -m x", (f"figure {each}: so much",), 0, 1.0, 1.0) for each in ("10", "market", "2")]
    text = page("A processor", 8.0, {}, ran)
    places = [text.index(f"- figure {each}:") for each in ("2", "10", "market")]
    assert places == sorted(places) and places[-1] < text.index("## `python -m x`")


def test_a_benchmark_that_failed_is_shown_as_failed():
    assert "ENDED WITH CODE 1" in page("A processor", 8.0, {}, [Ran("x", (), 1, 0.0, 0.0)])


def test_every_benchmark_can_be_named_and_what_is_none_is_refused():
    assert {"bench_detect", "bench_sizing", "bench_market", "bench_dual"} <= set(benchmarks())
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "nothing"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 2 and "no benchmark nothing; there are block, codec" in run.stderr
