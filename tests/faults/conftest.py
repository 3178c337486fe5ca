from __future__ import annotations

import pytest

from tests.faults.chain import Setting


@pytest.fixture
async def setting() -> Setting:
    return await Setting.make()
