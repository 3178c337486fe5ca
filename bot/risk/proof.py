"""The books proven while a run goes on: what accounts hold on the chain as of one block."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bot.balances import StateReader, at_block
from bot.ledger.records import Account


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
    ask = at_block(node, block_hash)
    held = await asyncio.gather(*(ask(account) for account in booked))
    differences = {
        account: real - units for (account, units), real in zip(booked.items(), held, strict=True) if real != units
    }
    return Proof(
        missing={account: -units for account, units in differences.items() if units < 0},
        unexpected={account: units for account, units in differences.items() if units > 0},
    )
