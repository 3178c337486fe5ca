"""What a transaction did to our own accounts, read from its receipt: token movements, exact, in base units."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from bot.execution.settings import NO_VENUES, Venues
from bot.ledger.records import SwapFill
from bot.plan import Plan, Swap
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Log, Receipt
from chains.executor import Hop, HopKind, Lender, Loan
from chains.hops import LENT_KINDS, WRAPPERS
from chains.pools.uniswap_v4 import SWAP

TRANSFER_TOPIC = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
"""keccak256("Transfer(address,address,uint256)") (EIP-20)."""

DEPOSIT_TOPIC = bytes.fromhex("e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c")
"""keccak256("Deposit(address,uint256)"): WETH9 makes tokens of coins, without a `Transfer`."""

WITHDRAWAL_TOPIC = bytes.fromhex("7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65")
"""keccak256("Withdrawal(address,uint256)"): WETH9 makes coins of tokens."""

_MOST_UNITS = 2**256 - 1

Deltas = Mapping[tuple[Address, Address], int]
"""Base units gained by (account, token); losses are negative, zeroes absent."""

_Side = tuple[frozenset[Address], str, int]
"""One side of a leg: where, which token, and how many base units of it were quoted."""


class Transfer(NamedTuple):
    """Base units of `token` from `source` to `target`: the zero address where they are minted or burnt."""

    token: Address
    source: Address
    target: Address
    units: int


def transfers(receipt: Receipt, wrapped_native: Address = ZERO_ADDRESS) -> Iterator[Transfer]:
    """The plain ERC-20 transfers of a receipt, in order, and what was wrapped and unwrapped at `wrapped_native`.

    Logs of any other shape are passed over. So is what a wrapper says twice that also mints and burns as other tokens
    do, such as Scroll's: nobody else can make one tell of a `Transfer` between us and nobody, but of nothing.
    """
    said = [(log.topics[0], transfer) for log in receipt.logs if (transfer := _said(log, wrapped_native)) is not None]
    minted = Counter(
        transfer
        for topic, transfer in said
        if topic == TRANSFER_TOPIC and transfer.token == wrapped_native and ZERO_ADDRESS in transfer[1:3]
    )
    for topic, transfer in said:
        if topic != TRANSFER_TOPIC and minted[transfer]:
            minted[transfer] -= 1
        else:
            yield transfer


def transfer_deltas(receipt: Receipt, accounts: Collection[Address], wrapped_native: Address = ZERO_ADDRESS) -> Deltas:
    """Net token movement of each of `accounts`."""
    deltas: defaultdict[tuple[Address, Address], int] = defaultdict(int)
    for transfer in transfers(receipt, wrapped_native):
        for account, units in ((transfer.source, -transfer.units), (transfer.target, transfer.units)):
            if account in accounts:
                deltas[account, transfer.token] += units
    return {key: delta for key, delta in deltas.items() if delta}


def leg_fills(
    plan: Plan, receipt: Receipt, accounts: Collection[Address], venues: Venues = NO_VENUES
) -> list[SwapFill]:
    """What each swap of `plan` really took and gave, from the transfers into and out of its pool.

    Of what a plan sells and brings, only what `accounts` gave and got counts: a token on the way can have anything else
    moved at the same pools. Of what is between, what went between the plan's venues and them. Coins leave no transfers:
    a leg's coins are what the leg before gave, or the leg after took, or what a Uniswap V4 pool says. Legs of several
    routes through one venue took their turns.
    """
    if receipt.status != 1:
        return []
    moved = _without_loans(plan, list(transfers(receipt, venues.wrapped_native)), venues)
    places = [_venue(swap.hop, venues) for swap in plan.swaps]
    named = frozenset(accounts).union(*places)
    strangers = frozenset(party for t in moved for party in (t.source, t.target)) - named
    sold, bought = list[_Side](), list[_Side]()
    for swap, place in zip(plan.swaps, places, strict=True):
        keeps = _keeping(swap, place, strangers, venues)
        makes = swap.hop.zero_for_one
        sold.append((keeps if makes else place, swap.token_in.address, swap.amount_in))
        bought.append((place if makes else keeps, swap.token_out.address, swap.amount_out))
    sells, brings = plan.swaps[0].token_in.address, plan.swaps[-1].token_out.address
    payers, payees = _parties(bought, accounts), _parties(sold, accounts)
    spent = [t for t in moved if t.source in (accounts if t.token == sells else payers[t.token])]
    got = [t for t in moved if t.target in (accounts if t.token == brings else payees[t.token])]
    taken = _dealt(sold, lambda place, token: [t.units for t in spent if t.token == token and t.target in place])
    given = _dealt(bought, lambda place, token: [t.units for t in got if t.token == token and t.source in place])
    for index, swap in enumerate(plan.swaps):
        if swap.hop.kind is HopKind.WRAPPED_NATIVE:
            taken[index] = given[index] = taken[index] or given[index]
    for index, (before, after) in enumerate(pairwise(plan.swaps)):
        if before.token_out.address == ZERO_ADDRESS == after.token_in.address:
            given[index] = taken[index + 1] = given[index] or taken[index + 1] or _coins(plan, index, receipt, accounts)
    # What a token says of itself may come to more than there can be of any.
    taken, given = ([min(units, _MOST_UNITS) for units in said] for said in (taken, given))
    return [
        SwapFill(index, swap.hop.pool, swap.token_in.address, taken[index], swap.token_out.address, given[index])
        for index, swap in enumerate(plan.swaps)
    ]


def _keeping(
    swap: Swap, place: frozenset[Address], strangers: frozenset[Address], venues: Venues
) -> frozenset[Address]:
    """Where what a wrapper makes its own token of goes to and comes from; of any other hop its `place`.

    A vault need not hold its asset: what is supplied elsewhere may go there, and come from there, past it; or the asset
    is burnt and minted, as the wrapped coin is by nobody but its own contract.
    """
    if swap.hop.kind not in (HopKind.ERC4626, HopKind.WSTETH, HopKind.AAVE_V3):
        return place
    if swap.hop.kind is not HopKind.ERC4626:
        return place - {ZERO_ADDRESS}
    asset = (swap.token_in if swap.hop.zero_for_one else swap.token_out).address
    return (place | strangers) - ({ZERO_ADDRESS} if asset == venues.wrapped_native else frozenset())


def _coins(plan: Plan, index: int, receipt: Receipt, accounts: Collection[Address]) -> int:
    """The coins that a Uniswap V4 pool swapped for `accounts`, by its own word; they are the first of its tokens."""
    pool = plan.swaps[index].hop.pool
    turn = sum(before.hop.pool == pool for before in plan.swaps[:index])
    swapped = [
        abs(int.from_bytes(log.data[:32], "big", signed=True))
        for log in receipt.logs
        if log.topics[:1] == (SWAP,)
        and address("0x" + log.topics[1][:20].hex()) == pool
        and address("0x" + log.topics[2][-20:].hex()) in accounts
    ]
    return swapped[turn] if turn < len(swapped) else 0


def _parties(legs: Sequence[_Side], accounts: Collection[Address]) -> Mapping[str, set[Address]]:
    """By token, `accounts` and the places where the legs have it from, or bring it to."""
    parties: defaultdict[str, set[Address]] = defaultdict(lambda: set(accounts))
    for place, token, _ in legs:
        parties[token] |= place
    return parties


def _dealt(
    legs: Sequence[_Side],
    moves_of: Callable[[frozenset[Address], str], list[int]],
) -> list[int]:
    """Each leg's part, in base units, of what moved of a token at a place.

    Legs that share both get the transfers in turn; where those cannot be told apart so, in proportion to the quotes.
    """
    sharing: defaultdict[tuple[frozenset[Address], str], list[int]] = defaultdict(list)
    for index, (place, token, _) in enumerate(legs):
        sharing[place, token].append(index)
    parts = [0] * len(legs)
    for (place, token), indices in sharing.items():
        moves = moves_of(place, token)
        each, odd = divmod(len(moves), len(indices))
        left, quoted = sum(moves), sum(legs[index][2] for index in indices)
        for turn, index in enumerate(indices):
            units = legs[index][2]
            parts[index] = left * units // max(quoted, 1) if odd else sum(moves[turn * each : (turn + 1) * each])
            left, quoted = left - parts[index], quoted - units
    return parts


def _without_loans(plan: Plan, moved: list[Transfer], venues: Venues) -> list[Transfer]:
    """What moved besides the loans of the cycles' input and their repayments, which no leg of the plan is."""
    token, aside, begun = plan.swaps[0].token_in.address, set[int](), -1
    begins: list[int] = []
    loans = _loans(plan, venues)
    for loan, amount in loans:
        # Aave keeps each token at an address of that token's own, so whoever gives the amount first is who lends it.
        lenders = {t.source for t in moved} if loan.lender is Lender.AAVE_V3 else {venues.lender(loan)}
        lent = (at for at, t in enumerate(moved) if t.token == token and t.units == amount and t.source in lenders)
        begun = next((at for at in lent if at > begun), len(moved))
        begins.append(begun)
    for (loan, amount), (first, last) in zip(loans, pairwise([*begins, len(moved)]), strict=True):
        if first < len(moved):
            debts, lender = range(amount, loan.debt(amount) + 1), moved[first].source
            repaid = (at for at in reversed(range(first + 1, last)) if _pays(moved[at], token, lender, debts))
            aside |= {first, *islice(repaid, 1)}
    return [t for at, t in enumerate(moved) if at not in aside]


def _pays(transfer: Transfer, token: str, lender: Address, debts: range) -> bool:
    return transfer.token == token and transfer.target == lender and transfer.units in debts


def _loans(plan: Plan, venues: Venues) -> list[tuple[Loan, int]]:
    """Who lends how much of the input: the plan's own, or what the executor has lent for first hops without credit."""
    if not plan.atomic:
        return []
    if plan.loan is not None:
        return [(plan.loan, plan.amount_in)]
    usual = Loan(Lender.UNISWAP_V4 if venues.pool_manager != ZERO_ADDRESS else Lender.BALANCER_V3)
    return [(usual, route[0].amount_in) for route in plan.routes if route[0].hop.kind in LENT_KINDS]


def _said(log: Log, wrapped_native: Address) -> Transfer | None:
    """The movement that `log` tells of; None when it says no such thing."""
    if len(log.data) != 32 or not 2 <= len(log.topics) <= 3:
        return None
    parties = tuple(address("0x" + topic[-20:].hex()) for topic in log.topics[1:])
    ends = _ends(log, parties, wrapped_native)
    return Transfer(log.address, *ends, int.from_bytes(log.data, "big")) if ends is not None else None


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
    """Whom `hop` pays and is paid by; nobody, too, for a wrapper that mints and burns."""
    return frozenset({counterparty(hop, venues), *((ZERO_ADDRESS,) if hop.kind in WRAPPERS else ())})


def counterparty(hop: Hop, venues: Venues) -> Address:
    """The contract that `hop` pays and is paid by: a singleton for its pools."""
    match hop.kind:
        case HopKind.UNISWAP_V4:
            return venues.pool_manager
        case HopKind.BALANCER_V2:
            return venues.balancer_vault_v2
        case HopKind.BALANCER_V3:
            return venues.balancer_vault_v3
    return hop.pool
