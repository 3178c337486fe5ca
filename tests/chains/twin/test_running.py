"""A running twin: the same blocks for the same seed, honest traders, and a base fee that nobody sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from eth_abi.abi import decode
from eth_account import Account
from eth_utils.crypto import keccak

from chains.anvil import Anvil
from chains.assets import Address, address
from chains.blocks import Head
from chains.twin.accounts import CROWD, TRADERS
from chains.twin.build import TwinState
from chains.twin.data import SNAPSHOT_TIME_S, snapshot
from chains.twin.deploy import call_data
from chains.twin.layout import WETH9
from chains.twin.market import V3_SWAP_TOPIC
from chains.twin.prices import USDC, USDT
from chains.twin.twin import Twin, TwinOptions, UnknownToken
from tests.chains.twin.support import call, silent

_V2_SWAP_TOPIC = "0x" + keccak(text="Swap(address,uint256,uint256,uint256,uint256,address)").hex()
_TRANSFER_TOPIC = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
_MINUTE = 60
_BOT = Account.from_key(b"\x11" * 32)


@pytest.fixture
async def twin(state: TwinState) -> AsyncIterator[Twin]:
    async with Twin(TwinOptions(seed=3, stepped=True), silent) as running:
        yield running


async def _block(twin: Twin, number: int | str) -> dict[str, Any]:
    shown = number if isinstance(number, str) else hex(number)
    block: dict[str, Any] = await twin.node.rpc("eth_getBlockByNumber", shown, True)
    return block


async def test_a_minute_of_blocks_is_honest(twin: Twin) -> None:
    parent = await _block(twin, "latest")
    base_fees = []
    for _ in range(_MINUTE):
        mined = await twin.mine()
        block = await _block(twin, mined["number"])
        head = Head(0, "", "", 0, *(int(parent[key], 16) for key in ("baseFeePerGas", "gasUsed", "gasLimit")))
        assert int(block["baseFeePerGas"], 16) == head.next_base_fee_wei()
        assert block["parentHash"] == parent["hash"]
        assert int(block["timestamp"], 16) == int(parent["timestamp"], 16) + 1 == mined["timestamp"]
        base_fees.append(int(block["baseFeePerGas"], 16) / 1e9)
        if mined["number"] % 10 == 0:
            await _nobody_donates(twin.node, block)
        parent = block
    assert 12 < sum(base_fees) / _MINUTE < 18
    assert max(base_fees) - min(base_fees) > 1

    statistics = twin.descriptor()["traders"]
    print(f"median displacement {statistics['median_displacement_fees']} fees over {statistics['landed']} swaps")
    assert statistics["median_displacement_fees"] < 2
    assert statistics["landed"] > 0.97 * statistics["sent"] > 8 * _MINUTE * 0.97


async def _nobody_donates(node: Anvil, block: dict[str, Any]) -> None:
    """Every pool a trader touches takes one token and gives the other; no pool gets tokens without a swap."""
    pools = {pool.address for pool in snapshot().pools}
    receipts = await node.batch([("eth_getTransactionReceipt", [sent["hash"]]) for sent in block["transactions"]])
    swapping = [receipt for receipt in receipts if receipt["from"] != CROWD.lower()]
    assert len(swapping) >= 8
    for receipt in swapping:
        assert address(receipt["from"]) in TRADERS
        swapped, paid = set(), set()
        for entry in receipt["logs"]:
            data = bytes.fromhex(entry["data"][2:])
            if entry["topics"][0] == _V2_SWAP_TOPIC:
                in0, in1, out0, out1 = decode(["uint256"] * 4, data)
                assert (in0 > 0, out1 > 0) == (in1 == 0, out0 == 0) and in0 + in1 > 0
                swapped.add(address(entry["address"]))
            elif entry["topics"][0] == V3_SWAP_TOPIC:
                amount0, amount1 = decode(["int256", "int256"], data[:64])
                assert amount0 * amount1 < 0
                swapped.add(address(entry["address"]))
            elif entry["topics"][0] == _TRANSFER_TOPIC:
                paid.add(address("0x" + entry["topics"][2][-40:]))
        assert len(swapped) == 1
        assert paid & pools == swapped


async def _run(seed: int, pay_first: int) -> list[str]:
    """Ten stepped blocks with a bot that sends one transaction in each."""
    async with Twin(TwinOptions(seed=seed, stepped=True), silent) as twin:
        await twin.fund(_BOT.address, 10**20, {WETH9: 10**19})
        hashes = []
        for nonce in range(10):
            await twin.advance()
            pay = {"to": WETH9, "value": pay_first + nonce, "data": call_data("deposit()")}
            fees = {"gas": 100_000, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
            signed = _BOT.sign_transaction({**pay, **fees, "nonce": nonce, "chainId": 31337, "type": 2})
            await twin.node.rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
            hashes.append((await twin.mine())["hash"])
        return hashes


async def test_the_same_seed_and_transactions_give_the_same_blocks_to_the_bit_and_others_give_others(
    state: TwinState,
) -> None:
    first, again = await asyncio.gather(_run(1, 5), _run(1, 5))
    assert len(set(first)) == 10
    assert first == again
    for other in await asyncio.gather(_run(2, 5), _run(1, 6)):
        assert set(first).isdisjoint(other)


async def test_a_forced_base_fee_and_a_reorganisation_neither_end_the_twin_nor_silence_anybody(twin: Twin) -> None:
    for base_fee_wei in (1_000 * 10**9, 0):
        await twin.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
        mined = await _block(twin, (await twin.mine())["number"])
        assert int(mined["baseFeePerGas"], 16) == base_fee_wei
        assert _senders(mined) > {CROWD}
    undone = mined
    await twin.node.rpc("anvil_reorg", 1, [])
    mined = await _block(twin, (await twin.mine())["number"])
    assert _senders(mined) & _senders(undone) > {CROWD}


def _senders(block: dict[str, Any]) -> set[Address]:
    return {address(each["from"]) for each in block["transactions"]}


async def test_advance_moves_the_exchange_to_the_next_blocks_time_and_once_only(twin: Twin) -> None:
    first = await twin.advance()
    assert first == await twin.advance()
    assert first["time_ms"] == 1000
    mined = await twin.mine()
    assert mined["timestamp"] == SNAPSHOT_TIME_S + 1
    second = await twin.advance()
    assert second["time_ms"] == 2000
    assert all(second["books"][symbol] > update_id for symbol, update_id in first["books"].items())


async def test_funding_sets_exact_balances_and_keeps_supplies_true(twin: Twin) -> None:
    bot = Address(_BOT.address)
    node = twin.node
    (before,) = await call(node, USDC, call_data("totalSupply()"))
    for units in (7_000_000, 5_000_000):
        await twin.fund(bot, 10**18, {USDC: units, WETH9: 10**19})
    assert int(await node.rpc("eth_getBalance", bot, "latest"), 16) == 10**18
    assert await call(node, USDC, call_data("balanceOf(address)", bot)) == [5_000_000]
    assert await call(node, USDC, call_data("totalSupply()")) == [before + 5_000_000]
    assert await call(node, WETH9, call_data("balanceOf(address)", bot)) == [10**19]
    with pytest.raises(UnknownToken, match="the twin has no token"):
        await twin.fund(bot, 0, {bot: 1})
    assert await call(node, USDT, call_data("balanceOf(address)", bot)) == [0]
