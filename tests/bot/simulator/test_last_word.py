"""With the last word in this process the fork is started only for what the node or the EVM here cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.rpc import HttpRpc
from bot.simulator import FinalVerdict
from bot.simulator.verdict import Outcome
from bot.transaction import UnsignedTransaction
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import (
    ETHER,
    OWNER,
    STRANGER,
    World,
    call_data,
    simulator,
    simulator_at,
    world,
)


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


async def test_what_may_not_spend_what_its_data_costs_is_in_no_block():
    async with world() as on, simulator(on, final=FinalVerdict.IN_PROCESS) as fork:
        head, tx = await on.head(), await on.transaction(STRANGER, b"\1" * 1_000)
        assert (await fork.verdict(tx, head, [])).gas_used == 61_000
        assert (await fork.verdict(replace(tx, gas_limit=61_000), head, [])).outcome is Outcome.OK
        assert (await fork.verdict(replace(tx, gas_limit=60_999), head, [])).outcome is Outcome.INVALID


def untouched(tx: UnsignedTransaction, on: World) -> UnsignedTransaction:
    """A transaction to a contract that was not touched."""
    return replace(tx, to=on.tokens[2], data=call_data("transfer(address,uint256)", STRANGER, 1))
