"""A pool whose code is not the one that was first seen stays out, whoever reads it again and however it changed."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from eth_abi.abi import encode

from bot.drift.codebook import CodeBook, UnreadableCodeBook
from bot.drift.resync import Resync
from bot.exactness.contracts import local_chain
from bot.market import Market
from bot.safety.code import BEACON_SLOT, IMPLEMENTATION_SLOT, ZOS_SLOT
from chains.assets import Assets
from chains.blocks import Block
from chains.pools import registry
from chains.pools.upgrades import UPGRADED
from tests.bot.discovery.chain import head
from tests.chains.pools.samples import at, log, pair
from tests.chains.pools.test_erc4626 import VAULT, vault

STOPS, RETURNS = "0x00", "0x60006000f3"
ONE, OTHER = at(0xAA1), at(0xAA2)


@pytest.mark.parametrize(
    "slot", [IMPLEMENTATION_SLOT, ZOS_SLOT, BEACON_SLOT, None], ids=("eip1967", "zos", "beacon", "code")
)
async def test_a_proxy_that_changes_without_a_word_is_found_at_the_next_start(tmp_path: Path, slot: int | None) -> None:
    async with local_chain() as chain:
        rpc, book = chain.anvil.rpc, CodeBook(tmp_path / "folder" / "code.json")

        async def lead_to(code_at: str) -> None:
            if slot is None:
                await rpc("anvil_setCode", VAULT, "0x5f" if code_at == OTHER else STOPS)
            else:
                behind = at(0xBEA) if slot == BEACON_SLOT else code_at
                answer = "0x7f" + encode(["address"], [code_at]).hex() + "5f5260205ff3"
                await rpc("anvil_setCode", at(0xBEA), answer)
                await rpc("anvil_setStorageAt", VAULT, f"0x{slot:064x}", f"0x{int(behind, 16):064x}")
            await rpc("evm_mine")

        await rpc("anvil_setCode", ONE, STOPS)
        await rpc("anvil_setCode", OTHER, RETURNS)
        await rpc("anvil_setCode", VAULT, STOPS)
        await lead_to(ONE)
        pools = [vault(), pair((5, 7))]
        for _ in range(2):
            assert await book.changed(pools, rpc, "latest") == {}
        await lead_to(OTHER)
        for again in (book, CodeBook(tmp_path / "folder" / "code.json")):
            changed = await again.changed(pools, rpc, "latest")
            assert changed.keys() == {VAULT} and "delete its entry in" in changed[VAULT]
            assert ("its implementation was" in changed[VAULT]) == (slot is not None)
        await lead_to(ONE)
        assert await book.changed(pools, rpc, "latest") == {}


async def test_pools_of_factories_whose_code_cannot_change_are_not_asked_about(tmp_path: Path) -> None:
    async def nobody(*_: object) -> None:
        raise AssertionError("asked")

    assert registry.FAMILIES["constant_product"].fixed_code and not registry.FAMILIES["erc4626"].fixed_code
    assert await CodeBook(tmp_path / "code.json").changed([pair((5, 7))], nobody, head(1)) == {}
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"0x00": 5}', '{"0x00": {"unheard_of": 1}}'])
async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "code.json"
    file.write_text(content)
    with pytest.raises(UnreadableCodeBook, match=r"code\.json: .*delete it to begin anew"):
        await CodeBook(file).changed([vault()], None, head(1))


async def test_a_pool_whose_code_changed_is_not_read_again_nor_brought_back_by_an_undo() -> None:
    market = Market(Assets({}))
    pool = vault()
    market.add_pool(pool, 1)
    asked: list[str] = []

    async def reload(venues, _):
        asked.extend(venues)
        return [pool]

    resync = Resync(market, reload, lambda *_: None, Counter())
    told = replace(log(pool.address, [UPGRADED, bytes(31) + b"\x07"]), block_number=2)
    market.apply(Block(head(2), (told,)))
    for number in range(2, 6):
        if number > 2:
            market.apply(Block(head(number), ()))
        await resync.on_head(head(number))
    assert asked == [] and "has other code since block 2" in market.refused[pool.venue]
    market.undo(1)
    await resync.on_head(head(1))
    assert asked == [] and pool.venue not in market.pools
