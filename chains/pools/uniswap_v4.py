"""Uniswap V4 pools that no hook contract can change in a swap. State in, exact integers out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.hops import Hop, HopKind, UniswapV4Route
from chains.pools.ladder import Slot
from chains.pools.pool import (
    PPM,
    AmountOutOfRange,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PaysItsQuote,
    Piece,
    Source,
    StaleState,
    changed_by,
    other_token,
    require_own,
)
from chains.pools.tick_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, Ticks
from chains.pools.tick_walk import Filled, marginal_rate, range_pieces, walked
from chains.pools.uniswap_v4_key import DYNAMIC_FEE, HookedPool, PoolKey
from chains.pools.uniswap_v4_math import MAX_PROTOCOL_FEE, protocol_fee, step_exact_in, step_exact_out, swap_fee
from chains.pools.words import signed, topic, unsigned

INITIALIZE = topic("Initialize(bytes32,address,address,uint24,int24,address,uint160,int24)")
MODIFY_LIQUIDITY = topic("ModifyLiquidity(bytes32,address,int24,int24,int256,bytes32)")
SWAP = topic("Swap(bytes32,address,int128,int128,uint160,uint128,int24,uint24)")
PROTOCOL_FEE_UPDATED = topic("ProtocolFeeUpdated(bytes32,uint24)")
TOPICS = frozenset({INITIALIZE, MODIFY_LIQUIDITY, SWAP, PROTOCOL_FEE_UPDATED})

MAX_AMOUNT = 2**127 - 1
"""What the manager's signed 128-bit deltas can carry."""

MAX_LIQUIDITY = 2**128 - 1


@dataclass(frozen=True, slots=True)
class UniswapV4Pool(PaysItsQuote):
    """x · y = k between initialised ticks, with a providers' and a protocol's fee on the input.

    `address` is the pool manager. `lp_fee_ppm` is the key's fee, or what the hook contract last set where the key says
    `DYNAMIC_FEE`; a change of that has no event of its own and is learnt from the next swap. `protocol_fees` packs
    both directions' in 12 bits each, zero for one in the lower. Price, tick and liquidity as `ConcentratedPool`'s.
    Source: Uniswap V4 whitepaper; v4-core, Pool.swap.
    """

    address: Address
    key: PoolKey
    lp_fee_ppm: int
    protocol_fees: int
    sqrt_price_x96: int
    tick: int
    liquidity: int
    ticks: Ticks

    family: ClassVar[str] = "uniswap_v4"

    def __post_init__(self) -> None:
        if self.key.swap_flags:
            raise MalformedState(HookedPool(self.address, self.key).why)
        both = [protocol_fee(self.protocol_fees, zero_for_one=direction) for direction in (True, False)]
        if not 0 <= self.lp_fee_ppm <= PPM or not all(0 <= fee <= MAX_PROTOCOL_FEE for fee in both):
            raise MalformedState(f"pool {self.venue} has fees of {self.lp_fee_ppm} and {both} ppm")
        if self.key.fee_ppm not in (DYNAMIC_FEE, self.lp_fee_ppm):
            raise MalformedState(f"pool {self.venue} has a fee of {self.lp_fee_ppm} ppm, its key {self.key.fee_ppm}")
        if not 0 <= self.liquidity <= MAX_LIQUIDITY or self.ticks.spacing != self.key.tick_spacing:
            raise MalformedState(f"pool {self.venue} has liquidity {self.liquidity} and spacing {self.ticks.spacing}")
        if self.sqrt_price_x96 and not self.slot.consistent:
            raise MalformedState(f"pool {self.venue}: the root price {self.sqrt_price_x96} is not at tick {self.tick}")

    @property
    def venue(self) -> str:
        return "0x" + self.key.pool_id.hex()

    @property
    def sources(self) -> tuple[Source, ...]:
        return (Source(self.address, self.key.pool_id),)

    @property
    def tokens(self) -> tuple[Token, Token]:
        return self.key.tokens

    @property
    def fee_ppm(self) -> int:
        """Both fees together, in the dearer direction."""
        return max(self._fee(zero_for_one=direction) for direction in (True, False))

    @property
    def slot(self) -> Slot:
        """Where the pool stands."""
        return Slot(self.sqrt_price_x96, self.tick, self.liquidity)

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """Amount out in base units for exactly `amount_in` in; 0 when that buys less than one unit.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`, `BeyondKnownLiquidity`, and `InsufficientLiquidity`
        where the manager would take only a part of `amount_in`.
        """
        return self._filled_whole(token_in, amount_in, token_out).amount_out

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The amount in that the manager's exact-output swap asks for `amount_out`. Raises as `quote`."""
        zero_for_one = other_token(self.tokens, token_out, token_in) == self.tokens[0]
        if not 0 < amount_out <= MAX_AMOUNT:
            raise AmountOutOfRange(f"{amount_out} of {token_out} does not fit a swap of pool {self.venue}")
        if self._fee(zero_for_one=zero_for_one) >= PPM:
            raise InsufficientLiquidity(f"pool {self.venue} keeps all that comes in")
        filled = self._walked(-amount_out, zero_for_one=zero_for_one)
        if filled.amount_out != amount_out or filled.amount_in > MAX_AMOUNT:
            raise InsufficientLiquidity(f"pool {self.venue} gives {filled.amount_out} of {token_out}, not {amount_out}")
        return filled.amount_in

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> UniswapV4Pool:
        """The pool after exactly `amount_in` was swapped. Raises as `quote`."""
        filled = self._filled_whole(token_in, amount_in, token_out)
        return replace(self, sqrt_price_x96=filled.sqrt_price_x96, tick=filled.tick, liquidity=filled.liquidity)

    def applied(self, log: Log) -> UniswapV4Pool:
        """The pool after `log`. Unknown topics leave it unchanged.

        Raises `MalformedLog`, and `StaleState` where a dynamic fee changed to what the event does not tell exactly.
        """
        kind = log.topics[0] if log.topics else b""
        if kind not in TOPICS:
            return self
        topics, words = {INITIALIZE: (4, 5), MODIFY_LIQUIDITY: (3, 4), SWAP: (3, 6), PROTOCOL_FEE_UPDATED: (2, 1)}[kind]
        require_own(log, self.address, topics, words)
        if log.topics[1] != self.key.pool_id:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} is not of pool {self.venue}")
        if kind == SWAP:
            price, liquidity, tick = unsigned(log.data, 2), unsigned(log.data, 3), signed(log.data, 4)
            zero_for_one = signed(log.data, 0) < 0 or signed(log.data, 1) > 0
            lp_fee = self._learnt_fee(unsigned(log.data, 5), zero_for_one=zero_for_one)
            return changed_by(log, self, sqrt_price_x96=price, liquidity=liquidity, tick=tick, lp_fee_ppm=lp_fee)
        if kind == MODIFY_LIQUIDITY:
            return self._with_position(log, signed(log.data, 0), signed(log.data, 1), signed(log.data, 2))
        if kind == PROTOCOL_FEE_UPDATED:
            return changed_by(log, self, protocol_fees=unsigned(log.data))
        return changed_by(log, self, sqrt_price_x96=unsigned(log.data, 3), tick=signed(log.data, 4))

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after both fees; 0.0 where no liquidity is left or known."""
        zero_for_one = other_token(self.tokens, token_in, token_out) == self.tokens[1]
        return marginal_rate(self.ticks, self.slot, self._kept(zero_for_one=zero_for_one), zero_for_one=zero_for_one)

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """One piece per stretch of equal liquidity, to the end of what is known."""
        zero_for_one = other_token(self.tokens, token_in, token_out) == self.tokens[1]
        return range_pieces(self.ticks, self.slot, self._kept(zero_for_one=zero_for_one), zero_for_one=zero_for_one)

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        bought = other_token(self.tokens, token_in, token_out)
        route = UniswapV4Route(Address(bought.address), self.key.tick_spacing, self.key.hooks)
        short_id = address("0x" + self.key.pool_id[:20].hex())
        return Hop(HopKind.UNISWAP_V4, short_id, bought == self.tokens[1], self.key.fee_ppm, route)

    def _fee(self, *, zero_for_one: bool) -> int:
        return swap_fee(protocol_fee(self.protocol_fees, zero_for_one=zero_for_one), self.lp_fee_ppm)

    def _kept(self, *, zero_for_one: bool) -> float:
        return 1.0 - self._fee(zero_for_one=zero_for_one) / PPM

    def _filled_whole(self, token_in: Token, amount_in: int, token_out: Token | None) -> Filled:
        zero_for_one = other_token(self.tokens, token_in, token_out) == self.tokens[1]
        if not 0 < amount_in <= MAX_AMOUNT:
            raise AmountOutOfRange(f"{amount_in} of {token_in} does not fit a swap of pool {self.venue}")
        filled = self._walked(amount_in, zero_for_one=zero_for_one)
        if filled.amount_in != amount_in or filled.amount_out > MAX_AMOUNT:
            raise InsufficientLiquidity(f"pool {self.venue} takes {filled.amount_in} of {token_in}, not {amount_in}")
        return filled

    def _walked(self, specified: int, *, zero_for_one: bool) -> Filled:
        """What the manager's `swap` does with `specified` (input if positive), to the end of prices."""
        price, limit = self.sqrt_price_x96, MIN_SQRT_PRICE + 1 if zero_for_one else MAX_SQRT_PRICE - 1
        if not price:
            raise EmptyPool(f"pool {self.venue} has no price yet")
        if (limit >= price) if zero_for_one else (limit <= price):
            raise InsufficientLiquidity(f"pool {self.venue} is at the end of its prices")
        step = step_exact_in if specified > 0 else step_exact_out
        fee = self._fee(zero_for_one=zero_for_one)
        return walked(self.ticks, self.slot, specified, limit, step, fee, zero_for_one=zero_for_one)

    def _learnt_fee(self, told: int, *, zero_for_one: bool) -> int:
        """The providers' fee, of which the event tells both fees as one."""
        protocol_ppm = protocol_fee(self.protocol_fees, zero_for_one=zero_for_one)
        if swap_fee(protocol_ppm, self.lp_fee_ppm) == told:
            return self.lp_fee_ppm
        near = (told - protocol_ppm) * PPM // (PPM - protocol_ppm)
        fitting = [fee for fee in range(near - 2, near + 3) if 0 <= fee <= PPM and swap_fee(protocol_ppm, fee) == told]
        if self.key.fee_ppm != DYNAMIC_FEE or len(fitting) != 1:
            raise StaleState(
                f"pool {self.venue} took {told} ppm; by its known state it takes {self._fee(zero_for_one=zero_for_one)}"
            )
        return fitting[0]

    def _with_position(self, log: Log, lower: int, upper: int, liquidity: int) -> UniswapV4Pool:
        if not MIN_TICK <= lower < upper <= MAX_TICK:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} has ticks {lower} to {upper}")
        if not liquidity:
            return self
        active = self.liquidity + (liquidity if lower <= self.tick < upper else 0)
        return changed_by(log, self, ticks=self.ticks.with_position(lower, upper, liquidity), liquidity=active)
