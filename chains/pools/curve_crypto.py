"""Curve CryptoSwap pools of two and three coins. State in, exact integers out; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from chains.assets import Address, Token
from chains.blocks import Log
from chains.hops import CurveRoute, Hop, HopKind
from chains.pools import crypto_events as events
from chains.pools.crypto_swap import (
    FEE_DENOMINATOR,
    RULES,
    UNIT,
    CryptoRules,
    FeeCurve,
    Shape,
    invariant,
    marginal,
    solved,
)
from chains.pools.crypto_swap_liquidity import TELLING, Holdings, Moved
from chains.pools.crypto_swap_repeg import Oracle, Peg, Room, Trade, reachable, repegged
from chains.pools.fitted import Point, fitted
from chains.pools.least import least_input
from chains.pools.pool import (
    AmountOutOfRange,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    OwnContract,
    Piece,
    PoolError,
    StaleState,
    changed_by,
    positions,
)
from chains.pools.surface import CryptoSurface

FEE_UNITS_PER_PPM = 10**4

MAX_AMOUNT = 2**192 - 1
"""More than any token has; keeps every product within the contract's 256 bits."""


@dataclass(frozen=True, slots=True)
class Course:
    """A · n^n and gamma, in the contract's units, moving between two times in seconds.

    `end_s` is 0 when no ramp is pending; after a ramp it stays until the next trade.
    """

    initial: tuple[int, int]
    future: tuple[int, int]
    start_s: int = 0
    end_s: int = 0

    def __post_init__(self) -> None:
        if self.initial != self.future and self.start_s >= self.end_s > 0:
            raise MalformedState(f"parameters cannot ramp from {self.start_s} to {self.end_s}")

    def at(self, timestamp_s: int) -> tuple[int, int]:
        """Both in a block of that time."""
        if timestamp_s >= self.end_s or self.initial == self.future:
            return self.future
        length, passed = self.end_s - self.start_s, timestamp_s - self.start_s
        left = length - passed
        ann, gamma = ((old * left + new * passed) // length for old, new in zip(self.initial, self.future, strict=True))
        return ann, gamma


class Exchanged(NamedTuple):
    """What a swap pays in base units, the scaled balances after it, and the invariant it went by."""

    paid: int
    xp: tuple[int, ...]
    d: int


@dataclass(frozen=True, slots=True)
class CurveCryptoPool(OwnContract):
    """The CryptoSwap curve: constant product far from, nearly constant sum close to its own price scale.

    `balances` are in base units, ordered as `tokens`. `price_scale` is what the other coins count in the first one,
    10^-18; `d` the invariant by it. Every trade may move both, as `oracle` decides: where it is None, states after
    trades are not known, and `swapped` and `applied` refuse. Source: curve-crypto-contract, CurveCryptoSwap (three
    coins) and CurveCryptoSwap2.
    """

    address: Address
    tokens: tuple[Token, ...]
    balances: tuple[int, ...]
    price_scale: tuple[int, ...]
    d: int
    course: Course
    fees: FeeCurve
    rules: CryptoRules
    timestamp_s: int
    oracle: Oracle | None = None
    claimed_in: str = ""

    family: ClassVar[str] = "curve_crypto"

    def __post_init__(self) -> None:
        coins = len(self.tokens)
        if coins not in (2, 3) or len(set(self.tokens)) != coins or any(token.decimals > 18 for token in self.tokens):
            raise MalformedState(f"pool {self.address} cannot hold {', '.join(map(str, self.tokens))}")
        if len(self.balances) != coins or len(self.price_scale) != coins - 1:
            raise MalformedState(f"pool {self.address} has {len(self.balances)} balances of {coins} coins")
        if min(self.balances) < 0 or min(self.price_scale) <= 0 or self.d < 0:
            raise MalformedState(f"pool {self.address} has balances {self.balances} and scale {self.price_scale}")

    @property
    def variant(self) -> str:
        """The generation's name in `RULES`."""
        return next((name for name, known in RULES.items() if known == self.rules), "unnamed")

    @property
    def fee_ppm(self) -> int:
        """The fee in balance's present state, rounded down; 0 for an empty pool."""
        if not all(self.balances):
            return 0
        return self.fees.at(self.scaled()) // FEE_UNITS_PER_PPM

    @property
    def shape(self) -> Shape:
        """The curve's parameters now."""
        return Shape(self.rules, *self.course.at(self.timestamp_s))

    def at(self, timestamp_s: int) -> CurveCryptoPool:
        """The pool in a block of that time: its parameters ramp, and its oracle's average moves with the next trade."""
        moving = self.oracle is not None or self.course.end_s > self.timestamp_s
        return replace(self, timestamp_s=timestamp_s) if moving and timestamp_s != self.timestamp_s else self

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `get_dy` answers. While parameters ramp, a three-coin pool's `exchange` pays otherwise: `paid`.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`, `InsufficientLiquidity`, `StaleState`.
        """
        index_in, index_out = positions(self.tokens, token_in, token_out)
        d = self._fresh_d() if len(self.tokens) == 2 else self.d
        return self._exchanged(index_in, index_out, amount_in, d).paid

    def paid(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `exchange` pays. Raises as `quote`."""
        return self._exchanged(*positions(self.tokens, token_in, token_out), amount_in, self._fresh_d()).paid

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The least amount in that `get_dy` answers with at least `amount_out`. Raises as `quote`."""
        index_out, index_in = positions(self.tokens, token_out, token_in)
        if amount_out >= self.balances[index_out]:
            raise InsufficientLiquidity(f"pool {self.address} holds {self.balances[index_out]} of {token_out}")
        d = self._fresh_d() if len(self.tokens) == 2 else self.d
        guess = int(amount_out / max(self.marginal_price(self.tokens[index_in], token_out), 1e-36))
        return least_input(lambda amount: self._exchanged(index_in, index_out, amount, d).paid, amount_out, guess)

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> CurveCryptoPool:
        """The pool after `exchange` in a block of its time. Raises as `quote`."""
        return self._after(*positions(self.tokens, token_in, token_out), amount_in)[0]

    def applied(self, log: Log) -> CurveCryptoPool:
        """The pool after `log`. Unknown topics leave it unchanged.

        Raises `MalformedLog`, also where the event does not follow from the state that was known before it, and
        `StaleState` where the event does not tell all that it changed.
        """
        event = events.read(log, self.address, len(self.tokens))
        match event:
            case None:
                return self
            case events.Exchange():
                return self._followed(log, event)
            case events.Added():
                return self._added(log, event)
            case events.Removed():
                return self._removed(log, event)
            case events.RemovedOne():
                return self._removed_one(log, event)
            case events.Claimed() if self.rules.claims:
                return replace(self, claimed_in=log.tx_hash)
            case events.Ramped(initial, future, start_s, end_s):
                return replace(self, course=Course(initial, future, start_s, end_s))
            case events.Parameters():
                return self._with_parameters(log, event)
        raise StaleState(f"log {log.log_index} of block {log.block_number} changed what it does not tell")

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after the fee; 0.0 where the pool has no price or cannot be known."""
        index_in, index_out = positions(self.tokens, token_in, token_out)
        if not all(self.balances) or self.claimed_in:
            return 0.0
        try:
            return self._rate(self.scaled(), self.d, index_in, index_out)
        except PoolError:
            return 0.0

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """Pieces fitted to the curve, up to three times what the pool holds of what comes in."""
        index_in, index_out = positions(self.tokens, token_in, token_out)
        if not all(self.balances) or self.claimed_in:
            return ()

        def point_at(amount: float) -> Point:
            if amount < 1.0:
                return Point(amount, 0.0, self._rate(self.scaled(), self.d, index_in, index_out))
            paid, after, d = self._exchanged(index_in, index_out, int(amount), self.d)
            return Point(amount, float(paid), self._rate(after, d, index_in, index_out))

        most = 3.0 * self.balances[index_in]
        for _ in range(8):
            try:
                return fitted(point_at, most)
            except PoolError:
                most /= 2
        return ()

    def surface(self) -> CryptoSurface:
        """The curve that all swaps of the present block keep to. Raises `EmptyPool`, `StaleState`, and as `invariant`.

        Where the oracle is not known the scale is taken to stay.
        """
        self._require_known()
        shape, d = self.shape, self._fresh_d()
        room = Room(self.price_scale, 1.0, 1.0)
        if self.oracle is not None:
            room = reachable(self.rules, Peg(self.price_scale, d, self.oracle), self.timestamp_s)
        now, further = (
            tuple(unit * price / UNIT for unit, price in zip(self.units, (UNIT, *scale), strict=True))
            for scale in (self.price_scale, room.price_scale)
        )
        a, gamma = shape.ann / self.rules.a_multiplier, shape.gamma / UNIT
        fee, held = self.fees.mid_fee / FEE_DENOMINATOR, tuple(map(float, self.balances))
        return CryptoSurface(a, gamma, held, now, further, float(d), fee, room.floor, room.spared)

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        index_in, index_out = positions(self.tokens, token_in, token_out)
        route = CurveRoute(Address(self.tokens[index_out].address), index_in, index_out)
        return Hop(HopKind.CURVE_CRYPTO, self.address, False, self.fee_ppm, route)

    @property
    def units(self) -> tuple[int, ...]:
        """What brings each token's base units to 18 decimals."""
        return tuple(10 ** (18 - token.decimals) for token in self.tokens)

    def scaled(self, balances: Sequence[int] | None = None) -> tuple[int, ...]:
        """Balances with 18 decimals, in units of the first coin."""
        held = self.balances if balances is None else balances
        first, *others = map(int.__mul__, held, self.units)
        return first, *(x * price // UNIT for x, price in zip(others, self.price_scale, strict=True))

    def _fresh_d(self) -> int:
        """The invariant a trade goes by: computed anew while a ramp is pending."""
        return invariant(self.shape, self.scaled()) if self._ramping else self.d

    @property
    def _ramping(self) -> bool:
        """Whether trades are told that a ramp is pending."""
        return self.course.end_s > 0 and not self.rules.original

    def _exchanged(self, index_in: int, index_out: int, amount_in: int, d: int) -> Exchanged:
        self._require_known()
        if not 0 < amount_in <= MAX_AMOUNT:
            raise AmountOutOfRange(f"{amount_in} of {self.tokens[index_in]} does not fit pool {self.address}")
        held = list(self.balances)
        held[index_in] += amount_in
        xp = list(self.scaled(held))
        left = xp[index_out] - solved(self.shape, xp, d, index_out)
        xp[index_out] -= left
        scale = self.price_scale[index_out - 1] if index_out else UNIT
        if left <= 0:
            raise AmountOutOfRange(f"{amount_in} of {self.tokens[index_in]} is too little for pool {self.address}")
        out = (left - 1) * UNIT // scale // self.units[index_out]
        out -= self.fees.at(xp) * out // FEE_DENOMINATOR
        return Exchanged(out, tuple(xp), d)

    def _require_known(self) -> None:
        if self.claimed_in:
            raise StaleState(f"the administrator of pool {self.address} took a share; load it again")
        if not all(self.balances):
            raise EmptyPool(f"pool {self.address} has balances {self.balances}")

    def _rate(self, xp: tuple[int, ...], d: int, index_in: int, index_out: int) -> float:
        """The marginal price, the fee taken as it is here."""
        unit_in, unit_out = self.units[index_in], self.units[index_out]
        scales = (UNIT, *self.price_scale)
        value = scales[index_in] * unit_in / (scales[index_out] * unit_out)
        return marginal(self.shape, xp, d, index_in, index_out) * value * (1.0 - self.fees.at(xp) / FEE_DENOMINATOR)

    def _after(self, index_in: int, index_out: int, amount_in: int) -> tuple[CurveCryptoPool, int]:
        d = self._fresh_d()
        paid = self._exchanged(index_in, index_out, amount_in, d).paid
        balances = list(self.balances)
        balances[index_in] += amount_in
        balances[index_out] -= paid
        moved = replace(self, balances=tuple(balances), d=d)
        price = moved._learned(index_in, index_out, amount_in, paid)
        xp = moved.scaled()
        trade = Trade(xp, xp, index_out or index_in, price, self.timestamp_s, self._ramping)
        return moved._repegged(trade), paid

    def _learned(self, index_in: int, index_out: int, amount_in: int, paid: int) -> int:
        """The price a trade tells, of the coin that is not the first; 0 where it was too small."""
        if min(amount_in, paid) <= TELLING:
            return 0
        given, taken = amount_in * self.units[index_in], paid * self.units[index_out]
        if index_in and index_out:
            return self._memory().last_prices[index_in - 1] * given // taken
        return given * UNIT // taken if index_out else taken * UNIT // given

    def _memory(self) -> Oracle:
        if self.oracle is None:
            raise StaleState(f"the price oracle of pool {self.address} is not known, so neither is what a trade leaves")
        return self.oracle

    def _repegged(self, trade: Trade) -> CurveCryptoPool:
        """After a trade that already moved the balances."""
        peg = repegged(self.shape, Peg(self.price_scale, self.d, self._memory()), trade)
        ramp_over = self.course.end_s <= self.timestamp_s
        course = replace(self.course, end_s=0) if self._ramping and ramp_over else self.course
        return replace(self, price_scale=peg.price_scale, d=peg.d, oracle=peg.oracle, course=course, claimed_in="")

    def _followed(self, log: Log, event: events.Exchange) -> CurveCryptoPool:
        if event.sold == event.bought or max(event.sold, event.bought) >= len(self.tokens):
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} is no swap of pool {self.address}")
        after, paid = replace(self, claimed_in="")._after(event.sold, event.bought, event.amount_in)
        self._require_same(log, event.amount_out, paid)
        return after

    def _require_same(self, log: Log, told: int, known: int) -> None:
        if self.claimed_in not in ("", log.tx_hash):
            raise StaleState(f"the administrator of pool {self.address} took a share; load it again")
        if told != known:
            raise MalformedLog(
                f"log {log.log_index} of block {log.block_number}: pool {self.address} paid {told}; "
                f"by its known state it pays {known}"
            )

    def _holdings(self) -> Holdings:
        peg = Peg(self.price_scale, self.d, self._memory())
        return Holdings(self.shape, self.fees, self.units, self.balances, peg, self._fresh_d())

    def _added(self, log: Log, event: events.Added) -> CurveCryptoPool:
        moved = self._holdings().added(event.amounts)
        self._require_same(log, event.lp_supply, moved.lp_supply)
        balances = tuple(map(int.__add__, self.balances, event.amounts))
        return self._after_liquidity(moved, balances, ramping=self._ramping)

    def _removed_one(self, log: Log, event: events.RemovedOne) -> CurveCryptoPool:
        if event.coin >= len(self.tokens) or not 0 < event.burnt <= self._memory().lp_supply:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} fits no withdrawal of {self.address}")
        moved = self._holdings().removed_one(event.coin, event.burnt)
        self._require_same(log, event.amount_out, moved.amount)
        balances = list(self.balances)
        balances[event.coin] -= event.amount_out
        # The contract marks a ramp as over with every such withdrawal, and so never refuses a loss here.
        return self._after_liquidity(moved, tuple(balances), ramping=not self.rules.original)

    def _after_liquidity(self, moved: Moved, balances: tuple[int, ...], *, ramping: bool) -> CurveCryptoPool:
        oracle = replace(self._memory(), lp_supply=moved.lp_supply)
        index = 1 if len(self.tokens) == 2 else moved.coin
        after = replace(self, balances=balances, oracle=oracle)
        now_s = self.timestamp_s
        return after._repegged(Trade(moved.xp, after.scaled(), index, moved.price, now_s, ramping, moved.d))

    def _removed(self, log: Log, event: events.Removed) -> CurveCryptoPool:
        """After a withdrawal of every coin, which moves no price."""
        memory = self._memory()
        burnt = memory.lp_supply - event.lp_supply
        if burnt <= 0:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} burns {burnt} LP tokens")
        balances = tuple(map(int.__sub__, self.balances, event.amounts))
        d = self.d - self.d * (burnt - 1) // memory.lp_supply
        return changed_by(log, self, balances=balances, d=d, oracle=replace(memory, lp_supply=event.lp_supply))

    def _with_parameters(self, log: Log, event: events.Parameters) -> CurveCryptoPool:
        memory = self._memory()
        if memory.admin_fee not in (0, event.admin_fee):
            raise StaleState(f"log {log.log_index} of block {log.block_number} settled the administrator's fees")
        told = event.extra_profit_or_threshold
        oracle = replace(
            memory,
            allowed_extra_profit=memory.allowed_extra_profit if self.rules.original else told,
            price_threshold=told if self.rules.original else memory.price_threshold,
            adjustment_step=event.adjustment_step,
            ma_half_time_s=event.ma_half_time_s,
        )
        fees = changed_by(log, self.fees, mid_fee=event.mid_fee, out_fee=event.out_fee, gamma=event.fee_gamma)
        return replace(self, fees=fees, oracle=oracle)
