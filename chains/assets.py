"""Tokens, assets and amounts: what is traded, where it lives and how much of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import NewType

from eth_utils.address import is_hex_address, to_checksum_address

Address = NewType("Address", str)
"""An EIP-55 checksummed address. Made by `address`, never by hand."""

EXACT = Context(prec=200)
"""Wide enough for any uint256 at any decimals: nothing computed in it is rounded."""

ZERO_ADDRESS = Address("0x0000000000000000000000000000000000000000")


class InvalidAddress(ValueError):
    """Text that is not a 20-byte hex address, or whose EIP-55 checksum is wrong."""


class InvalidAmount(ValueError):
    """Text that is not `NUMBER UNIT`, or a number finer than its token's base unit."""


@lru_cache(maxsize=1 << 18)
def address(text: str) -> Address:
    """The canonical form of `text`. Raises `InvalidAddress`; mixed case must carry a right checksum (EIP-55)."""
    if not is_hex_address(text):
        raise InvalidAddress(f"{text!r} is not a 20-byte hex address")
    digits, checksummed = text[2:], str(to_checksum_address(text))
    if text != checksummed and digits not in (digits.lower(), digits.upper()):
        raise InvalidAddress(f"{text} has a wrong EIP-55 checksum; expected {checksummed}")
    return Address(checksummed)


@dataclass(frozen=True, slots=True)
class Token:
    """An ERC-20 on one network, or a currency at one exchange.

    `place` is the network's or the exchange's name; `address` is the contract, or the exchange's currency code.
    Amounts of a token are integers in base units: 10^decimals of them make one token. An exchange's currencies
    have the venue's own accounting precision (Binance: 8 decimals).
    """

    place: str
    address: str
    symbol: str
    decimals: int

    def units(self, amount: Decimal | int | str) -> int:
        """Whole tokens to base units, exactly. Raises `InvalidAmount` when finer than the base unit."""
        scaled = Decimal(amount).scaleb(self.decimals, EXACT)
        if scaled != scaled.to_integral_value(context=EXACT):
            raise InvalidAmount(f"{amount} {self.symbol} is finer than its {self.decimals} decimals")
        return int(scaled)

    def whole(self, units: int) -> Decimal:
        """Base units to whole tokens, exactly."""
        return Decimal(units).scaleb(-self.decimals, EXACT)

    def __str__(self) -> str:
        return f"{self.symbol}@{self.place}"


@dataclass(frozen=True, slots=True)
class Asset:
    """What several tokens stand for: WETH on Ethereum and ETH at Binance are one asset, `ETH`."""

    symbol: str

    def __str__(self) -> str:
        return self.symbol


ETH = Asset("ETH")


class Assets:
    """Which asset each token stands for. A token nobody mapped is an asset of its own."""

    def __init__(self, members: Mapping[Asset, Iterable[Token]]) -> None:
        self._of: dict[tuple[str, str], Asset] = {}
        for asset, tokens in members.items():
            for token in tokens:
                self._of[token.place, token.address] = asset

    def of(self, token: Token) -> Asset:
        """The asset `token` stands for; its own, named by place and address, if it is not mapped."""
        return self._of.get((token.place, token.address)) or Asset(f"{token.place}:{token.address}")


_MOST_DIGITS = 80
"""On either side of an amount's point: more than any uint256 has at any decimals, and few enough to write out."""

_AMOUNT = re.compile(r"\s*(\S+)\s+([A-Za-z][A-Za-z0-9.]*)\s*")


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity a person wrote, such as `0.002 ETH`. Exact; its unit is resolved against a token or asset later."""

    value: Decimal
    unit: str

    @classmethod
    def parse(cls, text: str) -> Amount:
        """Read `NUMBER UNIT`. Raises `InvalidAmount`."""
        match = _AMOUNT.fullmatch(text)
        if not match:
            raise InvalidAmount(f"{text!r} is not an amount; write a number and a unit, such as '0.002 ETH'")
        try:
            value = Decimal(match[1])
        except InvalidOperation:
            raise InvalidAmount(f"{match[1]!r} in {text!r} is not a number") from None
        if not value.is_finite():
            raise InvalidAmount(f"{match[1]!r} in {text!r} is not a finite number")
        if value.adjusted() > _MOST_DIGITS or value.as_tuple().exponent < -_MOST_DIGITS:  # type: ignore[operator]
            raise InvalidAmount(f"{text!r} has more than {_MOST_DIGITS} digits on one side of its point")
        return cls(value, match[2])

    def units(self, decimals: int) -> int:
        """In base units of something with `decimals` decimals. Raises `InvalidAmount` when finer than that."""
        scaled = self.value.scaleb(decimals, EXACT)
        if scaled != scaled.to_integral_value(context=EXACT):
            raise InvalidAmount(f"{self} is finer than {decimals} decimals")
        return int(scaled)

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}"
