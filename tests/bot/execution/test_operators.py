"""Several operator keys: who takes the next plan, and how one that is stuck leaves the others alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.execution.transactions import Sent, TransactionDesk
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.states import AttemptKind, IntentState
from bot.plan import Plan
from bot.reasons import Reason
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import Fees, read_signed
from chains.assets import Address
from chains.blocks import Block, Receipt
from chains.node.sending import SendCause
from tests.bot.execution.given import OPERATOR, WORST, cycle, head
from tests.bot.execution.scripted import (
    IDENTITY,
    POLICY,
    Connection,
    ScriptedChain,
    ScriptedSimulator,
    desk,
    signer_at,
)
from tests.bot.ledger.given import ETHER, GWEI
from tests.bot.signer.test_operators import SECOND, SECOND_KEY

BOTH = replace(IDENTITY, further_operators=(SECOND,))


class Chain(ScriptedChain):
    """Counts transactions, and holds coins, for each key."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = {OPERATOR: 0, SECOND: 0}
        self.coins = {OPERATOR: ETHER, SECOND: ETHER}

    async def nonce(self, account: Address, block: object = "latest") -> int:
        return self.counts[account]

    async def balance(self, account: Address, block: object = "latest") -> int:
        return self.coins[account]


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Connection]:
    with signer_at(tmp_path, replace(POLICY, further_operators=(SECOND,)), [SECOND_KEY]) as connection:
        yield connection


@pytest.fixture
async def on(ledger: Ledger, chain: Chain, signer: Connection) -> TransactionDesk:
    opened = desk(ledger, chain, ScriptedSimulator(plan(0)), signer, identity=BOTH)
    await opened.start()
    return opened


def plan(number: int, at: int = 10) -> Plan:
    return replace(cycle(at), note=f"plan {number}", deadline_block=at + 3)


async def sent(on: TransactionDesk, ledger: Ledger, number: int, at: int = 10) -> Sent:
    ledger.record_plan(plan(number, at))
    prepared = on.prepare(plan(number, at), head(at))
    verdict = await on.verdict(prepared, head(at))
    assert isinstance(verdict, Verdict)
    answer = await on.submit(prepared, verdict, head(at))
    assert isinstance(answer, Sent), answer
    return answer


async def senders(on: TransactionDesk, ledger: Ledger, numbers: range, at: int = 10) -> list[tuple[Address, int]]:
    """Who sends each plan, with which nonce."""
    intents = [(await sent(on, ledger, number, at)).intent for number in numbers]
    return [(intent.sender, intent.nonce) for intent in intents]


def told(ledger: Ledger, name: str) -> list[str]:
    return [event.detail for event in events(ledger) if event.name == name]


async def test_the_key_with_the_fewest_in_flight_takes_the_next_plan_with_a_nonce_of_its_own(
    on: TransactionDesk, ledger: Ledger, chain: Chain
) -> None:
    assert await senders(on, ledger, range(4)) == [(OPERATOR, 0), (SECOND, 0), (OPERATOR, 1), (SECOND, 1)]
    assert [read_signed(raw, SECOND).nonce for raw in chain.sent] == [0, 0, 1, 1]


async def test_a_key_that_no_node_takes_anything_from_does_not_stop_the_other(
    on: TransactionDesk, ledger: Ledger, chain: Chain
) -> None:
    chain.says = [SendCause.INSUFFICIENT_FUNDS]
    stuck = await sent(on, ledger, 0)
    assert await senders(on, ledger, range(1, 4)) == [(SECOND, 0), (SECOND, 1), (SECOND, 2)]
    simulator = on._simulator
    assert isinstance(simulator, ScriptedSimulator)
    behind = [[other.sender for other in after] for _, after in simulator.asked]
    assert behind == [[], [], [SECOND], [SECOND, SECOND]], "nothing waits behind what cannot land"
    assert on.refusal() is None
    await on.on_block(Block(head(11), ()))
    newest = ledger.attempts(stuck.intent.id)[-1]
    assert newest.kind is AttemptKind.NOOP, "it is cancelled by the key that holds its nonce"
    assert read_signed(newest.raw, OPERATOR).to == OPERATOR


async def test_a_halted_account_is_one_key_less_and_all_halted_are_none(on: TransactionDesk, ledger: Ledger) -> None:
    ledger.halt(f"account:{OPERATOR}", "another program uses this key")
    assert await senders(on, ledger, range(2)) == [(SECOND, 0), (SECOND, 1)]
    ledger.halt(f"account:{SECOND}", "another program uses this key")
    refused = on.refusal()
    assert refused is not None and refused.reason is Reason.ACCOUNT_HALTED


async def test_a_key_behind_which_enough_wait_is_passed_over_and_all_are_until_a_block_takes_one(
    ledger: Ledger, chain: Chain, signer: Connection
) -> None:
    simulator = ScriptedSimulator(plan(0))
    on = desk(ledger, chain, simulator, signer, identity=BOTH, most_in_flight=2)
    await on.start()
    assert await senders(on, ledger, range(3)) == [(OPERATOR, 0), (SECOND, 0), (OPERATOR, 1)]
    assert await senders(on, ledger, range(3, 4)) == [(SECOND, 1)]
    refused = on.refusal(plan(4))
    assert refused is not None and refused.reason is Reason.TOO_MANY_IN_FLIGHT
    assert f"2 transactions of {OPERATOR} wait for a block, and execution.most_in_flight is 2" in refused.detail
    ledger.record_plan(plan(4))
    again = on.prepare(plan(4), head(10))
    verdict = await on.verdict(again, head(10))
    assert isinstance(verdict, Verdict)
    assert await on.submit(again, verdict, head(10)) == refused, "nothing is reserved for what may not leave"
    assert len(simulator.asked[-1][1]) == 4, "what waits is expected to land"
    assert on.refusal(replace(plan(4), unwinds="what is owed")) is None

    first = ledger.attempts(1)[-1].tx_hash
    chain.counts[OPERATOR] = 1
    chain.receipts[first] = Receipt(first, 11, head(11).hash, 0, 0, 21_000, 3 * GWEI, ())
    await on.on_block(Block(head(11), ()))
    assert on.refusal(plan(4)) is None


async def test_what_unwinds_leaves_by_a_key_behind_which_enough_wait_and_not_by_one_that_is_halted(
    ledger: Ledger, chain: Chain, signer: Connection
) -> None:
    on = desk(ledger, chain, ScriptedSimulator(plan(0)), signer, identity=BOTH, most_in_flight=1)
    await on.start()
    ledger.halt(f"account:{OPERATOR}", "another program uses this key")
    assert await senders(on, ledger, range(1)) == [(SECOND, 0)]
    back = replace(plan(1), unwinds=plan(0).id)
    assert on.refusal(plan(1)) is not None and on.refusal(back) is None
    assert on.prepare(back, head(10)).transaction.sender == SECOND


async def test_a_key_that_cannot_pay_is_passed_over_told_once_and_taken_again_when_it_can(
    on: TransactionDesk, ledger: Ledger, chain: Chain
) -> None:
    chain.coins[OPERATOR] = GWEI
    await on.on_block(Block(head(10), ()))
    assert await senders(on, ledger, range(2)) == [(SECOND, 0), (SECOND, 1)]
    (line,) = told(ledger, "operator_short")
    assert line.startswith(f"{OPERATOR} has {GWEI} wei to spare") and "isthmus executor top-up" in line
    chain.coins[OPERATOR] = ETHER
    await on.on_block(Block(head(11), ()))
    assert await senders(on, ledger, range(2, 3), at=11) == [(OPERATOR, 0)]


async def test_what_a_key_has_in_flight_at_its_dearest_is_not_spent_again(
    on: TransactionDesk, ledger: Ledger, chain: Chain
) -> None:
    dearest = on.prepare(plan(0), head(10)).fees.worst_cost_wei
    chain.coins = {OPERATOR: 2 * dearest, SECOND: dearest}
    await on.on_block(Block(head(10), ()))
    assert await senders(on, ledger, range(3)) == [(OPERATOR, 0), (SECOND, 0), (OPERATOR, 1)]
    first = on.prepare(plan(3), head(10)).transaction.sender
    assert first == SECOND and len(told(ledger, "operator_short")) == 2, "none can pay: the node will say so"


async def test_a_gap_before_the_nonces_in_flight_stops_only_the_key_that_has_it(
    on: TransactionDesk, ledger: Ledger, chain: Chain
) -> None:
    assert await senders(on, ledger, range(2)) == [(OPERATOR, 0), (SECOND, 0)]
    chain.counts[OPERATOR] = -1
    await on.on_block(Block(head(11), ()))
    assert told(ledger, "nonce_gap") == []
    await on.on_block(Block(head(12), ()))
    assert len(told(ledger, "nonce_gap")) == 1
    assert await senders(on, ledger, range(2, 4), at=12) == [(SECOND, 1), (SECOND, 2)]
    chain.counts[OPERATOR] = 0
    await on.on_block(Block(head(13), ()))
    assert await senders(on, ledger, range(4, 5), at=13) == [(OPERATOR, 1)]


async def test_a_key_whose_transaction_the_next_block_charges_too_much_for_does_not_stop_the_other(
    on: TransactionDesk, ledger: Ledger, chain: Chain
) -> None:
    assert await senders(on, ledger, range(2)) == [(OPERATOR, 0), (SECOND, 0)]
    landed = ledger.attempts(2)[-1].tx_hash
    chain.counts[SECOND] = 1
    chain.receipts[landed] = Receipt(landed, 11, head(11).hash, 0, 0, 21_000, 3 * GWEI, ())
    simulator = on._simulator
    assert isinstance(simulator, ScriptedSimulator)
    simulator.changes = {"outcome": Outcome.INVALID}
    spike = replace(head(11), base_fee_wei=8 * GWEI)
    await on.on_block(Block(spike, ()))
    simulator.changes = {}
    ledger.record_plan(plan(3, 11))
    prepared = on.prepare(plan(3, 11), spike)
    assert prepared.transaction.sender == SECOND
    verdict = await on.verdict(prepared, spike)
    assert simulator.asked[-1] == (prepared.transaction, ()), "nothing is expected that the next block does not take"
    assert isinstance(verdict, Verdict) and isinstance(await on.submit(prepared, verdict, spike), Sent)
    assert on.prepare(plan(4, 11), spike).transaction.sender == SECOND, "with as many in flight, and more begun"


async def test_what_a_key_sent_that_is_no_operator_any_more_is_settled_before_anything_begins(
    ledger: Ledger, chain: Chain, signer: Connection
) -> None:
    ledger.set_first_nonce(SECOND, 0)
    ledger.record_plan(plan(0))
    intent = ledger.reserve(plan(0), SECOND, 0, WORST, Fees(300_000, 20 * GWEI, GWEI))
    assert intent.state is IntentState.RESERVED
    ledger.record_signed(intent.id, b"raw", "0x" + "77" * 32, sending=True)
    alone = desk(ledger, chain, ScriptedSimulator(plan(0)), signer)
    with pytest.raises(LedgerError, match=f"{SECOND} has transactions in flight .* add its key to signer.further_keys"):
        await alone.start()
