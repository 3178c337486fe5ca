"""Camelot's pairs, with a fee for each direction, volatile and stable. State in, exact integers out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools.balancer_math import ONE
from chains.pools.constant_product import MAX_RESERVE
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
    changed_by,
    require_own,
    sells_first,
)
from chains.pools.solidly_math import balance_for_v1, product, slope_at
from chains.pools.words import account, require_words, selector, topic, unsigned

FEE_DENOMINATOR = 10**5
MAX_FEE = 2_000

SYNC = topic("Sync(uint112,uint112)")
FEES_CHANGED = topic("FeePercentUpdated(uint16,uint16)")
KIND_CHANGED = topic("SetStableSwap(bool,bool)")
TOPICS = frozenset({SYNC, FEES_CHANGED, KIND_CHANGED})


@dataclass(frozen=True, slots=True)
class CamelotPool(OwnContract):
    """x·y = k, or x³y + y³x = k if `stable`; `fees` in 1/100000 for selling either token.

    A stable pair sends `owner_share` of the fee, in 1/100000, away with each swap; a volatile one keeps all of it.
    Source: CamelotPair, getAmountOut and swap.
    """

    address: Address
    tokens: tuple[Token, Token]
    reserves: tuple[int, int]
    fees: tuple[int, int]
    stable: bool = False
    owner_share: int = 0

    family: ClassVar[str] = "camelot"

    def __post_init__(self) -> None:
        if self.tokens[0] == self.tokens[1]:
            raise MalformedState(f"pool {self.address} has {self.tokens[0]} on both sides")
        if not all(0 <= reserve <= MAX_RESERVE for reserve in self.reserves):
            raise MalformedState(f"pool {self.address} has reserves {self.reserves}, outside uint112")
        if not all(0 <= fee <= MAX_FEE for fee in self.fees) or not 0 <= self.owner_share <= FEE_DENOMINATOR:
            raise MalformedState(f"pool {self.address} has fees {self.fees}, of which {self.owner_share} leave")

    @property
    def variant(self) -> str:
        return "stable" if self.stable else "volatile"

    @property
    def fee_ppm(self) -> int:
        """The higher of the two."""
        return max(self.fees) * PPM // FEE_DENOMINATOR

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `getAmountOut` answers for exactly `amount_in`; 0 when that buys less than one unit.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`, `InsufficientLiquidity`.
        """
        given = self._given(token_in, token_out)
        reserve_in, reserve_out = self.reserves[given], self.reserves[1 - given]
        if not 0 < amount_in <= MAX_RESERVE - reserve_in:
            raise AmountOutOfRange(f"{amount_in} of {token_in} does not fit pool {self.address}")
        if not reserve_in or not reserve_out:
            raise EmptyPool(f"pool {self.address} has reserves {self.reserves}")
        if not self.stable:
            effective = amount_in * (FEE_DENOMINATOR - self.fees[given])
            return effective * reserve_out // (reserve_in * FEE_DENOMINATOR + effective)
        unit_in, unit_out = self._units()[given], self._units()[1 - given]
        effective = amount_in - amount_in * self.fees[given] // FEE_DENOMINATOR
        scaled_out = reserve_out * ONE // unit_out
        left = balance_for_v1(reserve_in * ONE // unit_in + effective * ONE // unit_in, self._product(), scaled_out)
        if left > scaled_out:
            raise InsufficientLiquidity(f"{amount_in} of {token_in} buys less than nothing from pool {self.address}")
        return (scaled_out - left) * unit_out // ONE

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """The quote, where the pair's own check then lets it go. Raises as `quote`."""
        amount_out = self.quote(token_in, amount_in, token_out)
        given = self._given(token_in, token_out)
        after = self._after(given, amount_in, amount_out)
        kept = amount_in * self.fees[given] // FEE_DENOMINATOR - self._leaving(given, amount_in)
        checked = replace(after, reserves=_shifted(after.reserves, given, -kept))
        if checked._product() < self._product():
            raise InsufficientLiquidity(f"pool {self.address} quotes {amount_out} for {amount_in}, and does not pay it")
        return amount_out

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The least amount in that yields at least `amount_out`: the contract has no question for it.

        Raises as `quote`.
        """
        given = 1 - self._given(token_out, token_in)
        held = self.reserves[1 - given]
        if amount_out >= held:
            raise InsufficientLiquidity(f"pool {self.address} holds {held} of {token_out}, not over {amount_out}")
        sold = self.tokens[given]
        rate = self.marginal_price(sold) or 1.0
        return least_input(partial(self.quote, sold), amount_out, int(amount_out / rate))

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> CamelotPool:
        """The pool after exactly `amount_in` was swapped. Raises as `paid`."""
        return self._after(self._given(token_in, token_out), amount_in, self.paid(token_in, amount_in, token_out))

    def applied(self, log: Log) -> CamelotPool:
        """The pool after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`."""
        kind = log.topics[0] if log.topics else b""
        if kind not in TOPICS:
            return self
        require_own(log, self.address, topics=1, data_words=2)
        first, second = unsigned(log.data), unsigned(log.data, 1)
        if kind == KIND_CHANGED:
            return changed_by(log, self, stable=bool(second))
        return changed_by(log, self, **{"reserves" if kind == SYNC else "fees": (first, second)})

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after the fee; 0.0 for an empty pool."""
        given = self._given(token_in, token_out)
        if not all(self.reserves):
            return 0.0
        return self._rate(given, self.reserves[given], self.reserves[1 - given])

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """Volatile: one exact piece. Stable: as a stable `SolidlyPool`'s."""
        given = self._given(token_in, token_out)
        if not all(self.reserves):
            return ()
        reserve_in, reserve_out = self.reserves[given], self.reserves[1 - given]
        kept = 1.0 - self.fees[given] / FEE_DENOMINATOR
        if not self.stable:
            return (Piece(kept * reserve_out / reserve_in, kept / reserve_in, float(MAX_RESERVE - reserve_in)),)
        units = self._units()

        def point_at(amount_in: float) -> Point | None:
            try:
                out = self.quote(token_in, int(amount_in)) if amount_in >= 1.0 else 0
            except PoolError:
                return None
            return Point(amount_in, float(out), self._rate(given, reserve_in + kept * amount_in, reserve_out - out))

        try:
            most = (reserve_in + reserve_out * units[given] / units[1 - given]) / kept
            return fitted(point_at, most, grid_within(reserve_in, most))
        except (PoolError, ZeroDivisionError):
            return ()

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap: it asks `getAmountOut`, as of Solidly's pairs. Raises `UnknownToken`."""
        return Hop(HopKind.SOLIDLY, self.address, self._given(token_in, token_out) == 0, self.fee_ppm)

    def _given(self, token_in: Token, token_out: Token | None) -> int:
        """Where `token_in` stands. Raises `UnknownToken`."""
        return 0 if sells_first(self.tokens, token_in, token_out) else 1

    def _units(self) -> tuple[int, int]:
        first, second = self.tokens
        return int(10**first.decimals), int(10**second.decimals)

    def _product(self) -> int:
        """What a swap must not lower."""
        first, second = self.reserves
        if not self.stable:
            return first * second
        units = self._units()
        return product(first * ONE // units[0], second * ONE // units[1])

    def _leaving(self, given: int, amount_in: int) -> int:
        """What of the fee a stable pair sends away."""
        share = self.owner_share if self.stable else 0
        return amount_in * share * self.fees[given] // FEE_DENOMINATOR**2

    def _after(self, given: int, amount_in: int, amount_out: int) -> CamelotPool:
        reserves = _shifted(self.reserves, given, amount_in - self._leaving(given, amount_in))
        return replace(self, reserves=_shifted(reserves, 1 - given, -amount_out))

    def _rate(self, given: int, reserve_in: float, reserve_out: float) -> float:
        kept = 1.0 - self.fees[given] / FEE_DENOMINATOR
        if not self.stable:
            return kept * reserve_out / reserve_in
        units = self._units()
        unit_in, unit_out = units[given], units[1 - given]
        return kept * slope_at(reserve_in / unit_in, reserve_out / unit_out) * unit_out / unit_in


def _shifted(reserves: tuple[int, int], place: int, change: int) -> tuple[int, int]:
    first, second = reserves
    return (first + change, second) if place == 0 else (first, second + change)


_GET_RESERVES = selector("getReserves()")
_STABLE = selector("stableSwap()")
_FACTORY = selector("factory()")
_FEE_INFO = selector("feeInfo()")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pair in two rounds: itself, then what its factory takes."""
    at = facts.address
    state, stable, factory = yield tuple(Call(at, data) for data in (_GET_RESERVES, _STABLE, _FACTORY))
    require_words(state, 4, f"getReserves() of {at}")
    require_words(stable, 1, f"stableSwap() of {at}")
    owner = account(factory, f"factory() of {at}")
    (info,) = yield (Call(owner, _FEE_INFO),)
    require_words(info, 2, f"feeInfo() of {owner}")
    share = unsigned(info) if unsigned(info, 1) else 0
    reserves, fees = (unsigned(state), unsigned(state, 1)), (unsigned(state, 2), unsigned(state, 3))
    return CamelotPool(at, facts.pair, reserves, fees, bool(unsigned(stable)), share)
