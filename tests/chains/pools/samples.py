"""Pools and logs for tests that need no chain."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.tick_math import Ticks, all_words, tick_at
from chains.pools.words import word

DATA = Path(__file__).parents[2] / "data"


def at(number: int) -> Address:
    """A deterministic address."""
    return address(f"0x{number:040x}")


def token(number: int, symbol: str = "", decimals: int = 18, place: str = "twin") -> Token:
    return Token(place, at(number), symbol or f"T{number}", decimals)


A, B = token(1, "A"), token(2, "B")


def recorded(name: str) -> Any:
    """A JSON document of tests/data."""
    path = DATA / name
    return json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())


def pair(
    reserves: tuple[int, int], *, number: int = 100, tokens: tuple[Token, Token] = (A, B), fee_ppm: int = 3000
) -> ConstantProductPool:
    return ConstantProductPool(at(number), tokens, reserves, fee_ppm)


def ticks_of(positions: list[tuple[int, int, int]], spacing: int) -> Ticks:
    """Fully known ticks holding `positions` (lower, upper, liquidity)."""
    ticks = Ticks(spacing, *all_words(spacing), {}, {})
    for lower, upper, liquidity in positions:
        ticks = ticks.with_position(lower, upper, liquidity)
    return ticks


def ranged(
    sqrt_price: int,
    positions: list[tuple[int, int, int]],
    *,
    number: int = 200,
    tokens: tuple[Token, Token] = (A, B),
    fee_ppm: int = 3000,
    spacing: int = 60,
) -> ConcentratedPool:
    tick = tick_at(sqrt_price)
    active = sum(liquidity for lower, upper, liquidity in positions if lower <= tick < upper)
    ticks = ticks_of(positions, spacing)
    return ConcentratedPool(at(number), tokens, fee_ppm, sqrt_price, tick, active, ticks)


def log(pool: Address, topics: list[bytes], *words: int) -> Log:
    data = b"".join(word(value) for value in words)
    return Log(pool, tuple(topics), data, 1, "0x" + "11" * 32, "0x" + "22" * 32, 0, 0)
