"""The README's table of exactness is produced, and current."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.exactness import PROOFS, Case
from bot.exactness.report import BEGIN, END, FamilyReport, markdown, sources_of, tables_replaced, variants_of
from chains.pools.registry import FAMILIES

README = Path(__file__).parents[3] / "README.md"


def rows_of(page):
    table = page.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[2:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in table]


def test_the_readme_shows_every_family_with_its_sources_and_no_mismatch():
    rows = rows_of(README.read_text(encoding="utf-8"))
    expected = []
    for name in FAMILIES:
        expected.append((name, sources_of(name)))
        expected += [(f"{name}/{variant}", sources_of(name, PROOFS, variant)) for variant in variants_of(name)]
    assert [(family, source) for family, _, _, source in rows] == expected
    assert all(mismatches == "0" for _, _, mismatches, _ in rows)
    assert all((cases == "0") == (source == "unproven") for _, cases, _, source in rows)


def test_a_table_is_written_between_the_two_comments_and_nowhere_else(tmp_path):
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    report = [FamilyReport("one", 1234, 0, "bytecode"), FamilyReport("two", 3, 1, "recorded", (Case("a", 1, 2),))]
    replaced = tables_replaced(page, markdown(report))
    assert replaced.startswith("before\n") and replaced.endswith("\nafter\n") and "old" not in replaced
    assert rows_of(replaced) == [["one", "1,234", "0", "bytecode"], ["two", "3", "1", "recorded"]]
    with pytest.raises(ValueError, match="has no place for the table"):
        tables_replaced("nothing here", markdown(report))


def test_the_verb_prints_one_object_and_brings_a_page_up_to_date(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["exactness", "--family", "solidly", "--into", str(page), "--json"])
    family, *variants = rows = json.loads(result.stdout)["families"]
    assert [row["family"] for row in variants] == ["solidly/volatile", "solidly/stable"]
    assert family["cases"] == sum(row["cases"] for row in variants)
    for row in rows:
        assert set(row) == {"family", "cases", "mismatches", "source"} and row["mismatches"] == 0 < row["cases"]
    assert rows_of(page.read_text(encoding="utf-8")) == [
        [row["family"], str(row["cases"]), "0", row["source"]] for row in rows
    ]


def test_a_part_of_the_families_does_not_take_the_others_rows_away(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{markdown([FamilyReport('concentrated', 5, 0, 'bytecode')])}\n{END}\n", encoding="utf-8")
    before = page.read_bytes()
    result = CliRunner().invoke(main, ["exactness", "--family", "solidly", "--into", str(page)])
    assert result.exit_code == 2 and "lists concentrated as well" in result.stderr and page.read_bytes() == before


def test_a_page_without_a_place_for_the_table_is_refused_before_anything_is_asked(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("bot.exactness.report.exactness", lambda *families, **more: asked.append(families) or [])
    page = tmp_path / "page.md"
    page.write_text("nothing here\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["exactness", "--into", str(page)])
    assert result.exit_code == 2 and "page.md: the page has no place for the table" in result.stderr
    assert not asked


def test_an_unknown_family_is_a_usage_error():
    result = CliRunner().invoke(main, ["exactness", "--family", "wishful"])
    assert result.exit_code == 2 and "known are" in result.stderr
