"""An EVM that is moved from block to block answers as one that is made anew, and does not keep what is forgotten."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.simulator import analysed
from bot.simulator.analysed import AnalysedAccounts
from bot.simulator.local import LocalEvm
from bot.simulator.question import SURROUNDINGS, Answer, Environment, Surroundings, ask
from bot.simulator.reader import Readings
from bot.simulator.screen import _EVERYWHERE
from bot.simulator.state import StateStore
from bot.transaction import UnsignedTransaction
from chains.assets import ZERO_ADDRESS, address
from tests.bot.execution.given import head
from tests.bot.simulator.assembly import assemble
from tests.bot.simulator.evm import needs_evm

pytestmark = needs_evm

CHAIN_ID = 31337
ETHER, GWEI = 10**18, 10**9
SENDER, COUNTER = address("0x" + "5e" * 20), address("0x" + "c0" * 20)
BALANCE = "balance: 0 SLOAD 0 MSTORE 32 0 RETURN"
COUNTS = assemble(f"CALLDATASIZE 36 EQ @balance JUMPI NUMBER 0 SLOAD ADD 0 SSTORE STOP {BALANCE}")
DOUBLES = assemble(f"CALLDATASIZE 36 EQ @balance JUMPI 0 SLOAD 0 SLOAD ADD 0 SSTORE STOP {BALANCE}")
ASKS = assemble(f"CALLDATASIZE 36 EQ @balance JUMPI COINBASE 0 SLOAD ADD 0 SSTORE STOP {BALANCE}")

states = st.tuples(st.integers(0, 2**64), st.integers(0, 3), st.sampled_from([COUNTS, DOUBLES]), st.integers(0, 2))
surroundings = st.sampled_from([SURROUNDINGS[0], Surroundings.of_nobody()])


def known(number: int, slot: int, nonce: int, code: bytes, ether: int) -> StateStore:
    """The counter's slot, its code and coin, and the sender's nonce, as of block `number`."""
    store = StateStore()
    counter = {"balance": hex(ether * ETHER), "nonce": 1, "code": "0x" + code.hex(), "storage": {"0x0": hex(slot)}}
    store.learn(head(number).hash, {COUNTER: counter, SENDER: {"balance": hex(ETHER), "nonce": nonce, "code": "0x"}})
    store.learn_others(Readings(dict.fromkeys(_EVERYWHERE, 0), {}, dict.fromkeys(_EVERYWHERE, keccak(b""))))
    return store


def environment(number: int, gas_limit: int = 30_000_000) -> Environment:
    on = replace(head(number), gas_limit=gas_limit)
    return Environment(on, 12, on.next_base_fee_wei())


def asked(evm: LocalEvm, number: int, nonce: int) -> tuple[Answer, Answer]:
    """The counter counted once, and once more behind that."""
    at = environment(number)
    first, second = (
        UnsignedTransaction(CHAIN_ID, nonce + more, SENDER, COUNTER, 0, b"", 100_000, at.base_fee_wei + GWEI, GWEI)
        for more in (0, 1)
    )
    watched = [(SENDER, COUNTER), (COUNTER, ZERO_ADDRESS)]
    return evm.answer(ask(first, (), watched, at)), evm.answer(ask(second, (first,), watched, at))


@settings(max_examples=25, deadline=None)
@given(st.lists(states, min_size=2, max_size=5), surroundings)
def test_it_answers_as_one_made_anew(blocks: list[tuple[int, int, bytes, int]], where: Surroundings) -> None:
    accounts = AnalysedAccounts()
    moved: LocalEvm | None = None
    for number, (slot, nonce, code, ether) in enumerate(blocks, 10):
        store = known(number, slot, nonce, code, ether)
        if moved is None:
            moved = LocalEvm(store, environment(number), where, CHAIN_ID, accounts)
        else:
            assert moved.move(store, environment(number))
            moved.look_again()
        anew = LocalEvm(store, environment(number), where, CHAIN_ID, AnalysedAccounts())
        answers = asked(moved, number, nonce)
        assert answers == asked(anew, number, nonce)
        moved.analyse()
        assert answers == asked(moved, number, nonce)
        assert answers[0].deltas[SENDER, COUNTER] == (number + 1 if code == COUNTS else slot)


def test_code_is_analysed_between_two_blocks_and_not_while_a_question_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    evm = LocalEvm(known(10, 7, 0, COUNTS, 0), environment(10), SURROUNDINGS[0], CHAIN_ID, AnalysedAccounts())
    created = Mock(side_effect=analysed._created)
    monkeypatch.setattr(analysed, "_created", created)
    answers = asked(evm, 10, 0)
    assert created.call_count == 0
    evm.analyse()
    assert created.call_count == 1
    assert asked(evm, 10, 0) == answers
    evm.analyse()
    assert created.call_count == 1


def test_it_is_not_moved_where_something_is_not_known_any_more() -> None:
    before = known(10, 7, 0, COUNTS, 0)
    for forgets in ("account", "slot"):
        evm = LocalEvm(before, environment(10), SURROUNDINGS[0], CHAIN_ID, AnalysedAccounts())
        after = known(11, 8, 0, COUNTS, 0)
        if forgets == "account":
            del after.accounts[COUNTER]
        after.slots[COUNTER] = {}
        assert not evm.move(after, environment(11))


def test_it_is_not_moved_to_a_block_of_another_gas_limit() -> None:
    """The EVM keeps the one it was made with."""
    evm = LocalEvm(known(10, 7, 0, COUNTS, 0), environment(10), SURROUNDINGS[0], CHAIN_ID, AnalysedAccounts())
    assert not evm.move(known(11, 7, 0, COUNTS, 0), environment(11, 90_000))


def test_it_is_not_moved_to_where_code_may_not_run_any_more() -> None:
    evm = LocalEvm(known(10, 7, 0, COUNTS, 0), environment(10), Surroundings.of_nobody(), CHAIN_ID, AnalysedAccounts())
    assert not evm.move(known(11, 7, 0, ASKS, 0), environment(11))
