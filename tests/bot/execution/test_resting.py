"""An exchange that refused an order gets nothing new until it takes one, or for a while; what is owed there goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.execution.hedges import HedgeDesk
from bot.execution.resting import FIRST_S, MOST_S
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.states import Exposure
from bot.plan import Plan
from bot.reasons import Reason
from chains.exchanges.orders import OrderStatus
from tests.bot.execution.given import (
    KEY_REFUSED,
    Reply,
    ScriptedExchange,
    buys_on_chain,
    cycle,
    desk,
    fills_all,
    fills_nothing,
    head,
    rejects,
    report,
    says_nothing,
    sells_on_chain,
)
from tests.bot.execution.hedging import GAS_PRICE, at_block, names, settled

BLOCK = 11


async def _refused(ledger: Ledger, exchange: ScriptedExchange) -> HedgeDesk:
    """A desk whose hedge was refused in block 11."""
    on = desk(ledger, exchange)
    on.start(head(BLOCK))
    await settled(on, ledger, sells_on_chain(), block=BLOCK)
    return on


def _reason(on: HedgeDesk, plan: Plan) -> Reason | None:
    refusal = on.refusal(plan)
    return None if refusal is None else refusal.reason


async def _after(on: HedgeDesk, seconds: int) -> None:
    """A head so much later than block 11."""
    late = replace(head(BLOCK + 1), timestamp_s=head(BLOCK).timestamp_s + seconds)
    await on.on_block(late, GAS_PRICE)


async def test_nothing_new_is_begun_there_and_it_is_said_why(ledger: Ledger) -> None:
    exchange = ScriptedExchange([rejects])
    on = await _refused(ledger, exchange)
    refusal = on.refusal(buys_on_chain(12))
    assert refusal is not None and refusal.reason is Reason.EXCHANGE_RESTS
    why = f"binance refused {exchange.placed[0].client_id} (as scripted); it rests 300 s, or until it takes one"
    assert refusal.detail == why == on.resting.why("binance") and "exchange_rests" in names(ledger)
    assert on.refusal(cycle()) is None and on.resting.why("kraken") is None


@pytest.mark.parametrize("takes", [fills_all, fills_nothing, lambda order: report(order, OrderStatus.OPEN, 1_000)])
async def test_an_exchange_that_takes_the_next_try_rests_no_more(ledger: Ledger, takes: Reply) -> None:
    on = await _refused(ledger, ScriptedExchange([rejects, takes]))
    await at_block(on, 12)
    assert on.resting.why("binance") is None and "exchange_takes_orders" in names(ledger)


async def test_what_nobody_knows_of_ends_no_rest(ledger: Ledger) -> None:
    on = await _refused(ledger, ScriptedExchange([rejects, says_nothing]))
    await at_block(on, 12)
    assert on.resting.why("binance") is not None


async def test_an_order_that_was_placed_before_the_one_refused_ends_no_rest(ledger: Ledger) -> None:
    exchange = ScriptedExchange([says_nothing, rejects])
    on = await _refused(ledger, exchange)
    await settled(on, ledger, sells_on_chain(12), block=12)
    exchange.known[exchange.placed[0].client_id] = fills_all(exchange.placed[0])
    exchange.replies.append(says_nothing)
    assert (await at_block(on, 13))[0] == [Exposure.HEDGED]
    assert on.resting.why("binance") is not None


async def test_a_rest_ends_by_itself_and_lasts_twice_as_long_where_the_exchange_goes_on_refusing(
    ledger: Ledger,
) -> None:
    exchange = ScriptedExchange([rejects] * 20)
    on = await _refused(ledger, exchange)
    at, lasts = 0, FIRST_S
    for _ in range(6):
        await _after(on, at + lasts - 1)
        assert f"it rests {lasts} s" in str(on.resting.why("binance")), (
            "refused once more, it rests as long from then on"
        )
        at += lasts - 1
        exchange.replies.clear()
        exchange.replies += [rejects] * 20
        await _after(on, at + lasts)
        at += lasts
        lasts = min(2 * lasts, MOST_S)
        assert f"it rests {lasts} s" in str(on.resting.why("binance"))
    assert lasts == MOST_S


async def test_where_the_key_may_trade_no_more_nothing_is_begun_however_long_it_rests_until_it_may_again(
    ledger: Ledger,
) -> None:
    exchange = ScriptedExchange([rejects])
    exchange.key_refused = True
    on = await _refused(ledger, exchange)
    exchange.replies += [rejects] * 30
    await _after(on, 1)
    await _after(on, 2 * MOST_S)
    refusal = on.refusal(buys_on_chain(12))
    assert refusal is not None and (refusal.reason, refusal.detail) == (Reason.EXCHANGE_RESTS, KEY_REFUSED)
    exchange.reachable = False
    for second in range(1, 12):
        await _after(on, 4 * MOST_S + second)
    assert on.resting.why("binance") == "binance does not answer"
    exchange.reachable, exchange.key_refused = True, False
    for second in range(12, 23):
        await _after(on, 20 * MOST_S + second)
    assert on.resting.why("binance") != KEY_REFUSED
    assert [event.detail for event in events(ledger) if event.name == "exchange_rests"].count(
        f"{KEY_REFUSED}; it rests until its key may trade"
    ) == 1


@pytest.mark.parametrize("ended", ["it answers", "it takes an order"])
async def test_an_exchange_that_answers_nothing_after_a_refusal_rests_until_it_does(ledger: Ledger, ended: str) -> None:
    exchange = ScriptedExchange([rejects, says_nothing])
    exchange.reachable = False
    on = await _refused(ledger, exchange)
    await _after(on, 1)
    on.resting.at_head(head(BLOCK).timestamp_s + MOST_S)
    assert on.resting.why("binance") == "binance does not answer"
    if ended == "it answers":
        on.resting.said("binance")
    else:
        exchange.reachable = True
        exchange.known[exchange.placed[1].client_id] = fills_nothing(exchange.placed[1])
        await _after(on, MOST_S)
    assert on.resting.why("binance") is None
