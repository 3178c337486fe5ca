"""Loans on the whole way: read from who lends, chosen, settled, and accounted for to the unit.

Uniswap V2's, V3's and V4's contracts and Balancer's older vault are real; Balancer's newer vault and Aave stand-ins.
"""

from __future__ import annotations

import pytest

from bot.execution.accounting import leg_fills, transfer_deltas
from bot.execution.lenders import READ_EVERY, SingletonLenders
from bot.execution.loans import LoanFrom, Offer, Offers
from bot.execution.settings import Venues
from bot.market import Market
from bot.market.multicall import MULTICALL3
from bot.plan import Plan
from bot.strategy import MarketView
from chains.anvil import Anvil
from chains.assets import Address, Asset, Assets
from chains.blocks import Head, Receipt
from chains.loans import Lender, Loan
from chains.node import wire
from chains.pools.pool import Pool
from chains.twin.artefacts import multicall3_runtime
from tests.contracts.families import STOCK, Families
from tests.contracts.market import ETH

pytestmark = pytest.mark.asyncio(loop_scope="module")

GWEI = 10**9


class Reader:
    """The part of a node that asking lenders needs; it counts."""

    def __init__(self, anvil: Anvil) -> None:
        self._anvil, self.calls = anvil, 0

    async def call(self, to: Address, data: bytes, block_hash: str, /) -> bytes:
        self.calls += 1
        answer = await self._anvil.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, {"blockHash": block_hash})
        return bytes.fromhex(answer[2:])


async def head_of(families: Families) -> Head:
    return wire.header(await families.market.chain.anvil.rpc("eth_getBlockByNumber", "latest", False)).head


def venues_of(families: Families) -> Venues:
    assert families.market.made is not None
    return families.market.made.settings.venues


async def asked(families: Families) -> SingletonLenders:
    anvil = families.market.chain.anvil
    await anvil.rpc("anvil_setCode", MULTICALL3, "0x" + multicall3_runtime().hex())
    lenders = SingletonLenders(venues_of(families), [families.market.weth], Reader(anvil))
    await lenders.refresh(await head_of(families))
    return lenders


async def without_credit(families: Families) -> list[Pool]:
    """A first pool that gives no credit, a second that buys back dear, and a pair that neither passes."""
    market = families.market
    weth, mid, dai = market.weth, market.mid, market.dai
    facts = [
        await families.weighted(weth, 100 * ETH, mid, 300 * ETH),
        await market.pair(market.sushi, mid, 200 * ETH, weth, 100 * ETH),
        await market.pair(market.uniswap, weth, 100 * ETH, dai, 100 * ETH),
        await market.pool(weth, 100 * ETH, dai, 100 * ETH),
    ]
    return [await families.loaded(each) for each in facts]


async def planned(families: Families, pools: list[Pool], loan: LoanFrom, offers: Offers) -> Plan | None:
    """The plan a strategy would make of the best cycle."""
    made = Market(Assets({Asset("ETH"): [families.market.weth]}))
    for pool in pools:
        made.add_pool(pool)
    view = MarketView(made, await head_of(families), "anvil", "test", GWEI, frozenset(made.pools), {}, lenders=offers)
    found = next(iter(view.cycles(max_hops=2, loan=loan)), None)
    return None if found is None else found.plan(min_profit_wei=0)


async def settled(families: Families, plan: Plan) -> Receipt:
    """The plan's own call, held to its exact gain."""
    market = families.market
    call = plan.executor_call(plan.expected_profit_wei, 0)
    assert await market.simulate(call) == plan.expected_profit_wei
    before = await market.balance(market.weth, market.executor)
    await market.settle(call)
    assert await market.balance(market.weth, market.executor) - before == plan.expected_profit_wei
    block = await market.chain.anvil.rpc("eth_getBlockByNumber", "latest", False)
    found = await market.chain.anvil.rpc("eth_getTransactionReceipt", block["transactions"][-1])
    return wire.receipt(found)


async def test_what_they_lend_is_what_they_hold_and_charge(families: Families) -> None:
    lenders, weth = await asked(families), families.market.weth
    offers = {offer.loan.lender: offer for offer in lenders.offers[weth]}
    assert offers[Lender.UNISWAP_V4] == Offer(Loan(Lender.UNISWAP_V4), STOCK)
    assert offers[Lender.AAVE_V3] == Offer(Loan(Lender.AAVE_V3, fee_ppm=500), STOCK)
    assert offers[Lender.BALANCER_V2] == Offer(Loan(Lender.BALANCER_V2), 0)
    assert offers[Lender.BALANCER_V3] == Offer(Loan(Lender.BALANCER_V3), 0)


async def test_they_are_asked_again_only_when_that_is_due(families: Families) -> None:
    lenders, head = await asked(families), await head_of(families)
    reader = lenders._node
    assert isinstance(reader, Reader)
    before = reader.calls
    await lenders.refresh(head)
    assert reader.calls == before
    await families.market.chain.anvil.rpc("anvil_mine", hex(READ_EVERY))
    await lenders.refresh(await head_of(families))
    assert reader.calls > before


async def test_the_cheapest_lender_lends_and_the_ledgers_fills_are_the_chains(families: Families) -> None:
    pools, lenders = await without_credit(families), await asked(families)
    plan = await planned(families, pools, LoanFrom.CHEAPEST, lenders.offers)
    assert plan is not None and plan.loan == Loan(Lender.UNISWAP_V4)
    await accounted(families, plan)


@pytest.mark.parametrize("loan", [LoanFrom.AAVE_V3, LoanFrom.PAIR, LoanFrom.POOL], ids=str)
async def test_a_lender_that_asks_for_a_fee_is_paid_it_out_of_the_gain(families: Families, loan: LoanFrom) -> None:
    pools, lenders = await without_credit(families), await asked(families)
    free = await planned(families, pools, LoanFrom.CHEAPEST, lenders.offers)
    plan = await planned(families, pools, loan, lenders.offers)
    assert free is not None and plan is not None and plan.loan is not None
    assert plan.loan.lender.name == loan.name and 0 < plan.amount_in < free.amount_in
    fee = plan.loan.debt(plan.amount_in) - plan.amount_in
    assert plan.expected_profit_wei == plan.amount_out - plan.amount_in - fee < free.expected_profit_wei
    await accounted(families, plan)


async def test_balancers_older_vault_lends_but_not_to_a_cycle_through_itself(families: Families) -> None:
    market = families.market
    weighted, dear, *_ = await without_credit(families)
    cheap = await families.loaded(await market.pair(market.uniswap, market.weth, 100 * ETH, market.mid, 450 * ETH))
    lenders = await asked(families)
    offers = {offer.loan.lender: offer for offer in lenders.offers[market.weth]}
    assert offers[Lender.BALANCER_V2] == Offer(Loan(Lender.BALANCER_V2), 100 * ETH)
    assert await planned(families, [weighted, dear], LoanFrom.BALANCER_V2, lenders.offers) is None
    plan = await planned(families, [cheap, dear], LoanFrom.BALANCER_V2, lenders.offers)
    assert plan is not None and plan.loan == Loan(Lender.BALANCER_V2)
    await accounted(families, plan)


async def accounted(families: Families, plan: Plan) -> None:
    """What the fills and deltas say of the settled plan is what was quoted, and what the chain's balances say."""
    market = families.market
    receipt = await settled(families, plan)
    venues = venues_of(families)
    accounts = [market.executor, market.inventory]
    fills = leg_fills(plan, receipt, accounts, venues)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [
        (swap.amount_in, swap.amount_out) for swap in plan.swaps
    ]
    deltas = transfer_deltas(receipt, accounts, venues.wrapped_native)
    assert deltas == {(market.executor, Address(market.weth.address)): plan.expected_profit_wei}
