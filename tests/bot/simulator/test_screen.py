"""Verdicts in this process against the fork's and the chain's: the same to the wei, or none at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from bot.reasons import Reason
from bot.rpc import HttpRpc, NodeRpc
from bot.simulator import FinalVerdict, Overlay, Simulator, screen
from bot.simulator import local as local_evm
from bot.simulator.local import LocalEvm, Missed
from bot.simulator.question import SURROUNDINGS, Answer, Question
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import UnsignedTransaction
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Head
from tests.bot.execution.given import head
from tests.bot.simulator.assembly import assemble, pays_when
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import (
    ETHER,
    GWEI,
    OWNER,
    REVERTER,
    STRANGER,
    World,
    call_data,
    simulator,
    simulator_at,
    twin,
    world,
)
from tests.chains.node.support import node_on

ODD = address("0x" + "0d" * 20)
TITAN = SURROUNDINGS[0].coinbase
WHAT_TITAN_COSTS = f"GAS {TITAN} BALANCE POP GAS SWAP1 SUB"
"""The gas of looking at an account: little in the block that pays it (EIP-3651)."""


async def placed(on: World, code: str, at: Address = ODD) -> None:
    await on.anvil.rpc("anvil_setCode", at, code)
    await on.anvil.rpc("evm_mine")


async def both(
    fork: Simulator,
    tx: UnsignedTransaction,
    head: Head,
    watch: list[tuple[Address, Address]],
    after: Sequence[UnsignedTransaction] = (),
) -> Verdict:
    """The fork's verdict, which this process must have given too."""
    here = await fork.screened(tx, head, watch, after)
    there = await fork.verdict(tx, head, watch, after)
    assert here is not None
    assert replace(here, made_at_s=0) == replace(there, made_at_s=0)
    return there


@needs_evm
async def test_this_process_says_what_the_fork_says_of_swaps_transfers_refunds_and_reverts():
    async with world() as on, simulator(on) as fork:
        watch = [(OWNER, token) for token in on.tokens] + [(STRANGER, on.tokens[0]), (STRANGER, ZERO_ADDRESS)]
        head = await on.head()
        base_fee = head.next_base_fee_wei()
        refunded = call_data("approve(address,uint256)", on.router, 0)
        cases = [
            (await on.swap(12_345, (0, 1, 2, 0)), Outcome.OK),
            (await on.swap(3 * 10**23, (0, 1, 2, 0)), Outcome.OK),
            (await on.swap(1, (0, 1, 2, 0)), Outcome.REVERTED),
            (await on.swap(ETHER, (1, 2), max_fee_wei=base_fee + 5, tip_wei=base_fee), Outcome.OK),
            (await on.transaction(STRANGER, value_wei=123_456_789), Outcome.OK),
            (await on.transaction(on.tokens[0], refunded), Outcome.OK),
            (await on.transaction(REVERTER, b"\x00" * 900 + b"\x01" * 100), Outcome.REVERTED),
            (await on.transaction(on.tokens[0], refunded, gas_limit=25_000), Outcome.REVERTED),
        ]
        for _ in range(2):
            for tx, outcome in cases:
                assert (await both(fork, tx, head, watch)).outcome is outcome


@needs_evm
async def test_transient_storage_lasts_for_one_transaction_here_as_there():
    async with world() as on, simulator(on) as fork:
        counting = "0 TLOAD 1 ADD DUP1 0 TSTORE 0 SSTORE STOP"
        balance = f"CALLDATASIZE 36 EQ @balance JUMPI {counting} balance: 0 SLOAD 0 TLOAD ADD 0 MSTORE 32 0 RETURN"
        await placed(on, "0x" + assemble(balance).hex())
        head = await on.head()
        for _ in range(2):
            verdict = await both(fork, await on.transaction(ODD), head, [(OWNER, ODD)])
            assert verdict.delta(OWNER, ODD) == 1


@needs_evm
async def test_the_next_block_is_read_at_once_and_judged_as_it_is():
    async with world() as on, simulator(on) as fork:
        watch = [(OWNER, token) for token in on.tokens]
        for _ in range(3):
            head, tx = await on.head(), await on.swap(10**22, (0, 1))
            await fork.prepare(head)
            await both(fork, tx, head, watch)
            await on.really(head, tx)


@needs_evm
async def test_a_block_is_known_by_the_word_of_the_node_and_where_that_is_gone_the_fork_judges(
    monkeypatch: pytest.MonkeyPatch,
):
    asked: list[list[str]] = []
    batch = HttpRpc.batch

    async def noted(self: HttpRpc, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        asked.append([method for method, _ in calls])
        return await batch(self, calls)

    async with (
        world() as on,
        node_on(on.anvil.ws_url, network=twin()) as node,
        simulator(on, final=FinalVerdict.IN_PROCESS, node=NodeRpc(node)) as here,
    ):
        watch = [(OWNER, token) for token in on.tokens]

        async def judged() -> None:
            head, tx = await on.head(), await on.swap(10**21, (0, 1))
            await here.prepare(head)
            verdict = await here.verdict(tx, head, watch)
            assert verdict.outcome is Outcome.OK
            before = await on.balance(OWNER, on.tokens[1])
            await on.really(head, tx)
            assert verdict.delta(OWNER, on.tokens[1]) == await on.balance(OWNER, on.tokens[1]) - before

        await judged()
        monkeypatch.setattr(HttpRpc, "batch", noted)
        called = node.calls_made
        await judged()
        assert (node.calls_made > called, asked, here.pid) == (True, [], None)
        await node.close()
        await judged()


@needs_evm
async def test_an_evm_is_moved_from_block_to_block_and_answers_as_the_fork_does(monkeypatch: pytest.MonkeyPatch):
    made: list[LocalEvm] = []
    first_filled = LocalEvm.__init__

    def noted(self: LocalEvm, *arguments: Any) -> None:
        made.append(self)
        first_filled(self, *arguments)

    monkeypatch.setattr(LocalEvm, "__init__", noted)
    async with world() as on, simulator(on) as fork:
        watch = [(OWNER, token) for token in on.tokens]
        for path in ((0, 1), (1, 0)):
            await both(fork, await on.swap(10**22, path), await on.head(), watch)
        first = len(made)
        for path in ((0, 1), (1, 0), (0, 1)):
            head, tx = await on.head(), await on.swap(10**21, path)
            follows = await on.swap(10**20, path, nonce=tx.nonce + 1)
            await both(fork, tx, head, watch)
            await both(fork, follows, head, watch, [tx])
            await on.really(head, tx)
        assert len(made) == first


@needs_evm
async def test_where_this_process_has_the_last_word_no_fork_is_started_while_the_node_traces():
    async with world() as on, simulator_at(on.anvil.http_url, final=FinalVerdict.IN_PROCESS) as here:
        for path in ((0, 1), (1, 2), (0, 1)):
            head, tx = await on.head(), await on.swap(10**22, path)
            await here.prepare(head)
            verdict = await here.verdict(tx, head, [(OWNER, token) for token in on.tokens])
            assert verdict.outcome is Outcome.OK and here.pid is None
            before = await on.balance(OWNER, on.tokens[path[-1]])
            await on.really(head, tx)
            gained = await on.balance(OWNER, on.tokens[path[-1]]) - before
            assert verdict.delta(OWNER, on.tokens[path[-1]]) == gained > 0


@pytest.mark.parametrize(
    "told", [{"gas": 21_000, "failed": False, "returnValue": "", "structLogs": []}, {OWNER: None}, None, "0x"], ids=str
)
async def test_a_node_that_traces_in_its_own_way_leaves_the_verdict_to_the_fork(
    monkeypatch: pytest.MonkeyPatch, told: object
):
    batch = HttpRpc.batch

    async def traces_otherwise(self: HttpRpc, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        answers = await batch(self, calls)
        return [
            told if method == "debug_traceCall" else answer for (method, _), answer in zip(calls, answers, strict=True)
        ]

    monkeypatch.setattr(HttpRpc, "batch", traces_otherwise)
    async with world() as on, simulator_at(on.anvil.http_url, final=FinalVerdict.IN_PROCESS) as here:
        for _ in range(2):
            head, tx = await on.head(), await on.swap(10**22, (0, 1))
            await here.prepare(head)
            verdict = await here.verdict(tx, head, [(OWNER, token) for token in on.tokens])
            assert verdict.outcome is Outcome.OK and here.pid is not None
            await on.really(head, tx)


@needs_evm
@pytest.mark.parametrize("misses", [False, True])
async def test_the_evm_stands_on_a_head_before_it_is_asked_there_unless_it_misses(
    monkeypatch: pytest.MonkeyPatch, misses: bool
):
    async with world() as on, simulator_at(on.anvil.http_url, final=FinalVerdict.IN_PROCESS) as here:
        watch = [(OWNER, token) for token in on.tokens]
        head, tx = await on.head(), await on.swap(10**22, (0, 1))
        assert (await here.verdict(tx, head, watch)).outcome is Outcome.OK
        await on.really(head, tx)
        head, tx = await on.head(), await on.swap(10**21, (0, 1))
        if misses:
            monkeypatch.setattr(LocalEvm, "_before", Mock(side_effect=Missed))
        await here.prepare(head)
        await asyncio.gather(*here._preparing)
        monkeypatch.undo()
        laid, asked = (Mock(side_effect=getattr(LocalEvm, name)) for name in ("_lay", "_balances"))
        monkeypatch.setattr(LocalEvm, "_lay", lambda *given: laid(*given))
        monkeypatch.setattr(LocalEvm, "_balances", lambda *given: asked(*given))
        verdict = await here.verdict(tx, head, watch)
        assert (laid.call_count, asked.call_count) == ((1, 2) if misses else (0, 1))
        before = await on.balance(OWNER, on.tokens[1])
        await on.really(head, tx)
        assert verdict.delta(OWNER, on.tokens[1]) == await on.balance(OWNER, on.tokens[1]) - before


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


async def test_what_a_new_head_is_asked_was_worked_out_before_and_has_all_that_was_learned_since():
    asked: list[Sequence[Any]] = []

    class Node:
        async def rpc(self, method: str, *params: Any) -> Any:
            raise AssertionError

        async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
            ((_, (call, _, code)),) = calls
            asked.append((call, code))
            # Of each account it is told the address and the length, and says the balance and the code's hash.
            return ["0x" + "00" * (len(call["input"]) // 2 - 1)]

    screened = screen.Screen(31337)
    first, second = (head(number) for number in (10, 11))
    known = {"balance": "0x1", "nonce": 1, "code": "0x00", "storage": {"0x7": "0x8"}}
    screened.store.learn(first.hash, {ODD: known})
    screened.make_ready()
    made_ready = screened._ready
    screened.make_ready()
    assert screened._ready is made_ready, "nothing was learned since"
    screened.store.learn(first.hash, {OWNER: known})
    await screened.renew(second, Node())
    ((_, code),) = asked
    assert {ODD, OWNER} < code.keys() and screened.stands_on(second)
    assert screened.store.slots == {ODD: {7: 0}, OWNER: {7: 0}}


@needs_evm
async def test_an_evm_that_takes_misses_for_zero_is_found_out(monkeypatch: pytest.MonkeyPatch):
    """The test of the test above: with a hole for a node, the same questions get other answers."""
    monkeypatch.setattr(local_evm, "_NOWHERE", None)
    async with world() as on, simulator(on) as fork:
        head = await on.head()
        await both(fork, await on.swap(ETHER, (0, 1)), head, [(OWNER, on.tokens[1])])
        with pytest.raises(AssertionError):
            await both(fork, await on.swap(ETHER, (1, 2)), head, [(OWNER, on.tokens[1])])


@needs_evm
async def test_behind_other_transactions_it_answers_what_the_fork_does_and_forgets_them():
    async with world() as on, simulator(on) as fork:
        head = await on.head()
        watch = [(OWNER, token) for token in on.tokens[:2]]
        first = await on.swap(10**22, (0, 1))
        second = await on.swap(10**21, (0, 1), nonce=first.nonce + 1)
        third = await on.swap(ETHER, (1, 0), nonce=first.nonce + 2)
        at_first = await both(fork, first, head, watch)
        behind = await both(fork, second, head, watch, [first])
        await both(fork, third, head, watch, [first, second])
        again = await both(fork, first, head, watch)
        assert replace(again, made_at_s=0) == replace(at_first, made_at_s=0)
        unhindered = await both(fork, replace(second, nonce=first.nonce), head, watch)
        assert behind.delta(*watch[1]) < unhindered.delta(*watch[1])


@pytest.mark.parametrize("final", FinalVerdict)
async def test_behind_what_its_sender_cannot_pay_for_there_is_no_verdict(final: FinalVerdict):
    async with world() as on, simulator(on, final=final) as fork:
        await on.anvil.rpc("anvil_setBalance", OWNER, hex(ETHER // 100))
        await on.anvil.rpc("evm_mine")
        head, watch = await on.head(), [(OWNER, token) for token in on.tokens]
        first = await on.swap(12_345, (0, 1, 2, 0))
        assert (await fork.verdict(first, head, watch)).outcome is Outcome.OK
        await fork.screened(first, head, watch)
        dear, behind = replace(first, max_fee_wei=100 * GWEI, tip_wei=99 * GWEI), replace(first, nonce=first.nonce + 1)
        assert await fork.screened(behind, head, watch, [dear]) is None
        assert (await fork.verdict(behind, head, watch, [dear])).outcome is Outcome.INVALID
        assert (await fork.verdict(first, head, watch)).outcome is Outcome.OK


@pytest.mark.parametrize(
    "code",
    ["BASEFEE ISZERO @pay JUMPI STOP pay: STOP", "1 NUMBER SUB BLOCKHASH POP STOP"],
    ids=["basefee", "blockhash"],
)
async def test_code_that_asks_what_this_process_cannot_say_is_left_to_the_fork(code: str):
    async with world() as on, simulator(on) as fork:
        await placed(on, "0x" + assemble(code).hex())
        head, tx = await on.head(), await on.transaction(ODD)
        for _ in range(2):
            assert await fork.screened(tx, head, []) is None
        assert (await fork.verdict(tx, head, [])).outcome is Outcome.OK


@pytest.mark.parametrize("condition", ["COINBASE ISZERO", "BASEFEE ISZERO", "GASPRICE ISZERO", "PREVRANDAO ISZERO"])
@pytest.mark.parametrize("final", FinalVerdict)
async def test_a_token_that_pays_only_a_simulator_pays_nothing_here(condition: str, final: FinalVerdict):
    async with world() as on, simulator(on, final=final) as fork:
        await placed(on, pays_when(condition))
        verdict = await fork.verdict(await on.transaction(ODD), await on.head(), [(OWNER, ODD)])
        assert (verdict.outcome, verdict.delta(OWNER, ODD)) == (Outcome.OK, 0)


@pytest.mark.parametrize(
    "condition", [f"COINBASE {TITAN} EQ", "COINBASE 1 AND", "PREVRANDAO 1 AND", f"{WHAT_TITAN_COSTS} 1000 GT"]
)
@pytest.mark.parametrize("final", FinalVerdict)
async def test_what_one_builders_block_pays_and_anothers_does_not_is_refused_by_name(
    condition: str, final: FinalVerdict
):
    async with world() as on, simulator(on, final=final) as fork:
        await placed(on, pays_when(condition))
        verdict = await fork.verdict(await on.transaction(ODD), await on.head(), [(OWNER, ODD)])
        assert (verdict.outcome, verdict.cause) == (Outcome.INVALID, Reason.SIM_COINBASES_DISAGREE)
        assert "another builder's block" in verdict.reason


@needs_evm
async def test_what_cannot_tell_who_builds_the_block_runs_once_and_all_else_in_each_builders(
    monkeypatch: pytest.MonkeyPatch,
):
    answered: list[bool] = []

    class Counted(local_evm.LocalEvm):
        def answer(self, question: Question) -> Answer:
            answer = super().answer(question)
            answered.append(self._surroundings.nobodys)
            return answer

    monkeypatch.setattr(screen, "LocalEvm", Counted)
    async with world() as on, simulator(on, final=FinalVerdict.IN_PROCESS) as here, simulator(on) as fork:
        await placed(on, "0x" + assemble("PREVRANDAO POP STOP").hex())
        head = await on.head()
        for tx, ran in ((await on.swap(ETHER, (0, 1)), [True]), (await on.transaction(ODD), [False, False])):
            for _ in range(2):
                answered.clear()
                verdict = await here.verdict(tx, head, [(OWNER, on.tokens[1])])
                there = await fork.verdict(tx, head, [(OWNER, on.tokens[1])])
                assert replace(verdict, made_at_s=0) == replace(there, made_at_s=0)
                assert answered == ran


async def test_one_builder_more_succeeding_or_burning_gas_is_refused_too():
    async with world() as on, simulator(on) as fork:
        burn = "2000 burn: 1 SWAP1 SUB DUP1 @burn JUMPI STOP"
        for body in ("0 0 REVERT", burn):
            await placed(on, "0x" + assemble(f"COINBASE {TITAN} EQ @odd JUMPI STOP odd: {body}").hex())
            verdict = await fork.verdict(await on.transaction(ODD), await on.head(), [])
            assert verdict.cause is Reason.SIM_COINBASES_DISAGREE


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


async def test_the_last_word_in_this_process_needs_the_fork_only_for_what_it_does_not_know():
    async with world() as on, simulator(on, final=FinalVerdict.IN_PROCESS) as fork:
        watch = [(OWNER, on.tokens[1])]
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        first = await fork.verdict(tx, head, watch)
        await on.anvil.close()
        assert replace(await fork.verdict(tx, head, watch), made_at_s=0) == replace(first, made_at_s=0)
        unknown = await fork.verdict(untouched(tx, on), head, watch)
        assert unknown.outcome is Outcome.INVALID
        assert (unknown.gas_used, unknown.deltas) == (0, {})


def untouched(tx: UnsignedTransaction, on: World) -> UnsignedTransaction:
    """A transaction to a contract that was not touched."""
    return replace(tx, to=on.tokens[2], data=call_data("transfer(address,uint256)", STRANGER, 1))


@needs_evm
async def test_a_node_that_dies_between_two_blocks_leaves_nothing_known():
    async with world() as on, simulator(on) as fork:
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        assert await fork.screened(tx, head, []) is not None
        await on.anvil.close()
        later = replace(head, number=head.number + 1, hash="0x" + "12" * 32)
        assert await fork.screened(tx, later, []) is None
        assert (await fork.verdict(tx, later, [])).outcome is Outcome.INVALID


@needs_evm
async def test_an_overlay_is_seen_in_this_process_and_its_change_too():
    async with world() as on:
        token = on.tokens[0]
        watch = [(STRANGER, token), (OWNER, token)]
        head = await on.head()
        data = call_data("transfer(address,uint256)", OWNER, 500)
        tx = UnsignedTransaction(31337, 9, STRANGER, token, 0, data, 100_000, 5 * GWEI, GWEI)
        async with simulator(on) as fork:
            for held, outcome in ((500, Outcome.OK), (499, Outcome.REVERTED), (501, Outcome.OK)):
                fork.overlay = Overlay(native={STRANGER: ETHER}, nonces={STRANGER: 9}, tokens={(STRANGER, token): held})
                assert (await both(fork, tx, head, watch)).outcome is outcome


@needs_evm
async def test_a_fork_of_a_fork_of_a_fork_says_the_same():
    async with world() as on, Anvil(["--fork-url", on.anvil.http_url, "--no-mining"]) as middle:
        head, tx = await on.head(), await on.swap(ETHER, (0, 1, 2))
        watch = [(OWNER, on.tokens[2])]
        async with simulator(on) as near, simulator_at(middle.http_url) as far:
            first = await both(near, tx, head, watch)
            assert replace(await both(far, tx, head, watch), made_at_s=0) == replace(first, made_at_s=0)
            processes = [near.pid, far.pid]
        for pid in processes:
            assert pid is not None
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


async def test_a_python_without_an_evm_leaves_everything_to_the_fork(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local_evm, "available", lambda: False)
    async with world() as on, simulator(on, final=FinalVerdict.IN_PROCESS) as fork:
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        assert await fork.screened(tx, head, []) is None
        assert (await fork.verdict(tx, head, [])).outcome is Outcome.OK
        assert "no EVM" in str(fork.screening)


@needs_evm
async def test_verdicts_of_two_blocks_asked_at_once_do_not_mix():
    async with world() as on, simulator(on) as fork:
        watch = [(OWNER, on.tokens[1])]
        old, tx = await on.head(), await on.swap(10**23, (0, 1))
        first = await both(fork, tx, old, watch)
        await on.really(old, tx)
        new, later = await on.head(), replace(tx, nonce=tx.nonce + 1)
        asked = [(tx, old), (later, new)] * 3
        found = await asyncio.gather(*(fork.screened(each, head, watch) for each, head in asked))
        told = [verdict.delta(*watch[0]) for verdict in found if verdict is not None and verdict.outcome is Outcome.OK]
        assert first.delta(*watch[0]) in told
        assert all(
            verdict is None or verdict.block_hash == head.hash for verdict, (_, head) in zip(found, asked, strict=True)
        )
