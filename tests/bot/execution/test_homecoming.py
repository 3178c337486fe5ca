"""What may be booked after the plans of a head have left, and what comes home before anything is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.execution.homecoming import Found, Waits
from bot.execution.transactions import TransactionDesk
from bot.ledger.ledger import Ledger
from bot.ledger.records import TradeFill
from bot.ledger.states import AttemptKind, Exposure, IntentState, OrderState
from bot.risk.usage import read_usage
from bot.signer.protocol import Settle
from chains.assets import Address
from chains.blocks import Block, Receipt
from chains.node import Unreachable
from chains.node.seen import Seen
from tests.bot.execution.carrying import gains, must_be_sent, reverts, trades
from tests.bot.execution.given import buys_on_chain, cycle, head, pending, sells_on_chain, settle
from tests.bot.execution.scripted import FINALITY_BLOCKS, Connection, ScriptedChain, ScriptedSimulator, desk
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.signer.making import OPERATOR


async def sent_and_looked(ledger: Ledger, chain: ScriptedChain, signer: Connection) -> tuple[TransactionDesk, Found]:
    """A cycle that was sent on block 10 and gained what it planned in block 11, where it was found."""
    on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
    sent = await must_be_sent(on, ledger, cycle())
    chain.count = 1
    chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)
    return on, await on.look(Block(head(11), ()))


def but(found: Found, **changes: object) -> Found:
    """The same, with another receipt."""
    ((intent, at),) = found.awaited
    assert at is not None
    return replace(found, awaited=((intent, replace(at, **changes)),))  # type: ignore[arg-type]


async def test_a_cycle_that_earned_is_booked_later_and_keeps_its_worst_case_until_then(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    on, found = await sent_and_looked(ledger, chain, signer)
    assert on.waits(found) is Waits.ALL
    before = read_usage(ledger, cycle().strategy)
    (intent,) = ledger.open_intents()
    assert intent.state is IntentState.PENDING and before.reserved_loss_wei == intent.worst.loss_wei > 0
    (settled,) = await on.bring_home(found)
    after = read_usage(ledger, cycle().strategy)
    assert settled.profit_wei == cycle().expected_profit_wei and ledger.open_intents() == ()
    for spent, reserved in (("day_loss_wei", "reserved_loss_wei"), ("gas_day_wei", "reserved_gas_wei")):
        used = [getattr(usage, spent) + getattr(usage, reserved) for usage in (before, after)]
        assert used[0] >= used[1]


async def test_what_is_final_keeps_its_worst_case_until_the_rest_is_done(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    on, found = await sent_and_looked(ledger, chain, signer)
    await on.bring_home(found)
    deep = await on.look(Block(head(11 + FINALITY_BLOCKS), ()))
    final = await on.go_on(deep, on.settle(deep))
    reserved = read_usage(ledger, cycle().strategy).reserved_loss_wei
    assert [intent.state for intent in final] == [IntentState.MINED] and reserved > 0
    await on.finish(final)
    assert ledger.intent(final[0].id).state is IntentState.FINAL
    assert read_usage(ledger, cycle().strategy).reserved_loss_wei == 0 and ledger.mined_intents() == ()


@pytest.mark.parametrize("started_anew", [False, True])
async def test_what_owes_its_other_side_is_told_to_the_signer_once_that_is_done_and_at_what_it_came_to(
    ledger: Ledger, chain: ScriptedChain, signer: Connection, started_anew: bool
) -> None:
    plan = sells_on_chain()
    on = desk(ledger, chain, ScriptedSimulator(plan), signer)
    sent = await must_be_sent(on, ledger, plan)
    chain.count = 1
    receipt = chain.receipts[sent.tx_hash] = trades(plan, sent, 11)
    for number in (11, 12 + FINALITY_BLOCKS):
        await on.on_block(Block(head(number), ()))
    assert (ledger.intent(sent.intent.id).state, signer.settled) == (IntentState.MINED, [])
    order = ledger.place_order(sent.intent.id, plan.orders[0], "binance")
    dear = TradeFill("1", order.amount, 2_100 * order.amount, "USDT", 0)
    ledger.record_order("binance", order.client_id, OrderState.FILLED, [dear])
    ledger.close_exposure(sent.intent.id, Exposure.HEDGED)
    if started_anew:
        on = desk(ledger, chain, ScriptedSimulator(plan), signer)
        await on.start()
    await on.on_block(Block(head(13 + FINALITY_BLOCKS), ()))
    assert ledger.intent(sent.intent.id).state is IntentState.FINAL
    lost_wei = -ledger.profit_of(sent.intent.id) - receipt.gas_cost_wei
    assert lost_wei > 4 * 10**16, "an ether was sold at 2,010 and bought at 2,100"
    assert signer.settled == [Settle(f"{sent.intent.id}:{plan.id}", receipt.gas_cost_wei, -lost_wei)]


async def test_an_exchange_that_nothing_follows_came_to_what_moved_and_not_to_what_its_strategy_expected(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    plan = replace(sells_on_chain(), legs=sells_on_chain().swaps, expected_profit_wei=ETHER)
    on = desk(ledger, chain, ScriptedSimulator(plan), signer)
    sent = await must_be_sent(on, ledger, plan)
    chain.count, chain.receipts[sent.tx_hash] = 1, trades(plan, sent, 11)
    (settled,) = await on.on_block(Block(head(11), ()))
    booked = ledger.profit_of(sent.intent.id)
    assert 0 < booked < ETHER // 100 and settled.profit_wei - settled.gas_cost_wei == booked


async def test_a_trade_that_was_unwound_is_final_together_with_what_took_it_back(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    """A reorganisation that takes that out makes it owe its other side again, and come to something else."""
    plan = sells_on_chain()
    back = replace(buys_on_chain(), legs=buys_on_chain().swaps, unwinds=plan.id)
    back = replace(back, expected_profit_wei=0, min_profit_wei=-(10**17), deadline_block=15)
    on = desk(ledger, chain, ScriptedSimulator(plan), signer)
    there = await must_be_sent(on, ledger, plan)
    chain.count, chain.receipts[there.tx_hash] = 1, trades(plan, there, 11)
    await on.on_block(Block(head(11), ()))
    on._simulator = ScriptedSimulator(back)  # type: ignore[assignment]
    again = await must_be_sent(on, ledger, back, 13)
    chain.count, chain.receipts[again.tx_hash] = 2, trades(back, again, 14)
    await on.on_block(Block(head(14), ()))
    ledger.close_exposure(there.intent.id, Exposure.UNWOUND)
    for number in range(11 + FINALITY_BLOCKS, 14 + FINALITY_BLOCKS):
        await on.on_block(Block(head(number), ()))
        assert signer.settled == []
    for number in (14 + FINALITY_BLOCKS, 15 + FINALITY_BLOCKS):
        await on.on_block(Block(head(number), ()))
    finals = [(told.intent_id, told.profit_wei) for told in signer.settled]
    came_to = ledger.earned_before_gas(there.intent.id)
    assert finals == [(f"{again.intent.id}:{back.id}", 0), (f"{there.intent.id}:{plan.id}", came_to)]


@pytest.mark.parametrize("started_anew", [False, True])
@pytest.mark.parametrize("status", [0, 1])
async def test_what_takes_a_trade_back_costs_the_signer_its_gas_and_no_more(
    ledger: Ledger, chain: ScriptedChain, signer: Connection, status: int, started_anew: bool
) -> None:
    """What it lost is in what the trade came to; what reverted took nothing back, and lost nothing."""
    plan = sells_on_chain()
    there = pending(ledger, plan)
    settle(ledger, there, plan, 10)
    ledger.close_exposure(there.id, Exposure.UNWOUND)
    ledger.mark_final(there.id)
    back = replace(buys_on_chain(), legs=buys_on_chain().swaps, expected_profit_wei=0, unwinds=plan.id)
    back = replace(back, min_profit_wei=-(10**17))
    on = desk(ledger, chain, ScriptedSimulator(back), signer)
    sent = await must_be_sent(on, ledger, back)
    chain.count = 2
    receipt = chain.receipts[sent.tx_hash] = trades(back, sent, 11) if status else reverts(sent, 11)
    await on.on_block(Block(head(11), ()))
    if started_anew:
        on = desk(ledger, chain, ScriptedSimulator(back), signer)
        await on.start()
    await on.on_block(Block(head(11 + FINALITY_BLOCKS), ()))
    assert signer.settled == [Settle(f"{sent.intent.id}:{back.id}", receipt.gas_cost_wei, 0)]


async def test_what_was_found_is_not_simulated_before_the_next_plan_any_more(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    on, _ = await sent_and_looked(ledger, chain, signer)
    simulator = ScriptedSimulator(cycle(11))
    on._simulator = simulator  # type: ignore[assignment]
    await must_be_sent(on, ledger, cycle(11), 11)
    ((_, after),) = simulator.asked
    assert after == ()


class Silent(ScriptedChain):
    """Answers nothing."""

    async def seen(self, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> Seen:
        raise Unreachable("nobody answers")


async def test_where_nobody_answers_nothing_is_found_and_what_is_in_flight_is_not_taken_for_missing(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    on = desk(ledger, Silent(), ScriptedSimulator(cycle()), signer)
    found = await on.look(Block(head(10), ()))
    assert (found.awaited, found.counted, on.waits(found)) == ([], {}, Waits.NOTHING)
    await must_be_sent(desk(ledger, chain, ScriptedSimulator(cycle()), signer), ledger, cycle())
    with pytest.raises(Unreachable):
        await on.look(Block(head(11), ()))


async def test_what_lost_is_booked_before_anything_is_decided(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
    sent = await must_be_sent(on, ledger, cycle())
    chain.count = 1
    chain.receipts[sent.tx_hash] = reverts(sent, 11)
    assert on.waits(await on.look(Block(head(11), ()))) is Waits.NOTHING
    dear: Receipt = replace(gains(cycle(), sent, 11), effective_gas_price_wei=10**6 * GWEI)
    chain.receipts[sent.tx_hash] = dear
    assert on.waits(await on.look(Block(head(11), ()))) is Waits.NOTHING


async def test_what_costs_its_gas_for_nothing_does_not_wait(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    """So does a cancellation: nothing moved, and its gas is a loss."""
    on, found = await sent_and_looked(ledger, chain, signer)
    assert on.waits(but(found, profit_wei=0, deltas={})) is Waits.NOTHING


async def test_what_is_still_out_comes_first(ledger: Ledger, chain: ScriptedChain, signer: Connection) -> None:
    on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
    await must_be_sent(on, ledger, cycle())
    assert on.waits(await on.look(Block(head(11), ()))) is Waits.NOTHING


async def test_what_owes_another_side_comes_before_all_plans_but_cycles(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    """Cycles use no inventory and no exchange; what failed owes nothing, and has cost its gas."""
    plan = sells_on_chain()
    on = desk(ledger, chain, ScriptedSimulator(plan), signer)
    sent = await must_be_sent(on, ledger, plan)
    chain.count = 1
    chain.receipts[sent.tx_hash] = replace(reverts(sent, 11), status=1)
    found = await on.look(Block(head(11), ()))
    assert on.waits(found) is Waits.CYCLES
    ((_, at),) = found.awaited
    assert at is not None
    assert on.waits(but(found, receipt=reverts(sent, 11))) is Waits.NOTHING
    cancelled = replace(at.attempt, kind=AttemptKind.NOOP)
    assert on.waits(but(found, attempt=cancelled)) is Waits.NOTHING


async def test_doubt_about_the_account_comes_first(ledger: Ledger, chain: ScriptedChain, signer: Connection) -> None:
    on, found = await sent_and_looked(ledger, chain, signer)
    doubtful: tuple[dict[Address, int], ...] = ({OPERATOR: 2}, {})
    assert {on.waits(replace(found, counted=each)) for each in doubtful} == {Waits.NOTHING}


async def test_looking_books_nothing_and_what_was_not_booked_is_found_again(
    ledger: Ledger, chain: ScriptedChain, signer: Connection
) -> None:
    on, found = await sent_and_looked(ledger, chain, signer)
    again = await on.look(Block(head(12), ()))
    assert again.awaited == found.awaited and len(await on.bring_home(again)) == 1
