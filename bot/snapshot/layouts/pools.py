"""Recordings of one pool in one document (degenbot's): each layout names its fields in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from bot.exactness import balancer_v2, curve
from bot.snapshot.found import Found, place_of, taken, token_of
from chains.assets import ZERO_ADDRESS, Token, address
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import PPM, Pool
from chains.pools.solidly import SolidlyPool
from chains.pools.tick_math import Ticks, all_words, word_of
from chains.pools.uniswap_v4 import UniswapV4Pool
from chains.pools.uniswap_v4_key import PoolKey
from chains.snapshot import LeftOut

State = Mapping[str, Any]

_PROTOCOL_FEE_BITS = 12


def pool(document: Any) -> Iterator[Found] | None:
    """A pool's scalars, its ticks or reserves, and its tokens."""
    if not isinstance(document, dict) or "chain_id" not in document:
        return None
    make = next((make for recognises, make in _READERS if recognises(document)), _unknown)
    return iter([_read(document, make)])


def ticks_only(document: Any) -> Iterator[Found] | None:
    """Many pools' ticks by pool id, without prices, fees or tokens."""
    if not isinstance(document, dict) or not document:
        return None
    states = {venue: state for venue, state in document.items() if isinstance(state, dict)}
    if not states or any(state.keys() != {"tick_bitmap", "tick_data"} for state in states.values()):
        return None
    return (LeftOut(venue, "only its ticks were recorded: no price, no fee, no tokens") for venue in states)


def _read(state: State, make: Callable[[State], Pool]) -> Found:
    venue = str(state.get("pool_id") or state.get("pool") or state.get("address"))
    return taken(venue, int(state["block"]), lambda: make(state))


def tokens_of(state: State) -> tuple[Token, ...]:
    """The pool's tokens. Raises `ValueError` where they were not recorded."""
    rows = state.get("tokens") or [state[key] for key in ("token0", "token1") if key in state]
    if not rows:
        raise ValueError("its tokens were not recorded")
    place = place_of(state["chain_id"])
    return tuple(token_of(place, row["address"], row["symbol"], row["decimals"]) for row in rows)


def pair_of(state: State) -> tuple[Token, Token]:
    """The pool's two tokens. Raises `ValueError`."""
    first, second = tokens_of(state)
    return first, second


def ticks_of(state: State, scalars: State) -> Ticks:
    """The recorded ticks: all of them if they add up to the active liquidity, else those of the recorded words.

    Raises `ValueError` where they are neither.
    """
    spacing, tick = scalars["tick_spacing"], scalars["tick"]
    gross, net = {}, {}
    for at, values in state["tick_data"].items():
        named = isinstance(values, dict)
        gross[int(at)] = int(values["liquidity_gross"] if named else values[0])
        net[int(at)] = int(values["liquidity_net"] if named else values[1])
    active = sum(change for at, change in net.items() if at <= tick)
    if not sum(net.values()) and active == scalars["liquidity"]:
        return Ticks(spacing, *all_words(spacing), net, gross)
    words = {int(index) for index in state.get("tick_bitmap", ())}
    first = last = word_of(tick, spacing)
    if first not in words:
        raise ValueError("its ticks do not add up to its liquidity, and no bitmap says which are known")
    while first - 1 in words:
        first -= 1
    while last + 1 in words:
        last += 1
    known = [at for at in net if first <= word_of(at, spacing) <= last]
    return Ticks(spacing, first, last, {at: net[at] for at in known}, {at: gross[at] for at in known})


def _constant_product(state: State) -> Pool:
    if "fee_numer" in state:
        fees = {Fraction(state["fee_numer"], state["fee_denom"])}
    else:
        fees = {Fraction(state["fee_token0"]), Fraction(state["fee_token1"])}
    fee = fees.pop() * PPM
    if fees or fee.denominator != 1:
        raise ValueError("a fee for each direction, or one finer than a millionth")
    reserves = int(state["reserves_token0"]), int(state["reserves_token1"])
    return ConstantProductPool(address(_at(state)), pair_of(state), reserves, fee.numerator)


def _concentrated(state: State) -> Pool:
    scalars = state.get("scalars", state)
    price, tick, liquidity = scalars["sqrt_price_x96"], scalars["tick"], scalars["liquidity"]
    ticks = ticks_of(state, scalars)
    return ConcentratedPool(address(_at(state)), pair_of(state), scalars["fee"], price, tick, liquidity, ticks)


def _solidly(state: State) -> Pool:
    reserves = int(state["reserves_token0"]), int(state["reserves_token1"])
    return SolidlyPool(address(_at(state)), pair_of(state), reserves, state["fee_raw"], state["stable"], ZERO_ADDRESS)


def _weighted(state: State) -> Pool:
    return balancer_v2.weighted_pool(state, tokens_of(state))


def _stable(state: State) -> Pool:
    return balancer_v2.stable_pool(state, tokens_of(state))


def _uniswap_v4(state: State) -> Pool:
    scalars = state.get("scalars", state)
    fees = scalars["protocol_fee_one_for_zero"] << _PROTOCOL_FEE_BITS | scalars["protocol_fee_zero_for_one"]
    hooks = address(state.get("hook_address", ZERO_ADDRESS))
    key = PoolKey(pair_of(state), scalars["fee"], scalars["tick_spacing"], hooks)
    if key.pool_id.hex() != state["pool_id"].removeprefix("0x"):
        raise ValueError(
            f"its id is {state['pool_id']}, but its tokens, fee, spacing and hooks make {key.pool_id.hex()}"
        )
    return UniswapV4Pool(
        address(state.get("pool_manager") or state["pool_manager_address"]),
        key,
        scalars["lp_fee"],
        fees,
        scalars["sqrt_price_x96"],
        scalars["tick"],
        scalars["liquidity"],
        ticks_of(state, scalars),
    )


def _unknown(state: State) -> Pool:
    raise ValueError(f"a state of {', '.join(sorted(state))[:120]}, which is of no family of this program")


def _at(state: State) -> str:
    return str(state.get("pool") or state["address"])


def _is_v4(state: State) -> bool:
    return "pool_manager" in state or "pool_manager_address" in state


_READERS: Sequence[tuple[Callable[[State], bool], Callable[[State], Pool]]] = (
    (lambda state: "fee_numer" in state or "fee_token0" in state, _constant_product),
    (lambda state: "stable" in state and "fee_raw" in state, _solidly),
    (lambda state: "tick_data" in state and not _is_v4(state), _concentrated),
    (lambda state: "tick_data" in state and _is_v4(state), _uniswap_v4),
    (lambda state: "vault" in state and "weights" in state, _weighted),
    (lambda state: "vault" in state and "amp" in state, _stable),
    (lambda state: "redemption_price" in state and "base_pool" in state, curve.meta_pool),
    (lambda state: "a_coefficient" in state and "gamma" in state, curve.crypto_pool),
    (lambda state: "a_coefficient" in state, curve.stable_pool),
)
"""Which layout a document is of, and what reads it."""
