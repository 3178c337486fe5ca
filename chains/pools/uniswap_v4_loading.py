"""Loading Uniswap V4 pools out of the pool manager's storage. Builds and decodes; the node does the I/O."""

from __future__ import annotations

from eth_utils.crypto import keccak

from chains.assets import ZERO_ADDRESS, address
from chains.pools.pool import Call, Loading, MalformedState, PoolFacts
from chains.pools.tick_math import MAX_TICK, MIN_TICK, WORD_BITS, Ticks, all_words, set_bits, word_of
from chains.pools.uniswap_v4 import UniswapV4Pool
from chains.pools.uniswap_v4_key import DYNAMIC_FEE, HookedPool, PoolKey
from chains.pools.words import require_words, selector, unsigned, word

REACH_TICKS = 10_000
"""How far around the price a loaded pool is known, at least: e^±1 times the price."""

_EXTSLOAD = selector("extsload(bytes32)")
_POOLS_SLOT = 6
_LIQUIDITY, _TICKS, _BITMAP = 3, 4, 5
"""Where the parts of a pool lie after its first slot."""


def key_of(facts: PoolFacts) -> PoolKey:
    """The key that `facts` describe: `fee_ppm` is the key's, `details` say `tick_spacing` and may say `hooks`.

    Raises `MalformedState` where it is not that of `pool_id`.
    """
    if "tick_spacing" not in facts.details:
        raise MalformedState(f"pool {facts.venue} needs its tick spacing")
    hooks = address(str(facts.details.get("hooks", ZERO_ADDRESS)))
    key = PoolKey(facts.pair, facts.fee_ppm, int(facts.details["tick_spacing"]), hooks)
    if key.pool_id != facts.pool_id:
        raise MalformedState(f"the id of {key} is 0x{key.pool_id.hex()}, not {facts.venue}")
    return key


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in three rounds: price and fees, bitmap words around it, ticks with liquidity.

    Raises `MalformedState` for a pool whose hook contract may change its swaps.
    """
    key = key_of(facts)
    if key.swap_flags:
        raise MalformedState(HookedPool(facts.address, key).why)
    base = _slot_of(facts.pool_id, _POOLS_SLOT)

    def ask(slot: int) -> Call:
        return Call(facts.address, _EXTSLOAD + word(slot))

    def answered(answer: bytes) -> int:
        return unsigned(require_words(answer, 1, f"extsload() of {facts.address}"))

    slot0, active = (answered(answer) for answer in (yield (ask(base), ask(base + _LIQUIDITY))))
    price, tick, protocol_fees, lp_fee = (
        slot0 & (1 << 160) - 1,
        _signed(slot0 >> 160 & 0xFFFFFF, 24),
        slot0 >> 184 & 0xFFFFFF,
        slot0 >> 208 & 0xFFFFFF,
    )
    first, last = all_words(key.tick_spacing)
    if not price:
        ticks = Ticks(key.tick_spacing, first, last, {}, {})
        lp_fee = 0 if key.fee_ppm == DYNAMIC_FEE else key.fee_ppm
        return UniswapV4Pool(facts.address, key, lp_fee, protocol_fees, 0, 0, 0, ticks)
    if not MIN_TICK - 1 <= tick <= MAX_TICK:
        raise MalformedState(f"pool {facts.venue} stands at tick {tick}, where no price is")
    reach = max(1, -(-REACH_TICKS // (key.tick_spacing * WORD_BITS)))
    here = word_of(tick, key.tick_spacing)
    words = range(max(here - reach, first), min(here + reach, last) + 1)
    bitmaps = yield tuple(ask(_slot_of(word(index), base + _BITMAP)) for index in words)
    initialised = [
        at
        for index, bitmap in zip(words, bitmaps, strict=True)
        for at in set_bits(answered(bitmap), index, key.tick_spacing)
    ]
    answers: tuple[bytes, ...] = ()
    if initialised:
        answers = yield tuple(ask(_slot_of(word(at), base + _TICKS)) for at in initialised)
    gross, net = {}, {}
    for at, answer in zip(initialised, answers, strict=True):
        both = answered(answer)
        gross[at], net[at] = both & (1 << 128) - 1, _signed(both >> 128, 128)
    ticks = Ticks(key.tick_spacing, words[0], words[-1], net, gross)
    return UniswapV4Pool(facts.address, key, lp_fee, protocol_fees, price, tick, active, ticks)


def _slot_of(key: bytes, mapping: int) -> int:
    """Where a mapping that lies at that slot keeps the value of `key`."""
    return int.from_bytes(keccak(key + word(mapping)), "big")


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
