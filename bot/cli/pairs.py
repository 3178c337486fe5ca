"""Decisions that two runs did not make alike, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bot.replay.compare import Comparison

_SHOWN = 40
"""Differing decisions that are listed for a person; `--json` gives all."""


def tell_pairs(compared: Comparison) -> None:
    """One line for each, its two sides and why they differ, and how many differ so in all."""
    from bot.telling import times

    for pair in compared.pairs[:_SHOWN]:
        found = pair.document
        sides = f"{_said(found['one'])} | {_said(found['other'])}"
        click.echo(f"{found['block']}  {found['strategy']}  {sides}  {pair.why}  {found['route']}")
    if len(compared.pairs) > _SHOWN:
        click.echo(f"… and {len(compared.pairs) - _SHOWN} more; --json lists all")
    for (strategy, why), count in sorted(compared.reasons.items()):
        click.echo(f"{strategy}: {times(count)} {why}")


def _said(side: dict[str, Any] | None) -> str:
    from bot.telling import eth

    return "not decided" if side is None else f"{side['said']} {eth(int(side['expected_profit_wei']))}"
