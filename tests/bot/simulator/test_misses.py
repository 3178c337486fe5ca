"""What this process does not know or cannot say is learned or left to the fork, and never taken for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest

from bot.rpc import HttpRpc
from bot.simulator import FinalVerdict, screen
from bot.simulator import local as local_evm
from bot.simulator.local import LocalEvm
from bot.simulator.question import Answer, Question
from bot.simulator.verdict import Outcome
from chains.assets import address
from tests.bot.simulator.assembly import assemble
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import (
    ETHER,
    ODD,
    OWNER,
    both,
    placed,
    simulator,
    world,
)


@needs_evm
async def test_what_no_run_touched_before_is_learned_and_not_taken_for_nothing():
    async with world() as on, simulator(on) as fork:
        head = await on.head()
        for path in ((0, 1), (1, 2), (2, 0), (0, 2, 1)):
            await both(fork, await on.swap(ETHER, path), head, [(OWNER, on.tokens[path[-1]])])


@needs_evm
async def test_what_misses_runs_again_only_once_something_was_learned(monkeypatch: pytest.MonkeyPatch):
    ran: list[Question] = []
    asked: list[list[str]] = []
    made_meanwhile: list[int] = []
    made, answer, batch = Mock(side_effect=LocalEvm), LocalEvm.answer, HttpRpc.batch

    def running(self: LocalEvm, question: Question) -> Answer:
        ran.append(question)
        return answer(self, question)

    async def noted(self: HttpRpc, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        asked.append([method for method, _ in calls])
        made.reset_mock()
        answers = await batch(self, calls)
        await asyncio.sleep(0.01)
        made_meanwhile.append(made.call_count)
        return answers

    monkeypatch.setattr(screen, "LocalEvm", made)
    monkeypatch.setattr(LocalEvm, "answer", running)
    monkeypatch.setattr(HttpRpc, "batch", noted)
    async with world() as on, simulator(on, final=FinalVerdict.IN_PROCESS) as here:
        head = await on.head()
        assert (await here.verdict(await on.swap(ETHER, (0, 1)), head, [])).outcome is Outcome.OK
        ran.clear()
        asked.clear()
        assert (await here.verdict(await on.swap(ETHER, (1, 2)), head, [])).outcome is Outcome.OK
        assert asked == [["debug_traceCall", "debug_traceCall"]]
        assert len(ran) == 2, "in nobody's block, and once more when it was learned"
        assert made_meanwhile[-1] == 1 and made.call_count == 1, "what ran again was made while the node was asked"
        ran.clear()
        await placed(on, "0x" + assemble("0 SLOAD 0 MSTORE 32 0 RETURN").hex())
        assert (await here.verdict(await on.transaction(ODD), await on.head(), [(OWNER, ODD)])).outcome is Outcome.OK
    assert len(ran) == 1, "what can only miss spends no EVM"


@needs_evm
async def test_an_evm_that_takes_misses_for_zero_is_found_out(monkeypatch: pytest.MonkeyPatch):
    """The test of the test above: with a hole for a node, the same questions get other answers."""
    monkeypatch.setattr(local_evm, "_NOWHERE", None)
    async with world() as on, simulator(on) as fork:
        head = await on.head()
        await both(fork, await on.swap(ETHER, (0, 1)), head, [(OWNER, on.tokens[1])])
        with pytest.raises(AssertionError):
            await both(fork, await on.swap(ETHER, (1, 2)), head, [(OWNER, on.tokens[1])])


@pytest.mark.parametrize(
    "code",
    [
        "BASEFEE ISZERO @pay JUMPI STOP pay: STOP",
        "1 NUMBER SUB BLOCKHASH POP STOP",
        # A base of 1,100 bytes, which only Cancun's takes.
        "1100 0 MSTORE 1 32 MSTORE 1100 64 MSTORE 32 0 2400 0 5 GAS STATICCALL 0 SSTORE STOP",
    ],
    ids=["basefee", "blockhash", "modexp"],
)
async def test_code_that_asks_what_this_process_cannot_say_is_left_to_the_fork(code: str):
    async with world() as on, simulator(on) as fork:
        await placed(on, "0x" + assemble(code).hex())
        head, tx = await on.head(), await on.transaction(ODD)
        for _ in range(2):
            assert await fork.screened(tx, head, []) is None
        assert (await fork.verdict(tx, head, [])).outcome is Outcome.OK


async def test_a_python_without_an_evm_leaves_everything_to_the_fork(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local_evm, "available", lambda: False)
    async with world() as on, simulator(on, final=FinalVerdict.IN_PROCESS) as fork:
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        assert await fork.screened(tx, head, []) is None
        assert (await fork.verdict(tx, head, [])).outcome is Outcome.OK
        assert "no EVM" in str(fork.screening)


async def test_a_token_that_does_not_tell_its_balance_is_named_among_those_that_do():
    codes = {
        "it reverts": "0 0 REVERT",
        "it answers nothing": "STOP",
        "it answers too much": "64 0 RETURN",
        "it takes all the gas it gets": "more: @more JUMP",
        "it writes when it is read": "0 SLOAD 1 ADD 0 SSTORE 32 0 RETURN",
    }
    async with world() as on, simulator(on) as fork, simulator(on, final=FinalVerdict.IN_PROCESS) as here:
        tokens = {why: address(f"0x{0x0D << 144 | at:040x}") for at, why in enumerate(codes)}
        for why, token in tokens.items():
            await on.anvil.rpc("anvil_setCode", token, "0x" + assemble(codes[why]).hex())
        await on.anvil.rpc("evm_mine")
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        for simulated in (fork, here):
            for why, token in tokens.items():
                watch = [(OWNER, on.tokens[0]), (OWNER, token), (OWNER, on.tokens[1])]
                verdict = await simulated.verdict(tx, head, watch)
                assert (verdict.outcome, verdict.reason) == (
                    Outcome.INVALID,
                    f"token {token} does not tell the balance of {OWNER}",
                ), why
        assert here.screening.left == 0
