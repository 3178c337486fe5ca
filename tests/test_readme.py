"""What the README shows is what there is."""

import re
import subprocess
from pathlib import Path

from click import Context, Group
from click.testing import CliRunner

from bot.cli import main
from chains.tools import ROOT
from chains.twin.data import snapshot

README = (ROOT / "README.md").read_text()


def test_the_strategy_it_shows_is_the_one_that_ships():
    (shown,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert shown in (ROOT / "strategies" / "dex_arbitrage.py").read_text()


def test_every_verb_it_names_exists():
    for verb in re.findall(r"^\| `isthmus ([a-z]+)", README, re.MULTILINE):
        assert CliRunner().invoke(main, [verb, "--help"]).exit_code == 0, verb


def test_every_command_of_a_verb_that_it_names_is_there_and_none_is_left_out():
    for row in re.findall(r"^\| `isthmus ([^`]+)`", README, re.MULTILINE):
        verb, _, names = row.partition(" ")
        found = main.get_command(Context(main), verb)
        there = list(found.list_commands(Context(found))) if isinstance(found, Group) else [""]
        assert names.split("\\|") == there, row


def test_every_target_it_names_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in re.findall(r"^make ([a-z]+)", README, re.MULTILINE))


def test_make_finds_forge_in_a_folder_whose_name_has_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    for name, code in ((".venv/bin/python", 'echo "$PWD/forge"'), ("forge", 'echo "told to $@"')):
        script = folder / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!/bin/sh\n{code}\n")
        script.chmod(0o755)
    words = ["make", "--file", str(ROOT / "Makefile"), "--directory", str(folder), "--old-file", "setup"]
    made = subprocess.run([*words, "contracts-test"], capture_output=True, text=True, check=False)
    assert "told to test" in made.stdout, made.stderr


def test_every_page_it_links_to_is_there():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert Path(ROOT / link).exists(), link


def test_the_number_of_pools_is_the_twins():
    (named,) = re.findall(r"([\d,]+) pools in the state", README)
    assert int(named.replace(",", "")) == len(snapshot().pools) - 1, "one recorded token is itself a pool"
