"""Verdicts against reality: the same transaction simulated on a fork, then signed and mined on the chain itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from eth_abi.abi import encode

from bot.clock import SystemClock
from bot.reasons import Reason
from bot.simulator import Overlay, RevertReasons, Simulator
from bot.simulator.reverts import CustomError
from bot.simulator.standing import Standing
from bot.simulator.verdict import Outcome
from bot.transaction import UnsignedTransaction
from chains.assets import ZERO_ADDRESS, address
from chains.blocks import Head
from tests.bot.simulator.support import (
    ETHER,
    GWEI,
    OWNER,
    REVERTER,
    REVERTER_CODE,
    STRANGER,
    World,
    call_data,
    simulator,
    twin,
    world,
)


async def assert_equals_reality(on: World, tx: UnsignedTransaction, outcome: Outcome = Outcome.OK) -> None:
    watch = [(OWNER, token) for token in on.tokens] + [(STRANGER, on.tokens[0]), (STRANGER, ZERO_ADDRESS)]
    head = await on.head()
    async with simulator(on) as fork:
        verdict = await fork.verdict(tx, head, watch)
    pairs = [(OWNER, ZERO_ADDRESS), *watch]
    before = await on.balances(pairs)
    [receipt] = await on.really(head, tx)
    after = await on.balances(pairs)
    assert verdict.outcome is outcome, verdict.reason
    assert (receipt["status"] == "0x1") == (outcome is Outcome.OK)
    assert {pair: verdict.delta(*pair) for pair in pairs} == {pair: after[pair] - before[pair] for pair in pairs}
    assert verdict.gas_used == int(receipt["gasUsed"], 16)
    assert verdict.gas_price_wei == int(receipt["effectiveGasPrice"], 16)
    assert (verdict.block_number, verdict.block_hash, verdict.tx_digest) == (head.number, head.hash, tx.digest)


@pytest.mark.parametrize(
    ("amount", "outcome"),
    [(1, Outcome.REVERTED), (12_345, Outcome.OK), (10**18 + 7, Outcome.OK), (3 * 10**23, Outcome.OK)],
)
async def test_a_swap_through_three_pools_is_foreseen_to_the_wei_and_the_unit_of_gas(amount: int, outcome: Outcome):
    async with world() as on:
        await assert_equals_reality(on, await on.swap(amount, (0, 1, 2, 0)), outcome)


async def test_a_transfer_of_coin_a_gas_refund_and_a_low_fee_cap_are_foreseen():
    async with world() as on:
        await assert_equals_reality(on, await on.transaction(STRANGER, value_wei=123_456_789))
        refunded = call_data("approve(address,uint256)", on.router, 0)
        await assert_equals_reality(on, await on.transaction(on.tokens[0], refunded))
        base_fee = (await on.head()).next_base_fee_wei()
        tight = await on.swap(ETHER, (1, 2), max_fee_wei=base_fee + 5, tip_wei=base_fee)
        await assert_equals_reality(on, tight)


async def test_a_transaction_behind_another_in_the_same_block_is_foreseen_apart_from_it():
    async with world() as on:
        watch = [(OWNER, token) for token in on.tokens]
        first = await on.swap(10**22, (0, 1))
        second = await on.swap(10**21, (0, 1), nonce=first.nonce + 1)
        head = await on.head()
        async with simulator(on) as fork:
            alone = await fork.verdict(replace(second, nonce=first.nonce), head, watch)
            behind = await fork.verdict(second, head, watch, after=[first])
            before = await fork.verdict(first, head, watch)
        start = await on.balances(watch)
        receipts = await on.really(head, first, second)
        end = await on.balances(watch)
        total = {pair: end[pair] - start[pair] for pair in watch}
        assert {pair: before.delta(*pair) + behind.delta(*pair) for pair in watch} == total
        assert [before.gas_used, behind.gas_used] == [int(receipt["gasUsed"], 16) for receipt in receipts]
        assert behind.delta(OWNER, on.tokens[1]) < alone.delta(OWNER, on.tokens[1])


async def test_many_verdicts_on_one_head_do_not_disturb_each_other():
    async with world() as on, simulator(on) as fork:
        head = await on.head()
        await fork.prepare(head)
        tx = await on.swap(ETHER, (0, 1, 2))
        watch = [(OWNER, on.tokens[2])]
        verdicts = await asyncio.gather(*(fork.verdict(tx, head, watch) for _ in range(8)))
        assert len({(v.outcome, v.gas_used, v.delta(OWNER, on.tokens[2])) for v in verdicts}) == 1
        assert verdicts[0].outcome is Outcome.OK


async def test_the_fork_moves_with_the_heads_and_back():
    async with world() as on, simulator(on) as fork:
        old = await on.head()
        tx = await on.swap(10**23, (0, 1))
        watch = [(OWNER, on.tokens[1])]
        first = await fork.verdict(tx, old, watch)
        await on.really(old, tx)
        new = await on.head()
        later = await fork.verdict(replace(tx, nonce=tx.nonce + 1), new, watch)
        again = await fork.verdict(tx, old, watch)
        assert later.delta(*watch[0]) < first.delta(*watch[0]) == again.delta(*watch[0])


async def test_a_head_that_newer_ones_have_overtaken_is_not_moved_to(monkeypatch: pytest.MonkeyPatch):
    """Where moving takes longer than a block, the newest would wait for ever more of them."""
    moved, answered = list[int](), asyncio.Event()

    async def move(standing: Standing, head: Head) -> None:
        moved.append(head.number)
        await answered.wait()

    monkeypatch.setattr(Standing, "_move", move)
    async with Simulator(twin(), "http://127.0.0.1:9", SystemClock()) as slow:
        for number in range(1, 6):
            await slow.prepare(Head(number, f"0x{number:064x}", f"0x{number - 1:064x}", number, 1, 0, 2))
            await asyncio.sleep(0)
        answered.set()
        await asyncio.gather(*slow._preparing)
    assert moved == [1, 5]


async def test_the_block_a_transaction_runs_in_is_the_one_after_the_head():
    async with world() as on, simulator(on) as fork:
        # Reverts with NUMBER, TIMESTAMP, BASEFEE, BLOCKHASH(NUMBER - 1), GASPRICE, ORIGIN.
        words = ["43", "42", "48", "6001430340", "3a", "32"]
        code = "0x" + "".join(f"{word}60{32 * i:02x}52" for i, word in enumerate(words)) + "60c06000fd"
        teller = address("0x" + "e1" * 20)
        await on.anvil.rpc("anvil_setCode", teller, code)
        await on.anvil.rpc("evm_mine")
        head = await on.head()
        verdict = await fork.verdict(await on.transaction(teller), head, [])
        told = bytes.fromhex(verdict.reason.removeprefix("reverted with 0x"))
        numbers = [int.from_bytes(told[at : at + 32], "big") for at in range(0, 192, 32)]
        base_fee = head.next_base_fee_wei()
        assert numbers[:3] == [head.number + 1, head.timestamp_s + 1, base_fee]
        assert numbers[3:] == [int(head.hash, 16), base_fee + GWEI, int(OWNER, 16)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (call_data("Error(string)", "UniswapV2: K"), "UniswapV2: K"),
        (call_data("Panic(uint256)", 0x11), "panic 0x11 (arithmetic overflow)"),
        (call_data("TooLittle(uint256,address)", 7, STRANGER), f"TooLittle(gain={7}, token={STRANGER.lower()})"),
        (b"\xde\xad\xbe\xef\x01", "reverted with 0xdeadbeef01"),
        (call_data("Error(string)", "x")[:20], f"Error: malformed 0x{call_data('Error(string)', 'x')[:20].hex()}"),
        (b"", "reverted without a reason"),
    ],
)
async def test_revert_reasons_are_told_in_words(data: bytes, reason: str):
    reasons = RevertReasons([CustomError("TooLittle", (("gain", "uint256"), ("token", "address")))])
    async with world() as on, simulator(on, reasons=reasons) as fork:
        verdict = await fork.verdict(await on.transaction(REVERTER, data), await on.head(), [])
        assert (verdict.outcome, verdict.reason) == (Outcome.REVERTED, reason)
        assert verdict.delta(OWNER, ZERO_ADDRESS) == -verdict.gas_cost_wei < 0


async def test_a_router_revert_and_running_out_of_gas_are_told_apart():
    async with world() as on, simulator(on) as fork:
        head = await on.head()
        greedy = await fork.verdict(await on.swap(ETHER, (0, 1), least=2 * ETHER), head, [])
        approve = call_data("approve(address,uint256)", STRANGER, 1)
        starved = await fork.verdict(await on.transaction(on.tokens[0], approve, gas_limit=25_000), head, [])
        assert greedy.reason == "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT"
        assert (starved.outcome, starved.gas_used) == (Outcome.REVERTED, 25_000)
        assert starved.reason.startswith("used all of its 25000 gas")


async def test_what_no_block_would_take_is_invalid_with_the_reason():
    async with world() as on, simulator(on) as fork:
        head = await on.head()
        tx = await on.swap(ETHER, (0, 1))
        cases = {
            "cannot be next": replace(tx, nonce=tx.nonce + 1),
            "is below the next block's base fee": replace(tx, max_fee_wei=1, tip_wei=1),
            "is above the max fee": replace(tx, tip_wei=6 * GWEI),
            "for chain 1, not 31337": replace(tx, chain_id=1),
            "intrinsic gas": replace(tx, gas_limit=20_000),
            "is above the block's": replace(tx, gas_limit=head.gas_limit + 1),
            "Insufficient funds|can cost": replace(tx, value_wei=10**24),
            "does not tell the balance": tx,
        }
        for reason, case in cases.items():
            watch = [(OWNER, STRANGER)] if case is tx else []
            verdict = await fork.verdict(case, head, watch)
            assert verdict.outcome is Outcome.INVALID, reason
            assert any(part in verdict.reason for part in reason.split("|")), verdict.reason
            assert (verdict.gas_used, verdict.deltas) == (0, {})
            assert verdict.cause is (Reason.SIM_NO_COINS if "funds" in reason else None)


async def test_a_head_that_is_no_longer_canonical_is_invalid():
    async with world() as on, simulator(on) as fork:
        await on.anvil.rpc("evm_mine")
        stale = await on.head()
        await on.anvil.rpc("anvil_reorg", 1, [])
        await on.anvil.rpc("evm_mine")
        verdict = await fork.verdict(await on.swap(ETHER, (0, 1)), stale, [])
        assert verdict.outcome is Outcome.INVALID
        assert "the chain moved on" in verdict.reason
        fresh = await fork.verdict(await on.swap(ETHER, (0, 1)), await on.head(), [])
        assert fresh.outcome is Outcome.OK


async def test_a_read_that_fails_because_the_node_died_is_invalid_never_a_revert():
    async with world() as on, simulator(on) as fork:
        head = await on.head()
        warm, cold = await on.swap(ETHER, (0, 1)), await on.swap(ETHER, (1, 2))
        assert (await fork.verdict(warm, head, [])).outcome is Outcome.OK
        await on.anvil.close()
        failed = await fork.verdict(cold, head, [(OWNER, on.tokens[2])])
        assert failed.outcome is Outcome.INVALID
        assert "failed to get" in failed.reason
        assert (failed.gas_used, failed.deltas) == (0, {})
        known = await fork.verdict(warm, head, [])
        assert known.outcome is Outcome.OK
        elsewhere = await fork.verdict(warm, replace(head, number=head.number + 1, hash="0x00"), [])
        assert elsewhere.outcome is Outcome.INVALID


async def test_no_node_at_all_is_invalid_with_the_reason():
    async with world() as on:
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        await on.anvil.close()
        async with simulator(on) as fork:
            await fork.prepare(head)
            verdict = await fork.verdict(tx, head, [])
            assert verdict.outcome is Outcome.INVALID
            assert "anvil ended before it listened" in verdict.reason


async def test_a_killed_fork_is_started_again_within_the_same_verdict():
    async with world() as on, simulator(on) as fork:
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        first = await fork.verdict(tx, head, [])
        assert fork.pid is not None
        os.kill(fork.pid, signal.SIGKILL)
        second = await fork.verdict(tx, head, [])
        assert replace(second, made_at_s=0) == replace(first, made_at_s=0)
        assert fork.restarts == 1


async def test_a_fork_that_hangs_is_invalid_in_time_and_replaced():
    async with world() as on, simulator(on, timeout_s=1.0) as fork:
        head, tx = await on.head(), await on.swap(ETHER, (0, 1))
        assert (await fork.verdict(tx, head, [])).outcome is Outcome.OK
        assert fork.pid is not None
        os.kill(fork.pid, signal.SIGSTOP)
        # Until all of it stands still, another of its threads may answer.
        await asyncio.to_thread(os.waitid, os.P_PID, fork.pid, os.WSTOPPED)
        hung = await fork.verdict(tx, head, [])
        assert (hung.outcome, hung.reason) == (Outcome.INVALID, "the fork gave no answer within 1 s")
        assert (await fork.verdict(tx, head, [])).outcome is Outcome.OK


async def test_an_overlay_lets_a_plan_be_tried_without_owning_anything():
    async with world() as on:
        token = on.tokens[0]
        bare = address("0x" + "77" * 20)
        overlay = Overlay(
            code={bare: bytes.fromhex(REVERTER_CODE[2:])},
            native={STRANGER: ETHER},
            nonces={STRANGER: 9},
            tokens={(STRANGER, token): 500},
        )
        head = await on.head()
        data = call_data("transfer(address,uint256)", OWNER, 500)
        tx = UnsignedTransaction(31337, 9, STRANGER, token, 0, data, 100_000, 5 * GWEI, GWEI)
        async with simulator(on) as fork:
            assert (await fork.verdict(tx, head, [])).outcome is Outcome.INVALID
            fork.overlay = overlay
            for _ in range(2):
                verdict = await fork.verdict(tx, head, [(STRANGER, token), (OWNER, token)])
                assert (verdict.delta(STRANGER, token), verdict.delta(OWNER, token)) == (-500, 500)
                await on.anvil.rpc("evm_mine")
                head = await on.head()
            reverted = await fork.verdict(replace(tx, to=bare, data=encode(["uint256"], [1])), head, [])
            assert reverted.outcome is Outcome.REVERTED


async def test_a_token_that_cannot_be_overlaid_is_named():
    async with world() as on:
        overlay = Overlay(tokens={(STRANGER, REVERTER): 1})
        async with simulator(on, overlay=overlay) as fork:
            verdict = await fork.verdict(await on.swap(ETHER, (0, 1)), await on.head(), [])
            assert verdict.outcome is Outcome.INVALID
            assert f"the balance of token {REVERTER} cannot be set on a fork" in verdict.reason


def test_reading_verdicts_loads_neither_a_node_client_nor_an_http_client():
    program = "import sys, bot.simulator.verdict; assert not {'web3', 'aiohttp'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
