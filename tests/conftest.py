"""What holds for every test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings

Counted = Callable[[str, str], None]
"""Takes the name of a torture, as in `tests/torture/table.py`, and what its short form counted."""

_COUNTED = "counted"
WHOLE_BOTS = ("tests/faults/", "tests/kills/", "tests/mutation/", "tests/road/", "tests/bot/run/test_run_")

# A shared machine is slow at times; a property is about answers, never about milliseconds, nor about how many examples
# a draw leaves out before it has one.
_LEFT_OUT = [HealthCheck.filter_too_much, HealthCheck.too_slow]
settings.register_profile("isthmus", deadline=None, print_blob=True, suppress_health_check=_LEFT_OUT)
settings.load_profile("isthmus")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes by itself begins first: then no worker is still at it when the other has nothing left."""
    items.sort(key=lambda item: not item.nodeid.startswith(WHOLE_BOTS))


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Counted:
    """Told at the end of all tests, with those of the other tortures."""
    return lambda name, told: record_property(_COUNTED, f"{name}: {told}")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """What the short forms of the tortures have counted; those that were not run are among the skipped."""
    reports = terminalreporter.getreports("passed")
    told = sorted(str(value) for report in reports for name, value in report.user_properties if name == _COUNTED)
    if told:
        terminalreporter.section("short forms of docs/torture.md")
    for line in told:
        terminalreporter.line(line)
