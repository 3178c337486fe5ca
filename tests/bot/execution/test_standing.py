"""How a deployed executor stands, and gas for its keys, against a real node."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from eth_account import Account

from bot.execution import deployment
from bot.execution.deployment import Deployment, DeploymentFailed, deploy
from bot.execution.settings import UNBOUNDED, InventoryCap
from bot.execution.standing import Held, standing, top_up
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, Address, address
from tests.chains.pools.contracts import ANVIL_ARGUMENTS, Chain

CHAIN_ID = 31337
ETH = 10**18
OWNER = Account.from_key("0x" + "01" * 32)
STRANGER = Account.from_key("0x" + "02" * 32)
RICH, POOR = address("0x" + "0b" * 20), address("0x" + "1b" * 20)
TREASURY = address("0x" + "0c" * 20)


@pytest.fixture
async def anvil() -> AsyncIterator[Anvil]:
    async with Anvil(ANVIL_ARGUMENTS) as node:
        for account, coins in ((OWNER.address, 10), (STRANGER.address, 10), (RICH, 1)):
            await node.rpc("anvil_setBalance", account, hex(coins * ETH))
        yield node


async def deployed(anvil: Anvil) -> tuple[Deployment, Address, Chain]:
    chain = await Chain.open(anvil)
    weth = Address((await chain.token("WETH")).address)
    made = await deploy(
        anvil,
        OWNER,
        operator=RICH,
        further_operators=[POOR],
        treasury=TREASURY,
        profit_tokens=[weth],
        inventory=[InventoryCap(weth, 5)],
        bound=UNBOUNDED,
        chain_id=CHAIN_ID,
    )
    return made, weth, chain


async def test_a_standing_lists_what_is_held_and_which_key_is_short(anvil: Anvil) -> None:
    made, weth, chain = await deployed(anvil)
    await chain.send(weth, "transfer(address,uint256)", made.inventory, 7)
    found = await standing(anvil, made.executor, least_wei=ETH // 2)
    assert {key.operator: (key.balance_wei, key.short) for key in found.keys} == {RICH: (ETH, False), POOR: (0, True)}
    assert Held(made.inventory, weth, 7) in found.held and Held(made.executor, ZERO_ADDRESS, 0) in found.held
    assert found.allowances == () and found.made.code_hash == made.code_hash


async def test_an_allowance_that_stands_is_found(anvil: Anvil) -> None:
    made, weth, _chain = await deployed(anvil)
    await anvil.rpc("anvil_impersonateAccount", made.executor)
    await anvil.rpc("anvil_setBalance", made.executor, hex(ETH))
    await Chain(anvil, made.executor).send(weth, "approve(address,uint256)", RICH, 3)
    found = await standing(anvil, made.executor, least_wei=0)
    assert [(it.contract, it.token, it.spender, it.amount) for it in found.allowances] == [
        (made.executor, weth, RICH, 3)
    ]


async def test_only_keys_that_are_short_are_topped_up_and_to_the_full(anvil: Anvil) -> None:
    made, _, _ = await deployed(anvil)
    limits = {"least_wei": ETH // 2, "to_wei": 2 * ETH, "chain_id": CHAIN_ID}
    (sent,) = await top_up(anvil, OWNER, made.executor, **limits)
    assert (sent.operator, sent.amount_wei) == (POOR, 2 * ETH)
    assert [key.balance_wei for key in (await standing(anvil, made.executor, least_wei=0)).keys] == [ETH, 2 * ETH]
    assert await top_up(anvil, OWNER, made.executor, **limits) == ()


async def test_a_top_up_is_the_owners_and_within_what_the_owner_has(anvil: Anvil) -> None:
    made, _, _ = await deployed(anvil)
    with pytest.raises(DeploymentFailed, match="the key given is"):
        await top_up(anvil, STRANGER, made.executor, least_wei=1, to_wei=1, chain_id=CHAIN_ID)
    with pytest.raises(DeploymentFailed, match="nothing more was sent"):
        await top_up(anvil, OWNER, made.executor, least_wei=1, to_wei=11 * ETH, chain_id=CHAIN_ID)
    with pytest.raises(DeploymentFailed, match="still be short"):
        await top_up(anvil, OWNER, made.executor, least_wei=2, to_wei=1, chain_id=CHAIN_ID)


async def test_a_top_up_that_waits_for_a_block_is_not_sent_once_more(
    anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, *_ = await deployed(anvil)
    monkeypatch.setattr(deployment, "_POLLS", 0)
    await anvil.rpc("evm_setAutomine", False)
    for said in (
        "was sent but not mined",
        r"1 of .* transactions wait for a block, from nonce \d+ on; nothing was sent",
    ):
        with pytest.raises(DeploymentFailed, match=said):
            await top_up(anvil, OWNER, made.executor, least_wei=ETH, to_wei=2 * ETH, chain_id=CHAIN_ID)
    await anvil.rpc("evm_mine")
    assert int(await anvil.rpc("eth_getBalance", POOR, "latest"), 16) == 2 * ETH
