"""What our accounts hold by the chain's and the exchanges' own word: the other side of a reconciliation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from bot.ledger.reconcile import BalanceSource, FinalBlock, UnknownPlace
from bot.ledger.records import Account
from bot.simulator.overlay import balance_of_data
from chains.assets import ZERO_ADDRESS, Address
from chains.blocks import Head


class BalanceReader(Protocol):
    """The part of a node that balances need."""

    async def balance(self, account: Address) -> int: ...

    async def call(self, to: Address, data: bytes) -> bytes: ...


class StateReader(Protocol):
    """The part of a node that reads state as of a block."""

    async def balance(self, account: Address, block: str) -> int: ...

    async def call(self, to: Address, data: bytes, block: str) -> bytes: ...


class FinalReader(StateReader, Protocol):
    """A node that says which block it takes for final."""

    async def finalized_head(self) -> Head: ...


class CurrencyReader(Protocol):
    """The part of an exchange that balances need."""

    async def balances(self) -> dict[str, int]: ...


def on_chain(node: BalanceReader) -> BalanceSource:
    """Balances at the latest block: the native coin of the zero address, ERC-20s of any other."""

    async def ask(account: Account) -> int:
        owner, token = Address(account.owner), Address(account.token)
        if token == ZERO_ADDRESS:
            return await node.balance(owner)
        return int.from_bytes(await node.call(token, balance_of_data(owner)), "big")

    return ask


def at_block(node: StateReader, block_hash: str) -> BalanceSource:
    """Balances as of one block, as `on_chain` tells them of the latest."""

    async def ask(account: Account) -> int:
        owner, token = Address(account.owner), Address(account.token)
        if token == ZERO_ADDRESS:
            return await node.balance(owner, block_hash)
        return int.from_bytes(await node.call(token, balance_of_data(owner), block_hash), "big")

    return ask


async def final_block(node: FinalReader) -> FinalBlock:
    """The newest block that nothing can undo, and its balances. Raises what the node raises."""
    head = await node.finalized_head()
    return FinalBlock(head.number, at_block(node, head.hash))


def at_exchanges(exchanges: Mapping[str, CurrencyReader]) -> BalanceSource:
    """Balances by exchange name; each exchange is asked once. Raises `UnknownPlace` when asked of another."""
    asked: dict[str, asyncio.Task[dict[str, int]]] = {}

    async def ask(account: Account) -> int:
        if account.place not in exchanges:
            raise UnknownPlace(
                f"the ledger has money at {account.place!r}; add that exchange, with keys, to the run file; where the "
                f"account is no more, `isthmus reconcile --gone {account.place} --book REASON`"
            )
        if account.place not in asked:
            asked[account.place] = asyncio.ensure_future(exchanges[account.place].balances())
        return (await asked[account.place]).get(account.token, 0)

    return ask
