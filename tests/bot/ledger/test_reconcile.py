"""The ledger equals the world to the last unit, or says exactly where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from bot.ledger import accounts
from bot.ledger.errors import LedgerError, LedgerFull
from bot.ledger.finality import books_at
from bot.ledger.ledger import Ledger
from bot.ledger.reconcile import BalanceSource, FinalBlock, reconcile
from bot.ledger.records import Account
from bot.ledger.types import SqliteSum
from chains.node.errors import NoArchive
from tests.bot.ledger.given import INVENTORY_WETH, NATIVE, NETWORK, SPOT_USDT, pending, receipt


async def test_equal_balances_reconcile(ledger: Ledger) -> None:
    ledger.record_mined(pending(ledger, 1).id, receipt(1), {INVENTORY_WETH: 10**16})
    world = ledger.accounts()
    asked: dict[str, list[Account]] = {"chain": [], "exchange": []}

    async def chain(account: Account) -> int:
        asked["chain"].append(account)
        return world[account]

    async def exchange(account: Account) -> int:
        asked["exchange"].append(account)
        return world[account]

    reconciliation = await reconcile(ledger, chain, exchange)
    assert reconciliation.equal
    assert len(reconciliation.rows) == len(world)
    assert {account.place for account in asked["chain"]} == {NETWORK}
    assert {account.place for account in asked["exchange"]} == {"binance"}


async def test_one_missing_unit_is_named(ledger: Ledger) -> None:
    world = ledger.accounts() | {SPOT_USDT: ledger.balance(SPOT_USDT) - 1}

    async def ask(account: Account) -> int:
        return world[account]

    reconciliation = await reconcile(ledger, ask, ask)
    assert not reconciliation.equal
    (row,) = reconciliation.differing
    assert (row.account, row.difference) == (SPOT_USDT, -1)


async def test_books_that_a_run_moves_while_they_are_compared_are_compared_anew(ledger: Ledger) -> None:
    world, moved = dict(ledger.accounts()), iter((5, 7))

    async def ask(account: Account) -> int:
        if account == SPOT_USDT and (units := next(moved, 0)):
            # The run beside books what the exchange had said to have filled.
            ledger.post("external", accounts.moved({SPOT_USDT: units}, accounts.EXTERNAL), source="a fill")
            world[SPOT_USDT] += units
        return world[account]

    assert (await reconcile(ledger, ask, ask)).equal


async def test_books_that_never_stand_still_are_not_said_to_differ(ledger: Ledger) -> None:
    async def ask(account: Account) -> int:
        if account == SPOT_USDT:
            ledger.post("external", accounts.moved({SPOT_USDT: 1}, accounts.EXTERNAL), source="a fill")
        return 0

    with pytest.raises(LedgerError, match="try again"):
        await reconcile(ledger, ask, ask)


async def test_who_finds_more_than_is_booked_is_told_how_it_is_taken_in_and_nobody_where_something_is_missing(
    ledger: Ledger,
) -> None:
    gift = _saying(ledger.accounts() | {SPOT_USDT: ledger.balance(SPOT_USDT) + 1})
    assert "--book" in (await reconcile(ledger, gift, gift)).remedy
    theft = _saying(ledger.accounts() | {SPOT_USDT: ledger.balance(SPOT_USDT) - 1})
    assert not (await reconcile(ledger, theft, theft)).remedy


async def test_what_differs_is_told_on_a_full_disk_too(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise LedgerFull("no space")

    monkeypatch.setattr(ledger, "record_balances", full)
    ask = _saying(ledger.accounts() | {SPOT_USDT: 7})
    found = await reconcile(ledger, ask, ask)
    assert [row.account for row in found.differing] == [SPOT_USDT]


def _saying(world: Mapping[Account, int]) -> BalanceSource:
    async def ask(account: Account) -> int:
        return world[account]

    return ask


async def test_what_stands_above_the_final_block_is_left_out_and_named(ledger: Ledger) -> None:
    opened = ledger.accounts()
    low, high = pending(ledger, 12), pending(ledger, 20)
    ledger.record_mined(low.id, receipt(12), {INVENTORY_WETH: 10**16})
    settled = ledger.accounts()
    ledger.record_mined(high.id, receipt(20), {INVENTORY_WETH: 10**17})
    now = _saying(ledger.accounts())
    found = await reconcile(ledger, now, now, FinalBlock(19, _saying(settled)))
    assert found.equal and found.final is not None
    assert [intent.id for intent in found.final.above] == [high.id]
    assert {row.account: row.ledger for row in found.final.rows} == {
        account: units for account, units in settled.items() if account.place == NETWORK
    }
    earlier = await reconcile(ledger, now, now, FinalBlock(12, _saying(opened)))
    assert earlier.final is not None and [intent.id for intent in earlier.final.above] == [low.id, high.id]


async def test_a_wei_that_is_missing_at_the_final_block_is_named_whatever_is_in_flight(ledger: Ledger) -> None:
    pending(ledger, 1)
    world = ledger.accounts()
    short = _saying(world | {INVENTORY_WETH: world[INVENTORY_WETH] - 1})
    found = await reconcile(ledger, _saying(world), _saying(world), FinalBlock(19, short))
    assert not found.equal
    (row,) = found.differing
    assert (row.account, row.difference) == (INVENTORY_WETH, -1)


async def test_where_no_node_has_the_final_blocks_state_the_books_of_now_alone_are_compared(ledger: Ledger) -> None:
    """A full node of a rollup keeps a few minutes of state, and blocks there are final after a quarter of an hour."""
    world = ledger.accounts()
    short = _saying(world | {INVENTORY_WETH: world[INVENTORY_WETH] - 1})

    async def pruned(account: Account) -> int:
        raise NoArchive("eth_call", -32000, "missing trie node")

    found = await reconcile(ledger, _saying(world), _saying(world), FinalBlock(19, pruned))
    assert found.equal and found.final is None and found.unread == 19
    assert not (await reconcile(ledger, short, _saying(world), FinalBlock(19, pruned))).equal
    pending(ledger, 1)
    with pytest.raises(NoArchive):
        await reconcile(ledger, _saying(world), _saying(world), FinalBlock(19, pruned))


async def test_what_differs_now_may_be_what_is_in_flight_and_nothing_else(ledger: Ledger) -> None:
    world = ledger.accounts()
    short, final = _saying(world | {INVENTORY_WETH: world[INVENTORY_WETH] - 1}), FinalBlock(19, _saying(world))
    intent = pending(ledger, 1)
    found = await reconcile(ledger, short, _saying(world), final)
    assert found.equal and [one.id for one in found.in_flight] == [intent.id]
    ledger.record_mined(intent.id, receipt(1), {})
    assert not (await reconcile(ledger, short, _saying(world), final)).equal


async def test_a_block_that_was_undone_moves_nothing_as_of_any_block(ledger: Ledger) -> None:
    before = ledger.accounts()
    intent = pending(ledger, 12)
    ledger.record_mined(intent.id, receipt(12), {INVENTORY_WETH: 10**16})
    ledger.undo_block(receipt(12).block_hash)
    found = books_at(ledger, 19)
    assert found is not None and found.above == ()
    assert found.booked == {account: units for account, units in before.items() if account.place == NETWORK}


def test_books_as_of_a_block_are_not_added_up_from_all_that_ever_was(
    in_file: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        in_file.record_mined(pending(in_file, number).id, receipt(number), {INVENTORY_WETH: 10**15})
    before, added = in_file.accounts()[INVENTORY_WETH], list[object]()
    monkeypatch.setattr(SqliteSum, "step", _noting(SqliteSum.step, added))
    found = books_at(in_file, 4)
    assert found is not None and [it.id for it in found.above] == [4, 5]
    assert found.booked[INVENTORY_WETH] == before - 2 * 10**15
    assert len(added) == 2 * len([INVENTORY_WETH, NATIVE]), "what the two later ones moved, and nothing else"


def _noting(step: Callable[..., None], noted: list[object]) -> Callable[..., None]:
    def noting(self: SqliteSum, value: object) -> None:
        noted.append(value)
        step(self, value)

    return noting


def test_before_the_books_began_nothing_is_said(ledger: Ledger) -> None:
    ledger.at_head(30, 1_700_000_030)
    ledger.open_account(Account(NETWORK, "late", "0x"), 1)
    assert books_at(ledger, 29) is None and books_at(ledger, 30) is not None


async def test_a_source_that_does_not_answer_is_no_zero(ledger: Ledger) -> None:
    async def dead(account: Account) -> int:
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError):
        await reconcile(ledger, dead, dead)
