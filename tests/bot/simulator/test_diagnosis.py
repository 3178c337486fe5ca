"""Tokens that tax or trap, revert bombs, and traces: what a verdict can say about why."""

from __future__ import annotations

import pytest

from bot.plan import Plan, Swap
from bot.reasons import Reason
from bot.simulator import RevertReasons, Simulator
from bot.simulator.trace import MOST_LINES, read_trace, where_it_failed
from bot.simulator.verdict import Outcome
from chains.assets import Address, Token, address
from chains.hops import Hop, HopKind
from tests.bot.simulator.assembly import assemble
from tests.bot.simulator.evm import needs_evm
from tests.bot.simulator.support import ETHER, OWNER, REVERTER, STRANGER, World, call_data, simulator, world

TAXED = address("0x" + "7a" * 20)
POOL, OTHER_POOL, EXECUTOR = (address("0x" + digits * 20) for digits in ("a1", "a2", "ee"))


def taxed(kept: str) -> bytes:
    """A token that keeps balances in the slot of the holder's address; of an amount, `kept` leaves what arrives.

    It answers true whatever happens, as Salmonella does.
    """
    return assemble(f"""
        CALLDATASIZE 36 EQ @balance JUMPI
        36 CALLDATALOAD DUP1 CALLER SLOAD SUB CALLER SSTORE
        {kept}
        4 CALLDATALOAD SLOAD ADD 4 CALLDATALOAD SSTORE
        1 0 MSTORE 32 0 RETURN
        balance: 4 CALLDATALOAD SLOAD 0 MSTORE 32 0 RETURN
    """)


PLAIN = ""
TENTH = "10 SWAP1 DIV"
ALL = "POP 0"
SALMONELLA = f"CALLER {POOL} EQ @whole JUMPI 10 SWAP1 DIV whole:"
REFUSES_BUYERS = f"CALLER {POOL} EQ @whole JUMPI 0 0 REVERT whole:"


def plan(token: Address) -> Plan:
    """Two pools there and back: the token comes out of `POOL` and goes into `OTHER_POOL`."""
    base, odd = (Token("twin", at, "T", 18) for at in (STRANGER, token))
    hops = (Hop(HopKind.CONSTANT_PRODUCT, at, True, 3000) for at in (POOL, OTHER_POOL))
    there, back = (Swap(hop, *way, ETHER, ETHER) for hop, way in zip(hops, ((base, odd), (odd, base)), strict=True))
    return Plan("s", "twin", (there, back), True, 1, 1, 1, 1, "0x", 2)


async def trouble(on: World, fork: Simulator, code: bytes, held: int = 5 * ETHER) -> object:
    await on.anvil.rpc("anvil_setCode", TAXED, "0x" + code.hex())
    await on.anvil.rpc("anvil_setStorageAt", TAXED, hex(int(POOL, 16)), f"0x{held:064x}")
    await on.anvil.rpc("anvil_setCode", STRANGER, "0x" + taxed(PLAIN).hex())
    await on.anvil.rpc("evm_mine")
    return await fork.trouble(plan(TAXED), EXECUTOR, await on.head())


@pytest.mark.parametrize(
    ("kept", "cause", "said"),
    [
        (TENTH, Reason.TOKEN_TAX, "keeps 900000 ppm on its way out of the pool"),
        (SALMONELLA, Reason.TOKEN_TAX, "keeps 900000 ppm when its buyer passes it on"),
        (ALL, Reason.TOKEN_TRAP, "vanishes on its way out of the pool"),
        (REFUSES_BUYERS, Reason.TOKEN_TRAP, "does not leave its buyer again"),
    ],
    ids=["tax", "salmonella", "vanishing", "trap"],
)
async def test_a_token_that_keeps_what_it_should_pass_on_is_named(kept: str, cause: Reason, said: str):
    async with world() as on, simulator(on) as fork:
        found = await trouble(on, fork, taxed(kept))
        assert found is not None
        assert (found.cause, found.token) == (cause, TAXED)  # type: ignore[attr-defined]
        assert str(found).endswith(said)


async def test_a_plain_token_and_one_the_pool_does_not_hold_have_no_trouble():
    async with world() as on:
        for held in (5 * ETHER, ETHER // 2):
            async with simulator(on) as fork:
                assert await trouble(on, fork, taxed(PLAIN), held) is None
        async with simulator(on) as fork:
            head = await on.head()
            await on.anvil.close()
            assert await fork.trouble(plan(TAXED), EXECUTOR, head) is None, "what cannot be found out is not said"


async def test_a_token_that_rounds_what_arrives_keeps_nothing():
    """As stETH does, whose balances are shares: a plan that fails for something else is not refused as a tax."""
    async with world() as on, simulator(on) as fork:
        assert await trouble(on, fork, taxed("2 SWAP1 SUB")) is None


@needs_evm
async def test_a_bomb_of_a_megabyte_is_told_in_a_line():
    async with world() as on, simulator(on) as fork:
        bomb = assemble("1000000 0 REVERT")
        await on.anvil.rpc("anvil_setCode", REVERTER, "0x" + bomb.hex())
        await on.anvil.rpc("evm_mine")
        head, tx = await on.head(), await on.transaction(REVERTER, gas_limit=5_000_000)
        here, there = await fork.screened(tx, head, []), await fork.verdict(tx, head, [])
        assert here is not None and here.reason == there.reason
        assert there.outcome is Outcome.REVERTED
        assert len(there.reason) < 600 and there.reason.endswith("… (1000000 bytes)")


@needs_evm
async def test_what_burns_all_gas_is_told_so_by_both():
    async with world() as on, simulator(on) as fork:
        await on.anvil.rpc("anvil_setCode", REVERTER, "0x" + assemble("again: @again JUMP").hex())
        await on.anvil.rpc("evm_mine")
        head, tx = await on.head(), await on.transaction(REVERTER)
        here, there = await fork.screened(tx, head, []), await fork.verdict(tx, head, [])
        assert here is not None and here.reason == there.reason
        assert there.reason.startswith(f"used all of its {tx.gas_limit} gas") and there.gas_used == tx.gas_limit


def test_a_long_text_is_told_from_its_beginning():
    said = RevertReasons().read(call_data("Error(string)", "no\n" + "very " * 100 + "long"))
    assert said.startswith("no very very") and said.endswith("bytes)") and len(said) < 300


@pytest.mark.parametrize("beginning", ["", "very " * 100])
def test_a_reason_that_would_move_the_cursor_is_shown_without(beginning: str):
    said = RevertReasons().read(call_data("Error(string)", f"\x1b[2J\x9b31m\u202eall is well{beginning}"))
    assert "all is well" in said and said.isprintable()


async def test_a_trace_says_which_contract_failed_and_why():
    async with world() as on, simulator(on) as fork:
        head, tx = await on.head(), await on.swap(10**31, (0, 1))
        frame = await fork.traced(tx, head)
        names = {on.router: "router", on.tokens[0]: "token 0"}
        failed = where_it_failed(frame, names, RevertReasons())
        assert failed is not None
        assert (failed.name, failed.function, failed.error) == ("token 0", "transferFrom", "ds-math-sub-underflow")
        lines = read_trace(frame, names, RevertReasons())
        assert lines[0].name == "router" and "FAILED" in str(lines[0])
        assert "  call token 0 transferFrom" in "\n".join(map(str, lines))
        fine = await fork.traced(await on.swap(ETHER, (0, 1)), head)
        assert where_it_failed(fine, names, RevertReasons()) is None


def test_a_trace_of_a_bomb_ends():
    leaf = {"type": "CALL", "to": OWNER, "input": "0x", "gasUsed": "0x1"}
    deep = leaf
    for _ in range(3_000):
        deep = {**leaf, "calls": [deep]}
    assert len(read_trace(deep, {}, RevertReasons())) == MOST_LINES
