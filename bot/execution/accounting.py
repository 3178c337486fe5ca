"""What a transaction did to our own accounts, read from its receipt: token movements, exact, in base units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from bot.execution.deployment import NO_VENUES, Venues
from bot.ledger.records import SwapFill
from bot.plan import Plan
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Log, Receipt
from chains.executor import Hop, HopKind, Lender, Loan
from chains.hops import LENT_KINDS

TRANSFER_TOPIC = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
"""keccak256("Transfer(address,address,uint256)") (EIP-20)."""

DEPOSIT_TOPIC = bytes.fromhex("e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c")
"""keccak256("Deposit(address,uint256)"): WETH9 makes tokens of coins, without a `Transfer`."""

WITHDRAWAL_TOPIC = bytes.fromhex("7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65")
"""keccak256("Withdrawal(address,uint256)"): WETH9 makes coins of tokens."""

Deltas = Mapping[tuple[Address, Address], int]
"""Base units gained by (account, token); losses are negative, zeroes absent."""


class Transfer(NamedTuple):
    """Base units of `token` from `source` to `target`: the zero address where they are minted or burnt."""

    token: Address
    source: Address
    target: Address
    units: int


def transfers(receipt: Receipt, wrapped_native: Address = ZERO_ADDRESS) -> Iterator[Transfer]:
    """The plain ERC-20 transfers of a receipt, in order, and what was wrapped and unwrapped at `wrapped_native`.

    Logs of any other shape are passed over.
    """
    for log in receipt.logs:
        if len(log.data) != 32 or not 2 <= len(log.topics) <= 3:
            continue
        parties = tuple(address("0x" + topic[-20:].hex()) for topic in log.topics[1:])
        ends = _ends(log, parties, wrapped_native)
        if ends is not None:
            yield Transfer(log.address, *ends, int.from_bytes(log.data, "big"))


def transfer_deltas(receipt: Receipt, accounts: Collection[Address], wrapped_native: Address = ZERO_ADDRESS) -> Deltas:
    """Net token movement of each of `accounts`."""
    deltas: defaultdict[tuple[Address, Address], int] = defaultdict(int)
    for transfer in transfers(receipt, wrapped_native):
        for account, units in ((transfer.source, -transfer.units), (transfer.target, transfer.units)):
            if account in accounts:
                deltas[account, transfer.token] += units
    return {key: delta for key, delta in deltas.items() if delta}


def leg_fills(plan: Plan, receipt: Receipt, venues: Venues = NO_VENUES) -> list[SwapFill]:
    """What each swap of `plan` really took and gave, from the transfers into and out of its pool.

    Coins leave no transfers: a leg's coins are what the leg before gave, or the leg after took.
    """
    if receipt.status != 1:
        return []
    moved = _without_loan(plan, list(transfers(receipt, venues.wrapped_native)), venues)
    taken, given = [], []
    for swap in plan.swaps:
        venue = _venue(swap.hop, venues)
        sold, bought = swap.token_in.address, swap.token_out.address
        taken.append(sum(t.units for t in moved if t.token == sold and t.target in venue))
        given.append(sum(t.units for t in moved if t.token == bought and t.source in venue))
    for index, swap in enumerate(plan.swaps):
        if swap.hop.kind is HopKind.WRAPPED_NATIVE:
            taken[index] = given[index] = taken[index] or given[index]
    for index, (before, after) in enumerate(pairwise(plan.swaps)):
        if before.token_out.address == ZERO_ADDRESS == after.token_in.address:
            given[index] = taken[index + 1] = given[index] or taken[index + 1]
    return [
        SwapFill(index, swap.hop.pool, swap.token_in.address, taken[index], swap.token_out.address, given[index])
        for index, swap in enumerate(plan.swaps)
    ]


def _without_loan(plan: Plan, moved: list[Transfer], venues: Venues) -> list[Transfer]:
    """What moved besides the loan of a cycle's input and its repayment, which no leg of the plan is."""
    first = plan.swaps[0]
    if not plan.atomic or (plan.loan is None and first.hop.kind not in LENT_KINDS):
        return moved
    loan = plan.loan or Loan(Lender.UNISWAP_V4 if venues.pool_manager != ZERO_ADDRESS else Lender.BALANCER_V3)
    debts = range(plan.amount_in, loan.debt(plan.amount_in) + 1)
    of_loan = [i for i, t in enumerate(moved) if t.token == first.token_in.address and t.units in debts]
    lender = venues.lender(loan)
    lent = [i for i in of_loan if moved[i].source == lender]
    repaid = [i for i in of_loan if moved[i].target == lender]
    return [t for i, t in enumerate(moved) if i not in (*lent[:1], *repaid[-1:])]


def _ends(log: Log, parties: tuple[Address, ...], wrapped_native: Address) -> tuple[Address, Address] | None:
    """From whom and to whom `log` says tokens went; None when it says no such thing."""
    if log.topics[0] == TRANSFER_TOPIC and len(parties) == 2:
        return parties[0], parties[1]
    if log.address != wrapped_native or len(parties) != 1:
        return None
    if log.topics[0] == DEPOSIT_TOPIC:
        return ZERO_ADDRESS, parties[0]
    return (parties[0], ZERO_ADDRESS) if log.topics[0] == WITHDRAWAL_TOPIC else None


def _venue(hop: Hop, venues: Venues) -> frozenset[Address]:
    """Whom `hop` pays and is paid by: a singleton for its pools; nobody, too, for a wrapper that mints and burns."""
    match hop.kind:
        case HopKind.UNISWAP_V4:
            return frozenset({venues.pool_manager})
        case HopKind.BALANCER_V2:
            return frozenset({venues.balancer_vault_v2})
        case HopKind.BALANCER_V3:
            return frozenset({venues.balancer_vault_v3})
        case HopKind.ERC4626 | HopKind.WRAPPED_NATIVE | HopKind.WSTETH:
            return frozenset({hop.pool, ZERO_ADDRESS})
    return frozenset({hop.pool})
