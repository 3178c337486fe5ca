"""What all pools of Balancer's V2 vault share: fees, scaling, balances and the vault's events. No curve, no I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import BalancerV2Route, Hop, HopKind
from chains.pools.balancer_math import ONE, complement, div_down, div_up, mul_down, mul_up
from chains.pools.pool import (
    PPM,
    AmountOutOfRange,
    Call,
    EmptyPool,
    InsufficientLiquidity,
    MalformedLog,
    MalformedState,
    PaysItsQuote,
    Piece,
    PoolFacts,
    Source,
    Suspended,
    changed_by,
    positions,
    require_own,
)
from chains.pools.words import WORD, account, require_words, selector, signed, topic, unsigned, word

MAX_BALANCE = 2**112 - 1
SWAP = topic("Swap(bytes32,address,address,uint256,uint256)")
BALANCE_CHANGED = topic("PoolBalanceChanged(bytes32,address,address[],int256[],uint256[])")
BALANCE_MANAGED = topic("PoolBalanceManaged(bytes32,address,address,int256,int256)")
FEE_CHANGED = topic("SwapFeePercentageChanged(uint256)")
PAUSED_CHANGED = topic("PausedStateChanged(bool)")
TOPICS = frozenset({SWAP, BALANCE_CHANGED, BALANCE_MANAGED, FEE_CHANGED, PAUSED_CHANGED})

_JOINED = ("address[]", "int256[]", "uint256[]")
_ADDRESS_OF_ID = slice(0, 20)


@dataclass(frozen=True, slots=True)
class VaultPool(PaysItsQuote, ABC):
    """A pool of the V2 `vault`, which knows it by `pool_id`: the pool's own `address` is the first 20 bytes of it.

    `balances` are what the vault counts for each of `tokens`, in base units; `managed` of them are lent out and cannot
    be paid. `swap_fee` has 18 decimals. Source: balancer-v2-monorepo, Vault, BasePool, BaseGeneralPool.
    """

    address: Address
    vault: Address
    pool_id: bytes
    tokens: tuple[Token, ...]
    balances: tuple[int, ...]
    managed: tuple[int, ...]
    swap_fee: int
    paused: bool

    family: ClassVar[str]

    def __post_init__(self) -> None:
        count = len(self.tokens)
        if len(self.pool_id) != WORD or self.pool_id[_ADDRESS_OF_ID] != bytes.fromhex(self.address[2:]):
            raise MalformedState(f"pool {self.address} has the id 0x{self.pool_id.hex()}, which is not its own")
        if count < 2 or len(set(self.tokens)) != count:
            raise MalformedState(f"pool {self.address} has {count} tokens, not two or more different ones")
        if len(self.balances) != count or len(self.managed) != count:
            raise MalformedState(f"pool {self.address} has not one balance for each of its {count} tokens")
        if not all(0 <= lent <= held <= MAX_BALANCE for held, lent in zip(self.balances, self.managed, strict=True)):
            raise MalformedState(f"pool {self.address} has balances {self.balances}, of them managed {self.managed}")
        if not 0 <= self.swap_fee < ONE:
            raise MalformedState(f"pool {self.address} has a swap fee of {self.swap_fee}, not below 10^18")

    @property
    def venue(self) -> str:
        return self.address

    @property
    def sources(self) -> tuple[Source, ...]:
        """The vault about this pool, and the pool's own contract."""
        return Source(self.vault, self.pool_id), Source(self.address)

    @property
    def fee_ppm(self) -> int:
        return self.swap_fee * PPM // ONE

    @abstractmethod
    def factors(self) -> tuple[int, ...]:
        """What turns each token's base units into the curve's 18 decimals; itself with 18 decimals."""

    @abstractmethod
    def out_given_in(self, given: int, taken: int, amount_in: int) -> int:
        """The curve's own answer, in its 18 decimals, fee already taken off. Raises `PoolError`."""

    @abstractmethod
    def in_given_out(self, given: int, taken: int, amount_out: int) -> int:
        """As `out_given_in`, the other way round."""

    @abstractmethod
    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """As `Pool.pieces`."""

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """Amount out in base units for exactly `amount_in` in; 0 when that buys less than one unit.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`, `InsufficientLiquidity`, `Suspended`.
        """
        given, taken = positions(self.tokens, token_in, token_out)
        self.require_open()
        if not 0 < amount_in <= MAX_BALANCE - self.balances[given]:
            raise AmountOutOfRange(f"{amount_in} of {token_in} does not fit pool {self.address}")
        factors = self.factors()
        effective = mul_down(amount_in - mul_up(amount_in, self.swap_fee), factors[given])
        amount_out = div_down(self.out_given_in(given, taken, effective), factors[taken])
        self._require_payable(taken, amount_out)
        return amount_out

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The amount in that the vault asks for exactly `amount_out`. Raises as `quote`."""
        taken, given = positions(self.tokens, token_out, token_in)
        self.require_open()
        if amount_out <= 0:
            raise AmountOutOfRange(f"{amount_out} of {token_out} is not an amount")
        self._require_payable(taken, amount_out)
        factors = self.factors()
        needed = self.in_given_out(given, taken, mul_down(amount_out, factors[taken]))
        amount_in = div_up(div_up(needed, factors[given]), complement(self.swap_fee))
        if amount_in > MAX_BALANCE - self.balances[given]:
            raise InsufficientLiquidity(f"{amount_out} of {token_out} would overflow pool {self.address}")
        return amount_in

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> Self:
        """The pool after exactly `amount_in` was swapped. Raises as `quote`."""
        given, taken = positions(self.tokens, token_in, token_out)
        amount_out = self.quote(token_in, amount_in, token_out)
        return replace(self, balances=moved(self.balances, {given: amount_in, taken: -amount_out}))

    def applied(self, log: Log) -> Self:
        """The pool after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`."""
        kind = log.topics[0] if log.topics else b""
        if kind == SWAP:
            self._require_vaults(log, topics=4, data_words=2)
            changes = {self._place(log, log.topics[2]): unsigned(log.data), self._place(log, log.topics[3]): 0}
            changes[self._place(log, log.topics[3])] -= unsigned(log.data, 1)
            return changed_by(log, self, balances=moved(self.balances, changes))
        if kind == BALANCE_CHANGED:
            return changed_by(log, self, balances=moved(self.balances, self._joined(log)))
        if kind == BALANCE_MANAGED:
            self._require_vaults(log, topics=4, data_words=2)
            place, cash, lent = self._place(log, log.topics[3]), signed(log.data), signed(log.data, 1)
            balances, managed = moved(self.balances, {place: cash + lent}), moved(self.managed, {place: lent})
            return changed_by(log, self, balances=balances, managed=managed)
        if kind in (FEE_CHANGED, PAUSED_CHANGED) and log.address == self.address:
            require_own(log, self.address, topics=1, data_words=1)
            value = unsigned(log.data)
            return changed_by(log, self, **({"swap_fee": value} if kind == FEE_CHANGED else {"paused": bool(value)}))
        return self

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after the fee; 0.0 for an empty or paused pool."""
        pieces = self.pieces(token_in, token_out)
        return pieces[0].rate if pieces else 0.0

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        _, taken = positions(self.tokens, token_in, token_out)
        route = BalancerV2Route(Address(self.tokens[taken].address), int.from_bytes(self.pool_id[20:], "big"))
        return Hop(HopKind.BALANCER_V2, self.address, False, self.fee_ppm, route)

    def scaled(self) -> list[int]:
        """The balances in the curve's 18 decimals."""
        return [mul_down(balance, factor) for balance, factor in zip(self.balances, self.factors(), strict=True)]

    def require_open(self) -> None:
        """Raises `Suspended`, `EmptyPool`."""
        if self.paused:
            raise Suspended(f"pool {self.address} is paused")
        if not all(self.balances):
            raise EmptyPool(f"pool {self.address} has balances {self.balances}")

    def _require_payable(self, taken: int, amount_out: int) -> None:
        cash = self.balances[taken] - self.managed[taken]
        if amount_out > cash:
            raise InsufficientLiquidity(f"pool {self.address} can pay {cash} of {self.tokens[taken]}, not {amount_out}")

    def _require_vaults(self, log: Log, topics: int, data_words: int) -> None:
        require_own(log, self.vault, topics, data_words)
        if log.topics[1] != self.pool_id:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} is about another pool")

    def _place(self, log: Log, token: bytes) -> int:
        """Where a token stands in `tokens`; -1 for the pool's own share, which no curve here counts."""
        if token[-20:] == self.pool_id[_ADDRESS_OF_ID]:
            return -1
        number = int.from_bytes(token, "big")
        for place, known in enumerate(self.tokens):
            if int(known.address, 16) == number:
                return place
        raise MalformedLog(f"log {log.log_index} of block {log.block_number} moves a token that is not the pool's")

    def _joined(self, log: Log) -> dict[int, int]:
        """What a join or an exit changed, the protocol's fees taken off."""
        if log.address != self.vault or len(log.topics) != 3 or log.topics[1] != self.pool_id:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} is no join or exit of this pool")
        try:
            tokens, deltas, fees = decode(_JOINED, log.data)
            changes = zip(tokens, deltas, fees, strict=True)
            return {self._place(log, bytes.fromhex(token[2:])): delta - fee for token, delta, fee in changes}
        except (DecodingError, OverflowError, ValueError) as error:
            if isinstance(error, MalformedLog):
                raise
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} cannot be read: {error}") from error


def moved(balances: tuple[int, ...], changes: Mapping[int, int]) -> tuple[int, ...]:
    """`balances` after `changes` by place."""
    return tuple(balance + changes.get(place, 0) for place, balance in enumerate(balances))


def base_factor(token: Token) -> int:
    """What turns a token of at most 18 decimals into 18 of them. Raises `MalformedState`."""
    if token.decimals > 18:
        raise MalformedState(f"Balancer takes no token of {token.decimals} decimals, such as {token}")
    return int(10 ** (36 - token.decimals))


_POOL_ID = selector("getPoolId()")
_VAULT = selector("getVault()")
_SWAP_FEE = selector("getSwapFeePercentage()")
_PAUSED_STATE = selector("getPausedState()")
_POOL_TOKEN_INFO = selector("getPoolTokenInfo(bytes32,address)")


@dataclass(frozen=True, slots=True)
class SharedState:
    """What every pool of the vault has."""

    vault: Address
    pool_id: bytes
    swap_fee: int
    paused: bool
    balances: tuple[int, ...]
    managed: tuple[int, ...]


SharedLoading = Generator[tuple[Call, ...], tuple[bytes, ...], tuple[SharedState, tuple[bytes, ...]]]


def shared_loading(facts: PoolFacts, own: tuple[Call, ...]) -> SharedLoading:
    """Two rounds: the pool's contract, then the vault. The answers to `own`, asked along, come back as they are.

    Raises `MalformedState`.
    """
    at = facts.address
    pool_id, vault, fee, paused, *rest = yield (
        *(Call(at, data) for data in (_POOL_ID, _VAULT, _SWAP_FEE, _PAUSED_STATE)),
        *own,
    )
    require_words(pool_id, 1, f"getPoolId() of {at}")
    owner = account(vault, f"getVault() of {at}")
    infos = yield tuple(
        Call(owner, _POOL_TOKEN_INFO + pool_id + word(int(token.address, 16))) for token in facts.tokens
    )
    for info in infos:
        require_words(info, 4, f"getPoolTokenInfo() of {at}")
    state = SharedState(
        owner,
        pool_id,
        unsigned(require_words(fee, 1, f"getSwapFeePercentage() of {at}")),
        bool(unsigned(require_words(paused, 1, f"getPausedState() of {at}"))),
        tuple(unsigned(info) + unsigned(info, 1) for info in infos),
        tuple(unsigned(info, 1) for info in infos),
    )
    return state, tuple(rest)
