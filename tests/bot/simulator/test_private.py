"""The private fork of `--mode fork`: the bot's own things are carried from head to head, everything else is real."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from bot.clock import SystemClock
from bot.simulator import Overlay, PrivateFork
from chains.assets import ZERO_ADDRESS
from chains.node import SendCause, SendStatus, Submitter
from tests.bot.simulator.support import ETHER, OWNER, World, signed, simulator, twin, world


def private_fork(on: World, overlay: Overlay | None = None) -> PrivateFork:
    carried = [(OWNER, token) for token in on.tokens]
    return PrivateFork(twin(), on.anvil.http_url, SystemClock(), accounts=[OWNER], carried=carried, overlay=overlay)


async def test_a_sent_transaction_settles_with_the_next_head_and_its_balances_are_carried_over():
    async with world() as on, private_fork(on) as fork:
        pool_before = await on.balances([(OWNER, on.tokens[1])])
        head = await on.head()
        await fork.advance(head)
        tx = await on.swap(10**22, (0, 1))
        outcome = await fork.send_raw(signed(tx))
        assert outcome.status is SendStatus.ACCEPTED
        assert await fork.receipt(outcome.tx_hash) is None
        await on.anvil.rpc("evm_mine")
        overlay = await fork.advance(await on.head())

        receipt = await fork.receipt(outcome.tx_hash)
        canonical = await fork.block_by_number(head.number + 1)
        assert receipt is not None and canonical is not None
        assert (receipt.status, receipt.block_number) == (1, head.number + 1)
        assert receipt.block_hash == canonical.hash == (await on.head()).hash
        assert {log.block_hash for log in receipt.logs} == {canonical.hash}
        assert await fork.nonce(OWNER) == tx.nonce + 1
        assert await fork.balance(OWNER) == await on.balance(OWNER, ZERO_ADDRESS) - receipt.gas_cost_wei
        gained = overlay.tokens[OWNER, on.tokens[1]] - pool_before[OWNER, on.tokens[1]]
        assert 0 < gained < 10**22

        assert await on.balances([(OWNER, on.tokens[1])]) == pool_before, "the real chain saw nothing"
        again = replace(tx, nonce=tx.nonce + 1)
        async with simulator(on, overlay=overlay) as judge:
            verdict = await judge.verdict(again, await on.head(), [(OWNER, on.tokens[1])])
        assert verdict.delta(OWNER, on.tokens[1]) == gained, "the pool is as if the trade had not been"


async def test_settlement_is_what_the_simulator_foresaw():
    async with world() as on, private_fork(on) as fork:
        head = await on.head()
        overlay = await fork.advance(head)
        first = await on.swap(10**22, (0, 1, 2))
        second = await on.swap(10**21, (0, 1, 2), nonce=first.nonce + 1, tip_wei=0)
        watch = [(OWNER, token) for token in on.tokens]
        async with simulator(on, overlay=overlay) as judge:
            verdicts = [await judge.verdict(first, head, watch), await judge.verdict(second, head, watch, [first])]
        before = [await on.balance(OWNER, token) for token in on.tokens]
        sent = [await fork.send_raw(signed(tx)) for tx in (first, second)]
        await on.anvil.rpc("evm_mine")
        overlay = await fork.advance(await on.head())
        receipts = [await fork.receipt(outcome.tx_hash) for outcome in sent]
        assert [receipt and receipt.gas_used for receipt in receipts] == [verdict.gas_used for verdict in verdicts]
        for token, held in zip(on.tokens, before, strict=True):
            assert overlay.tokens[OWNER, token] - held == sum(verdict.delta(OWNER, token) for verdict in verdicts)


async def test_a_head_that_replaces_the_decided_one_settles_nothing_and_keeps_what_was_sent():
    async with world() as on, private_fork(on) as fork:
        await on.anvil.rpc("evm_mine")
        await fork.advance(await on.head())
        outcome = await fork.send_raw(signed(await on.swap(10**22, (0, 1))))
        await on.anvil.rpc("anvil_reorg", 1, [])
        await fork.advance(await on.head())
        assert await fork.receipt(outcome.tx_hash) is None
        await on.anvil.rpc("evm_mine")
        await fork.advance(await on.head())
        receipt = await fork.receipt(outcome.tx_hash)
        assert receipt is not None and receipt.block_hash == (await on.head()).hash


async def test_what_settled_is_in_the_block_that_replaces_the_one_it_settled_in():
    async with world() as on, private_fork(on) as fork:
        await fork.advance(await on.head())
        outcome = await fork.send_raw(signed(await on.swap(10**22, (0, 1))))
        await on.anvil.rpc("evm_mine")
        await fork.advance(await on.head())
        before = await fork.receipt(outcome.tx_hash)
        await on.anvil.rpc("anvil_reorg", 1, [])
        await on.anvil.rpc("evm_mine")
        await fork.advance(await on.head())
        receipt = await fork.receipt(outcome.tx_hash)
        assert before is not None and receipt is not None
        canonical = await fork.block_by_number(before.block_number)
        assert canonical is not None and receipt.block_hash == canonical.hash != before.block_hash
        await on.anvil.rpc("anvil_rollback", (await on.head()).number - before.block_number + 1)
        await fork.advance(await on.head())
        assert await fork.receipt(outcome.tx_hash) is None and await fork.knows(outcome.tx_hash)


async def test_of_what_settled_the_newest_receipts_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bot.simulator.private.RECEIPTS_KEPT", 1)
    async with world() as on, private_fork(on) as fork:
        await fork.advance(await on.head())
        first = await on.swap(10**21, (0, 1))
        sent = []
        for tx in (first, replace(first, nonce=first.nonce + 1)):
            sent.append(await fork.send_raw(signed(tx)))
            await on.anvil.rpc("evm_mine")
            await fork.advance(await on.head())
            assert await fork.receipt(sent[-1].tx_hash) is not None
        assert await fork.receipt(sent[0].tx_hash) is None


async def test_a_fork_that_died_is_made_anew_and_what_was_sent_is_sent_again():
    async with world() as on, private_fork(on, Overlay(native={OWNER: 5 * ETHER})) as fork:
        await fork.advance(await on.head())
        raw = signed(await on.swap(10**22, (0, 1)))
        outcome = await fork.send_raw(raw)
        await fork.close()
        lost = await fork.send_raw(raw)
        assert lost.status is SendStatus.UNKNOWN
        for _ in range(2):
            await on.anvil.rpc("evm_mine")
            await fork.advance(await on.head())
        receipt = await fork.receipt(outcome.tx_hash)
        assert receipt is not None and receipt.status == 1
        assert await fork.balance(OWNER) == 5 * ETHER - receipt.gas_cost_wei


async def test_refusals_are_those_of_a_node():
    async with world() as on, private_fork(on) as fork:
        await fork.advance(await on.head())
        tx = await on.swap(ETHER, (0, 1), nonce=0)
        outcome = await fork.send_raw(signed(tx))
        assert (outcome.status, outcome.cause) == (SendStatus.REFUSED, SendCause.NONCE_TOO_LOW)
        assert outcome.tx_hash == "0x" + keccak(signed(tx)).hex()


async def test_a_private_fork_is_a_submitter():
    async with world() as on, private_fork(on) as fork:
        head = await on.head()
        await fork.advance(head)
        submitter: Submitter = fork
        assert (await submitter.head()).hash == head.hash
        assert await submitter.nonce(OWNER, head) == await on.nonce()
        assert len(await submitter.code(on.router)) > 1_000
