"""A scenario: these pools, these transactions of others, this profit. Read from TOML, amounts in whole units.

Every amount is a decimal string of whole tokens, so that a scenario states a gain to the wei.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "scenarios"

Levels = tuple[tuple[str, str], ...]
"""Price and amount per level, best first."""


@dataclass(frozen=True, slots=True)
class PoolGiven:
    """A pool with these reserves. `factory` is `uniswap`, `sushi` or `v3`."""

    name: str
    factory: str
    holds: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SwapGiven:
    """Somebody else's swap through a constant-product pool."""

    pool: str
    sell: str
    amount: str
    tip_gwei: int = 1


@dataclass(frozen=True, slots=True)
class BookGiven:
    """The order book of ETH/USDT from now on."""

    bids: Levels
    asks: Levels


@dataclass(frozen=True, slots=True)
class DecisionExpected:
    """A plan: its pools in order, what it puts in, what it expects, and what became of it.

    `outcome` is `sent` or the code of the refusal; `order` the side and amount of a two-sided plan's order.
    """

    pools: tuple[str, ...]
    amount_in: str
    gain: str
    outcome: str = "sent"
    order: str = ""


@dataclass(frozen=True, slots=True)
class SettledExpected:
    """A transaction the chain has answered. `explained` is what its explanation must contain; empty: as simulated."""

    gain: str
    status: str = "ok"
    explained: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One block: what happens in it, and what the bot makes of it.

    `reorg` replaces that many blocks first: with `keep`, the bot's transactions are in their places again.
    """

    swaps: tuple[SwapGiven, ...] = ()
    book: BookGiven | None = None
    reorg: int = 0
    keep: bool = False
    decisions: tuple[DecisionExpected, ...] = ()
    settled: tuple[SettledExpected, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """The whole of it.

    `gained` is what each strategy has at the end, before gas. `taxed` names a token that keeps a tenth of every
    transfer; `budget` overrides the default; `events` are names that must be in the ledger.
    """

    name: str
    why: str
    pools: tuple[PoolGiven, ...]
    steps: tuple[Step, ...]
    gained: Mapping[str, str]
    strategies: tuple[str, ...] = ("dex_arbitrage",)
    base_fee_gwei: int = 10
    taxed: str = ""
    budget: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()


def names() -> list[str]:
    """Every scenario there is."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str) -> Scenario:
    """The scenario in `scenarios/NAME.toml`. A key that means nothing is a `TypeError`."""
    document = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    steps = tuple(_step(step) for step in document.pop("steps"))
    pools = tuple(PoolGiven(**pool) for pool in document.pop("pools"))
    document |= {key: tuple(document[key]) for key in ("strategies", "events") if key in document}
    return Scenario(name=name, pools=pools, steps=steps, **document)


def _step(document: dict[str, Any]) -> Step:
    book = document.pop("book", None)
    swaps = tuple(SwapGiven(**swap) for swap in document.pop("swaps", ()))
    decisions = tuple(
        DecisionExpected(**{**decision, "pools": tuple(decision["pools"])})
        for decision in document.pop("decisions", ())
    )
    settled = tuple(SettledExpected(**settled) for settled in document.pop("settled", ()))
    return Step(swaps=swaps, book=_book(book) if book else None, decisions=decisions, settled=settled, **document)


def _book(document: dict[str, list[list[str]]]) -> BookGiven:
    bids, asks = (tuple((price, amount) for price, amount in document[side]) for side in ("bids", "asks"))
    return BookGiven(bids, asks)


def units(text: str, decimals: int = 18) -> int:
    """Whole units to base units, exactly."""
    scaled = Decimal(text).scaleb(decimals)
    assert scaled == scaled.to_integral_value(), f"{text} is finer than {decimals} decimals"
    return int(scaled)
