"""Aave V3's reserves: supplying an asset for its aToken and withdrawing it, one for one. State in, exact integers out.

An aToken is kept as a scaled amount and shown at the reserve's liquidity index, so that its balances grow by the second
and round by a unit. Which way, the revision of the market's pool says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools.pool import (
    AmountOutOfRange,
    Call,
    HookedPool,
    InsufficientLiquidity,
    Loading,
    MalformedState,
    PaysItsQuote,
    Piece,
    PoolFacts,
    Source,
    StaleState,
    Suspended,
    require_own,
    sells_first,
)
from chains.pools.words import account, require_words, selector, topic, unsigned, word

RESERVE_UPDATED = topic("ReserveDataUpdated(address,uint256,uint256,uint256,uint256,uint256)")
TOPICS = frozenset({RESERVE_UPDATED})

RAY = 10**27
UNCAPPED = 2**127
"""What there is room for in a reserve without a supply cap: half of what a balance can hold."""

_HALF_RAY = RAY // 2
_MAX_WORD = 2**256 - 1
_WHOLE_BPS = 10_000


class Rules(StrEnum):
    """How a revision of Aave's pool rounds: to the nearest, as until V3.4, or never for the caller's good."""

    V3_0 = "v3.0"
    V3_6 = "v3.6"


_OF_REVISION = {1: Rules.V3_0, 10: Rules.V3_6}
"""By `POOL_REVISION`: those that were held against the bytecode."""

_MOST_SCALED = {Rules.V3_0: 2**128 - 1, Rules.V3_6: 2**120 - 1}
"""What a balance can hold, scaled."""


@dataclass(frozen=True, slots=True)
class AaveV3Pool(PaysItsQuote):
    """`address` is the aToken, which `lender`, the market's pool, mints and burns; `tokens` are the asset and it.

    `index` is the liquidity index in the block that was read, with 27 decimals; `supplied` and `treasury` are scaled by
    it, `available` and `cap` (0: none) are units of the asset. Interest moves the index with every second, so that the
    state is exact in that block and `stale` after it. A quote is what a holder's balance grows by who had none before.
    Source: aave-v3-core SupplyLogic, ValidationLogic, WadRayMath; aave-v3-origin TokenMath.
    """

    address: Address
    tokens: tuple[Token, Token]
    lender: Address
    debt_token: Address
    rules: Rules
    index: int
    supplied: int
    treasury: int
    available: int
    cap: int
    takes: bool
    gives: bool
    stale: bool = False

    family: ClassVar[str] = "aave_v3"
    fee_ppm: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.tokens[0] == self.tokens[1] or self.tokens[1].address != self.address:
            raise MalformedState(f"reserve {self.address} does not have {self.tokens[1]} as its aToken")
        amounts = self.supplied, self.treasury, self.available, self.cap
        if not RAY <= self.index < 2**128 or not all(0 <= amount <= _MAX_WORD for amount in amounts):
            raise MalformedState(f"reserve {self.address} has index {self.index} and {self.supplied} supplied")

    @property
    def venue(self) -> str:
        return self.address

    @property
    def sources(self) -> tuple[Source, ...]:
        """The aToken and the market's pool: both are proxies, and the pool tells what moves the reserve."""
        return Source(self.address), Source(self.lender)

    @property
    def variant(self) -> str:
        return self.rules.value

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What is received for exactly `amount_in` supplied or withdrawn.

        Raises `UnknownToken`, `AmountOutOfRange`, `InsufficientLiquidity`, `Suspended`, `StaleState`.
        """
        if self._supplies(token_in, token_out):
            return self._shown(self._minted(amount_in))
        self._burnt(amount_in)
        return amount_in

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The least amount in that yields at least `amount_out`. Raises as `quote`."""
        withdraws = self._supplies(token_out, token_in)
        amount_in = amount_out
        if not withdraws and amount_out > 0:
            nearest = self.rules is Rules.V3_0
            scaled = -(-(amount_out * RAY - _HALF_RAY * nearest) // self.index)
            amount_in = -(-(scaled * self.index - self.index // 2 * nearest) // RAY)
        self.quote(self.tokens[1 if withdraws else 0], amount_in)
        return amount_in

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> AaveV3Pool:
        """The reserve after exactly `amount_in` was supplied or withdrawn, in the same block. Raises as `quote`."""
        if self._supplies(token_in, token_out):
            supplied = self.supplied + self._minted(amount_in)
            return replace(self, supplied=supplied, available=self.available + amount_in)
        supplied = self.supplied - self._burnt(amount_in)
        return replace(self, supplied=supplied, available=self.available - amount_in)

    def applied(self, log: Log) -> AaveV3Pool:
        """The reserve after `log`: to be read again after what moved it, else unchanged. Raises `MalformedLog`."""
        if not log.topics or log.topics[0] != RESERVE_UPDATED:
            return self
        require_own(log, self.lender, topics=2, data_words=5)
        return self.at(0) if log.topics[1] == word(int(self.tokens[0].address, 16)) else self

    def at(self, timestamp_s: int) -> AaveV3Pool:
        """The reserve in another block: its index is not known."""
        return self if self.stale else replace(self, stale=True)

    @property
    def needs_reading(self) -> bool:
        return self.stale

    def refreshing(self) -> Loading:
        """One round: what others did and what has been earned. Raises `HookedPool` for a reserve of stable debt."""
        asset = _of(self.tokens[0])
        answers = yield (
            Call(self.lender, _RESERVE + asset),
            Call(self.lender, _INCOME + asset),
            Call(self.lender, _DEBT_INDEX + asset),
            Call(self.address, _SCALED_SUPPLY),
            Call(self.debt_token, _SCALED_SUPPLY),
            Call(Address(self.tokens[0].address), _BALANCE + word(int(self.address, 16))),
            Call(self.lender, _VIRTUAL_BALANCE + asset),
        )
        reserve = require_words(answers[0], _RESERVE_WORDS, f"getReserveData of {self.tokens[0]} at {self.lender}")
        index, debt_index, supplied, debt, held = (
            unsigned(require_words(answer, 1, f"the state of reserve {self.address}")) for answer in answers[1:6]
        )
        settings = unsigned(reserve)
        if settings >> _STABLE & 1:
            raise HookedPool(f"reserve {self.address} lends at stable rates, whose interest is not known here")
        active, frozen, paused = (settings >> bit & 1 == 1 for bit in (_ACTIVE, _FROZEN, _PAUSED))
        cap = (settings >> _CAP & _CAP_MASK) * 10 ** (settings >> _DECIMALS & 0xFF)
        virtual = unsigned(answers[6]) if answers[6] else held
        now = replace(self, index=index, supplied=supplied, available=min(held, virtual), cap=cap, stale=False)
        earned = self._accrued(debt, unsigned(reserve, _OLD_DEBT_INDEX), debt_index)
        fee = (earned * (settings >> _FACTOR & 0xFFFF) + _WHOLE_BPS // 2) // _WHOLE_BPS
        treasury = unsigned(reserve, _TREASURY) + now._scaled(fee)
        return replace(now, treasury=treasury, takes=active and not frozen and not paused, gives=active and not paused)

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """One, or 0.0 where nothing can be supplied or withdrawn, or the state is not known."""
        return 1.0 if self.pieces(token_in, token_out) else 0.0

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """One straight piece: up to the supply cap, or down to what is not lent out."""
        supplies = sells_first(self.tokens, token_in, token_out)
        most = self._room if supplies else self.available
        is_open = self.takes if supplies else self.gives
        return (Piece(1.0, 0.0, float(most)),) if most > 0 and is_open and not self.stale else ()

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """True supplies. Raises `UnknownToken`."""
        return Hop(HopKind.AAVE_V3, self.address, sells_first(self.tokens, token_in, token_out), 0)

    @property
    def _room(self) -> int:
        """What may yet be supplied; less than nothing where interest has outgrown the cap."""
        return self.cap - self._shown(self.supplied + self.treasury) if self.cap else UNCAPPED

    def _supplies(self, token_in: Token, token_out: Token | None) -> bool:
        supplies = sells_first(self.tokens, token_in, token_out)
        if self.stale:
            raise StaleState(f"reserve {self.address} has earned since it was read; read it again")
        if not (self.takes if supplies else self.gives):
            raise Suspended(f"reserve {self.address} is not active, or frozen or paused")
        return supplies

    def _minted(self, amount: int) -> int:
        """The scaled amount that supplying `amount` mints, within the cap."""
        scaled = self._scaled(amount)
        if not 0 < scaled <= _MOST_SCALED[self.rules]:
            raise AmountOutOfRange(f"{amount} is not an amount that reserve {self.address} takes")
        if not self.cap:
            return scaled
        if self.rules is Rules.V3_0:
            reached = self._shown(self.supplied + self.treasury) + amount
        else:
            reached = self._shown(self.supplied + self.treasury + scaled)
        if reached > self.cap:
            raise InsufficientLiquidity(f"reserve {self.address} takes up to {self.cap} of its asset, not {reached}")
        return scaled

    def _burnt(self, amount: int) -> int:
        """The scaled amount that withdrawing `amount` burns."""
        scaled = self._scaled(amount, up=True)
        if scaled <= 0:
            raise AmountOutOfRange(f"{amount} is not an amount that reserve {self.address} gives")
        if amount > self.available or scaled > self.supplied:
            raise InsufficientLiquidity(f"reserve {self.address} can give {self.available}, not {amount}")
        return scaled

    def _scaled(self, amount: int, *, up: bool = False) -> int:
        """`amount` over the index; to the nearest, or down unless it is to be `up`."""
        if amount < 0 or amount > _MAX_WORD // RAY - 1:
            raise AmountOutOfRange(f"{amount} does not fit Aave's arithmetic")
        if self.rules is Rules.V3_0:
            return (amount * RAY + self.index // 2) // self.index
        return -(-amount * RAY // self.index) if up else amount * RAY // self.index

    def _shown(self, scaled: int) -> int:
        """A scaled amount as balances show it."""
        return (scaled * self.index + _HALF_RAY * (self.rules is Rules.V3_0)) // RAY

    def _accrued(self, debt: int, before: int, now: int) -> int:
        """What debts have grown by since the reserve was last touched."""
        if self.rules is Rules.V3_0:
            return (debt * now + _HALF_RAY) // RAY - (debt * before + _HALF_RAY) // RAY
        return debt * (now - before) // RAY


_LENDER, _UNDERLYING = selector("POOL()"), selector("UNDERLYING_ASSET_ADDRESS()")
_REVISION = selector("POOL_REVISION()")
_RESERVE, _INCOME = selector("getReserveData(address)"), selector("getReserveNormalizedIncome(address)")
_DEBT_INDEX = selector("getReserveNormalizedVariableDebt(address)")
_VIRTUAL_BALANCE = selector("getVirtualUnderlyingBalance(address)")
_SCALED_SUPPLY, _SUPPLY = selector("scaledTotalSupply()"), selector("totalSupply()")
_BALANCE = selector("balanceOf(address)")

_RESERVE_WORDS, _OLD_DEBT_INDEX, _A_TOKEN, _STABLE_DEBT, _DEBT, _TREASURY = 15, 3, 8, 9, 10, 12
"""Words of `getReserveData` (DataTypes.ReserveData, since V3.1 ReserveDataLegacy)."""

_DECIMALS, _ACTIVE, _FROZEN, _STABLE, _PAUSED, _FACTOR, _CAP = 48, 56, 57, 59, 60, 64, 116
_CAP_MASK = 2**36 - 1
"""Where the first of them, the reserve's configuration, has what."""


def loading(facts: PoolFacts) -> Loading:
    """Three rounds: the market's pool, what it says of the reserve, then its amounts. Raises `HookedPool`."""
    at, (asset, _) = facts.address, facts.pair
    lender_answer, asset_answer = yield Call(at, _LENDER), Call(at, _UNDERLYING)
    lender = account(lender_answer, f"POOL() of {at}")
    if account(asset_answer, f"UNDERLYING_ASSET_ADDRESS() of {at}") != asset.address:
        raise MalformedState(f"{at} is not the aToken of {asset}")
    reserve, answered = yield Call(lender, _RESERVE + _of(asset)), Call(lender, _REVISION)
    question = f"getReserveData of {asset} at {lender}"
    if account(reserve, question, _A_TOKEN) != at:
        raise MalformedState(f"{lender} has another aToken of {asset} than {at}")
    revision = unsigned(require_words(answered, 1, f"POOL_REVISION() of {lender}"))
    rules = _OF_REVISION.get(revision)
    if rules is None:
        raise HookedPool(f"{lender} is revision {revision} of Aave's pool, whose rounding is not known here")
    (stable,) = yield (Call(account(reserve, question, _STABLE_DEBT), _SUPPLY),)
    if unsigned(stable):
        raise HookedPool(f"reserve {at} has debt at stable rates, whose interest is not known here")
    debt_token = account(reserve, question, _DEBT)
    unread = AaveV3Pool(at, facts.pair, lender, debt_token, rules, RAY, 0, 0, 0, 0, takes=False, gives=False)
    return (yield from unread.refreshing())


def _of(asset: Token) -> bytes:
    return word(int(asset.address, 16))
