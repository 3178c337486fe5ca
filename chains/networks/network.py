"""What is true of one network: its ids, contracts, tokens and the assets they stand for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from chains.assets import Address, Assets, Token

_Value = TypeVar("_Value")


class UnknownName(LookupError):
    """A token, factory or contract this network does not name; the message says which names it has."""


class Family(StrEnum):
    """How a factory's pools price a swap."""

    CONSTANT_PRODUCT = "constant_product"
    CONCENTRATED = "concentrated"


@dataclass(frozen=True, slots=True)
class Factory:
    """A pool factory. Its pools are found by CREATE2 from `init_code_hash` (32 bytes).

    `tick_spacings` maps each input fee, in parts per million, to the tick spacing of its pools; a constant-product
    factory has one fee and no ticks, so its spacing there is 0.
    """

    protocol: str
    family: Family
    address: Address
    init_code_hash: bytes
    tick_spacings: Mapping[int, int]

    @property
    def fees_ppm(self) -> tuple[int, ...]:
        return tuple(self.tick_spacings)


@dataclass(frozen=True, slots=True)
class Network:
    """One network's facts.

    A block is final `finality_blocks` below the head, or, with `finality_tag`, when the node says `finalized`.
    `logs_bloom`: the headers carry real log blooms. `native` is the gas coin, under the zero address; `wrapped` is
    its ERC-20. A `test_chain` is one whose coins are worth nothing.
    """

    name: str
    chain_id: int
    test_chain: bool
    block_time_s: int
    finality_blocks: int
    finality_tag: bool
    logs_bloom: bool
    gas_model: str
    native: Token
    wrapped: Token
    factories: Mapping[str, Factory]
    contracts: Mapping[str, Address]
    tokens: Mapping[str, Token]
    assets: Assets

    def token(self, symbol: str) -> Token:
        """The well-known token called `symbol`. Raises `UnknownName`."""
        return self._named(self.tokens, "token", symbol)

    def factory(self, protocol: str) -> Factory:
        """The pool factory of `protocol`. Raises `UnknownName`."""
        return self._named(self.factories, "factory", protocol)

    def contract(self, name: str) -> Address:
        """The address of a well-known contract, such as `multicall3`. Raises `UnknownName`."""
        return self._named(self.contracts, "contract", name)

    def _named(self, table: Mapping[str, _Value], kind: str, name: str) -> _Value:
        if name in table:
            return table[name]
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table) or 'none'}"
        raise UnknownName(f"network {self.name} has no {kind} {name!r}; {hint}")
