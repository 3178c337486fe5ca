"""A dashboard's page in a real browser, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import BrowserContext, ViewportSize, expect

from bot.dashboard.app import Dashboard
from tests.browser.watch import Watched, open_page

DESKTOP: ViewportSize = {"width": 1440, "height": 900}


@asynccontextmanager
async def shown(
    browser: BrowserContext, dashboard: Dashboard, viewport: ViewportSize = DESKTOP
) -> AsyncIterator[Watched]:
    """The dashboard's page, connected."""
    await browser.clear_cookies()
    url = await dashboard.start()
    try:
        async with open_page(browser, url, viewport) as watched:
            await expect(watched.page.locator("#link")).to_have_text("Live")
            yield watched
    finally:
        await dashboard.close()
