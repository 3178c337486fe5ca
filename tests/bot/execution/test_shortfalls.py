"""An exchange that has less than the books say is asked once it refuses, and what is missing is not counted on."""

from __future__ import annotations

from bot.execution.shortfalls import _AGAIN_AFTER_HEADS
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.states import Exposure
from bot.reasons import Reason
from tests.bot.execution.given import (
    ScriptedExchange,
    buys_on_chain,
    desk,
    fills_all,
    inventory,
    rejects,
    says_nothing,
    sells_on_chain,
)
from tests.bot.execution.hedging import ONE_ETH, at_block, names, settled
from tests.bot.market.samples import ETH_AT_EXCHANGE, USD_AT_EXCHANGE

HELD = 20 * ONE_ETH


async def test_what_is_there_is_traded_after_a_refusal_and_new_plans_count_on_no_more(ledger: Ledger) -> None:
    exchange, spending = ScriptedExchange([rejects, fills_all]), inventory(ledger)
    on = desk(ledger, exchange, spending=spending)
    exchange.has = {"ETH": ONE_ETH // 2, "USDT": 40_000 * 10**8}
    await settled(on, ledger, buys_on_chain(usdc=2_000 * 10**6))
    assert exchange.placed[0].amount > ONE_ETH // 2
    await at_block(on, 11)
    assert exchange.placed[1].amount == ONE_ETH // 2
    assert spending.missing_at("binance") == {ETH_AT_EXCHANGE: HELD - ONE_ETH // 2}
    assert on.resting.why("binance") is None, "it took what there is"
    refusal = on.refusal(buys_on_chain(12))
    assert refusal is not None and refusal.reason is Reason.NO_INVENTORY
    (told,) = [event.detail for event in events(ledger) if event.name == "exchange_short"]
    assert told == "binance: 19.50000000 ETH@binance of what the books say is missing"


async def test_what_came_back_is_counted_on_again_and_the_exchange_is_asked_seldom(ledger: Ledger) -> None:
    exchange, spending = ScriptedExchange([rejects]), inventory(ledger)
    on = desk(ledger, exchange, spending=spending)
    exchange.has = {"USDT": 10**18}
    await settled(on, ledger, buys_on_chain(usdc=2_000 * 10**6))
    await at_block(on, 11)
    assert len(exchange.placed) == 1 and spending.missing_at("binance") == {ETH_AT_EXCHANGE: HELD}
    exchange.has = {"ETH": HELD, "USDT": 10**18}
    exchange.replies.append(fills_all)
    for number in range(12, 12 + _AGAIN_AFTER_HEADS):
        await at_block(on, number)
    assert (exchange.asked_what_is_free, len(exchange.placed)) == (1, 1)
    closed, _ = await at_block(on, 12 + _AGAIN_AFTER_HEADS)
    assert (exchange.asked_what_is_free, spending.missing_at("binance"), closed) == (2, {}, [Exposure.HEDGED])
    assert names(ledger).count("exchange_short") == 2


async def test_an_exchange_that_does_not_say_what_is_free_is_asked_again_but_not_at_each_head(ledger: Ledger) -> None:
    exchange, spending = ScriptedExchange([rejects, *[says_nothing] * 2]), inventory(ledger)
    on = desk(ledger, exchange, spending=spending)
    exchange.reachable, exchange.has = False, {"ETH": 10**18}
    await settled(on, ledger, sells_on_chain())
    await at_block(on, 11)
    assert "exchange_unavailable" in names(ledger) and spending.missing_at("binance") == {}
    exchange.reachable = True
    exchange.known[exchange.placed[1].client_id] = fills_all(exchange.placed[1])
    for number in range(12, 12 + _AGAIN_AFTER_HEADS):
        await at_block(on, number)
    assert exchange.asked_what_is_free == 1
    await at_block(on, 12 + _AGAIN_AFTER_HEADS)
    assert exchange.asked_what_is_free == 2 and spending.missing_at("binance").keys() == {USD_AT_EXCHANGE}


async def test_nothing_is_asked_of_an_exchange_that_refused_nothing_or_where_an_order_is_unknown(
    ledger: Ledger,
) -> None:
    exchange = ScriptedExchange([fills_all, rejects, says_nothing, says_nothing])
    on = desk(ledger, exchange)
    await settled(on, ledger, sells_on_chain(), block=11)
    await at_block(on, 12)
    assert exchange.asked_what_is_free == 0
    await settled(on, ledger, sells_on_chain(12), block=13)
    await settled(on, ledger, sells_on_chain(13), block=13)
    await at_block(on, 14)
    assert exchange.asked_what_is_free == 0
