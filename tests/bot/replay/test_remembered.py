"""What a road with other settings is told of what the run saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.execution.accounting import leg_fills, transfer_deltas
from bot.execution.settings import Venues
from bot.gas import ETHER
from bot.plan import Swap
from bot.replay.codec import encode, encode_error
from bot.replay.recorder import Kind, key
from bot.replay.remembered import Remembered
from bot.replay.supposed import Supposing, deltas_of, logs_of
from bot.signer.protocol import Cover, Settle, Settled
from chains.assets import Address
from chains.blocks import Receipt
from chains.exchanges.troubles import ExchangeUnavailable
from chains.executor import Hop, HopKind, Lender, Loan, UniswapV4Route
from chains.node import Unreachable
from chains.node.seen import Seen
from tests.bot.execution.given import cycle, head
from tests.bot.execution.scripted import IDENTITY
from tests.bot.market.samples import USDC, WETH
from tests.bot.signer.making import OPERATOR
from tests.chains.pools.samples import at

MINED, UNKNOWN = "0x" + "11" * 32, "0x" + "22" * 32
RECEIPT = Receipt(MINED, 7, "0x" + "77" * 32, 0, 1, 21_000, 10**9, ())


def answered(asked: tuple[Any, ...], given: list[Any]) -> list[Any]:
    return [Kind.ANSWER, "chain.seen", key(asked, {}), *given]


async def test_what_was_seen_together_answers_who_looks_for_less_and_a_silent_node_is_silent_again() -> None:
    seen = Seen({MINED: RECEIPT, UNKNOWN: None}, {OPERATOR: 5}, {})
    both, one = ([MINED, UNKNOWN], [OPERATOR], []), ([MINED], [OPERATOR], [])
    tape = [answered(both, [None, encode_error(Unreachable("gone"))]), answered(both, [encode(seen)])]
    nothing: Any = None
    supposing = Supposing(tape, Remembered.of(tape), identity=nothing, market=nothing, heard=nothing, coin=nothing)
    with pytest.raises(Unreachable, match="gone"):
        await supposing.ask("chain.seen", both, {})
    assert await supposing.ask("chain.seen", one, {}) == Seen({MINED: RECEIPT}, {OPERATOR: 5}, {})
    assert supposing.supposed == 0


@pytest.mark.parametrize(
    ("told", "taken"),
    [(Settle("1:plan", 5, 3), Settled(2)), (Cover("1:plan", True), Settled(0)), (Cover("1:plan", False), Settled(0))],
)
async def test_what_a_signer_is_told_of_a_trade_that_the_run_did_not_make_is_taken(
    told: Settle | Cover, taken: Settled
) -> None:
    nothing: Any = None
    supposing = Supposing([], Remembered.of([]), identity=nothing, market=nothing, heard=nothing, coin=ETHER)
    assert await supposing.ask(f"signer.{type(told).__name__.lower()}", (told,), {}) == taken


async def test_of_an_exchange_that_was_not_asked_what_is_free_there_nothing_is_supposed_to_be_missing() -> None:
    nothing: Any = None
    supposing = Supposing([], Remembered.of([]), identity=nothing, market=nothing, heard=nothing, coin=ETHER)
    with pytest.raises(ExchangeUnavailable, match="binance was not asked in the run what is free there"):
        await supposing.ask("exchange.binance.free", (), {})


def test_a_supposed_plan_moves_what_all_its_routes_bring_less_what_its_lender_takes() -> None:
    """Through singletons too, whose pools are paid at the singleton."""
    manager, lender = at(40), at(70)
    venues = Venues(Address(WETH.address), manager)
    identity = replace(IDENTITY, venues=venues)
    hop = Hop(HopKind.UNISWAP_V4, at(41), True, 500, UniswapV4Route(Address(USDC.address), 10))
    back = replace(hop, pool=at(42), route=UniswapV4Route(Address(WETH.address), 10))
    sizes = ((10_000, 500, 10_200), (4_000, 190, 4_050))
    legs = [
        swap
        for sold, middle, got in sizes
        for swap in (Swap(hop, WETH, USDC, sold, middle), Swap(back, USDC, WETH, middle, got))
    ]
    plan = replace(cycle(), legs=tuple(legs), loan=Loan(Lender.POOL, lender, 500))
    logs = logs_of(plan, identity, head(11), MINED)
    receipt = replace(RECEIPT, logs=tuple(logs))
    assert deltas_of(plan, identity) == {(identity.executor, WETH.address): 200 + 50 - 7}
    assert transfer_deltas(receipt, identity.accounts, venues.wrapped_native) == deltas_of(plan, identity)
    fills = leg_fills(plan, receipt, identity.accounts, venues)
    assert [(fill.amount_in, fill.amount_out) for fill in fills] == [(leg.amount_in, leg.amount_out) for leg in legs]
