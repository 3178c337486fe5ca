"""A page under watch: whatever goes wrong in it, is blocked in it, or leaves it, is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Dialog, Page, ViewportSize

_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`blocked by policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass(slots=True)
class Watched:
    """`problems` are console errors and warnings, exceptions, policy violations and dialogs; `strangers` the hosts
    other than its own that the page asked."""

    page: Page
    problems: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@asynccontextmanager
async def open_page(browser: BrowserContext, url: str, viewport: ViewportSize) -> AsyncIterator[Watched]:
    """A page of that size on `url`, loaded; closed afterwards."""
    page = await browser.new_page()
    await page.set_viewport_size(viewport)
    watched = Watched(page)
    own = urlsplit(url).netloc
    dismissals: set[asyncio.Task[None]] = set()

    def dismiss(dialog: Dialog) -> None:
        watched.problems.append(f"dialog: {dialog.message}")
        dismissals.add(asyncio.ensure_future(dialog.dismiss()))

    page.on("dialog", dismiss)
    page.on("pageerror", lambda error: watched.problems.append(f"exception: {error}"))
    page.on(
        "console",
        lambda message: (
            watched.problems.append(f"{message.type}: {message.text}") if message.type in ("error", "warning") else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            watched.strangers.append(request.url) if urlsplit(request.url).netloc not in (own, "") else None
        ),
    )
    await page.add_init_script(_REPORT_VIOLATIONS)
    try:
        await page.goto(url)
        yield watched
    finally:
        await page.close()
