"""The page's colours can be read."""

from __future__ import annotations

import re
from pathlib import Path

from bot import dashboard as dashboard_package

STATIC = Path(dashboard_package.__file__).parent / "static"


def test_text_stands_out_from_what_it_stands_on() -> None:
    sheet = (STATIC / "base.css").read_text()
    dark, light = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    for theme in (dark, light):
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", theme))
        faint = {
            f"{text} on {ground}": ratio
            for text in ("text", "muted", "faint", "accent", "good", "bad", "warn", "info", "other")
            for ground in ("panel", "raised", "bg")
            if (ratio := contrast(colour[text], colour[ground])) < 4.5  # WCAG 2.2, 1.4.3
        }
        assert faint == {}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two `#rrggbb` colours."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
