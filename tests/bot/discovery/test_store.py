"""What was discovered survives, one step at a time, and belongs to one chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from bot.config.pools import PoolSettings
from bot.discovery.errors import StoreFailed
from bot.discovery.models import METADATA, PROGRESS
from bot.discovery.states import packed
from bot.discovery.store import PoolStore, Position, Step
from bot.discovery.stored import stored
from bot.ledger import database
from chains.assets import Address
from chains.discovery.found import Found
from chains.networks import load_network
from tests.chains.pools.samples import A, B, at, pair
from tests.postgres import Postgres, postgres

TOKENS = {Address(token.address): token for token in (A, B)}
PAIR = (Address(A.address), Address(B.address))


def opened(url: str, chain_id: int = 31337, genesis: str = "0x01") -> PoolStore:
    return PoolStore.open(url, "twin", chain_id, genesis)


def found(number: int, block: int) -> Found:
    return Found("uniswap_v2", "constant_product", at(number), PAIR, 3000, block, details={"spacing": 7})


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is to be made: nothing is there yet."""
    if request.param == "sqlite":
        return str(tmp_path / "pools" / "some.sqlite3")
    running: Postgres = request.getfixturevalue("server")
    return running.url(running.database())


@pytest.fixture
def store(url: str) -> Iterator[PoolStore]:
    store = opened(url)
    yield store
    store.close()


def test_the_tables_equal_the_migrated_schema(store: PoolStore) -> None:
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_pools_tokens_refusals_and_progress_come_back(store: PoolStore, url: str) -> None:
    step = Step([found(1, 10)], [A, B], {at(9): ("factory", "no pool", 10)}, {"factory": Position(10, "0xaa")})
    store.record(step)
    again = opened(url)
    (pool,) = again.pools(again.tokens())
    assert (pool.facts.address, pool.facts.tokens, pool.facts.details) == (at(1), (A, B), {"spacing": 7})
    assert (pool.protocol, pool.created_block, pool.liquidity_wei) == ("uniswap_v2", 10, None)
    assert again.refusals() == {at(9): "no pool"}
    assert again.progress() == {"factory": Position(10, "0xaa")}
    again.close()


def test_another_writer_that_takes_long_is_told_as_one(
    store: PoolStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.ledger.database.BUSY_TIMEOUT_MS", 50)
    other = opened(url)
    with store._writing() as connection:
        connection.execute(PROGRESS.update().values(position=1))
        with pytest.raises(StoreFailed, match="another isthmus is writing to it; try again once it has"):
            other.record(Step(progress={"factory": Position(9)}))
    other.close()


def test_a_step_that_fails_leaves_nothing(store: PoolStore) -> None:
    wrong = Found("uniswap_v2", "constant_product", at(2), PAIR, 2**70, 11)
    with pytest.raises((StoreFailed, OverflowError)):
        store.record(Step([found(1, 10), wrong], [A, B], {}, {"factory": Position(11)}))
    assert list(store.pools(TOKENS)) == [] and store.progress() == {}


def test_the_same_pool_twice_is_one(store: PoolStore) -> None:
    store.record(Step([found(1, 10), found(1, 10)], [A, B]))
    store.record(Step([found(1, 10)], [A]))
    assert len(list(store.pools(TOKENS))) == 1


def test_a_pool_that_proves_genuine_later_is_not_refused_any_more(store: PoolStore) -> None:
    store.record(Step(refused={at(1): ("factory", "no pool", 9)}))
    store.record(Step([found(1, 10)], [A, B]))
    assert store.refusals() == {}


def test_liquidity_beyond_64_bits_comes_back(store: PoolStore) -> None:
    store.record(Step([found(1, 10)], [A, B]))
    store.measured({at(1): 10**30}, 12)
    assert next(store.pools(TOKENS)).liquidity_wei == 10**30


def test_states_are_all_as_of_the_last_save(store: PoolStore) -> None:
    assert store.states() == (None, {})
    first, second = pair((1, 2), number=1), pair((3, 4), number=2)
    store.save_states([first, second], [], Position(10, "0xaa"))
    changed = pair((5, 6), number=1)
    store.save_states([changed], [second.venue], Position(11, "0xbb"))
    assert store.states() == (Position(11, "0xbb"), {first.venue: packed(changed)})


def test_of_two_writers_states_none_outlives_the_other_under_a_later_block(store: PoolStore, url: str) -> None:
    """A run saves while `isthmus discover`, which began before, still measures; then both save."""
    store.save_states([pair((1, 2), number=1)], [], Position(50, "0xaa"))
    other = opened(url)
    other.states()
    store.save_states([pair((3, 4), number=1)], [], Position(100, "0xbb"))
    other.save_states([pair((2, 3), number=1)], [], Position(60, "0xcc"))
    assert store.states() == (Position(60, "0xcc"), {at(1): packed(pair((2, 3), number=1))})
    other.save_states([], [], Position(61, "0xdd"))
    store.save_states([pair((5, 6), number=2)], [], Position(110, "0xee"))
    assert store.states() == (Position(110, "0xee"), {at(2): packed(pair((5, 6), number=2))})
    other.close()


def test_progress_beyond_what_another_writer_took_back_does_not_count(store: PoolStore, url: str) -> None:
    store.record(Step([found(1, 95)], [A, B], {}, {"factory": Position(100), "other": Position(40)}))
    other = opened(url)
    other.rewind(["factory", "other"], 90, 26)
    other.close()
    for number in (110, 120):
        store.record(Step(progress={"factory": Position(number), "other": Position(number)}))
        store.progress()
    assert store.progress() == {"factory": Position(26), "other": Position(120)}
    store.rewind(["factory", "other"], 90, 26)
    store.record(Step(progress={"factory": Position(130)}))
    assert store.progress() == {"factory": Position(130), "other": Position(26)}


def test_rewinding_forgets_what_came_after(store: PoolStore) -> None:
    store.record(Step([found(1, 10), found(2, 20)], [A, B], {at(9): ("factory", "x", 20)}, {"factory": Position(20)}))
    store.save_states([pair((1, 2), number=2)], [], Position(20, "0xaa"))
    store.record(Step(progress={"behind": Position(14, "0xbb"), "curve": Position(30)}))
    store.rewind(["factory", "behind"], 15, 9)
    assert [pool.facts.address for pool in store.pools(TOKENS)] == [at(1)]
    assert store.progress() == {"factory": Position(9), "behind": Position(14, "0xbb"), "curve": Position(0)}
    assert store.refusals() == {} and store.states()[1] == {}


def test_after_a_rewind_registries_are_counted_anew_and_that_count_holds(store: PoolStore) -> None:
    """Their last pools may have been others in the blocks that are gone, under the same numbers."""
    store.record(Step(progress={"factory": Position(100, "0xaa"), "curve": Position(30)}))
    store.rewind(["factory"], 95, 31)
    assert store.progress()["curve"] == Position(0)
    store.record(Step(progress={"curve": Position(30)}))
    assert store.progress() == {"factory": Position(31), "curve": Position(30)}


def test_a_store_of_another_chain_is_refused_with_the_remedy(url: str) -> None:
    opened(url).close()
    for chain_id, genesis in ((2, "0x01"), (31337, "0x02")):
        with pytest.raises(StoreFailed, match=r"pools of another chain .*name another in pools\.url"):
            opened(url, chain_id, genesis)


def test_a_pool_of_a_token_that_nothing_names_is_refused_with_the_remedy(store: PoolStore) -> None:
    store.record(Step([found(1, 10)]))
    with pytest.raises(StoreFailed, match=rf"pool {at(1)} trades '{A.address}', which nothing names any more; put it"):
        list(store.pools({}))


def test_a_store_that_a_newer_version_made_is_refused_with_the_remedy(url: str) -> None:
    store = opened(url)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreFailed, match=r"9999.*a newer isthmus made it.*or move it away"):
        opened(url)


def test_a_store_of_another_chain_is_not_read_as_the_networks(url: str) -> None:
    opened(url, chain_id=1).close()
    with pytest.raises(StoreFailed, match="pools of chain 1, and twin is chain 31337; name its network with --network"):
        stored(url, load_network("twin"), PoolSettings())


@pytest.mark.parametrize("damage", ["details = '{\"spacing'", "liquidity_wei = '10p0'"])
def test_a_damaged_store_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    url = str(tmp_path / "some.sqlite3")
    store = opened(url)
    store.record(Step([found(1, 10)], [A, B]))
    with store._engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE pools SET {damage}")
    with pytest.raises(StoreFailed, match=r"it is damaged .* or move the store away"):
        list(store.pools(TOKENS))
    store.close()


def test_a_store_that_another_writes_to_is_read_all_the_same_and_not_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 1)
    url = str(tmp_path / "some.sqlite3")
    store = opened(url)
    store.record(Step([found(1, 10)], [A, B]))
    with store._engine.begin():
        assert stored(url, load_network("twin"), PoolSettings()).left_out
        other = PoolStore(database.connect(database.parse_url(url)), "twin")
        with pytest.raises(StoreFailed, match="another isthmus is writing to it; try again"):
            other.record(Step())
        other.close()
    store.close()


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pools").mkdir()
    (tmp_path / "pools" / "some.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(StoreFailed, match="move the store away") as refused:
        opened(str(tmp_path / "pools" / "some.sqlite3"))
    assert "\n" not in str(refused.value)


def test_a_store_is_read_without_a_node_and_says_of_every_pool_why_it_has_no_state(url: str) -> None:
    store = opened(url)
    refused = {at(9): ("factory", "it is no pool of its factory", 10)}
    store.record(Step([found(1, 10), found(2, 10), found(3, 10)], [A, B], refused))
    store.measured({at(1): 10**20, at(2): 10**15}, 12)
    saved = pair((5, 6), number=1)
    store.save_states([saved], [], Position(11, "0xbb"))
    store.close()
    made = stored(url, load_network("twin"), PoolSettings())
    ((venue, recorded),) = made.by_venue.items()
    assert (venue, recorded.pool.venue, recorded.block) == (at(1), saved.venue, 11)
    why = {left.venue: left.reason for left in made.left_out}
    assert set(why) == {at(2), at(3), at(9)}
    assert "below pools.min_liquidity" in why[at(2)] and why[at(9)] == "it is no pool of its factory"


def test_a_stored_pool_of_tokens_that_the_network_names_is_read(url: str) -> None:
    """Such tokens are not asked, so the store does not have them; a V4 pool may trade the coin itself."""
    network = load_network("twin")
    tokens = network.native, network.token("WETH")
    store = opened(url)
    store.record(Step([replace(found(1, 10), tokens=tuple(Address(token.address) for token in tokens))]))
    store.close()
    (left,) = stored(url, network, PoolSettings()).left_out
    assert (left.venue, left.reason) == (at(1), "it was found and never measured: `isthmus discover` measures it")


def test_reading_where_no_store_is_says_how_one_is_made(tmp_path: Path) -> None:
    missing = tmp_path / "none.sqlite3"
    with pytest.raises(StoreFailed, match=r"there is no such file; `isthmus discover` makes it"):
        stored(str(missing), load_network("twin"), PoolSettings())
    assert not missing.exists()
