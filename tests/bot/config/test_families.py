"""Pool families that a run file adds: read with it, part of what the run is, refused at their line."""

from pathlib import Path

import pytest

from bot.config.errors import ConfigError
from bot.config.load import load
from chains.pools.extension import families_with
from chains.pools.registry import topics_of
from tests.bot.config.writing import RUN, written
from tests.bot.test_add_a_pool import documented


def naming(folder: Path, *files: str) -> Path:
    names = ", ".join(f'"{name}"' for name in files)
    return written(folder, run=f"families = [{names}]\n{RUN}")


def test_a_run_knows_the_families_its_file_names_and_hears_their_events(tmp_path: Path) -> None:
    file = tmp_path / "summing.py"
    file.write_text(documented())
    config = load(naming(tmp_path, "summing.py")).config
    known = families_with(config.families)
    assert config.families == (file,) and "constant_sum" in known
    assert known["constant_sum"].topics <= topics_of(known)
    digest = config.digest
    file.write_text(documented() + "\n# another rule\n")
    assert config.digest != digest != load(written(tmp_path)).config.digest


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no such file; name a Python file"),
        ("FAMILY = 1", "defines no FAMILY"),
        ("import nothing_such", "nothing_such"),
        ("raise SystemExit(0)", "cannot be loaded: SystemExit"),
    ],
)
def test_a_file_that_adds_no_family_is_refused_at_its_line(tmp_path: Path, content: str | None, told: str) -> None:
    name = f"odd_{abs(hash(told))}.py"
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError) as refused:
        load(naming(tmp_path, name))
    (problem,) = refused.value.problems
    assert told in str(problem) and "families" in str(problem)
