"""Algebra Integral's concentrated pools, which walk straight to the next tick in use. State in, integers out; no I/O.

Most of them have a plugin that may set another fee before each swap: those have no exact quote and are refused. So
are Algebra's first pools (QuickSwap V3, Camelot V3), which compute a new fee in the first swap of every block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools import concentrated
from chains.pools.concentrated import ConcentratedPool, ticks_around
from chains.pools.pool import (
    Call,
    HookedPool,
    Loading,
    PoolFacts,
    changed_by,
    require_own,
    sells_first,
)
from chains.pools.tick_math import Ticks
from chains.pools.words import WORD, require_words, selector, signed, topic, unsigned

FEE = topic("Fee(uint16)")
PLUGIN_CONFIG = topic("PluginConfig(uint8)")
TOPICS = frozenset(
    {concentrated.INITIALIZE, concentrated.MINT, concentrated.BURN, concentrated.SWAP, FEE, PLUGIN_CONFIG}
)

BEFORE_SWAP = 1
"""The plugin's flag that lets it set the fee of each swap."""
EVERY_TICK = 1
"""The bitmap has a bit for every tick, whatever the pool's spacing."""
_STATE_WORDS = 6


@dataclass(frozen=True, slots=True)
class LinkedTicks(Ticks):
    """Ticks that know their neighbours: a step ends at the next one in use, not at the end of a bitmap word."""

    def next_below(self, tick: int) -> tuple[int, bool]:
        return self.skip_below(tick)

    def next_above(self, tick: int) -> tuple[int, bool]:
        return self.skip_above(tick)


@dataclass(frozen=True, slots=True)
class AlgebraPool(ConcentratedPool):
    """As a `ConcentratedPool`, with `ticks` that are linked and a fee that its owner or its plugin changes.

    Source: cryptoalgebra/Algebra, integral, SwapCalculation.
    """

    ticks: LinkedTicks

    family: ClassVar[str] = "algebra"

    def applied(self, log: Log) -> Self:
        """The pool after `log`. Raises `MalformedLog`, and `HookedPool` where a plugin may set fees from now on."""
        kind = log.topics[0] if log.topics else b""
        if kind == FEE:
            require_own(log, self.address, topics=1, data_words=1)
            return changed_by(log, self, fee_ppm=unsigned(log.data))
        if kind == PLUGIN_CONFIG:
            require_own(log, self.address, topics=1, data_words=1)
            _require_no_hook(self.address, unsigned(log.data))
            return self
        return ConcentratedPool.applied(self, log)

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        return Hop(HopKind.ALGEBRA, self.address, sells_first(self.tokens, token_in, token_out), self.fee_ppm)


_GLOBAL_STATE = selector("globalState()")
_LIQUIDITY = selector("liquidity()")
_TICK_TABLE = selector("tickTable(int16)")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in three rounds: state, bitmap words around the price, ticks in use. Raises `HookedPool`."""
    pool = facts.address
    state, active = yield Call(pool, _GLOBAL_STATE), Call(pool, _LIQUIDITY)
    require_words(state, _STATE_WORDS, f"globalState() of {pool}")
    if len(state) > _STATE_WORDS * WORD:
        raise HookedPool(f"pool {pool} is one of Algebra's first, which compute a new fee in every block's first swap")
    price, tick, fee_ppm = unsigned(state, 0), signed(state, 1), unsigned(state, 2)
    _require_no_hook(pool, unsigned(state, 3))
    liquidity = unsigned(require_words(active, 1, f"liquidity() of {pool}"))
    known = yield from ticks_around(pool, tick, EVERY_TICK, _TICK_TABLE)
    return AlgebraPool(pool, facts.pair, fee_ppm, price, tick, liquidity, LinkedTicks(EVERY_TICK, *known))


def _require_no_hook(pool: Address, plugin_config: int) -> None:
    if plugin_config & BEFORE_SWAP:
        raise HookedPool(f"pool {pool} has a plugin that may set another fee before each swap")
