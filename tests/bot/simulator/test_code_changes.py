"""Code that appears or changes between two blocks is run as it is, never as it was when it was learned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from eth_account import Account

from bot.rpc import HttpRpc
from bot.simulator import FinalVerdict
from bot.simulator.question import SURROUNDINGS
from bot.simulator.verdict import Outcome
from chains.assets import ZERO_ADDRESS, address
from tests.bot.simulator.assembly import assemble
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import GWEI, OWNER, World, simulator, simulator_at, world

pytestmark = needs_evm

PAID_KEY = Account.from_key(b"\x61" * 32)
PAID = address(PAID_KEY.address)
PAYER, REFUSER = address("0x" + "7a" * 20), address("0x" + "7b" * 20)
REFUSES = "0x" + assemble("0 0 REVERT").hex()


def pays(account: str) -> str:
    """Code that passes 5 wei on to `account`, and reverts where they are refused."""
    return "0x" + assemble(f"0 0 0 0 5 {account} GAS CALL @taken JUMPI 0 0 REVERT taken: STOP").hex()


async def deployed(on: World) -> None:
    await on.anvil.rpc("anvil_setCode", PAID, REFUSES)


async def delegated(on: World) -> None:
    """By a transaction of EIP-7702."""
    await on.anvil.rpc("anvil_setCode", REFUSER, REFUSES)
    nonce = int(await on.anvil.rpc("eth_getTransactionCount", PAID, "latest"), 16)
    authorization = PAID_KEY.sign_authorization({"chainId": 31337, "address": REFUSER, "nonce": nonce + 1})
    fields = {
        "type": 4,
        "chainId": 31337,
        "nonce": nonce,
        "to": OWNER,
        "value": 0,
        "data": "0x",
        "gas": 100_000,
        "maxFeePerGas": 5 * GWEI,
        "maxPriorityFeePerGas": GWEI,
        "authorizationList": [authorization],
    }
    await on.anvil.rpc("eth_sendRawTransaction", "0x" + PAID_KEY.sign_transaction(fields).raw_transaction.hex())


@pytest.mark.parametrize("change", [deployed, delegated])
async def test_an_account_that_gets_code_takes_nothing_here_that_it_refuses_on_the_chain(
    change: Callable[[World], Awaitable[None]],
):
    async with (
        world() as on,
        simulator(on) as fork,
        simulator_at(on.anvil.http_url, final=FinalVerdict.IN_PROCESS) as here,
    ):
        await on.anvil.rpc("anvil_setCode", PAYER, pays(PAID))
        await on.anvil.rpc("anvil_setBalance", PAID, hex(10**18))
        await on.anvil.rpc("evm_mine")
        for outcome in (Outcome.OK, Outcome.REVERTED):
            head, tx = await on.head(), await on.transaction(PAYER, value_wei=5)
            screened = await fork.screened(tx, head, [(PAID, ZERO_ADDRESS)])
            verdicts = [await each.verdict(tx, head, [(PAID, ZERO_ADDRESS)]) for each in (fork, here)]
            assert [verdict.outcome for verdict in verdicts] == [outcome] * 2
            assert verdicts[0].gas_used == verdicts[1].gas_used
            assert screened is None or screened.outcome is outcome
            await change(on)
            await on.anvil.rpc("evm_mine")


async def test_a_builder_whose_account_has_code_costs_no_more_than_one_without(monkeypatch: pytest.MonkeyPatch):
    traced: list[str] = []
    batch = HttpRpc.batch

    async def noted(self: HttpRpc, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        traced.extend(method for method, _ in calls if method == "debug_traceCall")
        return await batch(self, calls)

    monkeypatch.setattr(HttpRpc, "batch", noted)
    async with world() as on, simulator_at(on.anvil.http_url, final=FinalVerdict.IN_PROCESS) as here:
        await on.anvil.rpc("anvil_setCode", SURROUNDINGS[1].coinbase, REFUSES)
        await on.anvil.rpc("evm_mine")
        for asked in (2, 0):
            traced.clear()
            head, tx = await on.head(), await on.swap(10**20, (0, 1))
            assert (await here.verdict(tx, head, [(OWNER, on.tokens[1])])).outcome is Outcome.OK
            assert (len(traced), here.pid) == (asked, None)
            await on.really(head, tx)
