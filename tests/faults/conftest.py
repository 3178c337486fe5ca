from __future__ import annotations

import asyncio

import pytest

from tests.faults.chain import Setting


@pytest.fixture(scope="session")
def setting() -> Setting:
    return asyncio.run(Setting.make())
