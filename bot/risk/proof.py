"""The books proven while a run goes on: what accounts hold on the chain, at the very head the ledger stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.ledger.records import Account
from bot.simulator.overlay import balance_of_data
from chains.assets import ZERO_ADDRESS, Address


class StateReader(Protocol):
    """The part of a node that reads state as of a block."""

    async def balance(self, account: Address, block: str) -> int: ...

    async def call(self, to: Address, data: bytes, block: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What differed: base units by account. Anybody may send us something; what is missing is another matter."""

    missing: Mapping[Account, int]
    unexpected: Mapping[Account, int]

    @property
    def holds(self) -> bool:
        return not self.missing

    def __str__(self) -> str:
        told = [f"{account.owner} lacks {units} of {account.token}" for account, units in self.missing.items()]
        return "; ".join(told) or "nothing is missing"


async def prove(booked: Mapping[Account, int], node: StateReader, block_hash: str) -> Proof:
    """Compare `booked`, the accounts on this chain, with the chain at `block_hash`. Raises what the node raises."""
    held = await asyncio.gather(*(_held(account, node, block_hash) for account in booked))
    differences = {
        account: real - units for (account, units), real in zip(booked.items(), held, strict=True) if real != units
    }
    return Proof(
        missing={account: -units for account, units in differences.items() if units < 0},
        unexpected={account: units for account, units in differences.items() if units > 0},
    )


async def _held(account: Account, node: StateReader, block_hash: str) -> int:
    owner, token = Address(account.owner), Address(account.token)
    if token == ZERO_ADDRESS:
        return await node.balance(owner, block_hash)
    return int.from_bytes(await node.call(token, balance_of_data(owner), block_hash), "big")
