"""Hops: one swap inside the executor as one to three words, strictly read back again.

The layout is that of `contracts/src/libraries/Hops.sol`; `tests/contracts` holds both against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from chains.assets import ZERO_ADDRESS, Address, address

_ADDRESS_BITS = 160
_FEE_BITS = 24
_FEE_OFFSET = 160
_KIND_OFFSET = 184
_DIRECTION_OFFSET = 192

_TAIL_BITS = 96
_SPACING_BITS = 24
_INDEX_BITS = 8


class InvalidCallData(ValueError):
    """Bytes that are not the canonical call data of one executor call, or a call that has none."""


class HopKind(IntEnum):
    """How the executor talks to a venue. One value per wire protocol, not per fork of it; no value is ever used again.

    From 12 to 18 are who lends (`chains.loans`), and where routes begin.
    """

    CONSTANT_PRODUCT = 0
    CONCENTRATED = 1
    SOLIDLY = 2
    ALGEBRA = 3
    UNISWAP_V4 = 4
    CURVE = 5
    CURVE_CRYPTO = 6
    BALANCER_V2 = 7
    BALANCER_V3 = 8
    ERC4626 = 9
    WRAPPED_NATIVE = 10
    WSTETH = 11
    AAVE_V3 = 19


LENT_KINDS = frozenset(
    {
        HopKind.CURVE,
        HopKind.CURVE_CRYPTO,
        HopKind.BALANCER_V2,
        HopKind.ERC4626,
        HopKind.WRAPPED_NATIVE,
        HopKind.WSTETH,
        HopKind.AAVE_V3,
    }
)
"""Hops whose venue gives no credit: as the first of a cycle, their input is lent (`chains.loans`)."""

WRAPPERS = frozenset({HopKind.ERC4626, HopKind.WRAPPED_NATIVE, HopKind.WSTETH, HopKind.AAVE_V3})
"""Hops that mint and burn a token of the venue's own, at a price that trades do not move."""


@dataclass(frozen=True, slots=True)
class UniswapV4Route:
    """The rest of a Uniswap V4 pool's key: the currency bought, the tick spacing and the hooks.

    The zero address as `token_out` is the native coin. The key's own fee (the dynamic flag included) is `Hop.fee_ppm`.
    """

    token_out: Address
    tick_spacing: int
    hooks: Address = ZERO_ADDRESS


@dataclass(frozen=True, slots=True)
class CurveRoute:
    """`exchange(i, j, …)` of a Curve pool, or `exchange_underlying(i, j, …)` of a StableSwap meta or lending pool."""

    token_out: Address
    i: int
    j: int
    underlying: bool = False


@dataclass(frozen=True, slots=True)
class BalancerV2Route:
    """`id_tail` is the last 12 bytes of the pool id; the first 20 are the pool's address."""

    token_out: Address
    id_tail: int


@dataclass(frozen=True, slots=True)
class BalancerV3Route:
    """With `buffer` the hop's pool is a wrapped token (ERC-4626) that the vault itself wraps or unwraps."""

    token_out: Address
    buffer: bool = False


Route = UniswapV4Route | CurveRoute | BalancerV2Route | BalancerV3Route

ROUTES: dict[HopKind, type[Route]] = {
    HopKind.UNISWAP_V4: UniswapV4Route,
    HopKind.CURVE: CurveRoute,
    HopKind.CURVE_CRYPTO: CurveRoute,
    HopKind.BALANCER_V2: BalancerV2Route,
    HopKind.BALANCER_V3: BalancerV3Route,
}
"""What a hop of these kinds must say beyond its first word; every other kind has no route."""

_KINDS = frozenset(HopKind)
_UNDIRECTED = frozenset({HopKind.CURVE, HopKind.CURVE_CRYPTO, HopKind.BALANCER_V2})
"""Kinds whose route says the direction; their `zero_for_one` is always false."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One swap inside the executor.

    `zero_for_one` sells the pool's token0. A wrapper's token0 is what it wraps (the asset of an ERC-4626 vault or of an
    aToken, ETH of WETH, stETH of wstETH), so true wraps and false unwraps; a Balancer V3 buffer likewise, every other
    hop of `BALANCER_V3`, `BALANCER_V2`, `CURVE` and `CURVE_CRYPTO` says false.

    `fee_ppm` is the pool's input fee; the contract needs it for constant-product pairs and, as part of the key, for
    Uniswap V4. `pool` of a Uniswap V4 hop is the first 20 bytes of the pool id, checksummed: the manager is not named.
    """

    kind: HopKind
    pool: Address
    zero_for_one: bool
    fee_ppm: int
    route: Route | None = None


def pack(hop: Hop) -> tuple[int, ...]:
    """One hop as its words. Raises `InvalidCallData` for a value that does not fit, and for another kind's route."""
    if type(hop.route) is not ROUTES.get(hop.kind, type(None)):
        raise InvalidCallData(f"{hop} has not the route of its kind")
    directed = hop.kind not in _UNDIRECTED
    if isinstance(hop.route, BalancerV3Route):
        directed = hop.route.buffer
    if hop.zero_for_one and not directed:
        raise InvalidCallData(f"{hop} has a direction; its route says it already")
    if hop.kind is HopKind.CURVE_CRYPTO and isinstance(hop.route, CurveRoute) and hop.route.underlying:
        raise InvalidCallData(f"{hop} has no underlying coins")
    word = (
        bits(hop.pool, _ADDRESS_BITS)
        | bits(hop.fee_ppm, _FEE_BITS) << _FEE_OFFSET
        | hop.kind << _KIND_OFFSET
        | hop.zero_for_one << _DIRECTION_OFFSET
    )
    return word, *_route_words(hop.route)


def unpack(words: Sequence[int]) -> tuple[Hop, ...]:
    """The hops that `words` hold. Raises `InvalidCallData` for what `pack` would not have written."""
    rest = iter(words)
    return tuple(_hop(word, rest) for word in rest)


def _hop(word: int, rest: Iterator[int]) -> Hop:
    kind = word >> _KIND_OFFSET & 0xFF
    if word >> _DIRECTION_OFFSET > 1 or kind not in _KINDS:
        raise InvalidCallData(f"{word:#066x} is not a hop")
    try:
        route = _route(HopKind(kind), rest)
    except StopIteration:
        raise InvalidCallData(f"{word:#066x} is the first word of a longer hop") from None
    hop = Hop(
        HopKind(kind),
        address_in(word),
        bool(word >> _DIRECTION_OFFSET),
        word >> _FEE_OFFSET & (1 << _FEE_BITS) - 1,
        route,
    )
    pack(hop)
    return hop


def _route_words(route: Route | None) -> tuple[int, ...]:
    if route is None:
        return ()
    token = bits(route.token_out, _ADDRESS_BITS)
    match route:
        case UniswapV4Route(_, tick_spacing, hooks):
            return token | bits(tick_spacing, _SPACING_BITS) << _ADDRESS_BITS, bits(hooks, _ADDRESS_BITS)
        case CurveRoute(_, i, j, underlying):
            indices = bits(i, _INDEX_BITS) | bits(j, _INDEX_BITS) << _INDEX_BITS | underlying << 2 * _INDEX_BITS
            return (token | indices << _ADDRESS_BITS,)
        case BalancerV2Route(_, id_tail):
            return (token | bits(id_tail, _TAIL_BITS) << _ADDRESS_BITS,)
        case BalancerV3Route(_, buffer):
            return (token | buffer << _ADDRESS_BITS,)


def _route(kind: HopKind, rest: Iterator[int]) -> Route | None:
    shape = ROUTES.get(kind)
    if shape is None:
        return None
    word = next(rest)
    token, tail = address_in(word), word >> _ADDRESS_BITS
    if shape is UniswapV4Route:
        hooks = next(rest)
        if tail >> _SPACING_BITS or hooks >> _ADDRESS_BITS:
            raise InvalidCallData(f"{word:#066x} {hooks:#066x} is not the rest of a Uniswap V4 hop")
        return UniswapV4Route(token, tail, address_in(hooks))
    if shape is CurveRoute:
        index = (1 << _INDEX_BITS) - 1
        if tail >> 2 * _INDEX_BITS > 1:
            raise InvalidCallData(f"{word:#066x} is not the rest of a Curve hop")
        return CurveRoute(token, tail & index, tail >> _INDEX_BITS & index, bool(tail >> 2 * _INDEX_BITS))
    if shape is BalancerV2Route:
        return BalancerV2Route(token, tail)
    if tail > 1:
        raise InvalidCallData(f"{word:#066x} is not the rest of a Balancer V3 hop")
    return BalancerV3Route(token, bool(tail))


def bits(value: int | str, size: int) -> int:
    """`value`, a number or an address, if it fits `size` bits. Raises `InvalidCallData`."""
    try:
        number = int(value, 16) if isinstance(value, str) else value
    except ValueError:
        raise InvalidCallData(f"{value!r} is not an address") from None
    if not 0 <= number < 1 << size:
        raise InvalidCallData(f"{value} does not fit {size} bits")
    return number


def address_in(word: int) -> Address:
    """The address in the lower 160 bits."""
    return address(f"0x{word & (1 << _ADDRESS_BITS) - 1:040x}")
