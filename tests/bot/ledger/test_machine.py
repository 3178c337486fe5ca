"""The journal as a state machine: random acts, crashes and reorgs, against a model of what must be true."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import partial

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
from bot.ledger.states import IN_FLIGHT, INTENT_MOVES, MAY_HAVE_LEFT, AttemptKind, IntentState
from bot.transaction import Fees
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
class Tried:
    """A signed transaction of an intent: its hash is that of `number`."""

    number: int
    kind: AttemptKind
    fees: Fees
    left: bool = False


@dataclass
class Expected:
    id: int
    number: int
    nonce: int
    state: IntentState
    attempts: list[Tried] = field(default_factory=list)
    gain: int = 0
    gas: int = 0
    block: int | None = None
    noop: bool = False

    @property
    def left(self) -> bool:
        return any(attempt.left for attempt in self.attempts)

    @property
    def worst_gas_wei(self) -> int:
        return max((FEES.worst_cost_wei, *(attempt.fees.worst_cost_wei for attempt in self.attempts)))


class JournalMachine(RuleBasedStateMachine):
    """Every rule picks any intent: a legal move must happen, an illegal one must raise and change nothing."""

    url: str
    ledger: Ledger

    @initialize()
    def start(self) -> None:
        self.instance = f"0xinstance{next(_instances)}"
        begin(self.ledger, self.instance)
        self.intents: list[Expected] = []
        self.blocks = itertools.count(1)
        self.hashes = itertools.count(1)

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
        if intent.state in (IntentState.RESERVED, IntentState.SIGNED) and (intent.left or intent.nonce != max(held)):
            with pytest.raises(IllegalMove, match=r"would be stuck|was sent before"):
                self.ledger.release(intent.id, "test")
            return
        self.attempt(intent, IntentState.RELEASED, lambda: self.ledger.release(intent.id, "test"))

    @precondition(lambda self: self.intents)
    @rule(data=st.data(), kind=st.sampled_from(AttemptKind), raised_ppm=st.sampled_from((0, 124_999, 125_000, 300_000)))
    def sign(self, data: st.DataObject, kind: AttemptKind, raised_ppm: int) -> None:
        intent = self.any_intent(data)
        old = intent.attempts[-1].fees if intent.attempts else FEES
        max_fee, tip = (-(-fee * (10**6 + raised_ppm) // 10**6) for fee in (old.max_fee_wei, old.tip_wei))
        fees = Fees(FEES.gas_limit if kind is AttemptKind.CALL else 21_000, max_fee, tip)
        tried = Tried(next(self.hashes), kind, fees)
        sign = partial(self.ledger.record_signed, intent.id, b"raw", hash_of("tx", tried.number), fees, kind)
        calls_again = kind is AttemptKind.CALL and any(one.kind is AttemptKind.NOOP for one in intent.attempts)
        if calls_again or any(one.left and not _replaces(fees, one.fees) for one in intent.attempts):
            with pytest.raises(IllegalMove):
                sign()
        elif self.attempt(intent, IntentState.SIGNED, sign):
            intent.attempts.append(tried)

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        if self.attempt(intent, IntentState.SENDING, lambda: self.ledger.mark_sending(intent.id)):
            intent.attempts[-1].left = True

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def find_foreign(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        if intent.state is IntentState.SIGNED and not intent.left:
            with pytest.raises(IllegalMove, match="was never sent"):
                self.ledger.mark_foreign(intent.id, "test")
        elif IntentState.FOREIGN in INTENT_MOVES[intent.state]:
            self.attempt(intent, IntentState.FOREIGN, lambda: self.ledger.mark_foreign(intent.id, "test"))

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
        if not intent.attempts:
            mined = receipt(intent.number, block=hash_of(self.instance, block))
            with pytest.raises(LedgerError, match="is not one of intent"):
                self.ledger.record_mined(intent.id, mined, {})
            return
        tried = data.draw(st.sampled_from(intent.attempts), label="attempt")
        noop = tried.kind is AttemptKind.NOOP
        mined = receipt(tried.number, status=int(noop or not reverted), block=hash_of(self.instance, block))
        deltas: dict[Account, int] = {} if reverted or noop else {INVENTORY_WETH: gain}
        if not tried.left:
            with pytest.raises(LedgerError, match="never marked as being sent"):
                self.ledger.record_mined(intent.id, mined, deltas)
        elif self.attempt(intent, IntentState.MINED, lambda: self.ledger.record_mined(intent.id, mined, deltas)):
            self.ledger.record_mined(intent.id, mined, deltas)
            intent.gain, intent.gas, intent.block = sum(deltas.values()), GAS_COST_WEI, block
            intent.noop = noop

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def reorganise(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        if intent.state in (IntentState.FINAL, IntentState.CANCELLED):
            with pytest.raises(LedgerError, match="stop and look"):
                self.ledger.undo_block(hash_of(self.instance, intent.block or 0))
        elif intent.state is IntentState.MINED:
            self.ledger.undo_block(hash_of(self.instance, intent.block or 0))
            intent.state, intent.gain, intent.gas, intent.block = IntentState.PENDING, 0, 0, None

    @precondition(lambda self: self.intents)
    @rule(data=st.data())
    def finalise(self, data: st.DataObject) -> None:
        intent = self.any_intent(data)
        ends_as = IntentState.CANCELLED if intent.noop else IntentState.FINAL
        self.attempt(intent, ends_as, lambda: self.ledger.mark_final(intent.id))

    @rule()
    def crash(self) -> None:
        self.ledger.close()
        JournalMachine.ledger = Ledger.open(self.url, StandingClock())
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

    @invariant()
    def the_worst_of_every_attempt_is_reserved(self) -> None:
        for intent in self.intents:
            assert self.ledger.intent(intent.id).worst.gas_wei == intent.worst_gas_wei

    @invariant()
    def attempts_that_left_are_marked_so(self) -> None:
        for intent in self.intents:
            if intent.state is not IntentState.RELEASED:
                marked = [attempt.state in MAY_HAVE_LEFT for attempt in self.ledger.attempts(intent.id)]
                assert marked == [attempt.left for attempt in intent.attempts]


def _replaces(new: Fees, old: Fees) -> bool:
    """By cross-multiplication: at least an eighth more, of both."""
    pairs = ((new.max_fee_wei, old.max_fee_wei), (new.tip_wei, old.tip_wei))
    return all(8 * fee >= 9 * before for fee, before in pairs)


def test_random_acts_crashes_and_reorgs_keep_journal_and_books_true(url: str) -> None:
    JournalMachine.url = url
    JournalMachine.ledger = open_ledger(url)
    run_state_machine_as_test(
        JournalMachine,
        settings=settings(
            max_examples=4 if "://" in url else 10,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
    JournalMachine.ledger.close()
