"""The events that change a Curve StableSwap pool, of every generation, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chains.assets import Address
from chains.blocks import Log
from chains.pools.pool import MalformedLog, require_own
from chains.pools.stable_swap import MAX_COINS
from chains.pools.words import WORD, signed, topic, unsigned


class Exchange(NamedTuple):
    """A swap, by the coins' positions; underlying ones in a meta pool's `TokenExchangeUnderlying`."""

    sold: int
    amount_in: int
    bought: int
    amount_out: int
    underlying: bool = False


class Liquidity(NamedTuple):
    """Coins put in (positive) or taken out, the fees among them, and the LP tokens there are afterwards.

    `in_proportion` is a withdrawal of every coin by its share, which computes no price.
    """

    amounts: tuple[int, ...]
    fees: tuple[int, ...]
    lp_supply: int
    in_proportion: bool


class OneSided(NamedTuple):
    """A withdrawal in one coin, whose position old contracts do not tell."""

    burnt: int
    amount_out: int
    coin: int | None = None


class Fees(NamedTuple):
    """New fees in 10^-10."""

    fee: int
    admin_fee: int


class OffpegFees(NamedTuple):
    """New fees of a pool whose fee grows off the peg, in 10^-10; NG's administrator always has the same share."""

    fee: int
    offpeg_multiplier: int
    admin_fee: int | None = None


class Parameters(NamedTuple):
    """What the oldest pools change at once: the amplification in the contract's units, and the fees in 10^-10."""

    amp: int
    fee: int
    admin_fee: int


class Ramp(NamedTuple):
    """A new course of the amplification, in the contract's units and seconds."""

    initial: int
    future: int
    start_s: int
    end_s: int


Event = Exchange | Liquidity | OneSided | Fees | OffpegFees | Parameters | Ramp

EXCHANGE = topic("TokenExchange(address,int128,uint256,int128,uint256)")
EXCHANGE_UNDERLYING = topic("TokenExchangeUnderlying(address,int128,uint256,int128,uint256)")
ONE_SIDED = topic("RemoveLiquidityOne(address,uint256,uint256)")
ONE_SIDED_WITH_SUPPLY = topic("RemoveLiquidityOne(address,uint256,uint256,uint256)")
ONE_SIDED_NG = topic("RemoveLiquidityOne(address,int128,uint256,uint256,uint256)")
NEW_FEE = topic("NewFee(uint256,uint256)")
NEW_FEE_NG = topic("ApplyNewFee(uint256,uint256)")
NEW_FEE_AAVE = topic("NewFee(uint256,uint256,uint256)")
PARAMETERS = topic("NewParameters(uint256,uint256,uint256)")
RAMP = topic("RampA(uint256,uint256,uint256,uint256)")
STOP_RAMP = topic("StopRampA(uint256,uint256)")


def _sized(name: str, shape: str) -> dict[bytes, int]:
    """The topics of an event with an array of coins, by how many coins there are; 0 where it is a dynamic array."""
    sizes = {topic(f"{name}({shape.format(f'uint256[{coins}]')})"): coins for coins in range(2, MAX_COINS + 1)}
    return sizes | {topic(f"{name}({shape.format('uint256[]')})"): 0}


ADD = _sized("AddLiquidity", "address,{0},{0},uint256,uint256")
REMOVE = _sized("RemoveLiquidity", "address,{0},{0},uint256")
REMOVE_IMBALANCE = _sized("RemoveLiquidityImbalance", "address,{0},{0},uint256,uint256")

_SCALARS: dict[bytes, tuple[int, int, Callable[[bytes], Event]]] = {
    EXCHANGE: (2, 4, lambda data: _exchange(data, underlying=False)),
    EXCHANGE_UNDERLYING: (2, 4, lambda data: _exchange(data, underlying=True)),
    ONE_SIDED: (2, 2, lambda data: OneSided(unsigned(data, 0), unsigned(data, 1))),
    ONE_SIDED_WITH_SUPPLY: (2, 3, lambda data: OneSided(unsigned(data, 0), unsigned(data, 1))),
    ONE_SIDED_NG: (2, 4, lambda data: OneSided(unsigned(data, 1), unsigned(data, 2), signed(data, 0))),
    NEW_FEE: (1, 2, lambda data: Fees(unsigned(data, 0), unsigned(data, 1))),
    NEW_FEE_NG: (1, 2, lambda data: OffpegFees(unsigned(data, 0), unsigned(data, 1))),
    NEW_FEE_AAVE: (1, 3, lambda data: OffpegFees(unsigned(data, 0), unsigned(data, 2), unsigned(data, 1))),
    PARAMETERS: (1, 3, lambda data: Parameters(*_words(data, 0, 3))),
    RAMP: (1, 4, lambda data: Ramp(*_words(data, 0, 4))),
    STOP_RAMP: (1, 2, lambda data: Ramp(unsigned(data, 0), unsigned(data, 0), unsigned(data, 1), unsigned(data, 1))),
}
"""How many topics and words of data each event has that holds no array, and what it says."""

TOPICS = frozenset({*_SCALARS, *ADD, *REMOVE, *REMOVE_IMBALANCE})


def read(log: Log, pool: Address, coins: int) -> Event | None:
    """What `log` says about a pool of that many coins; None for an unknown topic. Raises `MalformedLog`."""
    kind = log.topics[0] if log.topics else b""
    if kind in _SCALARS:
        topics, words, made = _SCALARS[kind]
        require_own(log, pool, topics, words)
        return made(log.data)
    for table, sign, scalars in ((ADD, 1, 2), (REMOVE, -1, 1), (REMOVE_IMBALANCE, -1, 2)):
        if kind in table:
            amounts, fees = _arrays(log, pool, table[kind], coins, scalars)
            supply = unsigned(log.data, _supply_word(table[kind], scalars))
            signed_amounts = tuple(sign * amount for amount in amounts)
            return Liquidity(signed_amounts, fees or (0,) * coins, supply, table is REMOVE)
    return None


def _exchange(data: bytes, *, underlying: bool) -> Exchange:
    sold, amount_in, bought, amount_out = _words(data, 0, 4)
    return Exchange(sold, amount_in, bought, amount_out, underlying)


def _supply_word(size: int, scalars: int) -> int:
    """The last scalar is the LP supply: after the arrays, or after the offsets that stand for them."""
    return (2 * size if size else 2) + scalars - 1


def _arrays(log: Log, pool: Address, size: int, coins: int, scalars: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Amounts and fees. NG's may have no fees."""
    if size:
        if size != coins:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} is of {size} coins, not of {coins}")
        require_own(log, pool, 2, 2 * size + scalars)
        return _words(log.data, 0, size), _words(log.data, size, size)
    first, second = (unsigned(log.data, word) for word in (0, 1))
    counts = []
    for offset in (first, second):
        if offset % WORD or offset + WORD > len(log.data):
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} points outside its data")
        counts.append(unsigned(log.data, offset // WORD))
    if counts[0] != coins or counts[1] not in (0, coins):
        raise MalformedLog(f"log {log.log_index} of block {log.block_number} is of {counts} coins, not of {coins}")
    require_own(log, pool, 2, 2 + scalars + 2 + sum(counts))
    return _words(log.data, first // WORD + 1, counts[0]), _words(log.data, second // WORD + 1, counts[1])


def _words(data: bytes, first: int, count: int) -> tuple[int, ...]:
    return tuple(unsigned(data, word) for word in range(first, first + count))
