"""What no block has taken: sent again, outbid, cancelled; and what a node's refusal is taken for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from bot.execution.transactions import Sent, TransactionDesk
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.records import Account as Held
from bot.ledger.states import IN_FLIGHT, AttemptKind, IntentState, MinedAs
from bot.plan import Plan
from bot.reasons import Reason, Refusal
from bot.signer.protocol import Cancel, Replace
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import UnsignedTransaction, read_signed
from chains.assets import Address
from chains.blocks import Block, Head, Receipt
from chains.node import SendStatus
from chains.node.sending import SendCause
from tests.bot.execution.given import NETWORK, OPERATOR, begin, cycle, head, open_ledger
from tests.bot.execution.scripted import Connection, ScriptedChain, ScriptedSimulator, desk
from tests.bot.ledger.given import ETHER, GWEI


class Killed(Exception):
    """The process ends here."""


LASTING = replace(cycle(), deadline_block=13)


async def sent(on: TransactionDesk, ledger: Ledger, plan: Plan, number: int = 10) -> Sent | Refusal:
    ledger.record_plan(plan)
    prepared = on.prepare(plan, head(number))
    verdict = await on.verdict(prepared, head(number))
    return await on.submit(prepared, verdict, head(number)) if isinstance(verdict, Verdict) else verdict


async def leaves(on: TransactionDesk, ledger: Ledger, plan: Plan, number: int = 10) -> Sent:
    answer = await sent(on, ledger, plan, number)
    assert isinstance(answer, Sent), answer
    return answer


def block(number: int, base_fee_wei: int = GWEI) -> Block:
    return Block(replace(head(number), base_fee_wei=base_fee_wei), ())


def sent_transactions(chain: ScriptedChain) -> list[UnsignedTransaction]:
    return [read_signed(raw, OPERATOR) for raw in chain.sent]


def told(ledger: Ledger, name: str) -> list[str]:
    return [event.detail for event in events(ledger) if event.name == name]


def mined(tx_hash: str, at: Head, status: int = 1, gas: int = 21_000) -> Receipt:
    return Receipt(tx_hash, at.number, at.hash, 0, status, gas, 3 * GWEI, ())


class TestOutbidding:
    async def test_what_waited_two_blocks_is_the_same_call_for_an_eighth_more_on_both_fees(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        left = await leaves(on, ledger, LASTING)
        await on.on_block(block(11))
        assert len(chain.sent) == 1
        await on.on_block(block(12))
        first, second = sent_transactions(chain)
        assert replace(second, max_fee_wei=first.max_fee_wei, tip_wei=first.tip_wei) == first
        assert second.max_fee_wei == -(-first.max_fee_wei * 9 // 8) and second.tip_wei == -(-first.tip_wei * 9 // 8)
        assert [attempt.kind for attempt in ledger.attempts(left.intent.id)] == [AttemptKind.CALL] * 2
        assert ledger.intent(left.intent.id).state is IntentState.PENDING

    async def test_a_base_fee_that_rose_is_met(self, ledger: Ledger, chain: ScriptedChain, signer: Connection) -> None:
        plan = replace(LASTING, expected_profit_wei=10**17, legs=cycle(profit_wei=10**17).legs)
        on = desk(ledger, chain, ScriptedSimulator(plan), signer)
        await leaves(on, ledger, plan)
        await on.on_block(block(11, 30 * GWEI))
        await on.on_block(block(12, 30 * GWEI))
        assert sent_transactions(chain)[-1].max_fee_wei >= 2 * 26 * GWEI
        assert isinstance(signer.replaced[-1], Replace)

    async def test_what_would_lose_at_the_new_fees_is_cancelled_instead(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        simulator = ScriptedSimulator(LASTING)
        on = desk(ledger, chain, simulator, signer)
        await leaves(on, ledger, LASTING)
        simulator.changes = {"outcome": Outcome.REVERTED, "reason": "TooLittleGained"}
        await on.on_block(block(11))
        await on.on_block(block(12))
        noop = sent_transactions(chain)[-1]
        assert (noop.to, noop.value_wei, noop.data, noop.gas_limit) == (OPERATOR, 0, b"", 21_000)

    async def test_an_unanswered_simulation_neither_outbids_nor_cancels(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        simulator = ScriptedSimulator(LASTING)
        on = desk(ledger, chain, simulator, signer)
        await leaves(on, ledger, LASTING)
        simulator.changes = {"outcome": Outcome.INVALID, "reason": "no answer"}
        await on.on_block(block(11))
        await on.on_block(block(12))
        assert len(chain.sent) == 2 and len(set(chain.sent)) == 1

    async def test_beyond_the_caps_the_same_bytes_go_again(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        await leaves(on, ledger, LASTING)
        await on.on_block(block(11, 250 * GWEI))
        await on.on_block(block(12, 250 * GWEI))
        assert len(chain.sent) == 2 and len(set(chain.sent)) == 1
        assert signer.replaced == []

    async def test_a_noop_dearer_than_what_it_saves_from_is_told_once_and_signed_when_it_no_longer_is(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        left = await leaves(on, ledger, cycle())
        worst_wei = ledger.intent(left.intent.id).worst.loss_wei
        dear_wei = worst_wei // 21_000 + GWEI
        for number in (11, 12, 13):
            await on.on_block(block(number, dear_wei))
        assert len(set(chain.sent)) == 1
        (said,) = told(ledger, "not_cancelled")
        assert "nonce 0 of" in said and "waits until blocks charge less" in said
        await on.on_block(block(14))
        assert sent_transactions(chain)[-1].data == b"" and len(told(ledger, "not_cancelled")) == 1

    async def test_either_attempts_receipt_settles_the_intent_once(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        left = await leaves(on, ledger, LASTING)
        await on.on_block(block(11))
        await on.on_block(block(12))
        chain.receipts[left.tx_hash] = mined(left.tx_hash, head(13), status=0)
        (settled,) = await on.on_block(block(13))
        assert settled.intent.mined_as is MinedAs.REVERTED
        assert await on.on_block(block(14)) == []


class TestCancelling:
    async def test_after_its_deadline_a_noop_frees_the_nonce_and_its_gas_is_booked(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        left = await leaves(on, ledger, cycle())
        await on.on_block(block(11))
        call, noop = sent_transactions(chain)
        assert noop.nonce == call.nonce and noop.to == OPERATOR and noop.data == b""
        assert noop.max_fee_wei * 8 >= call.max_fee_wei * 9 and noop.tip_wei * 8 >= call.tip_wei * 9
        tx_hash = ledger.attempts(left.intent.id)[-1].tx_hash
        chain.receipts[tx_hash] = receipt = mined(tx_hash, head(12))
        (settled,) = await on.on_block(block(12))
        assert settled.intent.mined_as is MinedAs.NOOP and settled.profit_wei == 0
        assert ledger.balance(Held.native(NETWORK, OPERATOR)) == 10 * ETHER - receipt.gas_cost_wei
        for number in range(13, 21):
            assert signer.settled == []
            await on.on_block(block(number))
        assert signer.settled[-1].gas_cost_wei == receipt.gas_cost_wei
        assert ledger.intent(left.intent.id).state is IntentState.CANCELLED

    async def test_a_halted_strategys_transactions_are_cancelled(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        await leaves(on, ledger, LASTING)
        ledger.halt(LASTING.strategy, "a person said so")
        await on.on_block(block(11))
        assert sent_transactions(chain)[-1].data == b"" and isinstance(signer.replaced[-1], Cancel)

    async def test_a_call_that_lands_before_its_noop_counts(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        left = await leaves(on, ledger, cycle())
        await on.on_block(block(11))
        chain.receipts[left.tx_hash] = mined(left.tx_hash, head(12), status=0, gas=60_000)
        (settled,) = await on.on_block(block(12))
        assert settled.intent.mined_as is MinedAs.REVERTED

    async def test_a_noop_that_waits_is_outbid_by_a_noop(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        await leaves(on, ledger, cycle())
        for number in range(11, 16):
            await on.on_block(block(number))
        _, *noops = sent_transactions(chain)
        assert len(noops) == 3 and all(noop.data == b"" for noop in noops)
        tips = [noop.tip_wei for noop in noops]
        assert all(after * 8 >= before * 9 for before, after in pairwise(tips))

    async def test_the_next_plan_is_simulated_behind_the_noop(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        simulator = ScriptedSimulator(cycle())
        on = desk(ledger, chain, simulator, signer)
        await leaves(on, ledger, cycle())
        await on.on_block(block(11))
        simulator.plan = cycle(11)
        await leaves(on, ledger, cycle(11), 11)
        _, after = simulator.asked[-1]
        assert [transaction.data for transaction in after] == [b""]


class TestARefusal:
    @pytest.mark.parametrize("cause", [SendCause.INSUFFICIENT_FUNDS, SendCause.GAS_LIMIT, SendCause.MALFORMED])
    async def test_what_no_node_will_ever_take_is_cancelled_and_nothing_new_is_begun_meanwhile(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection, cause: SendCause
    ) -> None:
        chain.says = [cause]
        simulator = ScriptedSimulator(LASTING)
        on = desk(ledger, chain, simulator, signer)
        left = await leaves(on, ledger, LASTING)
        assert told(ledger, "send_refused")
        simulator.plan = other = cycle(profit_wei=6 * 10**15)
        refusal = await sent(on, ledger, other)
        assert isinstance(refusal, Refusal) and refusal.reason is Reason.ACCOUNT_HALTED
        await on.on_block(block(11))
        assert sent_transactions(chain)[-1].data == b""
        assert ledger.intent(left.intent.id).state is IntentState.PENDING
        assert on.refusal() is None

    async def test_one_that_cannot_be_paid_for_is_not_sent_for_ever(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        chain.says = [SendCause.INSUFFICIENT_FUNDS] * 100
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        await leaves(on, ledger, LASTING)
        for number in range(11, 76):
            await on.on_block(block(number))
        assert len(chain.sent) == 2 + 7
        assert isinstance(on.refusal(), Refusal)

    async def test_it_is_sent_in_the_very_block_that_brings_coins_however_long_there_were_none(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held = 5

        async def balance(account: Address, block: object = "latest") -> int:
            return held

        monkeypatch.setattr(chain, "balance", balance)
        chain.says = [SendCause.INSUFFICIENT_FUNDS] * 100
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        await leaves(on, ledger, LASTING)
        for number in range(11, 81):
            await on.on_block(block(number))
        refusal = on.refusal()
        assert refusal is not None and "run `isthmus executor top-up`" in refusal.detail
        held, chain.says = 6, []
        await on.on_block(block(81))
        assert on.refusal() is None

    async def test_a_fee_that_is_too_low_is_raised_at_the_next_block(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        chain.says = [SendCause.FEE_TOO_LOW]
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        await leaves(on, ledger, LASTING)
        await on.on_block(block(11))
        first, second = sent_transactions(chain)
        assert second.max_fee_wei > first.max_fee_wei and second.data == first.data


class TestANonceInDoubt:
    @pytest.mark.parametrize("cause", [SendCause.NONCE_TOO_LOW, SendCause.REPLACEMENT_UNDERPRICED])
    async def test_a_strangers_is_foreign_after_two_reads_and_halts_the_account(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection, cause: SendCause
    ) -> None:
        chain.says = [cause]
        simulator = ScriptedSimulator(LASTING)
        on = desk(ledger, chain, simulator, signer)
        chain.on_send = lambda: setattr(chain, "count", 1)
        left = await leaves(on, ledger, LASTING)
        assert ledger.intent(left.intent.id).state is IntentState.SENDING
        assert told(ledger, "nonce_in_doubt")
        await on.on_block(block(11))
        assert ledger.intent(left.intent.id).state is IntentState.FOREIGN
        refusal = on.refusal()
        assert refusal is not None and refusal.reason is Reason.ACCOUNT_HALTED
        simulator.plan = other = cycle(11)
        assert isinstance(await sent(on, ledger, other, 11), Refusal)
        assert len(chain.sent) == 1

    async def test_our_own_is_pending(self, ledger: Ledger, chain: ScriptedChain, signer: Connection) -> None:
        chain.says = [SendStatus.UNKNOWN, SendCause.NONCE_TOO_LOW]
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        left = await leaves(on, ledger, LASTING)
        chain.pool.add(left.tx_hash)
        chain.count = 1
        await on.on_block(block(11))
        assert ledger.intent(left.intent.id).state is IntentState.PENDING
        chain.receipts[left.tx_hash] = mined(left.tx_hash, head(12), status=0)
        (settled,) = await on.on_block(block(12))
        assert settled.intent.id == left.intent.id and on.refusal() is None

    async def test_an_earlier_attempt_that_is_still_known_is_no_stranger(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        chain.says = [SendStatus.ACCEPTED, SendCause.REPLACEMENT_UNDERPRICED]
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        left = await leaves(on, ledger, LASTING)
        chain.pool.add(left.tx_hash)
        await on.on_block(block(11))
        await on.on_block(block(12))
        assert ledger.intent(left.intent.id).state is IntentState.PENDING and on.refusal() is None

    async def test_what_a_node_took_and_another_lacks_is_no_strangers_before_the_chain_counts_it(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        chain.says = [SendStatus.ACCEPTED, *[SendCause.REPLACEMENT_UNDERPRICED] * 100]
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        left = await leaves(on, ledger, LASTING)
        for number in range(11, 20):
            await on.on_block(block(number))
        assert told(ledger, "nonce_in_doubt")
        assert ledger.intent(left.intent.id).state in IN_FLIGHT
        chain.count, chain.receipts[left.tx_hash] = 1, mined(left.tx_hash, head(20))
        (settled,) = await on.on_block(block(20))
        assert settled.intent.id == left.intent.id and on.refusal() is None

    async def test_a_mempools_word_alone_is_no_strangers_nonce_and_what_was_refused_is_sent_again(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        chain.says = [SendCause.REPLACEMENT_UNDERPRICED]
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        left = await leaves(on, ledger, LASTING)
        assert isinstance(on.refusal(), Refusal), "nothing new leaves behind a nonce in doubt"
        await on.on_block(block(11))
        assert ledger.intent(left.intent.id).state is IntentState.PENDING and on.refusal() is None
        assert len(set(chain.sent)) == 1

    async def test_what_a_mempool_goes_on_refusing_halts_the_account_and_is_booked_if_its_nonce_comes_free(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        chain.says = [SendCause.REPLACEMENT_UNDERPRICED] * 3
        simulator = ScriptedSimulator(LASTING)
        on = desk(ledger, chain, simulator, signer)
        left = await leaves(on, ledger, LASTING)
        for number in (11, 12):
            await on.on_block(block(number))
            assert ledger.intent(left.intent.id).state in IN_FLIGHT
        halted = on.refusal()
        assert halted is not None and "mempool holds another transaction with its nonce, 0" in halted.detail
        await on.on_block(block(LASTING.deadline_block))
        noop = sent_transactions(chain)[-1]
        assert (noop.to, noop.nonce, noop.data) == (OPERATOR, 0, b"")
        newest = ledger.attempts(left.intent.id)[-1]
        chain.count, chain.receipts[newest.tx_hash] = 1, mined(newest.tx_hash, head(14))
        await on.on_block(block(14))
        assert ledger.intent(left.intent.id).mined_as is MinedAs.NOOP
        ledger.resume(f"account:{OPERATOR}", "looked")
        simulator.plan = other = cycle(14)
        assert isinstance(await sent(on, ledger, other, 14), Sent)
        assert sent_transactions(chain)[-1].nonce == 1

    async def test_what_the_account_sent_outside_is_told_in_the_same_block_and_halts_in_the_next(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        chain.count = 1
        await on.on_block(block(11))
        assert told(ledger, "foreign_nonce_suspected") and isinstance(on.refusal(), Refusal)
        chain.count = 0
        await on.on_block(block(12))
        assert on.refusal() is None, "one reading proves nothing"
        chain.count = 1
        await on.on_block(block(13))
        await on.on_block(block(14))
        chain.count = 0
        await on.on_block(block(15))
        refusal = on.refusal()
        assert refusal is not None and "isthmus resume" in refusal.detail

    async def test_what_the_account_sent_outside_is_skipped_once_a_person_resumed_it(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        chain.count = 2
        for number in (11, 12):
            await on.on_block(block(number))
        ledger.resume(f"account:{OPERATOR}", "it was me")
        await on.on_block(block(13))
        assert on.refusal() is None and ledger.next_nonce(OPERATOR) == 2
        chain.count = 3
        for number in (14, 15):
            await on.on_block(block(number))
        assert ledger.halted_because(f"account:{OPERATOR}") is not None, "that word was not about this one"


class TestARestart:
    async def test_what_was_sent_by_hand_meanwhile_keeps_no_run_from_bringing_home_what_is_in_flight(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        left = await leaves(desk(ledger, chain, ScriptedSimulator(LASTING), signer), ledger, LASTING)
        chain.count = 2
        again = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        await again.start()
        assert isinstance(again.refusal(), Refusal), "nothing new leaves before it is known what that was"
        chain.receipts[left.tx_hash] = mined(left.tx_hash, head(11))
        (settled,) = await again.on_block(block(11))
        assert settled.intent.id == left.intent.id
        assert ledger.halted_because(f"account:{OPERATOR}") is not None
        ledger.resume(f"account:{OPERATOR}", "it was me")
        await again.on_block(block(12))
        assert again.refusal() is None and ledger.next_nonce(OPERATOR) == 2

    async def test_a_replacement_that_was_signed_and_not_sent_is_sent(
        self, tmp_path: Path, chain: ScriptedChain, signer: Connection
    ) -> None:
        ledger = open_ledger(tmp_path / "killed.db")
        on = desk(ledger, chain, ScriptedSimulator(LASTING), signer)
        left = await leaves(on, ledger, LASTING)

        def killed() -> None:
            raise Killed

        await on.on_block(block(11))
        chain.on_send = killed
        with pytest.raises(Killed):
            await on.on_block(block(12))
        ledger.close()
        chain.on_send = lambda: None
        ledger = Ledger.open(str(tmp_path / "killed.db"), ledger._clock)
        begin(ledger)
        simulator = ScriptedSimulator(LASTING)
        again = desk(ledger, chain, simulator, signer)
        await again.start()
        assert chain.sent[-1] == ledger.attempts(left.intent.id)[-1].raw != chain.sent[0]
        assert ledger.intent(left.intent.id).state is IntentState.PENDING
        simulator.plan = other = cycle(12)
        await leaves(again, ledger, other, 12)
        assert simulator.asked[-1][1] == (read_signed(chain.sent[1], OPERATOR),), "it goes behind what is in flight"
        ledger.close()

    async def test_a_signature_whose_answer_was_lost_is_asked_for_again(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        left = await leaves(on, ledger, cycle())
        signer.lost = [Cancel]
        await on.on_block(block(11))
        assert told(ledger, "not_cancelled") and len(ledger.attempts(left.intent.id)) == 1
        await on.on_block(block(12))
        assert ledger.attempts(left.intent.id)[-1].kind is AttemptKind.NOOP


class TestWhatWasNotSigned:
    """It raises no fee: nobody has seen what was only asked for."""

    async def test_a_noop_asked_for_in_vain_for_long_offers_an_eighth_more_than_the_call(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        await leaves(on, ledger, cycle())
        signer.away = True
        for number in range(11, 60):
            await on.on_block(block(number))
        assert len(told(ledger, "not_cancelled")) == 49
        signer.away = False
        await on.on_block(block(60))
        call, noop = sent_transactions(chain)[0], sent_transactions(chain)[-1]
        assert noop.data == b""
        assert (noop.max_fee_wei, noop.tip_wei) == (-(-call.max_fee_wei * 9 // 8), -(-call.tip_wei * 9 // 8))

    @pytest.mark.parametrize("trouble", ["simulator", "signer"])
    async def test_a_call_that_was_not_raised_at_one_block_is_raised_by_an_eighth_at_the_next(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection, trouble: str
    ) -> None:
        chain.says = [SendCause.FEE_TOO_LOW] * 2
        simulator = ScriptedSimulator(LASTING)
        on = desk(ledger, chain, simulator, signer)
        await leaves(on, ledger, LASTING)
        signer.away = trouble == "signer"
        simulator.changes = {"outcome": Outcome.INVALID, "reason": "no answer"} if trouble == "simulator" else {}
        await on.on_block(block(11))
        signer.away, simulator.changes = False, {}
        await on.on_block(block(12))
        first, second, third = sent_transactions(chain)
        assert first == second and third.data == first.data
        assert (third.max_fee_wei, third.tip_wei) == (-(-first.max_fee_wei * 9 // 8), -(-first.tip_wei * 9 // 8))

    @pytest.mark.parametrize("base_fee_wei", [GWEI // 2, 2 * GWEI, 20 * GWEI])
    async def test_a_signature_whose_answer_was_lost_is_found_again_whatever_the_market_does(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection, base_fee_wei: int
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        left = await leaves(on, ledger, cycle())
        signer.lost = [Cancel]
        await on.on_block(block(11, 10 * GWEI))
        await on.on_block(block(12, base_fee_wei))
        if base_fee_wei < 10 * GWEI:
            assert signer.replaced[0] == signer.replaced[1], "the same again gives the same bytes"
        else:
            await on.on_block(block(13, base_fee_wei))
        assert ledger.attempts(left.intent.id)[-1].kind is AttemptKind.NOOP
