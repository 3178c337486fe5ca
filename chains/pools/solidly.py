"""Solidly's pairs as Velodrome V2 and Aerodrome build them, volatile and stable. State in, integers out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools.balancer_math import ONE
from chains.pools.fitted import Point, fitted, grid_within
from chains.pools.least import least_input
from chains.pools.pool import (
    PPM,
    AmountOutOfRange,
    Call,
    EmptyPool,
    InsufficientLiquidity,
    Loading,
    MalformedState,
    OwnContract,
    Piece,
    PoolError,
    PoolFacts,
    Source,
    StaleState,
    Suspended,
    changed_by,
    other_token,
    require_own,
)
from chains.pools.solidly_math import balance_for, product, slope_at
from chains.pools.words import account, require_words, selector, topic, uint256, unsigned, word

BPS = 10**4
MAX_FEE_BPS = 300
ZERO_FEE_BPS = 420
"""What a factory calls a custom fee of nothing; 0 stands for its default."""

SYNC = topic("Sync(uint256,uint256)")
CUSTOM_FEE = topic("SetCustomFee(address,uint256)")
PAUSE_STATE = topic("SetPauseState(bool)")
TOPICS = frozenset({SYNC, CUSTOM_FEE, PAUSE_STATE})


@dataclass(frozen=True, slots=True)
class SolidlyPool(OwnContract):
    """x·y = k, or x³y + y³x = k if `stable`. The fee leaves the pool with the swap.

    `reserves` are in base units, ordered as `tokens`; `fee_bps` and the pause are the `factory`'s.
    Source: aerodrome-finance/contracts, Pool and PoolFactory.
    """

    address: Address
    tokens: tuple[Token, Token]
    reserves: tuple[int, int]
    fee_bps: int
    stable: bool
    factory: Address
    paused: bool = False

    family: ClassVar[str] = "solidly"

    def __post_init__(self) -> None:
        if self.tokens[0] == self.tokens[1]:
            raise MalformedState(f"pool {self.address} has {self.tokens[0]} on both sides")
        if not all(0 <= reserve < 2**256 for reserve in self.reserves):
            raise MalformedState(f"pool {self.address} has reserves {self.reserves}, outside uint256")
        if not 0 <= self.fee_bps <= MAX_FEE_BPS:
            raise MalformedState(f"pool {self.address} has a fee of {self.fee_bps} basis points")

    @property
    def variant(self) -> str:
        return "stable" if self.stable else "volatile"

    @property
    def fee_ppm(self) -> int:
        return self.fee_bps * PPM // BPS

    @property
    def sources(self) -> tuple[Source, ...]:
        """The pool; its factory about the pool; and its factory about all pools."""
        return Source(self.address), Source(self.factory, self._topic), Source(self.factory)

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `getAmountOut` answers for exactly `amount_in`; 0 when that buys less than one unit.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`, `InsufficientLiquidity`.
        """
        given = self._given(token_in, token_out)
        if amount_in <= 0:
            raise AmountOutOfRange(f"{amount_in} of {token_in} is not an amount")
        if not all(self.reserves):
            raise EmptyPool(f"pool {self.address} has reserves {self.reserves}")
        effective = amount_in - self._fee(amount_in)
        reserve_in, reserve_out = self.reserves[given], self.reserves[1 - given]
        if not self.stable:
            return uint256(effective * reserve_out) // uint256(reserve_in + effective)
        unit_in, unit_out = self._units()[given], self._units()[1 - given]
        scaled_in, scaled_out = uint256(reserve_in * ONE) // unit_in, uint256(reserve_out * ONE) // unit_out
        after = scaled_in + uint256(effective * ONE) // unit_in
        left = balance_for(after, product(*self._scaled()), scaled_out, self._units())
        if left > scaled_out:
            raise InsufficientLiquidity(f"{amount_in} of {token_in} buys less than nothing from pool {self.address}")
        return (scaled_out - left) * unit_out // ONE

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """The quote, where the pair's own check then lets it go. Raises as `quote`, and `Suspended`."""
        if self.paused:
            raise Suspended(f"the factory of pool {self.address} is paused")
        amount_out = self.quote(token_in, amount_in, token_out)
        after = self._after(token_in, amount_in, amount_out)
        if after._product() < self._product():
            raise InsufficientLiquidity(f"pool {self.address} quotes {amount_out} for {amount_in}, and does not pay it")
        return amount_out

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The least amount in that yields at least `amount_out`: the contract has no question for it.

        Raises as `quote`.
        """
        token_in = other_token(self.tokens, token_out, token_in)
        held = self.reserves[self.tokens.index(token_out)]
        if amount_out >= held:
            raise InsufficientLiquidity(f"pool {self.address} holds {held} of {token_out}, not over {amount_out}")
        rate = self.marginal_price(token_in)
        return least_input(
            lambda amount: self.quote(token_in, amount), amount_out, int(amount_out / rate) if rate else 1
        )

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> SolidlyPool:
        """The pool after exactly `amount_in` was swapped. Raises as `paid`."""
        return self._after(token_in, amount_in, self.paid(token_in, amount_in, token_out))

    def applied(self, log: Log) -> SolidlyPool:
        """The pool after `log`. Unknown topics leave it unchanged.

        Raises `MalformedLog`, and `StaleState` where the fee goes back to the factory's default, which is not known.
        """
        kind = log.topics[0] if log.topics else b""
        if kind == SYNC:
            require_own(log, self.address, topics=1, data_words=2)
            return changed_by(log, self, reserves=(unsigned(log.data, 0), unsigned(log.data, 1)))
        if kind == CUSTOM_FEE and log.topics[1:] == (self._topic,):
            require_own(log, self.factory, topics=2, data_words=1)
            fee = unsigned(log.data)
            if not fee:
                raise StaleState(f"the fee of pool {self.address} is its factory's default again; load the pool again")
            return changed_by(log, self, fee_bps=0 if fee == ZERO_FEE_BPS else fee)
        if kind == PAUSE_STATE:
            require_own(log, self.factory, topics=1, data_words=1)
            return changed_by(log, self, paused=bool(unsigned(log.data)))
        return self

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after the fee; 0.0 for an empty or paused pool."""
        given = self._given(token_in, token_out)
        if self.paused or not all(self.reserves):
            return 0.0
        return self._point(given, self.reserves[given], self.reserves[1 - given]).rate

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """Volatile: one exact piece. Stable: up to what doubles the pool, within 1 % between the fitted points."""
        given = self._given(token_in, token_out)
        if self.paused or not all(self.reserves):
            return ()
        reserve_in, reserve_out = self.reserves[given], self.reserves[1 - given]
        kept = 1.0 - self.fee_bps / BPS
        if not self.stable:
            cap = float(2**255 // reserve_out)
            return (Piece(kept * reserve_out / reserve_in, kept / reserve_in, cap),)
        units = self._units()
        most = (reserve_in + reserve_out * units[given] / units[1 - given]) / kept

        def point_at(amount_in: float) -> Point | None:
            try:
                out = self.quote(token_in, int(amount_in)) if amount_in >= 1.0 else 0
            except PoolError:
                return None
            return self._point(given, reserve_in + kept * amount_in, reserve_out - out)._replace(
                amount_in=amount_in, out=float(out)
            )

        try:
            return fitted(point_at, most, grid_within(reserve_in, most))
        except (PoolError, ZeroDivisionError):
            return ()

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        return Hop(HopKind.SOLIDLY, self.address, self._given(token_in, token_out) == 0, self.fee_ppm)

    @property
    def _topic(self) -> bytes:
        """This pool as an indexed address."""
        return word(int(self.address, 16))

    def _given(self, token_in: Token, token_out: Token | None) -> int:
        """Where `token_in` stands. Raises `UnknownToken`."""
        return 0 if other_token(self.tokens, token_in, token_out) == self.tokens[1] else 1

    def _fee(self, amount_in: int) -> int:
        return uint256(amount_in * self.fee_bps) // BPS

    def _units(self) -> tuple[int, int]:
        first, second = self.tokens
        return int(10**first.decimals), int(10**second.decimals)

    def _scaled(self) -> tuple[int, int]:
        first, second = (uint256(r * ONE) // unit for r, unit in zip(self.reserves, self._units(), strict=True))
        return first, second

    def _product(self) -> int:
        """What a swap must not lower."""
        return product(*self._scaled()) if self.stable else uint256(self.reserves[0] * self.reserves[1])

    def _after(self, token_in: Token, amount_in: int, amount_out: int) -> SolidlyPool:
        reserves = list(self.reserves)
        given = self.tokens.index(token_in)
        reserves[given] += amount_in - self._fee(amount_in)
        reserves[1 - given] -= amount_out
        return replace(self, reserves=(reserves[0], reserves[1]))

    def _point(self, given: int, reserve_in: float, reserve_out: float) -> Point:
        """The marginal rate at these reserves, with nothing moved yet."""
        kept = 1.0 - self.fee_bps / BPS
        if not self.stable:
            return Point(0.0, 0.0, kept * reserve_out / reserve_in)
        units = self._units()
        unit_in, unit_out = units[given], units[1 - given]
        return Point(0.0, 0.0, kept * slope_at(reserve_in / unit_in, reserve_out / unit_out) * unit_out / unit_in)


_GET_RESERVES = selector("getReserves()")
_STABLE = selector("stable()")
_FACTORY = selector("factory()")
_GET_FEE = selector("getFee(address,bool)")
_IS_PAUSED = selector("isPaused()")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in two rounds: itself, then what its factory says of it."""
    at = facts.address
    reserves, stable, factory = yield tuple(Call(at, data) for data in (_GET_RESERVES, _STABLE, _FACTORY))
    require_words(reserves, 3, f"getReserves() of {at}")
    require_words(stable, 1, f"stable() of {at}")
    owner = account(factory, f"factory() of {at}")
    fee, paused = yield (Call(owner, _GET_FEE + word(int(at, 16)) + stable[:32]), Call(owner, _IS_PAUSED))
    return SolidlyPool(
        at,
        facts.pair,
        (unsigned(reserves, 0), unsigned(reserves, 1)),
        unsigned(require_words(fee, 1, f"getFee() of {owner}")),
        bool(unsigned(stable)),
        owner,
        bool(unsigned(require_words(paused, 1, f"isPaused() of {owner}"))),
    )
