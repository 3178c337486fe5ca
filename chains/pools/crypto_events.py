"""The events that change a Curve CryptoSwap pool, as plain values."""

from __future__ import annotations

from typing import NamedTuple

from chains.assets import Address
from chains.blocks import Log
from chains.pools.pool import MalformedLog, require_own
from chains.pools.words import topic, unsigned


class Exchange(NamedTuple):
    """A swap, by the coins' positions."""

    sold: int
    amount_in: int
    bought: int
    amount_out: int


class Added(NamedTuple):
    """A deposit, and the LP tokens there are afterwards."""

    amounts: tuple[int, ...]
    lp_supply: int


class Removed(NamedTuple):
    """A withdrawal of every coin, and the LP tokens there are afterwards."""

    amounts: tuple[int, ...]
    lp_supply: int


class RemovedOne(NamedTuple):
    """A withdrawal of one coin."""

    burnt: int
    coin: int
    amount_out: int


class Claimed(NamedTuple):
    """LP tokens minted to the administrator."""

    minted: int


class Ramped(NamedTuple):
    """A new course of A · n^n and gamma, in the contract's units, between two times in seconds."""

    initial: tuple[int, int]
    future: tuple[int, int]
    start_s: int
    end_s: int


class Parameters(NamedTuple):
    """New parameters; fees in 10^-10, the rest as the contract keeps them."""

    admin_fee: int
    mid_fee: int
    out_fee: int
    fee_gamma: int
    extra_profit_or_threshold: int
    adjustment_step: int
    ma_half_time_s: int


class Untold(NamedTuple):
    """A change of which the event leaves out a part: the first pools' ramps do not say where gamma goes."""


Event = Exchange | Added | Removed | RemovedOne | Claimed | Ramped | Parameters | Untold

EXCHANGE = topic("TokenExchange(address,uint256,uint256,uint256,uint256)")
ADDED = {topic(f"AddLiquidity(address,uint256[{coins}],uint256,uint256)"): coins for coins in (2, 3)}
REMOVED = {topic(f"RemoveLiquidity(address,uint256[{coins}],uint256)"): coins for coins in (2, 3)}
REMOVED_ONE = topic("RemoveLiquidityOne(address,uint256,uint256,uint256)")
CLAIMED = topic("ClaimAdminFee(address,uint256)")
RAMPED = topic("RampAgamma(uint256,uint256,uint256,uint256,uint256,uint256)")
RAMPED_FIRST = topic("RampAgamma(uint256,uint256,uint256,uint256)")
STOPPED = topic("StopRampA(uint256,uint256,uint256)")
PARAMETERS = topic("NewParameters(uint256,uint256,uint256,uint256,uint256,uint256,uint256)")

_SHAPES = {
    EXCHANGE: (2, 4),
    REMOVED_ONE: (2, 3),
    CLAIMED: (2, 1),
    RAMPED: (1, 6),
    RAMPED_FIRST: (1, 4),
    STOPPED: (1, 3),
    PARAMETERS: (1, 7),
}
"""Topics and words of data of the events without an array."""

TOPICS = frozenset({*_SHAPES, *ADDED, *REMOVED})


def read(log: Log, pool: Address, coins: int) -> Event | None:
    """What `log` says about a pool of that many coins; None for an unknown topic. Raises `MalformedLog`."""
    kind = log.topics[0] if log.topics else b""
    for table, scalars in ((ADDED, 2), (REMOVED, 1)):
        if kind in table:
            if table[kind] != coins:
                raise MalformedLog(f"log {log.log_index} of block {log.block_number} is not of {coins} coins")
            require_own(log, pool, 2, coins + scalars)
            *amounts, supply = _words(log.data, coins + scalars)
            return Added(tuple(amounts[:coins]), supply) if table is ADDED else Removed(tuple(amounts), supply)
    if kind not in _SHAPES:
        return None
    topics, count = _SHAPES[kind]
    require_own(log, pool, topics, count)
    words = _words(log.data, count)
    if kind == EXCHANGE:
        return Exchange(*words)
    if kind == REMOVED_ONE:
        return RemovedOne(*words)
    if kind == CLAIMED:
        return Claimed(*words)
    if kind == PARAMETERS:
        return Parameters(*words)
    if kind == RAMPED_FIRST:
        return Untold()
    if kind == STOPPED:
        ann, gamma, now_s = words
        return Ramped((ann, gamma), (ann, gamma), now_s, now_s)
    old_a, new_a, old_gamma, new_gamma, start_s, end_s = words
    return Ramped((old_a, old_gamma), (new_a, new_gamma), start_s, end_s)


def _words(data: bytes, count: int) -> list[int]:
    return [unsigned(data, word) for word in range(count)]
