"""A pool's state as a few bytes, and back. The two families that most pools are of have a form of their own.

What never changes about a pool (address, tokens, fee) is in its facts and not repeated, but for the other families,
whose form is that of a snapshot.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import orjson

from chains.assets import Token
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import MalformedState, Pool, PoolFacts
from chains.pools.registry import FAMILIES, Family
from chains.pools.tick_math import Ticks
from chains.snapshot.codec import decode, encode
from chains.snapshot.errors import SnapshotError

_PLAIN, _RESERVES, _TICKS = b"j", b"r", b"t"
"""The first byte says which form follows."""

_RESERVE_BYTES = 14
_HEADER = struct.Struct(">20si16siiiI")
_TICK = struct.Struct(">i16s16s")


def packed(pool: Pool) -> bytes:
    """The state of `pool`, without what its facts say."""
    if type(pool) is ConstantProductPool:
        return _RESERVES + b"".join(reserve.to_bytes(_RESERVE_BYTES, "big") for reserve in pool.reserves)
    if type(pool) is ConcentratedPool and pool.ticks.edges is None:
        return _packed_ticks(pool)
    return _PLAIN + orjson.dumps(encode(pool))


def unpacked(
    facts: PoolFacts, state: bytes, tokens: Mapping[str, Token], families: Mapping[str, Family] = FAMILIES
) -> Pool:
    """The pool of `facts` in `state`. `tokens` by their references. Raises `MalformedState`."""
    form, body = state[:1], state[1:]
    if form == _RESERVES and facts.family == ConstantProductPool.family and len(body) == 2 * _RESERVE_BYTES:
        reserves = int.from_bytes(body[:_RESERVE_BYTES], "big"), int.from_bytes(body[_RESERVE_BYTES:], "big")
        return ConstantProductPool(facts.address, facts.pair, reserves, facts.fee_ppm)
    if form == _TICKS and facts.family == ConcentratedPool.family and _whole(body):
        return _unpacked_ticks(facts, body)
    if form == _PLAIN and facts.family in families:
        try:
            return decode(orjson.loads(body), families[facts.family].pool, tokens, facts.venue)
        except (SnapshotError, orjson.JSONDecodeError) as error:
            raise MalformedState(f"the stored state of pool {facts.venue} cannot be read: {error}") from error
    raise MalformedState(f"the stored state of pool {facts.venue} is {len(state)} bytes that no {facts.family} has")


def _whole(body: bytes) -> bool:
    """Whether all the ticks are there that the header counts."""
    return len(body) >= _HEADER.size and len(body) - _HEADER.size == _TICK.size * _HEADER.unpack_from(body)[-1]


def _packed_ticks(pool: ConcentratedPool) -> bytes:
    ticks = pool.ticks
    header = _HEADER.pack(
        pool.sqrt_price_x96.to_bytes(20, "big"),
        pool.tick,
        pool.liquidity.to_bytes(16, "big"),
        ticks.spacing,
        ticks.first_word,
        ticks.last_word,
        len(ticks.order),
    )
    return (
        _TICKS
        + header
        + b"".join(
            _TICK.pack(tick, ticks.gross[tick].to_bytes(16, "big"), ticks.net[tick].to_bytes(16, "big", signed=True))
            for tick in ticks.order
        )
    )


def _unpacked_ticks(facts: PoolFacts, body: bytes) -> ConcentratedPool:
    price, tick, liquidity, spacing, first, last, _ = _HEADER.unpack_from(body)
    gross, net = {}, {}
    read = int.from_bytes
    for at, references, change in _TICK.iter_unpack(body[_HEADER.size :]):
        gross[at] = read(references, "big")
        net[at] = read(change, "big", signed=True)
    ticks = Ticks(spacing, first, last, net, gross)
    return ConcentratedPool(
        facts.address, facts.pair, facts.fee_ppm, read(price, "big"), tick, read(liquidity, "big"), ticks
    )
