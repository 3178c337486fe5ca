from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bot.dashboard.samples import SampleRun
from tests.bot.dashboard.serving import Served, dashboard_of


@pytest.fixture
def run() -> SampleRun:
    return SampleRun(blocks=30)


@pytest.fixture
async def served(run: SampleRun) -> AsyncIterator[Served]:
    dashboard = dashboard_of(run)
    url = await dashboard.start()
    async with Served(dashboard, url) as running:
        yield running
    await dashboard.close()
