"""Call data of the executor contract: hops packed into words, strictly decoded again.

The layout is that of `contracts/src/Executor.sol`; `tests/contracts` holds both against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chains.assets import Address


class HopKind(IntEnum):
    """How the executor talks to a venue. One value per wire protocol, not per fork of it."""

    CONSTANT_PRODUCT = 0
    CONCENTRATED = 1


@dataclass(frozen=True, slots=True)
class Hop:
    """One swap inside the executor. `zero_for_one` sells the pool's token0; `fee_ppm` is its input fee."""

    kind: HopKind
    pool: Address
    zero_for_one: bool
    fee_ppm: int


@dataclass(frozen=True, slots=True)
class CycleCall:
    """`run`: a closed cycle from `token` to `token`, its first hop taken as a flash swap, so no inventory is needed.

    `amount_in` and `min_gain` are base units of `token`; `max_block` is the last block it may land in;
    `parent_hash`, unless 32 zero bytes, must be the hash of the block before it.
    """

    token: Address
    amount_in: int
    min_gain: int
    max_block: int
    parent_hash: bytes
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class ExchangeCall:
    """`exchange`: spends `amount_in` of the inventory's `token_in` for at least `min_out` of `token_out`."""

    token_in: Address
    amount_in: int
    token_out: Address
    min_out: int
    max_block: int
    parent_hash: bytes
    hops: tuple[Hop, ...]


ExecutorCall = CycleCall | ExchangeCall
