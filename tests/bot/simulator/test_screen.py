"""Verdicts in this process against the fork's and the chain's: the same to the wei, or none at all."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from bot.simulator import FinalVerdict, Overlay
from bot.simulator.verdict import Outcome
from bot.transaction import UnsignedTransaction
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS
from tests.bot.simulator.assembly import assemble
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import (
    ETHER,
    GWEI,
    ODD,
    OWNER,
    REVERTER,
    STRANGER,
    both,
    call_data,
    placed,
    simulator,
    simulator_at,
    world,
)


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


@needs_evm
@pytest.mark.parametrize("size", [0, 1])
async def test_behind_what_creates_a_contract_it_does_what_the_fork_says(size: int):
    balance = "CALLDATASIZE @balance JUMPI {} 0 SSTORE STOP balance: 0 SLOAD 0 MSTORE 32 0 RETURN"
    # Twice at one address: the second creation fails, and brings no address to store.
    creation = assemble(f"{size} 0 RETURN")
    creating = f"0x{creation.hex()} 0 MSTORE 0 {len(creation)} {32 - len(creation)} 0 CREATE2"
    async with world() as on, simulator(on, final=FinalVerdict.IN_PROCESS) as here, simulator(on) as fork:
        await placed(on, "0x" + assemble(balance.format(creating)).hex())
        head, first = await on.head(), await on.transaction(ODD)
        second = replace(first, nonce=first.nonce + 1)
        verdict = await here.verdict(second, head, [(OWNER, ODD)], [first])
        there = await fork.verdict(second, head, [(OWNER, ODD)], [first])
        assert replace(verdict, made_at_s=0) == replace(there, made_at_s=0)
        assert verdict.delta(OWNER, ODD) < 0


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
