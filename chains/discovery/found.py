"""What a creation event or a registry says of a pool, before anything of it is believed."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from chains.assets import Address
from chains.pools.pool import Call, PoolError

_Result = TypeVar("_Result")

Asking = Generator[tuple[Call, ...], tuple[bytes, ...], _Result]
"""Asks contracts without doing any I/O: yields calls, is sent their answers in order (empty: failed), and returns."""


class MalformedCreation(ValueError):
    """A log with a creation event's topic and not its layout."""


class NotGenuine(PoolError):
    """A contract that is not what its factory, its registry or its own word says it is."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A contract whose events, of the layout named `layout`, announce pools of `protocol`.

    `family` is that of its pools; empty where each pool must be asked. `fee_ppm` is the fee of pools whose factory has
    only one, and 0 elsewhere. `first_block` is the block before which it has no events; 0 where that is not known.
    """

    protocol: str
    layout: str
    family: str
    address: Address
    fee_ppm: int = 0
    first_block: int = 0

    @property
    def name(self) -> str:
        """What progress and refusals are kept under."""
        return f"{self.protocol}:{self.address}"


@dataclass(frozen=True, slots=True)
class Found:
    """A pool as it was announced. `family` and `tokens` are empty where the pool must be asked for them."""

    protocol: str
    family: str
    address: Address
    tokens: tuple[Address, ...]
    fee_ppm: int
    block_number: int
    pool_id: bytes = b""
    details: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def venue(self) -> str:
        """As `Pool.venue`: Balancer's V2 pools have an id and are named by their own contract."""
        return "0x" + self.pool_id.hex() if self.pool_id else self.address
