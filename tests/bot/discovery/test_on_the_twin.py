"""Discovery against the real factories' bytecode: what is found, what a restart costs, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.config.pools import PoolSettings
from bot.discovery.discovery import Discovery
from bot.discovery.errors import ScanFailed
from bot.discovery.opening import Opened
from bot.discovery.start import open_discoverer
from bot.discovery.store import PoolStore, Position, Step
from bot.discovery.stored import stored
from chains.anvil import RpcError
from chains.assets import Address, Token, address
from chains.discovery.found import Found, Origin
from chains.discovery.origins import origins_of
from chains.node.errors import Unreachable
from chains.pools.erc4626 import Erc4626Pool
from chains.pools.pool import HookedPool, Loading, Pool, PoolFacts
from chains.pools.registry import FAMILIES
from chains.twin.data import snapshot
from tests.bot.discovery.conftest import BUILT_AFTER, TWIN, Place, silent
from tests.bot.discovery.pairs import create_pair, fill, send, unpaired

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDED = snapshot()
OWN_POOLS = {pool.address for pool in RECORDED.pools}
FREE = [token for token in RECORDED.tokens if token not in OWN_POOLS]
PAIRED = {frozenset(pool.tokens) for pool in RECORDED.pools}
WETH = TWIN.token("WETH").address
ALL = 1_780
"""The recorded pools, and the wrapped coin."""
STRANGER = unpaired(WETH, PAIRED, FREE)
_TOKEN_CODE = "0x5f3560e01c63313ce56714601c57634141414160e01b5f5260205ff35b60125f5260205ff3"
"""Answers 18 to `decimals()`, and `AAAA` to all else."""


async def test_the_real_factories_events_lead_to_every_recorded_pool(place: Place) -> None:
    head = await place.head()
    with await place.discoverer(from_block=None) as discoverer:
        outcome = await discoverer.discovery.advance(head, silent)
        known = {pool.facts.address: pool for pool in discoverer.store.pools(discoverer.discovery.tokens)}
        opened = await discoverer.book.open(head, silent)
    made = [pool for pool in RECORDED.pools if not set(pool.tokens) & OWN_POOLS]
    assert outcome.found == len(made) == 1_779
    assert known.keys() == {*(pool.address for pool in made), WETH}
    for pool in made:
        found = known[pool.address]
        assert found.facts.fee_ppm == pool.fee_ppm and found.protocol == pool.family.value
        assert tuple(token.address for token in found.facts.tokens) == pool.tokens
    assert opened.market.pools.keys() == known.keys()


async def test_a_restart_loads_only_what_changed_since(place: Place) -> None:
    head = await place.head()
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(head, silent)
        first = await discoverer.book.open(head, silent)
        assert first.loaded == ALL
    pair = next(pool for pool in RECORDED.pools if pool.address in first.market.pools and WETH in pool.tokens)
    await fill(place.reads.anvil, pair.address, {WETH: 3 * 10**18})
    head = await place.head()
    place.reads.asked.clear()
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(head, silent)
        again = await discoverer.book.open(head, silent)
    assert again.loaded == 1
    assert place.reads.asked["eth_call"] == 1
    assert again.market.pool(pair.address) != first.market.pool(pair.address)
    others = again.market.pools.keys() - {pair.address}
    assert all(again.market.pool(venue) == first.market.pool(venue) for venue in others)


async def test_a_pool_that_was_left_out_for_a_while_comes_back_as_it_is_now(place: Place) -> None:
    head = await place.head()
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(head, silent)
        first = await discoverer.book.open(head, silent)
    pair = next(p for p in RECORDED.pools if p.family.value == "uniswap_v2" and {*p.tokens} & OWN_POOLS == set())
    await fill(place.reads.anvil, pair.address, dict.fromkeys(pair.tokens, 3 * 10**18))
    head = await place.head()
    with await place.discoverer(families=["concentrated"]) as discoverer:
        assert pair.address not in (await discoverer.book.open(head, silent)).market.pools
    with await place.discoverer() as discoverer:
        again = (await discoverer.book.open(head, silent)).market.pool(pair.address)
    assert again.reserves == (3 * 10**18, 3 * 10**18) != first.market.pool(pair.address)  # type: ignore[attr-defined]


async def test_a_scan_goes_on_behind_what_the_node_no_longer_has_where_it_is_told_to(place: Place, monkeypatch) -> None:
    head, plain = await place.head(), place.reads.request

    async def pruned(method: str, *params: Any) -> Any:
        if method == "eth_getLogs" and int(params[0]["fromBlock"], 16) < BUILT_AFTER:
            raise RpcError(method, 4444, "pruned history unavailable")
        return await plain(method, *params)

    monkeypatch.setattr(place.reads, "request", pruned)
    with await place.discoverer(from_block=None) as before:
        begun = {origin.name: Position(BUILT_AFTER - 1_000) for origin in before.discovery.origins}
        before.store.record(Step(progress=begun))
        with pytest.raises(ScanFailed, match=r"begin later with pools\.from_block"):
            await before.discovery.advance(head, silent)
    with await place.discoverer(from_block=BUILT_AFTER) as discoverer:
        assert (await discoverer.discovery.advance(head, silent)).found == 1_779


async def test_pools_are_not_looked_for_from_a_block_that_is_not_there_yet(place: Place) -> None:
    """A digit too many would read all of the chain, at a provider's price, instead of its end."""
    head = await place.head()
    told = rf"come to block {head.number}; correct --from-block"
    with await place.discoverer(from_block=head.number + 2) as discoverer, pytest.raises(ScanFailed, match=told):
        await discoverer.discovery.advance(head, silent)


async def test_of_a_node_that_gives_little_at_a_time_is_told_how_much_is_left_to_ask(place: Place, monkeypatch) -> None:
    class Ended(Exception): ...

    def end(text: str, done: int, total: int) -> None:
        raise Ended(text)

    monkeypatch.setattr(place.reads, "most_blocks", 10)
    head = await place.head()
    told = r"pools, 1[01] blocks an answer and \d{1,2},\d{3} answers to go"
    with await place.discoverer(from_block=BUILT_AFTER - 100_000) as discoverer, pytest.raises(Ended, match=told):
        await discoverer.discovery.advance(head, end)


async def test_a_token_that_the_networks_file_names_no_more_is_still_known(place: Place) -> None:
    head = await place.head()
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(head, silent)
    fewer = {symbol: token for symbol, token in TWIN.tokens.items() if symbol != "DAI"}
    with await replace(place, network=replace(TWIN, tokens=fewer)).discoverer() as discoverer:
        assert len(list(discoverer.store.pools(discoverer.discovery.tokens))) == ALL


async def test_a_long_pause_or_a_vanished_block_loads_everything_anew(place: Place) -> None:
    head = await place.head()
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(head, silent)
        await discoverer.book.open(head, silent)
        discoverer.store.save_states([], [], Position(head.number, "0x" + "be" * 32))
        assert (await discoverer.book.open(head, silent)).loaded == ALL
    await place.reads.anvil.rpc("anvil_mine", hex(5))
    with await place.discoverer(max_gap_blocks=4) as discoverer:
        assert (await discoverer.book.open(await place.head(), silent)).loaded == ALL


async def test_a_reorganised_scan_finds_what_is_there_now(place: Place) -> None:
    anvil = place.reads.anvil
    before = await anvil.rpc("evm_snapshot")
    undone = await create_pair(anvil, WETH, STRANGER)
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(await place.head(), silent)
        assert undone in {pool.facts.address for pool in discoverer.store.pools(discoverer.discovery.tokens)}
        await anvil.rpc("evm_revert", before)
        await anvil.rpc("anvil_mine", hex(2))
        await discoverer.discovery.advance(await place.head(), silent)
        addresses = {pool.facts.address for pool in discoverer.store.pools(discoverer.discovery.tokens)}
    assert undone not in addresses and len(addresses) == ALL


async def test_what_a_scan_was_told_of_a_chain_that_is_gone_is_not_taken_for_read(place: Place, monkeypatch) -> None:
    """The chain changes between the logs of a range and the hash of its last block, and then the scan is killed."""
    anvil, plain = place.reads.anvil, place.reads.request
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(await place.head(), silent)
        before = await anvil.rpc("evm_snapshot")
        await anvil.rpc("anvil_mine", hex(4))
        head, made = await place.head(), ""

        async def changing(method: str, *params: object) -> object:
            nonlocal made
            answer = await plain(method, *params)
            if method == "eth_getLogs" and made:
                raise Unreachable("killed")
            if method == "eth_getLogs":
                await anvil.rpc("evm_revert", before)
                made = await create_pair(anvil, WETH, STRANGER)
                await anvil.rpc("anvil_mine", hex(5))
            return answer

        place.reads.most_blocks = 2
        with monkeypatch.context() as patched, pytest.raises((ScanFailed, Unreachable)):
            patched.setattr(place.reads, "request", changing)
            await discoverer.discovery.advance(head, silent)
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(await place.head(), silent)
        assert made in {pool.facts.address for pool in discoverer.store.pools(discoverer.discovery.tokens)}


async def test_a_token_refused_on_blocks_that_are_gone_is_asked_again(place: Place) -> None:
    anvil, token = place.reads.anvil, address("0x" + "00" * 19 + "77")
    before = await anvil.rpc("evm_snapshot")
    await create_pair(anvil, WETH, token)
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(await place.head(), silent)
        assert "has no decimals" in discoverer.store.refusals()[token]
    await anvil.rpc("evm_revert", before)
    await anvil.rpc("anvil_setCode", token, _TOKEN_CODE)
    made = await create_pair(anvil, WETH, token)
    await anvil.rpc("anvil_mine", hex(2))
    with await place.discoverer() as discoverer:
        await discoverer.discovery.advance(await place.head(), silent)
        assert made in {pool.facts.address for pool in discoverer.store.pools(discoverer.discovery.tokens)}
        assert discoverer.store.tokens()[token].symbol == "AAAA"


async def test_a_scan_that_was_killed_goes_on_after_its_last_range(place: Place, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    head, place.reads.most_blocks = await place.head(), 2
    recorded = PoolStore.record

    def record_three(store: PoolStore, step) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        recorded(store, step)

    found, rounds = 0, 0
    while True:
        left, rounds = 3, rounds + 1
        with monkeypatch.context() as patched, await place.discoverer() as discoverer:
            patched.setattr(PoolStore, "record", record_three)
            try:
                await discoverer.discovery.advance(head, silent)
                break
            except Killed:
                continue
            finally:
                before, found = found, len(list(discoverer.store.pools(discoverer.discovery.tokens)))
                assert found >= before
    assert rounds > 3 and found == ALL


class TestFactoriesThatAreNone:
    async def _reasons(self, place: Place, origin: Origin) -> dict[str, str]:
        store = PoolStore.open(str(place.folder / "own.sqlite3"), "twin", TWIN.chain_id, "")
        discovery = Discovery(place.reads, store, TWIN, [origin])
        await discovery.advance(await place.head(), silent)
        assert [pool.protocol for pool in store.pools(discovery.tokens)] == ["wrapped_native"]
        reasons = store.refusals()
        store.close()
        return reasons

    async def test_an_address_without_code_is_refused_by_name(self, place: Place) -> None:
        empty = Origin("nothing", "uniswap_v2", "constant_product", STRANGER.__class__("0x" + "00" * 19 + "77"))
        assert "there is no contract" in (await self._reasons(place, empty))[empty.address]

    async def test_a_contract_whose_pools_do_not_point_back_is_refused_with_its_pools(self, place: Place) -> None:
        """Code that logs a `PairCreated` for whatever it is asked: the pair it names has another factory."""
        anvil, genuine = place.reads.anvil, origins_of(TWIN)[0]
        pair = next(pool for pool in RECORDED.pools if pool.family.value == "uniswap_v2")
        liar = await _liar(anvil, pair.address, pair.tokens)
        reasons = await self._reasons(place, replace(genuine, protocol="liar", address=liar))
        assert f"says its factory is {genuine.address}" in reasons[pair.address]
        assert "is it a factory?" in reasons[liar]


async def _liar(anvil, pool: str, tokens: tuple[str, str]):
    """A contract that announces `pool` when it is called, and is called once."""
    from chains.assets import address
    from chains.discovery.layouts import V2_PAIR_CREATED

    def push32(value: int) -> str:
        return "7f" + f"{value:064x}"

    words = (int(tokens[1], 16), int(tokens[0], 16), int.from_bytes(V2_PAIR_CREATED, "big"))
    stored = push32(int(pool, 16)) + "5f52" + push32(1) + "602052"
    runtime = stored + "".join(map(push32, words)) + "60405fa300"
    liar = address("0x" + "11" * 20)
    await anvil.rpc("anvil_setCode", liar, "0x" + runtime)
    await send(anvil, liar, "0x")
    await anvil.rpc("evm_mine")
    return liar


async def test_a_vault_that_is_named_is_measured_with_each_start(place: Place) -> None:
    """It may have been paused when it was first looked at, or empty; and what is named no more is not traded."""
    weth, at = TWIN.token("WETH"), address("0x" + "46" * 20)
    share = Token(TWIN.name, at, "V", 18)
    full = Erc4626Pool(at, (weth, share), 10**21, 10**21, (1, 1), 2**256 - 1)
    found = Step(tokens=[weth, share], pools=[Found("erc4626", "erc4626", at, (Address(weth.address), at), 0, 0)])
    head, settings = await place.head(), {"folder": place.folder, "discover": True}

    async def opened(vault: Pool | None, **said: Any) -> Opened:
        def loading(facts: PoolFacts) -> Loading:
            yield from ()
            if vault is None:
                raise HookedPool("it is paused")
            return vault

        families = {**FAMILIES, "erc4626": replace(FAMILIES["erc4626"], loading=loading)}
        read = PoolSettings.model_validate(settings | said)
        with await open_discoverer(read, TWIN, place.reads, families=families) as discoverer:
            discoverer.discovery.keep(found)
            return await discoverer.book.open(head, silent)

    paused = await opened(None, vaults=[at])
    assert not paused.market.pools and "it is paused" in paused.left_out[at]
    assert (await opened(full, vaults=[at])).market.pool(at) == full
    assert (await opened(full)).left_out[at] == "it is not in pools.vaults"
    (left,) = stored(str(place.folder / "twin.sqlite3"), TWIN, PoolSettings()).left_out
    assert left.venue == at and "it was not in pools.vaults, or could not be read" in left.reason
