from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from tests.bot.dashboard.samples import SampleRun
from tests.bot.dashboard.serving import Served, dashboard_of
from tests.browser.chromium import open_browser


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserContext]:
    """One for all: each test has a page of its own, from a dashboard of its own."""
    async with open_browser(color_scheme="dark") as opened:
        yield opened
