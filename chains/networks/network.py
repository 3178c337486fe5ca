"""What is true of one network: its ids, contracts, tokens and the assets they stand for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from chains.assets import Address, Assets, Token
from chains.networks.factory import Factory
from chains.networks.gas import GasModel

_Value = TypeVar("_Value")


class UnknownName(LookupError):
    """A token, factory or contract this network does not name; the message says which names it has."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network's facts.

    `block_time_s` is the usual time between two blocks, a fraction of a second on some. A block is final
    `finality_blocks` below the head, or, with `finality_tag`, when the node says `finalized`. `logs_bloom`: the headers
    carry real log blooms. `native` is the gas coin, under the zero address; `wrapped` is its ERC-20. `deployed` tells
    the block a contract came to be in, by its name, where that is known. A `test_chain` is one whose coins are worth
    nothing. `exchange_decimals` says how exactly each exchange accounts for its currencies. `sources` are the files it
    was read from that do not come with Isthmus.
    """

    name: str
    chain_id: int
    test_chain: bool
    block_time_s: float
    finality_blocks: int
    finality_tag: bool
    logs_bloom: bool
    gas: GasModel
    native: Token
    wrapped: Token
    factories: Mapping[str, Factory]
    contracts: Mapping[str, Address]
    tokens: Mapping[str, Token]
    assets: Assets
    deployed: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    exchange_decimals: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    sources: tuple[Path, ...] = ()

    @property
    def block_step_s(self) -> int:
        """Whole seconds between the timestamps of two blocks, at least one, as a block to be made is told them."""
        return max(1, round(self.block_time_s))

    def token(self, symbol: str) -> Token:
        """The well-known token called `symbol`. Raises `UnknownName`."""
        return self._named(self.tokens, "token", symbol)

    def factory(self, protocol: str) -> Factory:
        """The pool factory of `protocol`. Raises `UnknownName`."""
        return self._named(self.factories, "factory", protocol)

    def contract(self, name: str) -> Address:
        """The address of a well-known contract, such as `multicall3`. Raises `UnknownName`."""
        return self._named(self.contracts, "contract", name)

    def first_block(self, name: str) -> int:
        """The block a factory or contract came to be in, before which it has no events; 0 where that is not known."""
        factory = self.factories.get(name)
        return factory.deploy_block if factory is not None else self.deployed.get(name, 0)

    def _named(self, table: Mapping[str, _Value], kind: str, name: str) -> _Value:
        if name in table:
            return table[name]
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table) or 'none'}"
        raise UnknownName(f"network {self.name} has no {kind} {name!r}; {hint}")
