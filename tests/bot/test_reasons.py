"""Every refusal has one line in the documentation that says what to do."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from bot.reasons import Reason
from chains.tools import ROOT

_ROW = re.compile(r"^\| `([a-z_]+)` \| (.+) \| (.+) \|$")
PAGE = (ROOT / "docs" / "signer.md").read_text().partition("## What to do about each code")[2]
LINES = Counter(row[1] for line in PAGE.splitlines() if (row := _ROW.match(line)))


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_code_has_its_line_on_the_page_of_the_signer(reason: Reason) -> None:
    assert LINES[reason.value] == 1, f"docs/signer.md: {reason} has {LINES[reason.value]} lines; write one"


def test_the_page_names_no_code_that_is_none() -> None:
    assert set(LINES) == set(Reason)
