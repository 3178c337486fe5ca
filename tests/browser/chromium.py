"""A real Chromium for tests, on a machine that has none: npm's build of it, unpacked once into var/chromium.

Elsewhere than on 64-bit Intel Linux, which is all that npm's build is for, the system's browser is taken.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Error, Playwright, async_playwright

from chains.tools import ROOT, npm_package

_FOLDER = ROOT / "var" / "chromium"
_UNPACK = Path(__file__).with_name("unpack.mjs")
_SYSTEM = ("chromium", "chromium-browser", "google-chrome")

_FLAGS = ("--no-sandbox", "--no-zygote", "--headless=shell", "--disable-gpu", "--disable-background-networking")
_ONE_PROCESS = ("--single-process", "--disable-software-rasterizer")
"""Where a container forbids the browser its own processes."""

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/font-cache</cachedir></fontconfig>
"""


class NoBrowser(RuntimeError):
    """There is no Chromium; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class Browser:
    """An executable and the environment it needs."""

    executable: str
    environment: dict[str, str] = field(default_factory=dict)


def find_browser() -> Browser:
    """npm's Chromium, unpacked on first use, or the system's. Raises `NoBrowser`, `MissingTool`."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return _npm_browser()
    found = next(filter(None, map(shutil.which, _SYSTEM)), None)
    if found is None:
        raise NoBrowser(f"no Chromium on this machine; install one of {', '.join(_SYSTEM)}")
    return Browser(found)


@asynccontextmanager
async def open_browser(**options: Any) -> AsyncIterator[BrowserContext]:
    """A browser with a fresh profile. `options` are those of Playwright's contexts: `viewport`, `color_scheme`, …"""
    browser = find_browser()
    async with async_playwright() as playwright:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            context = await _launched(playwright, browser, profile, options)
            try:
                yield context
            finally:
                await context.close()


async def _launched(playwright: Playwright, browser: Browser, profile: str, options: dict[str, Any]) -> BrowserContext:
    common: dict[str, Any] = {
        "executable_path": browser.executable,
        "env": {**os.environ, **browser.environment},
        **options,
    }
    try:
        return await playwright.chromium.launch_persistent_context(profile, args=_FLAGS, **common)
    except Error:
        return await playwright.chromium.launch_persistent_context(profile, args=(*_FLAGS, *_ONE_PROCESS), **common)


def _npm_browser() -> Browser:
    version = (npm_package("@sparticuz/chromium") / "package.json").read_bytes()
    _FOLDER.mkdir(parents=True, exist_ok=True)
    mark = _FOLDER / "package.json"
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes that start together unpack once
        if not mark.is_file() or mark.read_bytes() != version:
            _unpack()
            mark.write_bytes(version)
    return Browser(
        str(_FOLDER / "chromium"),
        {
            "LD_LIBRARY_PATH": str(_FOLDER / "al2023" / "lib"),
            "FONTCONFIG_FILE": str(_FOLDER / "fonts.conf"),
        },
    )


def _unpack() -> None:
    for leftover in ("chromium", "al2023", "fonts"):
        path = _FOLDER / leftover
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    done = subprocess.run(
        ["node", str(_UNPACK), str(_FOLDER)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise NoBrowser(f"npm's Chromium could not be unpacked: {done.stderr.strip()}")
    (_FOLDER / "fonts.conf").write_text(_FONTS.format(folder=_FOLDER))
