"""The page's own files and the few libraries it loads, by an allow-list. What is not on it does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chains.tools import npm_package

_STATIC = Path(__file__).parent / "static"

_CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

_LIBRARIES = (
    ("uplot", "dist/uPlot.esm.js"),
    ("uplot", "dist/uPlot.min.css"),
    ("d3-dispatch", "dist/d3-dispatch.min.js"),
    ("d3-quadtree", "dist/d3-quadtree.min.js"),
    ("d3-timer", "dist/d3-timer.min.js"),
    ("d3-force", "dist/d3-force.min.js"),
)


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    content_type: str


def load_assets() -> dict[str, Asset]:
    """Every file the page may ask for, by its path. Raises `MissingTool` when a library is not installed."""
    own = {f"/static/{file.name}": file for file in _STATIC.iterdir() if file.suffix in _CONTENT_TYPES}
    libraries = {f"/static/vendor/{Path(inside).name}": npm_package(package) / inside for package, inside in _LIBRARIES}
    page = own.pop("/static/index.html")
    return {path: _read(file) for path, file in ({"/": page} | own | libraries).items()}


def _read(file: Path) -> Asset:
    return Asset(file.read_bytes(), _CONTENT_TYPES[file.suffix])
