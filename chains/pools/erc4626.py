"""ERC-4626 vaults: an asset for its shares and back. State in, exact integers out; no I/O.

Which arithmetic a vault uses is measured whenever it is read: its four previews are asked for several amounts, and one
of the usual ways must give all of those answers. A vault that rounds otherwise, or takes a fee, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
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
    OwnContract,
    Piece,
    PoolError,
    PoolFacts,
    StaleState,
    changed_by,
    require_own,
    sells_first,
)
from chains.pools.words import account, require_words, selector, topic, uint256, unsigned, word

DEPOSIT = topic("Deposit(address,address,uint256,uint256)")
WITHDRAW = topic("Withdraw(address,address,address,uint256,uint256)")
TOPICS = frozenset({DEPOSIT, WITHDRAW})

RAY = 10**27
MAX_OFFSET = 18
UNCAPPED = 2**256 - 1
"""What a vault answers that takes any deposit."""


@dataclass(frozen=True, slots=True)
class Erc4626Pool(OwnContract):
    """A share is worth (assets + virtual assets) / (shares + virtual shares); `tokens` are the asset and the share.

    `virtual` are OpenZeppelin's (1, 10^offset), or (0, 0) as in Solmate's vaults, whose first share costs one unit.
    `deposit_cap` is what the vault takes yet of its asset: less by each deposit, unless it is `UNCAPPED`.
    A vault that keeps a `rate`, as Aave's wrapped tokens do, counts assets per share by it, with 27 decimals.
    Assets earn without an event, so that the state is exact in the block it was loaded at and `stale` after it.
    Source: EIP-4626; openzeppelin-contracts ERC4626; solmate ERC4626.
    """

    address: Address
    tokens: tuple[Token, Token]
    assets: int
    shares: int
    virtual: tuple[int, int]
    deposit_cap: int
    rate: int = 0
    stale: bool = False

    family: ClassVar[str] = "erc4626"
    fee_ppm: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.tokens[0] == self.tokens[1] or self.tokens[1].address != self.address:
            raise MalformedState(f"vault {self.address} does not have {self.tokens[1]} as its share")
        if not all(
            0 <= value < 2**256 for value in (self.assets, self.shares, *self.virtual, self.deposit_cap, self.rate)
        ):
            raise MalformedState(f"vault {self.address} has {self.shares} shares of {self.assets}")

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """What `previewDeposit` or `previewRedeem` says, and the call pays.

        Raises `UnknownToken`, `AmountOutOfRange`, `InsufficientLiquidity`, `StaleState`.
        """
        deposits = self._deposits(token_in, token_out)
        if amount_in <= 0:
            raise AmountOutOfRange(f"{amount_in} of {token_in} is not an amount")
        if deposits:
            minted = self.shares_for(amount_in, up=False)
            self._require_room(amount_in, minted)
            return minted
        amount_out = self.assets_for(amount_in, up=False)
        self._require_backed(amount_in, amount_out)
        return amount_out

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """What `previewMint` or `previewWithdraw` asks. Raises as `quote`."""
        withdraws = self._deposits(token_out, token_in)
        if amount_out <= 0:
            raise AmountOutOfRange(f"{amount_out} of {token_out} is not an amount")
        if withdraws:
            amount_in = self.shares_for(amount_out, up=True)
            self._require_backed(amount_in, amount_out)
            return amount_in
        amount_in = self.assets_for(amount_out, up=True)
        self._require_room(amount_in, amount_out)
        return amount_in

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> Erc4626Pool:
        """The vault after exactly `amount_in` was deposited or redeemed. Raises as `quote`."""
        amount_out = self.quote(token_in, amount_in, token_out)
        if self._deposits(token_in, token_out):
            room = self._room_after(amount_in)
            return replace(self, assets=self.assets + amount_in, shares=self.shares + amount_out, deposit_cap=room)
        return replace(self, assets=self.assets - amount_out, shares=self.shares - amount_in)

    def applied(self, log: Log) -> Erc4626Pool:
        """The vault after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`."""
        kind = log.topics[0] if log.topics else b""
        if kind not in TOPICS:
            return self
        require_own(log, self.address, topics=3 if kind == DEPOSIT else 4, data_words=2)
        sign = 1 if kind == DEPOSIT else -1
        assets, shares = sign * unsigned(log.data), sign * unsigned(log.data, 1)
        room = self._room_after(max(assets, 0))
        return changed_by(log, self, assets=self.assets + assets, shares=self.shares + shares, deposit_cap=room)

    def at(self, timestamp_s: int) -> Erc4626Pool:
        """The vault in another block: what it has earned is not known."""
        return self if self.stale else replace(self, stale=True)

    @property
    def needs_reading(self) -> bool:
        return self.stale

    def refreshing(self) -> Loading:
        """One round: the totals, and in which of the usual ways it converts. Raises `HookedPool` for any other."""
        answers = yield _reading(self.address, self.tokens[0])
        return _read(self.address, self.tokens, answers)

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in; 0.0 where it is not known."""
        pieces = self.pieces(token_in, token_out)
        return pieces[0].rate if pieces else 0.0

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """One straight piece: up to the deposit cap, or down to the last share."""
        deposits = sells_first(self.tokens, token_in, token_out)
        assets, shares = self._totals()
        if self.stale or not assets:
            return ()
        if deposits:
            return (Piece(shares / assets, 0.0, float(self.deposit_cap)),) if self.deposit_cap else ()
        return (Piece(assets / shares, 0.0, float(self.shares)),) if self.shares else ()

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """True deposits. Raises `UnknownToken`."""
        return Hop(HopKind.ERC4626, self.address, sells_first(self.tokens, token_in, token_out), 0)

    def shares_for(self, assets: int, *, up: bool) -> int:
        """Shares worth `assets`. Raises `AmountOutOfRange`, `InsufficientLiquidity`."""
        total_assets, total_shares = self._totals()
        return self._converted(assets, total_shares, total_assets, up)

    def assets_for(self, shares: int, *, up: bool) -> int:
        """What `shares` are worth. Raises as `shares_for`."""
        return self._converted(shares, *self._totals(), up)

    def _totals(self) -> tuple[int, int]:
        """Assets and shares as they are converted by: the rate, or both with the virtual ones, or one for one."""
        if self.rate:
            return self.rate, RAY
        assets, shares = self.assets + self.virtual[0], self.shares + self.virtual[1]
        return (assets, shares) if shares else (1, 1)

    def _converted(self, amount: int, numerator: int, denominator: int, up: bool) -> int:
        if not denominator:
            raise InsufficientLiquidity(f"the shares of vault {self.address} are worth nothing")
        product = amount * numerator
        return uint256(-(-product // denominator) if up else product // denominator)

    def _deposits(self, token_in: Token, token_out: Token | None) -> bool:
        deposits = sells_first(self.tokens, token_in, token_out)
        if self.stale:
            raise StaleState(f"vault {self.address} has earned since it was loaded; load it again")
        return deposits

    def _require_room(self, assets: int, minted: int) -> None:
        if assets > self.deposit_cap:
            raise InsufficientLiquidity(f"vault {self.address} takes {self.deposit_cap} of its asset, not {assets}")
        uint256(self.shares + minted)

    def _room_after(self, deposited: int) -> int:
        """What may yet be deposited after that; of what is redeemed nobody knows whether it makes room."""
        return self.deposit_cap if self.deposit_cap == UNCAPPED else max(self.deposit_cap - deposited, 0)

    def _require_backed(self, shares: int, assets: int) -> None:
        if shares > self.shares or assets > self.assets:
            raise InsufficientLiquidity(f"vault {self.address} has {self.shares} shares of {self.assets}")


_ASSET = selector("asset()")
_TOTAL_ASSETS = selector("totalAssets()")
_TOTAL_SUPPLY = selector("totalSupply()")
_RATE = selector("rate()")
_MAX_DEPOSIT = selector("maxDeposit(address)")
_PREVIEWS = tuple(selector(f"preview{name}(uint256)") for name in ("Deposit", "Mint", "Redeem", "Withdraw"))
_SOMEBODY = word(0xB07)


def loading(facts: PoolFacts) -> Loading:
    """One round: the totals, and what the previews answer. Raises `HookedPool` for other arithmetic, or a fee."""
    at, asset_token = facts.address, facts.pair[0]
    asset, *answers = yield Call(at, _ASSET), *_reading(at, asset_token)
    if account(asset, f"asset() of {at}") != asset_token.address:
        raise MalformedState(f"vault {at} is not of {asset_token}")
    return _read(at, facts.pair, answers)


def _reading(at: Address, asset: Token) -> tuple[Call, ...]:
    """What `_read` is to be given the answers of."""
    totals = (Call(at, data) for data in (_TOTAL_ASSETS, _TOTAL_SUPPLY, _RATE, _MAX_DEPOSIT + _SOMEBODY))
    return (*totals, *(Call(at, question + word(amount)) for question in _PREVIEWS for amount in _amounts(asset)))


def _read(at: Address, tokens: tuple[Token, Token], answers: Sequence[bytes]) -> Erc4626Pool:
    """The vault, in the first of the usual ways that gives all these answers. Raises `HookedPool`.

    Several may give them, as of a new vault. Whoever reads the same block takes the same one of them.
    """
    assets, shares, kept, room = answers[:4]
    offset = min(max(tokens[1].decimals - tokens[0].decimals, 0), MAX_OFFSET)
    likely = Erc4626Pool(
        at,
        tokens,
        unsigned(require_words(assets, 1, f"totalAssets() of {at}")),
        unsigned(require_words(shares, 1, f"totalSupply() of {at}")),
        (1, int(10**offset)),
        unsigned(require_words(room, 1, f"maxDeposit() of {at}")),
    )
    for virtual, rate in (likely.virtual, 0), *_usual_ways(unsigned(kept)):
        vault = replace(likely, virtual=virtual, rate=rate)
        if _answers(vault, answers[4:]):
            return vault
    raise HookedPool(f"vault {at} does not convert in any of the usual ways: a fee, or rounding of its own")


def _amounts(asset: Token) -> tuple[int, ...]:
    """What the previews are asked for, in base units. The last is far more than any vault holds, and tells ways apart
    that are the same in all that could be traded.
    """
    unit = int(10**asset.decimals)
    return 1, unit, 12_345 * unit + 6_789, 10**12 * unit + 7


def _usual_ways(rate: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Solmate's, OpenZeppelin's with every offset, and by the vault's own rate: virtual assets and shares, and rate."""
    yield (0, 0), 0
    for offset in range(MAX_OFFSET + 1):
        yield (1, int(10**offset)), 0
    if 0 < rate < 2**128:
        yield (0, 0), rate


def _answers(vault: Erc4626Pool, previewed: Sequence[bytes]) -> bool:
    """Whether that is what its previews answer; those that revert for the last of the amounts say nothing."""
    amounts = _amounts(vault.tokens[0])
    each = zip(previewed, _previews(vault, amounts), cycle(amounts), strict=False)
    return all(
        answer == word(value) if answer and value is not None else not answer and amount == amounts[-1]
        for answer, value, amount in each
    )


def _previews(vault: Erc4626Pool, amounts: Sequence[int]) -> Iterator[int | None]:
    """What the four previews answer, in the order they are asked; None where one reverts."""
    ways = (vault.shares_for, False), (vault.assets_for, True), (vault.assets_for, False), (vault.shares_for, True)
    for convert, up in ways:
        for amount in amounts:
            try:
                yield convert(amount, up=up)
            except PoolError:
                yield None
