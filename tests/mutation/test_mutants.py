"""Faults are what they say they are, and those said to change nothing can be made."""

from __future__ import annotations

import ast

from chains.tools import ROOT
from tests.mutation.mutants import mutants
from tests.torture import mutation

_FILES = [file for files in mutation.ROOMS.values() for file in files]
SOURCE = b'''"""Nothing here is changed: 1 < 2."""
LIMIT = 10

def allowed(amount: int | None, spent: int = 0) -> bool:
    if amount is None:
        raise ValueError(f"nothing of {LIMIT + 1}")
    spent += amount
    return spent <= LIMIT and not amount < 0
'''


def test_each_fault_changes_one_thing_and_leaves_a_program() -> None:
    found = mutants("a.py", SOURCE)
    changes = {(mutant.line, mutant.before, mutant.after) for mutant in found}
    assert changes == {
        (2, "10", "11"),
        (4, "0", "1"),
        (5, "amount is None", "(amount is not None)"),
        (6, 'raise ValueError(f"nothing of {LIMIT + 1}")', "pass"),
        (7, "spent += amount", "spent -= amount"),
        (7, "spent += amount", "pass"),
        (8, "return spent <= LIMIT and not amount < 0", "return None"),
        (8, "spent <= LIMIT and not amount < 0", "(spent <= LIMIT or not amount < 0)"),
        (8, "spent <= LIMIT", "(spent < LIMIT)"),
        (8, "not amount < 0", "(amount < 0)"),
        (8, "amount < 0", "(amount <= 0)"),
        (8, "0", "1"),
    }
    for mutant in found:
        assert ast.dump(ast.parse(mutant.applied(SOURCE))) != ast.dump(ast.parse(SOURCE))


def test_what_runs_at_the_import_is_told_from_what_a_call_runs() -> None:
    runs = {mutant.before: mutant.runs for mutant in mutants("a.py", SOURCE)}
    assert runs["10"] is None and runs["spent <= LIMIT"] == range(8, 9)


def test_faults_said_to_change_nothing_can_still_be_made() -> None:
    made = {file: {mutant.key for mutant in mutants(file, (ROOT / file).read_bytes())} for file in _FILES}
    assert [key for key in mutation.equivalents() if key not in made[key[0]]] == []
