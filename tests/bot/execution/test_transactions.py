"""One plan, one nonce, one set of bytes: written down before each step, and taken up again where it stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.records import Account as Held
from bot.ledger.records import WorstCase
from bot.ledger.states import IntentState, MinedAs
from bot.reasons import Reason, Refusal
from bot.signer.protocol import Settle, SignRequest
from bot.simulator.verdict import Outcome, Verdict
from chains.assets import Address
from chains.blocks import Block
from chains.node import SendStatus
from tests.bot.execution.carrying import block, carried, gains, must_be_sent, reverts, touch
from tests.bot.execution.given import (
    EXECUTOR,
    INVENTORY,
    NETWORK,
    OPERATOR,
    POOL,
    cycle,
    head,
    sells_on_chain,
)
from tests.bot.execution.scripted import (
    FEE_POLICY,
    FINALITY_BLOCKS,
    GAS_USED,
    Connection,
    ScriptedChain,
    ScriptedSimulator,
    desk,
)
from tests.bot.ledger.given import ETHER, hash_of
from tests.bot.market.samples import WETH
from tests.chains.pools.samples import at

STRANGER = at(77)


def _events(ledger: Ledger, name: str) -> list[str]:
    return [event.detail for event in events(ledger) if event.name == name]


class TestTheWayOut:
    async def test_each_step_is_written_down_before_the_next(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        plan, seen = cycle(), list[IntentState]()
        chain.on_send = lambda: seen.extend(intent.state for intent in ledger.open_intents())
        on = desk(ledger, chain, ScriptedSimulator(plan), signer)
        sent = await must_be_sent(on, ledger, plan)
        assert seen == [IntentState.SENDING]
        assert ledger.intent(sent.intent.id).state is IntentState.PENDING
        (attempt,) = ledger.attempts(sent.intent.id)
        assert chain.sent == [attempt.raw] and attempt.tx_hash == sent.tx_hash

    async def test_the_signed_transaction_is_the_simulated_one(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        simulator = ScriptedSimulator(cycle())
        sent = await must_be_sent(desk(ledger, chain, simulator, signer), ledger, cycle())
        ((asked, after),) = simulator.asked
        assert after == () and sent.verdict.tx_digest == asked.digest
        (raw,) = chain.sent
        assert TypedTransaction.from_bytes(HexBytes(raw)).hash() == keccak(asked.payload())
        assert Account.recover_transaction(raw) == OPERATOR

    async def test_the_next_transaction_is_simulated_behind_those_in_flight(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        first, second = cycle(), cycle(profit_wei=6 * 10**15)
        simulator = ScriptedSimulator(first)
        on = desk(ledger, chain, simulator, signer)
        await must_be_sent(on, ledger, first)
        simulator.plan = second
        sent = await must_be_sent(on, ledger, second)
        (before, _), (_, after) = simulator.asked
        assert after == (before,) and sent.intent.nonce == 1

    async def test_gas_and_what_unwinding_may_cost_are_reserved(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        prepared = on.prepare(cycle(), head(10))
        gas = prepared.fees.worst_cost_wei
        assert prepared.worst == WorstCase(gas, gas, 0)
        two_sided = on.prepare(sells_on_chain(weth=2 * ETHER), head(10)).worst
        gas = on.prepare(sells_on_chain(weth=2 * ETHER), head(10)).fees.worst_cost_wei
        assert two_sided == WorstCase(gas + 2 * ETHER // 100, gas, 2 * ETHER)

    async def test_a_two_sided_plan_is_signed_too(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        plan = sells_on_chain()
        await must_be_sent(desk(ledger, chain, ScriptedSimulator(plan), signer), ledger, plan)


class TestTheVerdict:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"outcome": Outcome.REVERTED, "reason": "TooLittleGained"}, Reason.SIM_REVERTED),
            ({"outcome": Outcome.INVALID, "reason": "no answer"}, Reason.SIM_INVALID),
        ],
    )
    async def test_a_plan_that_fails_on_the_fork_goes_no_further(
        self, ledger: Ledger, chain: ScriptedChain, changes: dict[str, object], reason: Reason
    ) -> None:
        refusal = await carried(desk(ledger, chain, ScriptedSimulator(cycle(), **changes), None), ledger, cycle())
        assert refusal == Refusal(reason, str(changes["reason"]))

    @pytest.mark.parametrize("missing", [0, 1])
    async def test_the_least_profit_is_enough_and_a_wei_less_is_not(
        self, ledger: Ledger, chain: ScriptedChain, missing: int
    ) -> None:
        gas_cost = GAS_USED * FEE_POLICY.gas_price_wei(head(10))
        shown = cycle().min_profit_wei + gas_cost - missing
        deltas = {(EXECUTOR, Address(WETH.address)): shown}
        on = desk(ledger, chain, ScriptedSimulator(cycle(), deltas=deltas), None)
        ledger.record_plan(cycle())
        verdict = await on.verdict(on.prepare(cycle(), head(10)), head(10))
        if missing:
            assert isinstance(verdict, Refusal) and verdict.reason is Reason.SIM_BELOW_MIN_PROFIT
        else:
            assert isinstance(verdict, Verdict)

    @pytest.mark.parametrize("own", [0, 1])
    async def test_what_a_token_keeps_is_not_paid_of_what_the_executor_has_of_it(
        self, ledger: Ledger, chain: ScriptedChain, own: int
    ) -> None:
        plan = sells_on_chain()
        first, last = plan.swaps[0], plan.swaps[-1]
        deltas = {
            (INVENTORY, Address(first.token_in.address)): -first.amount_in,
            (INVENTORY, Address(last.token_out.address)): last.amount_out,
            (EXECUTOR, Address(first.token_in.address)): -own,
        }
        on = desk(ledger, chain, ScriptedSimulator(plan, deltas=deltas), None)
        ledger.record_plan(plan)
        judged = await on.verdict(on.prepare(plan, head(10)), head(10))
        assert (isinstance(judged, Refusal) and judged.reason is Reason.TOKEN_TAX) == bool(own)


class TestARefusal:
    async def test_it_gives_the_nonce_back_here_and_in_the_signer(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        # The answer is lost: the signer has signed, and its journal holds the nonce.
        signer.lost = [SignRequest]
        simulator = ScriptedSimulator(cycle())
        on = desk(ledger, chain, simulator, signer)
        refusal = await carried(on, ledger, cycle())
        assert isinstance(refusal, Refusal) and refusal.reason is Reason.SIGNER_UNREACHABLE
        assert chain.sent == [] and ledger.open_intents() == () and ledger.next_nonce(OPERATOR) == 0
        simulator.plan = cycle(11)
        sent = await must_be_sent(on, ledger, cycle(11), number=11)
        assert sent.intent.nonce == 0

    async def test_a_nonce_the_signer_was_not_told_is_free_is_freed_when_it_is_needed(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        signer.lost = [SignRequest]
        simulator = ScriptedSimulator(cycle())
        on = desk(ledger, chain, simulator, signer)
        refuse = signer.settle

        async def dropped(settle: Settle) -> Refusal:
            signer.settle = refuse  # type: ignore[method-assign]
            return Refusal(Reason.SIGNER_UNREACHABLE, "hung up before it was heard")

        signer.settle = dropped  # type: ignore[method-assign, assignment]
        assert isinstance(await carried(on, ledger, cycle()), Refusal)
        simulator.plan = cycle(11)
        sent = await must_be_sent(on, ledger, cycle(11), number=11)
        assert sent.intent.nonce == 0

    async def test_what_the_signers_policy_forbids_is_refused_by_its_code(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        plan = replace(cycle(), strategy="another")
        refusal = await carried(desk(ledger, chain, ScriptedSimulator(plan), signer), ledger, plan)
        assert isinstance(refusal, Refusal) and refusal.reason is Reason.SIGNER_STRATEGY
        assert chain.sent == [] and ledger.next_nonce(OPERATOR) == 0

    async def test_the_same_decision_is_never_acted_on_twice(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        """A chain that is reorganised to and fro shows the same block, and the strategy decides the same."""
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        await must_be_sent(on, ledger, cycle())
        again = await carried(on, ledger, cycle())
        assert isinstance(again, Refusal) and again.reason is Reason.ALREADY_DECIDED
        assert len(chain.sent) == 1


class TestALostReply:
    async def test_the_same_bytes_are_sent_again_until_a_node_knows_them(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        chain.says = [SendStatus.UNKNOWN, SendStatus.UNKNOWN, SendStatus.ALREADY_KNOWN]
        plan = replace(cycle(), deadline_block=13)
        on = desk(ledger, chain, ScriptedSimulator(plan), signer)
        sent = await must_be_sent(on, ledger, plan)
        assert ledger.intent(sent.intent.id).state is IntentState.SENDING
        assert _events(ledger, "send_unresolved")
        for number in (11, 12):
            await on.on_block(block(number))
        assert len(chain.sent) == 3 and len(set(chain.sent)) == 1
        assert ledger.intent(sent.intent.id).state is IntentState.PENDING

    async def test_a_receipt_settles_it_though_no_node_ever_acknowledged_it(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        chain.says = [SendStatus.REFUSED]
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        sent = await must_be_sent(on, ledger, cycle())
        chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)
        (settled,) = await on.on_block(block(11))
        assert settled.intent.state is IntentState.MINED and len(chain.sent) == 1


class TestSettlement:
    async def test_what_was_gained_is_booked_and_the_signer_is_told_once_it_is_final(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        plan = cycle()
        on = desk(ledger, chain, ScriptedSimulator(plan), signer)
        sent = await must_be_sent(on, ledger, plan)
        receipt = chain.receipts[sent.tx_hash] = gains(plan, sent, 11)
        (settled,) = await on.on_block(block(11))
        assert (settled.profit_wei, settled.explanation) == (plan.expected_profit_wei, "")
        assert ledger.balance(Held(NETWORK, EXECUTOR, WETH.address)) == plan.expected_profit_wei
        assert ledger.balance(Held.native(NETWORK, OPERATOR)) == 10 * ETHER - receipt.gas_cost_wei
        assert ledger.profit_of(sent.intent.id) == plan.expected_profit_wei - receipt.gas_cost_wei
        for number in range(12, 11 + FINALITY_BLOCKS):
            assert await on.on_block(block(number)) == []
        assert signer.settled == []
        assert await on.on_block(block(11 + FINALITY_BLOCKS)) == []
        assert signer.settled == [Settle(f"{sent.intent.id}:{plan.id}", receipt.gas_cost_wei, plan.expected_profit_wei)]

    @pytest.mark.parametrize("told", [{"gas_used": 10**7}, {"effective_gas_price_wei": 10**14}], ids=str)
    async def test_a_receipt_that_charges_more_than_was_signed_for_is_not_booked(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection, told: dict[str, int]
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        sent = await must_be_sent(on, ledger, cycle())
        true = gains(cycle(), sent, 11)
        chain.receipts[sent.tx_hash] = replace(true, **told)  # type: ignore[arg-type]
        assert await on.on_block(block(11)) == []
        assert len(_events(ledger, "impossible_receipt")) == 1
        chain.receipts[sent.tx_hash], chain.followed[11] = true, true.block_hash
        (settled,) = await on.on_block(block(12))
        assert settled.receipt == true
        chain.receipts[sent.tx_hash] = replace(true, **told)  # type: ignore[arg-type]
        again = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        await again.start()
        chain.receipts[sent.tx_hash] = true
        for number in range(12, 12 + FINALITY_BLOCKS):
            await again.on_block(block(number))
        assert [settle.gas_cost_wei for settle in signer.settled] == [true.gas_cost_wei]

    async def test_a_reverted_transaction_costs_its_gas_and_is_explained(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        sent = await must_be_sent(on, ledger, cycle())
        receipt = chain.receipts[sent.tx_hash] = reverts(sent, 11)
        (settled,) = await on.on_block(block(11, touch(11, index=1)))
        assert settled.intent.mined_as is MinedAs.REVERTED and settled.profit_wei == 0
        assert ledger.profit_of(sent.intent.id) == -receipt.gas_cost_wei
        (told,) = _events(ledger, "not_as_simulated")
        assert "reverted" in told and POOL.address in told and hash_of("other", 1) in told
        assert settled.suspects is not None and [other.tx_hash for other in settled.others] == [hash_of("other", 1)]

    async def test_a_revert_that_nothing_explains_names_the_tokens_that_nothing_vouches_for(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        there, back = cycle().swaps
        odd = replace(there.token_out, symbol="ODD")
        plan = replace(cycle(), legs=(replace(there, token_out=odd), replace(back, token_in=odd)))
        on = desk(ledger, chain, ScriptedSimulator(plan), signer)
        sent = await must_be_sent(on, ledger, plan)
        chain.receipts[sent.tx_hash] = reverts(sent, 11)
        (settled,) = await on.on_block(block(11))
        assert settled.suspects == {odd} and not settled.others
        assert settled.least > plan.amount_in, "gas and the least profit come on top"

    async def test_what_a_chain_that_stood_still_took_too_late_is_told_so_and_blames_no_token(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        plan = replace(cycle(), deadline_s=head(10).timestamp_s + 60)
        on = desk(ledger, chain, ScriptedSimulator(plan), signer)
        sent = await must_be_sent(on, ledger, plan)
        chain.receipts[sent.tx_hash] = reverts(sent, 11)
        late = replace(head(11), timestamp_s=plan.deadline_s + 3)
        (settled,) = await on.on_block(Block(late, ()))
        assert settled.explanation.endswith("it landed in block 11, which was made 3 s after its deadline")
        assert settled.suspects is None

    async def test_a_smaller_gain_names_who_moved_its_pool_before_it(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        sent = await must_be_sent(on, ledger, cycle())
        chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11, short=7)
        others = [touch(11, index=1), touch(11, index=4), touch(11, index=2, pool=STRANGER)]
        (settled,) = await on.on_block(block(11, *others))
        assert hash_of("other", 1) in settled.explanation
        assert hash_of("other", 4) not in settled.explanation, "it came after"
        assert hash_of("other", 2) not in settled.explanation, "it moved another pool"
        assert settled.profit_wei == cycle().expected_profit_wei - 7

    async def test_a_touch_before_the_decision_explains_nothing(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        await on.on_block(block(10, touch(10, index=1)))
        sent = await must_be_sent(on, ledger, cycle())
        chain.receipts[sent.tx_hash] = reverts(sent, 11)
        (settled,) = await on.on_block(block(11))
        assert "no other transaction touched its pools" in settled.explanation

    async def test_a_transaction_that_came_too_late_says_so(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        sent = await must_be_sent(on, ledger, cycle())
        await on.on_block(block(11))
        chain.receipts[sent.tx_hash] = reverts(sent, 12)
        (settled,) = await on.on_block(block(12))
        assert "after its deadline, block 11" in settled.explanation

    async def test_a_receipt_of_a_block_not_taken_in_yet_has_to_wait(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        """That block may still be reorganised away without ever having been told of."""
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        sent = await must_be_sent(on, ledger, cycle())
        chain.receipts[sent.tx_hash] = gains(cycle(), sent, 12)
        assert await on.on_block(block(11)) == []
        chain.receipts[sent.tx_hash] = gains(cycle(), sent, 12, block=hash_of("sibling", 12))
        assert await on.on_block(block(12)) == []
        chain.receipts[sent.tx_hash] = gains(cycle(), sent, 12)
        assert len(await on.on_block(block(12))) == 1

    async def test_what_lies_deep_enough_is_final(
        self, ledger: Ledger, chain: ScriptedChain, signer: Connection
    ) -> None:
        on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
        sent = await must_be_sent(on, ledger, cycle())
        chain.receipts[sent.tx_hash] = gains(cycle(), sent, 11)
        for number in range(11, 11 + FINALITY_BLOCKS):
            await on.on_block(block(number))
            assert ledger.intent(sent.intent.id).state is IntentState.MINED
        await on.on_block(block(11 + FINALITY_BLOCKS))
        assert ledger.intent(sent.intent.id).state is IntentState.FINAL
