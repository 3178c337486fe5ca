"""What all pools of Balancer's V3 vault share: scaling by rates, fees, balances and the vault's events. No I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import BalancerV3Route, Hop, HopKind
from chains.pools.balancer_math import ONE, complement, div_down, div_up, mul_down, mul_up
from chains.pools.balancer_v2 import moved
from chains.pools.pool import (
    PPM,
    AmountOutOfRange,
    Call,
    EmptyPool,
    HookedPool,
    InsufficientLiquidity,
    Loading,
    MalformedLog,
    MalformedState,
    PaysItsQuote,
    Piece,
    PoolFacts,
    Source,
    StaleState,
    Suspended,
    changed_by,
    positions,
    require_own,
)
from chains.pools.words import account, require_words, selector, topic, unsigned, word

MAX_BALANCE = 2**128 - 1
MINIMUM_TRADE = 10**6
"""In 18 decimals: the vault takes nothing smaller, before and after the curve."""

SWAP = topic("Swap(address,address,address,uint256,uint256,uint256,uint256)")
ADDED = topic("LiquidityAdded(address,address,uint8,uint256,uint256[],uint256[])")
REMOVED = topic("LiquidityRemoved(address,address,uint8,uint256,uint256[],uint256[])")
FEE_CHANGED = topic("SwapFeePercentageChanged(address,uint256)")
AGGREGATE_FEE_CHANGED = topic("AggregateSwapFeePercentageChanged(address,uint256)")
POOL_PAUSED = topic("PoolPausedStateChanged(address,bool)")
RECOVERY_CHANGED = topic("PoolRecoveryModeStateChanged(address,bool)")
VAULT_PAUSED = topic("VaultPausedStateChanged(bool)")
TOPICS = frozenset(
    {SWAP, ADDED, REMOVED, FEE_CHANGED, AGGREGATE_FEE_CHANGED, POOL_PAUSED, RECOVERY_CHANGED, VAULT_PAUSED}
)

_SETTINGS = {FEE_CHANGED: "swap_fee", AGGREGATE_FEE_CHANGED: "aggregate_fee", POOL_PAUSED: "paused"}


class Scaled(NamedTuple):
    """A swap as the curve sees it, in 18 decimals."""

    given: int
    taken: int
    amount: int
    exact_in: bool


@dataclass(frozen=True, slots=True)
class VaultPool(PaysItsQuote, ABC):
    """A pool of the V3 `vault`. Balances are in base units; fees and `rates` have 18 decimals.

    `aggregate_fee` is the share of the swap fee that leaves the pool. A pool with `floating` rates is exact only in the
    block it was loaded at, and until its first event: then its rates, and the fees on what they earned, are not known,
    and it is `stale`. Source: balancer-v3-monorepo, Vault, ScalingHelpers.
    """

    address: Address
    vault: Address
    tokens: tuple[Token, ...]
    balances: tuple[int, ...]
    rates: tuple[int, ...]
    swap_fee: int
    aggregate_fee: int
    paused: bool
    vault_paused: bool
    floating: bool
    stale: bool

    family: ClassVar[str]

    def __post_init__(self) -> None:
        count = len(self.tokens)
        if count < 2 or len(set(self.tokens)) != count or len(self.balances) != count or len(self.rates) != count:
            raise MalformedState(f"pool {self.address} needs two or more tokens, each with a balance and a rate")
        if not all(0 <= balance <= MAX_BALANCE for balance in self.balances) or min(self.rates) <= 0:
            raise MalformedState(f"pool {self.address} has balances {self.balances} at rates {self.rates}")
        if not 0 <= self.swap_fee < ONE or not 0 <= self.aggregate_fee <= ONE:
            raise MalformedState(f"pool {self.address} has fees of {self.swap_fee} and {self.aggregate_fee}")

    @property
    def venue(self) -> str:
        return self.address

    @property
    def sources(self) -> tuple[Source, ...]:
        """The vault about this pool, and about itself."""
        return Source(self.vault, word(int(self.address, 16))), Source(self.vault)

    @property
    def fee_ppm(self) -> int:
        return self.swap_fee * PPM // ONE

    @abstractmethod
    def on_swap(self, swap: Scaled) -> int:
        """The curve's answer, in 18 decimals. Raises `PoolError`."""

    @abstractmethod
    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """As `Pool.pieces`."""

    def fee_of(self, swap: Scaled) -> int:
        """The fee for this swap, its amount still with the fee; with 18 decimals."""
        return self.swap_fee

    def at(self, timestamp_s: int) -> Self:
        """The pool in another block: one with floating rates is no longer known."""
        return replace(self, stale=True) if self.floating and not self.stale else self

    @property
    def needs_reading(self) -> bool:
        return self.stale

    def refreshing(self) -> Loading:
        """One round: what the vault has of the pool after the fees due on what its rates earned, and those rates."""
        asked = word(int(self.address, 16))
        live, rated = yield tuple(Call(self.vault, question + asked) for question in _OF_POOL[:2])
        balances, rates = _balances_and_rates(self.address, live, rated)
        return replace(self, balances=balances, rates=rates, stale=False)

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """Amount out in base units for exactly `amount_in` in.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`, `InsufficientLiquidity`, `Suspended`, `StaleState`.
        """
        return self._exact_in(token_in, amount_in, token_out)[0]

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The amount in that the vault asks for exactly `amount_out`. Raises as `quote`."""
        taken, given = positions(self.tokens, token_out, token_in)
        self.require_open()
        if amount_out <= 0:
            raise AmountOutOfRange(f"{amount_out} of {token_out} is not an amount")
        if amount_out > self.balances[taken]:
            raise InsufficientLiquidity(f"pool {self.address} holds {self.balances[taken]} of {token_out}")
        amount = mul_up(amount_out * self._decimals(taken), self._rate_up(taken))
        self._require_tradable(amount)
        swap = Scaled(given, taken, amount, exact_in=False)
        fee = self.fee_of(swap)
        calculated = self.on_swap(swap)
        self._require_tradable(calculated)
        with_fee = calculated - (-calculated * fee // complement(fee))
        amount_in = div_up(with_fee, self._decimals(given) * self.rates[given])
        if amount_in > MAX_BALANCE - self.balances[given]:
            raise InsufficientLiquidity(f"{amount_out} of {token_out} would overflow pool {self.address}")
        return amount_in

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> Self:
        """The pool after exactly `amount_in` was swapped. Raises as `quote`."""
        given, taken = positions(self.tokens, token_in, token_out)
        amount_out, fee = self._exact_in(token_in, amount_in, token_out)
        leaving = mul_down(div_down(fee, self._decimals(given) * self.rates[given]), self.aggregate_fee)
        return replace(self, balances=moved(self.balances, {given: amount_in - leaving, taken: -amount_out}))

    def applied(self, log: Log) -> Self:
        """The pool after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`, `StaleState`."""
        kind = log.topics[0] if log.topics else b""
        if kind == VAULT_PAUSED:
            require_own(log, self.vault, topics=1, data_words=1)
            return changed_by(log, self, vault_paused=bool(unsigned(log.data)))
        if kind not in TOPICS:
            return self
        if log.address != self.vault or log.topics[1:2] != (word(int(self.address, 16)),):
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} is not the vault's about this pool")
        if kind in _SETTINGS:
            require_own(log, self.vault, topics=2, data_words=1)
            value = unsigned(log.data)
            return changed_by(log, self, **{_SETTINGS[kind]: bool(value) if kind == POOL_PAUSED else value})
        if kind == RECOVERY_CHANGED:
            raise StaleState(f"which fees leave pool {self.address} has changed; load it again")
        changes = self._swapped_by(log) if kind == SWAP else self._joined_by(log, 1 if kind == ADDED else -1)
        balances = moved(self.balances, changes)
        return changed_by(log, self, balances=balances, stale=self.stale or self.floating)

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after the fee; 0.0 where there is no quote."""
        pieces = self.pieces(token_in, token_out)
        return pieces[0].rate if pieces else 0.0

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        _, taken = positions(self.tokens, token_in, token_out)
        route = BalancerV3Route(Address(self.tokens[taken].address))
        return Hop(HopKind.BALANCER_V3, self.address, False, self.fee_ppm, route)

    def live(self) -> list[int]:
        """The balances in 18 decimals, at their rates, rounded down."""
        pairs = enumerate(zip(self.balances, self.rates, strict=True))
        return [mul_down(balance * self._decimals(place), rate) for place, (balance, rate) in pairs]

    def require_open(self) -> None:
        """Raises `Suspended`, `StaleState`, `EmptyPool`."""
        if self.paused or self.vault_paused:
            raise Suspended(f"pool {self.address} is paused")
        if self.stale:
            raise StaleState(f"the rates of pool {self.address} have moved since it was loaded; load it again")
        if not all(self.balances):
            raise EmptyPool(f"pool {self.address} has balances {self.balances}")

    def scale(self, place: int) -> float:
        """How many of the curve's units one base unit is."""
        return self._decimals(place) * self.rates[place] / ONE

    def _exact_in(self, token_in: Token, amount_in: int, token_out: Token | None) -> tuple[int, int]:
        """Amount out, and the fee in the curve's units."""
        given, taken = positions(self.tokens, token_in, token_out)
        self.require_open()
        if not 0 < amount_in <= MAX_BALANCE - self.balances[given]:
            raise AmountOutOfRange(f"{amount_in} of {token_in} does not fit pool {self.address}")
        swap = Scaled(given, taken, mul_down(amount_in * self._decimals(given), self.rates[given]), exact_in=True)
        fee = mul_up(swap.amount, self.fee_of(swap))
        self._require_tradable(swap.amount - fee)
        calculated = self.on_swap(swap._replace(amount=swap.amount - fee))
        self._require_tradable(calculated)
        amount_out = div_down(calculated, self._decimals(taken) * self._rate_up(taken))
        if amount_out > self.balances[taken]:
            raise InsufficientLiquidity(f"pool {self.address} holds {self.balances[taken]} of {self.tokens[taken]}")
        return amount_out, fee

    def _require_tradable(self, amount: int) -> None:
        if amount < MINIMUM_TRADE:
            raise AmountOutOfRange(f"{amount} is less than the vault trades, {MINIMUM_TRADE} in 18 decimals")

    def _decimals(self, place: int) -> int:
        """What turns the token into 18 decimals."""
        return int(10 ** (18 - self.tokens[place].decimals))

    def _rate_up(self, place: int) -> int:
        """A rate that is not whole may be rounded down: the vault adds a unit where that would favour the trader."""
        rate = self.rates[place]
        return rate if rate % ONE == 0 else rate + 1

    def _swapped_by(self, log: Log) -> dict[int, int]:
        require_own(log, self.vault, topics=4, data_words=4)
        amount_in, amount_out, _, fee = (unsigned(log.data, index) for index in range(4))
        places = {int(token.address, 16): place for place, token in enumerate(self.tokens)}
        given, taken = (places.get(unsigned(token)) for token in log.topics[2:])
        if given is None or taken is None or given == taken:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} swaps tokens that are not the pool's")
        return {given: amount_in - mul_down(fee, self.aggregate_fee), taken: -amount_out}

    def _joined_by(self, log: Log, sign: int) -> dict[int, int]:
        """What liquidity added or removed changed, the fees that left taken off."""
        try:
            _, amounts, fees = decode(("uint256", "uint256[]", "uint256[]"), log.data)
        except (DecodingError, OverflowError) as error:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} cannot be read: {error}") from error
        if len(log.topics) != 4 or len(amounts) != len(self.tokens) or len(fees) != len(self.tokens):
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} is not about this pool's tokens")
        pairs = zip(amounts, fees, strict=True)
        return {place: sign * amount - mul_down(fee, self.aggregate_fee) for place, (amount, fee) in enumerate(pairs)}


@dataclass(frozen=True, slots=True)
class SharedState:
    """What every pool of the vault has. `fee_hook` is asked for the fee of each swap, if there is one."""

    vault: Address
    balances: tuple[int, ...]
    rates: tuple[int, ...]
    swap_fee: int
    aggregate_fee: int
    paused: bool
    vault_paused: bool
    floating: bool
    fee_hook: Address | None


SharedLoading = Generator[tuple[Call, ...], tuple[bytes, ...], tuple[SharedState, tuple[bytes, ...]]]

_VAULT = selector("getVault()")
_OF_POOL = tuple(
    selector(f"{name}(address)")
    for name in ("getCurrentLiveBalances", "getPoolTokenRates", "getPoolConfig", "getHooksConfig", "getPoolTokenInfo")
)
_IS_VAULT_PAUSED = selector("isVaultPaused()")
_TOKEN_INFO = ("address[]", "(uint8,address,bool)[]", "uint256[]", "uint256[]")


def shared_loading(facts: PoolFacts, own: tuple[Call, ...]) -> SharedLoading:
    """Two rounds: the pool's contract, then the vault. The answers to `own`, asked along, come back as they are.

    Balances are those after the fees that are due on what the rates have earned. Raises `MalformedState`, `HookedPool`.
    """
    at = facts.address
    vault, *rest = yield (Call(at, _VAULT), *own)
    owner = account(vault, f"getVault() of {at}")
    live, rated, config, hooks, info, paused = yield (
        *(Call(owner, question + word(int(at, 16))) for question in _OF_POOL),
        Call(owner, _IS_VAULT_PAUSED),
    )
    require_words(config, 13, f"getPoolConfig() of {at}")
    require_words(hooks, 11, f"getHooksConfig() of {at}")
    balances, rates = _balances_and_rates(at, live, rated)
    try:
        tokens, kinds, _, _ = decode(_TOKEN_INFO, info)
    except (DecodingError, OverflowError) as error:
        raise MalformedState(f"the vault's answers about {at} cannot be read: {error}") from error
    if tuple(int(token, 16) for token in tokens) != tuple(int(token.address, 16) for token in facts.tokens):
        raise MalformedState(f"pool {at} has other tokens, or in another order: {', '.join(tokens)}")
    if unsigned(hooks, 4) or unsigned(hooks, 5):
        raise HookedPool(f"pool {at} has a hook around swaps, 0x{unsigned(hooks, 10):040x}")
    in_recovery = bool(unsigned(config, 12))
    state = SharedState(
        owner,
        balances,
        rates,
        unsigned(config, 4),
        0 if in_recovery else unsigned(config, 5),
        bool(unsigned(config, 11)),
        bool(unsigned(require_words(paused, 1, f"isVaultPaused() of {owner}"))),
        any(kind for kind, _, _ in kinds),
        account(hooks, f"getHooksConfig() of {at}", 10) if unsigned(hooks, 3) else None,
    )
    return state, tuple(rest)


def _balances_and_rates(pool: Address, live: bytes, rated: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Balances in base units, and rates. Raises `MalformedState`."""
    try:
        (balances,) = decode(("uint256[]",), live)
        factors, rates = decode(("uint256[]", "uint256[]"), rated)
    except (DecodingError, OverflowError) as error:
        raise MalformedState(f"the vault's answers about {pool} cannot be read: {error}") from error
    if not len(balances) == len(factors) == len(rates) or not all(map(int.__mul__, factors, rates)):
        raise MalformedState(f"the vault gives pool {pool} {len(balances)} balances at rates {rates}")
    return unlive(balances, [factor * rate for factor, rate in zip(factors, rates, strict=True)]), tuple(rates)


def unlive(live: Sequence[int], factors: Sequence[int]) -> tuple[int, ...]:
    """Balances in base units, of which the vault makes the `live` ones: the inverse of rounding down."""
    return tuple(div_up(balance, factor) for balance, factor in zip(live, factors, strict=True))
