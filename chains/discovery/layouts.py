"""Creation events, one layout per kind of factory: a log in, what it announces out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from chains.assets import Address, address
from chains.blocks import Log
from chains.discovery.found import Found, MalformedCreation, Origin
from chains.pools.tick_math import MAX_TICK
from chains.pools.words import WORD, signed, topic, unsigned

V2_PAIR_CREATED = topic("PairCreated(address,address,address,uint256)")
V3_POOL_CREATED = topic("PoolCreated(address,address,uint24,int24,address)")
V4_INITIALIZE = topic("Initialize(bytes32,address,address,uint24,int24,address,uint160,int24)")
SOLIDLY_PAIR_CREATED = topic("PairCreated(address,address,bool,address,uint256)")
SOLIDLY_POOL_CREATED = topic("PoolCreated(address,address,bool,address,uint256)")
SLIPSTREAM_POOL_CREATED = topic("PoolCreated(address,address,int24,address)")
ALGEBRA_POOL = topic("Pool(address,address,address)")
ALGEBRA_CUSTOM_POOL = topic("CustomPool(address,address,address,address)")
BALANCER_V2_POOL_REGISTERED = topic("PoolRegistered(bytes32,address,uint8)")
BALANCER_V2_TOKENS_REGISTERED = topic("TokensRegistered(bytes32,address[],address[])")
BALANCER_V3_POOL_REGISTERED = topic(
    "PoolRegistered(address,address,(address,uint8,address,bool)[],uint256,uint32,(address,address,address),"
    "(bool,bool,bool,bool,bool,bool,bool,bool,bool,bool,address),(bool,bool,bool,bool))"
)

_ADDRESS_BITS = 160
_MAX_FEE_PPM = 10**6

Decode = Callable[[Origin, Log], Found]


@dataclass(frozen=True, slots=True)
class Layout:
    """The topics that announce a pool, each with what reads it."""

    decoders: Mapping[bytes, Decode]

    @property
    def topics(self) -> frozenset[bytes]:
        return frozenset(self.decoders)


def announced(origin: Origin, log: Log) -> Found | None:
    """The pool that `log` of `origin` announces; None for another event. Raises `MalformedCreation`."""
    decoder = LAYOUTS[origin.layout].decoders.get(log.topics[0]) if log.topics else None
    if decoder is None or log.address != origin.address:
        return None
    found = decoder(origin, log)
    if len(set(found.tokens)) != len(found.tokens):
        raise MalformedCreation(f"pool {found.venue} has {found.tokens[0]} on both sides")
    return found


def _v2(origin: Origin, log: Log) -> Found:
    _require(log, topics=3, words=2)
    return _pair(origin, log, _account(log.data, 0), origin.fee_ppm)


def _v3(origin: Origin, log: Log) -> Found:
    _require(log, topics=4, words=2)
    fee_ppm = unsigned(log.topics[3])
    if fee_ppm >= _MAX_FEE_PPM:
        raise _malformed(log, f"a fee of {fee_ppm} ppm")
    return _pair(origin, log, _account(log.data, 1), fee_ppm)


def _v4(origin: Origin, log: Log) -> Found:
    _require(log, topics=4, words=5)
    spacing = signed(log.data, 1)
    if not 0 < spacing <= MAX_TICK:
        raise _malformed(log, f"a tick spacing of {spacing}")
    return Found(
        origin.protocol,
        origin.family,
        origin.address,
        (_account(log.topics[2]), _account(log.topics[3])),
        unsigned(log.data, 0),
        log.block_number,
        log.topics[1],
        {"tick_spacing": spacing, "hooks": _account(log.data, 2)},
    )


def _solidly(origin: Origin, log: Log) -> Found:
    """Velodrome V2 and Aerodrome say `stable` in a topic."""
    _require(log, topics=4, words=2)
    return _pair(origin, log, _account(log.data, 0), origin.fee_ppm)


def _first_solidly(origin: Origin, log: Log) -> Found:
    """Solidly itself, and Camelot, say `stable` in the data."""
    _require(log, topics=3, words=3)
    return _pair(origin, log, _account(log.data, 1), origin.fee_ppm)


def _slipstream(origin: Origin, log: Log) -> Found:
    _require(log, topics=4, words=1)
    return _pair(origin, log, _account(log.data, 0), origin.fee_ppm)


def _algebra(origin: Origin, log: Log) -> Found:
    _require(log, topics=3, words=1)
    return _pair(origin, log, _account(log.data, 0), origin.fee_ppm)


def _algebra_custom(origin: Origin, log: Log) -> Found:
    _require(log, topics=4, words=1)
    return _pair(origin, log, _account(log.data, 0), origin.fee_ppm, first=2)


def _balancer_v2_pool(origin: Origin, log: Log) -> Found:
    _require(log, topics=3, words=1)
    if log.topics[1][:20] != log.topics[2][12:]:
        raise _malformed(log, "an id that is not its pool's")
    return _of_v2_vault(origin, log)


def _balancer_v2_tokens(origin: Origin, log: Log) -> Found:
    """A pool may register its tokens later, and in parts: the vault is asked for all of them."""
    if len(log.topics) != 2:
        raise _malformed(log, f"{len(log.topics)} topics")
    return _of_v2_vault(origin, log)


def _of_v2_vault(origin: Origin, log: Log) -> Found:
    own = address("0x" + log.topics[1][:20].hex())
    return Found(
        origin.protocol, origin.family, own, (), 0, log.block_number, details={"pool_id": "0x" + log.topics[1].hex()}
    )


def _balancer_v3(origin: Origin, log: Log) -> Found:
    if len(log.topics) != 3:
        raise _malformed(log, f"{len(log.topics)} topics")
    try:
        (configured,) = abi_decode(("(address,uint8,address,bool)[]",), log.data)
    except (DecodingError, OverflowError) as error:
        raise _malformed(log, f"tokens that cannot be read ({error})") from error
    tokens = tuple(address(token) for token, *_ in configured)
    return Found(origin.protocol, origin.family, _account(log.topics[1]), tokens, 0, log.block_number)


def _pair(origin: Origin, log: Log, pool: Address, fee_ppm: int, first: int = 1) -> Found:
    tokens = _account(log.topics[first]), _account(log.topics[first + 1])
    return Found(origin.protocol, origin.family, pool, tokens, fee_ppm, log.block_number)


def _require(log: Log, *, topics: int, words: int) -> None:
    if len(log.topics) != topics or len(log.data) != words * WORD:
        raise _malformed(log, f"{len(log.topics)} topics and {len(log.data)} bytes, not {topics} and {words * WORD}")


def _account(data: bytes, index: int = 0) -> Address:
    value = unsigned(data, index)
    if value >> _ADDRESS_BITS:
        raise MalformedCreation(f"0x{value:064x} is not an address")
    return address(f"0x{value:040x}")


def _malformed(log: Log, what: str) -> MalformedCreation:
    return MalformedCreation(f"log {log.log_index} of block {log.block_number} from {log.address} has {what}")


LAYOUTS: Mapping[str, Layout] = {
    "uniswap_v2": Layout({V2_PAIR_CREATED: _v2}),
    "uniswap_v3": Layout({V3_POOL_CREATED: _v3}),
    "uniswap_v4": Layout({V4_INITIALIZE: _v4}),
    "solidly": Layout({SOLIDLY_POOL_CREATED: _solidly, SOLIDLY_PAIR_CREATED: _first_solidly}),
    "camelot": Layout({V2_PAIR_CREATED: _v2, SOLIDLY_PAIR_CREATED: _first_solidly}),
    "slipstream": Layout({SLIPSTREAM_POOL_CREATED: _slipstream}),
    "algebra": Layout({ALGEBRA_POOL: _algebra, ALGEBRA_CUSTOM_POOL: _algebra_custom}),
    "balancer_v2": Layout(
        {BALANCER_V2_POOL_REGISTERED: _balancer_v2_pool, BALANCER_V2_TOKENS_REGISTERED: _balancer_v2_tokens}
    ),
    "balancer_v3": Layout({BALANCER_V3_POOL_REGISTERED: _balancer_v3}),
}
"""Every layout by its name."""
