"""Some faults in four rooms, and whether a test notices: the short form of `tests.torture.mutation`."""

from __future__ import annotations

from tests.conftest import Counted
from tests.torture.apart import played


def test_faults_in_the_trusted_rooms_are_noticed(counted: Counted) -> None:
    counted("mutation", played("mutation", "--short"))
