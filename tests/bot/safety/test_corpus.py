"""Every odd token of the corpus is supported exactly, or refused by name."""

from __future__ import annotations

import pytest

from bot.safety.report import Oddity, Standing, Taxes, TokenReport
from tests.bot.safety.corpus import CORPUS, Odd

Reports = dict[str, TokenReport]
NEEDS_A_STATE = {Oddity.PAUSED, Oddity.BLACKLISTED, Oddity.NOT_A_TOKEN}
"""Shown by `test_lab`, where tokens are paused, listed, or none."""


@pytest.mark.parametrize("odd", CORPUS, ids=lambda odd: odd.name)
def test_an_odd_token_is_supported_exactly_or_refused_by_name(reports: Reports, odd: Odd) -> None:
    report = reports[odd.name]
    assert set(report.oddities) == odd.oddities, report.notes
    assert report.standing is (Standing.REFUSED if odd.oddities else Standing.SUPPORTED)
    assert {name: getattr(report, name) for name in odd.seen} == odd.seen
    if not odd.oddities:
        assert report.taxes == Taxes(0, 0, 0)
        assert report.rebasing_ppm == 0


def test_the_corpus_is_large_and_every_oddity_has_its_token() -> None:
    assert len(CORPUS) >= 24
    assert frozenset().union(*(odd.oddities for odd in CORPUS)) == set(Oddity) - NEEDS_A_STATE


def test_rebasing_is_told_in_both_directions(reports: Reports) -> None:
    day_s = 86_400
    assert reports["RebasingUp"].rebasing_ppm == pytest.approx(day_s, rel=0.01)
    assert reports["RebasingDown"].rebasing_ppm == pytest.approx(-day_s * 10**6 / (10**6 + day_s), rel=0.01)


def test_each_refusal_has_a_line_for_a_person(reports: Reports) -> None:
    for report in reports.values():
        assert len(report.notes) == len(report.oddities)
        assert all(note.startswith(f"{oddity}: ") for oddity, note in zip(report.oddities, report.notes, strict=True))


def test_a_report_names_all_code_the_token_runs(reports: Reports) -> None:
    assert len(reports["OddToken"].code.hashes) == 1
    clone = reports["Clone"].code
    assert len(clone.hashes) == 2 and clone.implementation is None
    assert clone.hashes.keys() > {reports["Clone"].token}
