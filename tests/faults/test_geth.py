"""geth's rules for its pool, which Anvil does not have, over real transactions and a real Anvil."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from chains.anvil import Anvil
from tests.faults.geth import GethPool, Pooled
from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Upstreams

GWEI = 10**9
SENDER = Account.from_key("0x" + "05" * 32)


@pytest.fixture
async def anvil() -> AsyncIterator[Anvil]:
    async with Anvil(["--no-mining", "--chain-id", "31337"]) as anvil:
        await anvil.rpc("anvil_setBalance", SENDER.address, hex(10**20))
        yield anvil


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(Upstreams(anvil.http_url), pool=GethPool()) as proxy:
        yield proxy


def signed(nonce: int = 0, max_fee_wei: int = 20 * GWEI, tip_wei: int = GWEI) -> str:
    fields = {
        "type": 2,
        "chainId": 31337,
        "nonce": nonce,
        "to": "0x" + "11" * 20,
        "value": 1,
        "data": b"",
        "gas": 21_000,
        "maxFeePerGas": max_fee_wei,
        "maxPriorityFeePerGas": tip_wei,
    }
    return "0x" + bytes(SENDER.sign_transaction(fields).raw_transaction).hex()


async def send(proxy: FaultProxy, raw: str) -> dict[str, Any]:
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]})
    async with aiohttp.ClientSession() as session, session.post(proxy.http_url, data=body) as response:
        answer: dict[str, Any] = orjson.loads(await response.read())
    return answer


async def said(proxy: FaultProxy, raw: str) -> str:
    answer = await send(proxy, raw)
    return str(answer["error"]["message"]) if "error" in answer else "accepted"


async def test_the_same_bytes_are_already_known(proxy: FaultProxy) -> None:
    assert await said(proxy, signed()) == "accepted"
    assert await said(proxy, signed()) == "already known"


async def test_a_replacement_must_offer_ten_percent_more_of_both_fees(proxy: FaultProxy) -> None:
    assert await said(proxy, signed()) == "accepted"
    for fees in ((20 * GWEI + 1, GWEI + 1), (40 * GWEI, GWEI), (20 * GWEI, 2 * GWEI)):
        assert await said(proxy, signed(0, *fees)) == "replacement transaction underpriced"
    assert await said(proxy, signed(0, 22 * GWEI, 11 * GWEI // 10)) == "accepted"


async def test_a_mined_nonce_is_too_low(proxy: FaultProxy, anvil: Anvil) -> None:
    assert await said(proxy, signed()) == "accepted"
    await anvil.rpc("evm_mine")
    assert (await said(proxy, signed())).startswith("nonce too low")


async def test_what_a_reorganisation_dropped_is_put_back(proxy: FaultProxy, anvil: Anvil) -> None:
    raw = signed()
    await send(proxy, raw)
    await anvil.rpc("evm_mine")
    assert await proxy.rebroadcast() == 0
    await anvil.rpc("anvil_reorg", 1, [])
    assert await proxy.rebroadcast() == 1
    await anvil.rpc("evm_mine")
    assert await anvil.rpc("eth_getTransactionReceipt", Pooled.read(raw).tx_hash) is not None


FEES = st.integers(1, 10**12)


@given(FEES, FEES, FEES, FEES)
def test_a_replacement_is_taken_exactly_from_ten_percent_on(fee: int, tip: int, new_fee: int, new_tip: int) -> None:
    old, new = (Pooled("", "", "", 0, *fees) for fees in ((fee, tip), (new_fee, new_tip)))
    assert new.may_replace(old) == (10 * new_fee >= 11 * fee and 10 * new_tip >= 11 * tip)
