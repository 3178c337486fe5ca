"""The journal as a state machine: random acts, crashes and reorgs, against a model of what must be true."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from bot.ledger.errors import IllegalMove, LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.models import IntentRow
from bot.ledger.records import Account
from bot.ledger.states import IN_FLIGHT, INTENT_MOVES, IntentState
from tests.bot.ledger.given import (
    ETHER,
    FEES,
    GAS_COST_WEI,
    INVENTORY_WETH,
    NATIVE,
    SENDER,
    WORST,
    StandingClock,
    atomic_plan,
    begin,
    hash_of,
    open_ledger,
    receipt,
)
from tests.bot.ledger.test_books import sums_per_token

_instances = itertools.count()


@dataclass
class Expected:
    id: int
    number: int
    nonce: int
    state: IntentState
    gain: int = 0
    gas: int = 0
    block: int | None = None


class JournalMachine(RuleBasedStateMachine):
    """Every rule picks any intent: a legal move must happen, an illegal one must raise and change nothing."""

    path: Path
    ledger: Ledger

    @initialize()
    def start(self) -> None:
        self.instance = f"0xinstance{next(_instances)}"
        begin(self.ledger, self.instance)
        self.intents: list[Expected] = []
        self.blocks = itertools.count(1)

    def attempt(self, intent: Expected, wanted: IntentState, act: object) -> bool:
        assert callable(act)
        if wanted in INTENT_MOVES[intent.state]:
            act()
            intent.state = wanted
            return True
        with pytest.raises(IllegalMove):
            act()
        return False

    def any_intent(self, data: st.DataObject) -> Expected:
        return data.draw(st.sampled_from(self.intents), label="intent")

    @rule()
    def reserve(self) -> None:
        number = len(self.intents)
        held = [intent.nonce for intent in self.intents if intent.state is not IntentState.RELEASED]
        nonce = max(held, default=-1) + 1
        intent = self.ledger.reserve(atomic_plan(number), SENDER, nonce, WORST, FEES)
        self.intents.append(Expected(intent.id, number, nonce, IntentState.RESERVED))

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        held = [other.nonce for other in self.intents if other.state is not IntentState.RELEASED]
        if intent.state in (IntentState.RESERVED, IntentState.SIGNED) and intent.nonce != max(held):
            with pytest.raises(IllegalMove, match="would be stuck"):
                self.ledger.release(intent.id, "test")
            return
        self.attempt(intent, IntentState.RELEASED, lambda: self.ledger.release(intent.id, "test"))

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def sign(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        tx_hash = hash_of("tx", intent.number)
        self.attempt(intent, IntentState.SIGNED, lambda: self.ledger.record_signed(intent.id, b"raw", tx_hash))

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        self.attempt(intent, IntentState.SENDING, lambda: self.ledger.mark_sending(intent.id))

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        if intent.state is IntentState.MINED:
            return  # Undoing a block is the only way back, and has its own rule.
        if intent.state is IntentState.PENDING:
            self.ledger.mark_pending(intent.id)
            return
        self.attempt(intent, IntentState.PENDING, lambda: self.ledger.mark_pending(intent.id))

    @precondition(lambda self: self.intents)
    @rule(data=st.data(), reverted=st.booleans(), gain=st.integers(min_value=-(10**20), max_value=10**20))
    def mine(self, data: st.DataObject, reverted: bool, gain: int) -> None:
        intent = self.any_intent(data)
        block = next(self.blocks)
        mined = receipt(intent.number, status=int(not reverted), block=hash_of(self.instance, block))
        deltas: dict[Account, int] = {} if reverted else {INVENTORY_WETH: gain}
        if intent.state in (IntentState.RESERVED, IntentState.RELEASED):
            with pytest.raises(LedgerError):
                self.ledger.record_mined(intent.id, mined, deltas)
            return
        if self.attempt(intent, IntentState.MINED, lambda: self.ledger.record_mined(intent.id, mined, deltas)):
            self.ledger.record_mined(intent.id, mined, deltas)
            intent.gain, intent.gas, intent.block = sum(deltas.values()), GAS_COST_WEI, block

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def reorganise(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        if intent.state is IntentState.FINAL:
            with pytest.raises(LedgerError, match="stop and look"):
                self.ledger.undo_block(hash_of(self.instance, intent.block or 0))
        elif intent.state is IntentState.MINED:
            self.ledger.undo_block(hash_of(self.instance, intent.block or 0))
            intent.state, intent.gain, intent.gas, intent.block = IntentState.PENDING, 0, 0, None

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def finalise(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        self.attempt(intent, IntentState.FINAL, lambda: self.ledger.mark_final(intent.id))

    @rule()
    def crash(self) -> None:
        self.ledger.close()
        JournalMachine.ledger = Ledger.open(str(self.path), StandingClock())
        begin(self.ledger, self.instance) if not self.intents else self.ledger.attach()

    @invariant()
    def books_equal_the_model(self) -> None:
        balances = self.ledger.accounts()
        assert balances[INVENTORY_WETH] == 5 * ETHER + sum(intent.gain for intent in self.intents)
        assert balances[NATIVE] == 10 * ETHER - sum(intent.gas for intent in self.intents)
        assert set(sums_per_token(self.ledger).values()) == {0}

    @invariant()
    def nonces_are_contiguous_and_held_once(self) -> None:
        held = select(IntentRow.nonce).where(
            IntentRow.instance == self.instance, IntentRow.state != IntentState.RELEASED.value
        )
        with self.ledger.read() as connection:
            nonces = sorted(connection.execute(held).scalars())
        assert nonces == list(range(len(nonces)))

    @invariant()
    def open_intents_are_those_still_in_flight(self) -> None:
        in_flight = [(intent.id, intent.state) for intent in self.intents if intent.state in IN_FLIGHT]
        assert [(intent.id, intent.state) for intent in self.ledger.open_intents()] == in_flight


def test_random_acts_crashes_and_reorgs_keep_journal_and_books_true(tmp_path: Path) -> None:
    JournalMachine.path = tmp_path / "ledger.db"
    JournalMachine.ledger = open_ledger(JournalMachine.path)
    run_state_machine_as_test(
        JournalMachine,
        settings=settings(
            max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    JournalMachine.ledger.close()
