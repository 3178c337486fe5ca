"""With what a run acts: accounts only where there is one."""

from __future__ import annotations

from contextlib import AsyncExitStack
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest

from bot.clock import SystemClock
from bot.execution.marks import Marks
from bot.mode import Mode
from bot.run.hands import _Maker
from bot.wiring import Ends, Footing, open_books
from chains.blocks import Head
from tests.bot.ledger.given import ETHER, open_ledger
from tests.bot.market.samples import ETH_AT_EXCHANGE
from tests.bot.test_opening import IN_ETHER, TWIN, Chain, Exchange
from tests.bot.test_opening import OPERATOR as OURS

HEAD = Head(1, "0x01", "0x00", 1_700_000_000, 1, 0, 30_000_000)


class Watched(Exchange):
    books = MappingProxyType[str, Any]({})

    def currencies(self) -> list[Any]:
        return [ETH_AT_EXCHANGE]


def _maker(mode: Mode, key: str, twin: SimpleNamespace | None = None) -> _Maker:
    keys = {"binance": (key, key)}
    world = SimpleNamespace(exchanges={"binance": Watched()}, api_keys=keys, twin=twin, network=TWIN)
    return _Maker(cast(Any, None), mode, cast(Any, world), SystemClock(), AsyncExitStack(), {}, ())


@pytest.mark.parametrize(
    ("mode", "key", "accounts"), [(Mode.LIVE, "key", 1), (Mode.LIVE, "", 0), (Mode.FORK, "", 1), (Mode.DRY, "", 1)]
)
async def test_live_there_is_an_account_only_where_there_is_a_key(mode: Mode, key: str, accounts: int) -> None:
    assert len(await _maker(mode, key).accounts()) == accounts


async def test_on_the_twin_there_is_an_account_also_where_the_inventory_has_nothing_to_deposit() -> None:
    """The account comes with a deposit, and what its exchange does not know it refuses as a wrong key."""
    made: list[tuple[str, int]] = []

    async def deposit(key: str, secret: str, currency: str, amount: int) -> None:
        made.append((key, amount))

    maker = _maker(Mode.LIVE, "key", SimpleNamespace(deposit=deposit))
    assert len(await maker.accounts()) == 1 and made == [("key", 0)]


async def test_a_live_run_opens_its_books_without_asking_what_lies_at_an_exchange_it_only_watches(
    tmp_path: Path,
) -> None:
    """It could not: without a key no exchange tells, and the run would not start."""
    ledger = open_ledger(tmp_path / "ledger.db", start=False)
    identity = SimpleNamespace(operators=[OURS], executor=OURS, inventory=OURS)
    marks = Marks({IN_ETHER.wrapped: Fraction(1)})
    footing = Footing(cast(Any, identity), {}, [], [ETH_AT_EXCHANGE], cast(Any, None), cast(Any, None), marks)
    loaded = SimpleNamespace(network=IN_ETHER, config=SimpleNamespace(digest="digest"))
    for accounts, places in (({}, {"twin"}), ({"binance": Exchange()}, {"twin", "binance"})):
        ends = SimpleNamespace(accounts=accounts, ground=SimpleNamespace(submitter=Chain()))
        await open_books(ledger, cast(Any, loaded), Mode.LIVE, None, "genesis", footing, cast(Ends, ends), HEAD)
        assert {account.place for account in ledger.accounts()} == places
    assert sum(ledger.accounts().values()) == 7 * ETHER + 5
    ledger.close()
