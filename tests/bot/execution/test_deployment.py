"""Deploying, verifying and sweeping, against a real node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from eth_account import Account

from bot.execution.artefacts import INVENTORY_IMMUTABLES, Artefact, executor_artefact
from bot.execution.deployment import Deployment, DeploymentFailed, VerificationFailed, deploy, settings_of, verify
from bot.execution.settings import NO_VENUES, UNBOUNDED, Bound, ExecutorSettings, InventoryCap, Venues
from bot.execution.sweeping import Swept, Unswept, sweep
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, Address, address
from chains.networks import load_network
from chains.tools import MissingTool
from tests.chains.pools.contracts import ANVIL_ARGUMENTS, Chain

CHAIN_ID = 31337
OWNER = Account.from_key("0x" + "01" * 32)
STRANGER = Account.from_key("0x" + "02" * 32)
OPERATOR = address("0x" + "0b" * 20)
SECOND = address("0x" + "1b" * 20)
REFERENCE = address("0x" + "2b" * 20)
BOUND = Bound(600, 20_000)
TREASURY = address("0x" + "0c" * 20)


@pytest.fixture
async def anvil() -> AsyncIterator[Anvil]:
    async with Anvil(ANVIL_ARGUMENTS) as node:
        for account in (OWNER, STRANGER):
            await node.rpc("anvil_setBalance", account.address, hex(10**20))
        yield node


@pytest.fixture
async def tokens(anvil: Anvil) -> list[Address]:
    chain = await Chain.open(anvil)
    made = []
    for symbol in ("WETH", "DAI", "USDT"):
        made.append(Address((await chain.token(symbol)).address))
    return made


async def give(anvil: Anvil, token: Address, to: Address, amount: int) -> None:
    await (await Chain.open(anvil)).send(token, "transfer(address,uint256)", to, amount)


def settings(tokens: list[Address]) -> ExecutorSettings:
    caps = (InventoryCap(tokens[0], 10**19), InventoryCap(tokens[1], 2 * 10**22, REFERENCE))
    venues = Venues(*(address(f"0x{number:040x}") for number in range(1, 6)))
    return ExecutorSettings(
        address(OWNER.address), (OPERATOR, SECOND), TREASURY, tuple(tokens[:2]), caps, venues, BOUND
    )


async def deployed(anvil: Anvil, tokens: list[Address]) -> Deployment:
    meant = settings(tokens)
    return await deploy(
        anvil,
        OWNER,
        operator=meant.operators[0],
        further_operators=meant.operators[1:],
        treasury=meant.treasury,
        profit_tokens=meant.profit_tokens,
        inventory=meant.inventory,
        bound=meant.bound,
        chain_id=CHAIN_ID,
        venues=meant.venues,
    )


async def test_what_was_deployed_is_verified_and_reads_back_as_it_was_meant(
    anvil: Anvil, tokens: list[Address]
) -> None:
    made = await deployed(anvil, tokens)
    assert made.settings == settings(tokens) == await settings_of(anvil, made.executor)
    again = await verify(anvil, made.executor, settings(tokens))
    assert replace(again, block_number=made.block_number) == made


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"owner": OPERATOR}, "owner"),
        ({"operators": (TREASURY,)}, "operators"),
        ({"treasury": OPERATOR}, "treasury"),
        ({"profit_tokens": (TREASURY,)}, "profit_tokens"),
        ({"inventory": ()}, "inventory"),
        ({"bound": UNBOUNDED}, "bound"),
        ({"venues": NO_VENUES}, "venues"),
    ],
)
async def test_another_setting_than_meant_is_named(
    anvil: Anvil, tokens: list[Address], change: dict[str, object], field: str
) -> None:
    made = await deployed(anvil, tokens)
    with pytest.raises(VerificationFailed, match=f"^{field} of the executor"):
        await verify(anvil, made.executor, replace(settings(tokens), **change))


async def test_a_changed_byte_anywhere_in_either_contract_is_noticed(anvil: Anvil, tokens: list[Address]) -> None:
    made = await deployed(anvil, tokens)
    for contract in (made.executor, made.inventory):
        code = await anvil.rpc("eth_getCode", contract, "latest")
        await anvil.rpc("anvil_setCode", contract, code[:-2] + f"{int(code[-2:], 16) ^ 1:02x}")
        with pytest.raises(VerificationFailed, match=r"is not the (Executor|Inventory) of this build"):
            await verify(anvil, made.executor, settings(tokens))
        await anvil.rpc("anvil_setCode", contract, code)


async def test_an_immutable_that_differs_in_one_of_its_places_is_noticed(anvil: Anvil, tokens: list[Address]) -> None:
    """Its getter may tell the truth while the check that matters compares with someone else."""
    made = await deployed(anvil, tokens)
    honest = bytes.fromhex((await anvil.rpc("eth_getCode", made.executor, "latest"))[2:])
    places = executor_artefact().references["OPERATOR_0"]
    assert len(places) > 1
    for start in places:
        code = bytearray(honest)
        code[start + 12 : start + 32] = bytes.fromhex(STRANGER.address[2:])
        await anvil.rpc("anvil_setCode", made.executor, "0x" + code.hex())
        with pytest.raises(VerificationFailed):
            await verify(anvil, made.executor, settings(tokens))


async def test_an_address_without_an_executor_is_refused_in_one_line(anvil: Anvil, tokens: list[Address]) -> None:
    with pytest.raises(VerificationFailed, match="no contract at"):
        await verify(anvil, TREASURY)
    with pytest.raises(VerificationFailed, match="it is no executor"):
        await verify(anvil, tokens[0])


async def test_another_chain_than_named_gets_nothing(anvil: Anvil, tokens: list[Address]) -> None:
    meant = settings(tokens)
    with pytest.raises(DeploymentFailed, match="is on chain 31337, not 1; nothing was sent"):
        await deploy(
            anvil,
            OWNER,
            operator=meant.operators[0],
            treasury=meant.treasury,
            profit_tokens=meant.profit_tokens,
            inventory=meant.inventory,
            bound=meant.bound,
            chain_id=1,
        )
    assert await anvil.rpc("eth_getTransactionCount", OWNER.address, "pending") == "0x0"


async def test_a_sweep_sends_everything_to_the_treasury(anvil: Anvil, tokens: list[Address]) -> None:
    made = await deployed(anvil, tokens)
    await give(anvil, tokens[0], made.executor, 7)
    await give(anvil, tokens[0], made.inventory, 11)
    await give(anvil, tokens[2], made.inventory, 13)
    swept = await sweep(anvil, OWNER, made.executor, tokens, CHAIN_ID)
    assert [(one.contract, one.token, one.amount) for one in swept if isinstance(one, Swept)] == [
        (made.executor, tokens[0], 7),
        (made.inventory, tokens[0], 11),
        (made.inventory, tokens[2], 13),
    ]
    chain = await Chain.open(anvil)
    held = [await chain.read(token, "balanceOf(address)", ["uint256"], TREASURY) for token in tokens]
    assert held == [(18,), (0,), (13,)]
    assert await sweep(anvil, OWNER, made.executor, tokens, CHAIN_ID) == ()


async def test_coins_of_the_executor_are_swept_and_those_forced_upon_the_inventory_hinder_nothing(anvil: Anvil) -> None:
    made = await deployed(anvil, [SECOND, OPERATOR])
    for contract in (made.executor, made.inventory):
        await anvil.rpc("anvil_setBalance", contract, hex(5))
    (swept,) = await sweep(anvil, OWNER, made.executor, [ZERO_ADDRESS], CHAIN_ID)
    assert isinstance(swept, Swept) and (swept.contract, swept.amount) == (made.executor, 5)
    assert int(await anvil.rpc("eth_getBalance", TREASURY, "latest"), 16) == 5


async def test_a_token_that_does_not_answer_keeps_no_other_from_being_swept(
    anvil: Anvil, tokens: list[Address]
) -> None:
    made = await deployed(anvil, tokens)
    await give(anvil, tokens[0], made.executor, 7)
    await give(anvil, tokens[2], made.executor, 13)
    await anvil.rpc("anvil_setCode", tokens[0], "0xfe")
    await anvil.rpc("anvil_setCode", tokens[1], "0x")
    done = await sweep(anvil, OWNER, made.executor, tokens, CHAIN_ID)
    assert [one.token for one in done] == [*tokens, *tokens[:2]]
    assert [one.amount for one in done if isinstance(one, Swept)] == [13]
    silent = [one.why for one in done if isinstance(one, Unswept)]
    assert len(silent) == 4 and "no token on this chain" in silent[1]


async def test_a_strangers_key_sweeps_nothing(anvil: Anvil, tokens: list[Address]) -> None:
    made = await deployed(anvil, tokens)
    await give(anvil, tokens[0], made.executor, 7)
    with pytest.raises(DeploymentFailed, match="the key given is"):
        await sweep(anvil, STRANGER, made.executor, tokens, CHAIN_ID)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"operators": (OPERATOR, address(OWNER.address))}, "must not be the key that withdraws"),
        ({"operators": ()}, "0 operators"),
        ({"operators": (OPERATOR, OPERATOR)}, "an operator is named twice"),
        ({"treasury": ZERO_ADDRESS}, "zero address"),
        ({"profit_tokens": ()}, "0 profit tokens"),
        ({"profit_tokens": (OPERATOR,) * 5}, "5 profit tokens"),
        ({"inventory": (InventoryCap(OPERATOR, 1),) * 2}, "named twice"),
        ({"inventory": (InventoryCap(OPERATOR, 0),)}, "must be positive"),
        ({"inventory": (InventoryCap(OPERATOR, 1 << 128),)}, "below 2"),
        ({"inventory": tuple(InventoryCap(address(f"0x{i:040x}"), 1) for i in range(1, 6))}, "at most 4"),
        ({"inventory": (InventoryCap(OPERATOR, 1), InventoryCap(SECOND, 1))}, "has no reference"),
        ({"inventory": (InventoryCap(OPERATOR, 1, REFERENCE), InventoryCap(SECOND, 1, REFERENCE))}, "priced in"),
        ({"bound": Bound(0, 1)}, "a mean price of 0 seconds"),
        ({"bound": Bound(600, 1_000_001)}, "a slippage of 1000001 ppm"),
        ({"bound": UNBOUNDED}, "needs no reference here"),
    ],
)
def test_settings_the_contract_would_refuse_are_refused_here(change: dict[str, object], words: str) -> None:
    good = settings([address(f"0x{i:040x}") for i in (1, 2, 3)])
    assert good.refusal() is None
    assert words in (replace(good, **change).refusal() or "")


@pytest.mark.parametrize(
    ("treasury", "words"),
    [
        (SECOND, "what is swept must not go to the key that trades"),
        (address(f"0x{2:040x}"), "what is swept there is lost"),
        (REFERENCE, "what is swept there is lost"),
        (address(f"0x{5:040x}"), "what is swept there is lost"),
    ],
    ids=["operator", "token", "reference", "venue"],
)
def test_a_treasury_out_of_which_nobody_or_the_wrong_one_takes_is_refused(treasury: Address, words: str) -> None:
    good = settings([address(f"0x{i:040x}") for i in (1, 2, 3)])
    assert words in (replace(good, treasury=treasury).refusal() or "")


def test_an_artefact_that_is_missing_or_from_another_source_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="run `make setup`"):
        Artefact.load("Executor", (), tmp_path / "contracts" / "out")
    with pytest.raises(MissingTool, match="17 immutables, not 16"):
        Artefact.load("Executor", INVENTORY_IMMUTABLES)


async def test_a_chain_gets_the_singletons_of_its_network_that_it_has(anvil: Anvil) -> None:
    named = Venues.of(load_network("ethereum"))
    assert ZERO_ADDRESS not in astuple(named)
    assert len(set(astuple(named))) == len(astuple(named))
    assert await named.present(anvil) == NO_VENUES
    await anvil.rpc("anvil_setCode", named.pool_manager, "0x00")
    assert await named.present(anvil) == Venues(pool_manager=named.pool_manager)
