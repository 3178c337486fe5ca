"""What a transaction did to our own accounts, read from its receipt: ERC-20 transfers, exact, in base units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from bot.ledger.records import SwapFill
from bot.plan import Plan
from chains.assets import Address, address
from chains.blocks import Receipt

TRANSFER_TOPIC = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
"""keccak256("Transfer(address,address,uint256)") (EIP-20)."""

Deltas = Mapping[tuple[Address, Address], int]
"""Base units gained by (account, token); losses are negative, zeroes absent."""


class Transfer(NamedTuple):
    """One ERC-20 `Transfer`: base units of `token` from `source` to `target`."""

    token: Address
    source: Address
    target: Address
    units: int


def transfers(receipt: Receipt) -> Iterator[Transfer]:
    """The plain ERC-20 transfers of a receipt, in order. Logs of any other shape are passed over."""
    for log in receipt.logs:
        if len(log.topics) == 3 and log.topics[0] == TRANSFER_TOPIC and len(log.data) == 32:
            source, target = (address("0x" + topic[12:].hex()) for topic in log.topics[1:])
            yield Transfer(log.address, source, target, int.from_bytes(log.data, "big"))


def transfer_deltas(receipt: Receipt, accounts: Collection[Address]) -> Deltas:
    """Net ERC-20 movement of each of `accounts`."""
    deltas: defaultdict[tuple[Address, Address], int] = defaultdict(int)
    for transfer in transfers(receipt):
        for account, units in ((transfer.source, -transfer.units), (transfer.target, transfer.units)):
            if account in accounts:
                deltas[account, transfer.token] += units
    return {key: delta for key, delta in deltas.items() if delta}


def leg_fills(plan: Plan, receipt: Receipt) -> list[SwapFill]:
    """What each swap of `plan` really took and gave, from the transfers into and out of its pool."""
    if receipt.status != 1:
        return []
    moved = list(transfers(receipt))
    return [
        SwapFill(
            leg=index,
            pool=swap.hop.pool,
            token_in=swap.token_in.address,
            amount_in=sum(t.units for t in moved if t.target == swap.hop.pool and t.token == swap.token_in.address),
            token_out=swap.token_out.address,
            amount_out=sum(t.units for t in moved if t.source == swap.hop.pool and t.token == swap.token_out.address),
        )
        for index, swap in enumerate(plan.swaps)
    ]
