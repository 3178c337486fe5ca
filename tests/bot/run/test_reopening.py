"""A ledger with a past is held against what is really there before anything new is begun on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.config.strategies import UnknownStrategy
from bot.ledger.custody import mark_restored
from bot.ledger.errors import IllegalMove, LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.reconcile import Reconciliation, Row, UnknownPlace, book_differences
from bot.ledger.records import Account
from bot.ledger.states import Exposure
from bot.run.reopening import require_named, require_reconciled
from chains.assets import ZERO_ADDRESS, Address
from chains.blocks import Head
from chains.node.errors import NoArchive
from tests.bot.execution import given
from tests.bot.execution.given import head
from tests.bot.ledger.given import EXECUTOR, NATIVE, NETWORK, SENDER, begin, open_ledger, pending, receipt

FINAL, HEAD = head(18), head(20)


@dataclass
class Outside:
    """The chain and the exchange, which hold what the books say, and what differs from it."""

    ledger: Ledger
    differs: dict[Account, int] = field(default_factory=dict)
    at_final: dict[Account, int] = field(default_factory=dict)
    final: Head = FINAL
    pruned: bool = False

    async def finalized_head(self) -> Head:
        return self.final

    async def balance(self, account: Address, block: str) -> int:
        return self._held(Account(NETWORK, account, ZERO_ADDRESS), block)

    async def call(self, to: Address, data: bytes, block: str) -> bytes:
        owner = {EXECUTOR.lower(): EXECUTOR, SENDER.lower(): SENDER}["0x" + data[-20:].hex()]
        return self._held(Account(NETWORK, owner, to), block).to_bytes(32, "big")

    async def balances(self) -> dict[str, int]:
        return {it.token: self._held(it) for it in self.ledger.accounts() if it.place == "binance"}

    def _held(self, account: Account, block: str = HEAD.hash) -> int:
        if self.pruned and block == FINAL.hash:
            raise NoArchive("eth_call", -32000, "missing trie node")
        differs = {HEAD.hash: self.differs, FINAL.hash: self.at_final}[block]
        return self.ledger.accounts()[account] + differs.get(account, 0)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    ledger = open_ledger(tmp_path / "ledger.db")
    yield Outside(ledger)
    ledger.close()


async def _reopen(outside: Outside) -> None:
    await require_reconciled(outside.ledger, outside, {"binance": outside}, HEAD)


def _spot(ledger: Ledger) -> Account:
    return next(account for account in ledger.accounts() if account.place == "binance")


async def test_the_first_run_of_all_has_nothing_to_prove(outside: Outside) -> None:
    outside.differs[NATIVE] = -1
    await _reopen(outside)


async def test_a_wei_that_is_missing_at_a_restart_stops_it(outside: Outside) -> None:
    begin(outside.ledger)
    await _reopen(outside)
    outside.differs[NATIVE] = -1
    with pytest.raises(LedgerError, match=rf"{SENDER} at {NETWORK}: 1 units.*isthmus reconcile --book"):
        await _reopen(outside)


async def test_what_somebody_sent_us_stops_no_restart(outside: Outside) -> None:
    begin(outside.ledger)
    outside.differs[NATIVE] = 1
    await _reopen(outside)


async def test_while_something_is_in_flight_a_difference_may_be_its(outside: Outside) -> None:
    pending(outside.ledger, 1)
    begin(outside.ledger)
    outside.differs[NATIVE] = -1
    await _reopen(outside)


async def test_what_is_in_flight_explains_nothing_that_is_missing_at_the_final_block(outside: Outside) -> None:
    pending(outside.ledger, 1)
    begin(outside.ledger)
    await _reopen(outside)
    outside.at_final[NATIVE] = -1
    with pytest.raises(LedgerError, match=rf"{SENDER} at {NETWORK}: 1 units"):
        await _reopen(outside)


async def test_without_the_final_blocks_state_a_restart_is_held_against_the_newest_block(outside: Outside) -> None:
    begin(outside.ledger)
    outside.pruned = True
    await _reopen(outside)
    outside.differs[NATIVE] = -1
    with pytest.raises(LedgerError, match=rf"{SENDER} at {NETWORK}: 1 units"):
        await _reopen(outside)


async def test_without_the_final_blocks_state_nothing_is_proven_while_something_is_in_flight(outside: Outside) -> None:
    pending(outside.ledger, 1)
    begin(outside.ledger)
    outside.pruned = True
    with pytest.raises(NoArchive):
        await _reopen(outside)


async def test_what_was_withdrawn_from_an_exchange_and_not_booked_stops_a_restart(outside: Outside) -> None:
    """Plans would count on it for their other side, and each be taken back at a loss."""
    begin(outside.ledger)
    spot = _spot(outside.ledger)
    outside.differs[spot] = 1
    await _reopen(outside)
    outside.differs[spot] = -1
    with pytest.raises(LedgerError, match=r"at binance: 1 units.*isthmus reconcile --book"):
        await _reopen(outside)
    await require_reconciled(outside.ledger, outside, {}, HEAD)


async def test_while_anything_is_open_an_exchange_is_not_asked_what_lies_there(outside: Outside) -> None:
    pending(outside.ledger, 1)
    begin(outside.ledger)
    outside.differs[_spot(outside.ledger)] = -1
    await _reopen(outside)


async def test_a_restored_ledger_must_equal_the_chain_and_the_exchange(outside: Outside) -> None:
    ledger = outside.ledger
    with ledger._writer.begin() as connection:
        mark_restored(connection)
    for account in (NATIVE, _spot(ledger)):
        outside.differs = {account: 1}
        with pytest.raises(LedgerError, match="nothing is traded on it"):
            await _reopen(outside)
        assert ledger.was_restored
    outside.differs = {}
    await _reopen(outside)
    assert not ledger.was_restored


async def test_what_a_person_explains_is_booked_and_then_it_goes_on(outside: Outside) -> None:
    ledger = outside.ledger
    before = ledger.accounts()[NATIVE]
    book_differences(ledger, Reconciliation((Row(NATIVE, before, before - 7),)), "gas of a transfer by hand")
    assert ledger.accounts()[NATIVE] == before - 7
    pending(ledger, 1)
    with pytest.raises(LedgerError, match=r"something is in flight.* halt that run where it trades on"):
        book_differences(ledger, Reconciliation((Row(NATIVE, before, before),)), "again")


async def test_what_a_run_beside_booked_since_it_was_compared_is_not_booked_again(outside: Outside) -> None:
    ledger = outside.ledger
    before = ledger.accounts()[NATIVE]
    intent = pending(ledger, 1)
    mined = receipt(1)
    real = before - mined.gas_cost_wei
    sent = Reconciliation((Row(NATIVE, before, real),), in_flight=(intent,))
    idle = Reconciliation((Row(NATIVE, before, real),))
    ledger.record_mined(intent.id, mined, {})
    for found, why in ((sent, "something is in flight"), (idle, "a run booked something")):
        with pytest.raises(LedgerError, match=why):
            book_differences(ledger, found, "a deposit")
    assert ledger.accounts()[NATIVE] == real


def test_while_an_exchange_is_owed_its_book_and_its_strategy_must_be_named(tmp_path: Path) -> None:
    ledger = given.open_ledger(tmp_path / "ledger.db")
    plan = given.sells_on_chain()
    books = {("binance", "ETH/USDT")}
    require_named(ledger, (), ())
    intent = given.pending(ledger, plan)
    for settled in (lambda: None, lambda: given.settle(ledger, intent, plan, 11)):
        settled()
        require_named(ledger, books, {plan.strategy})
        with pytest.raises(UnknownStrategy, match=f"{plan.strategy} is open.*`isthmus flatten {plan.strategy}` lets"):
            require_named(ledger, books, {"another"})
        for others in ((), {("binance", "BTC/USDT")}, {("kraken", "ETH/USDT")}):
            with pytest.raises(UnknownPlace, match=r"binance, ETH/USDT; name both under \[\[exchanges\]\]"):
                require_named(ledger, others, {plan.strategy})
    ledger.close_exposure(intent.id, Exposure.HEDGED)
    require_named(ledger, (), ())
    ledger.close()


@pytest.mark.parametrize("mined", [False, True])
def test_where_nothing_can_be_ordered_any_more_a_person_frees_the_run(tmp_path: Path, mined: bool) -> None:
    ledger = given.open_ledger(tmp_path / "ledger.db")
    plan = given.sells_on_chain()
    intent = given.pending(ledger, plan)
    if mined:
        given.settle(ledger, intent, plan, 11)
    with pytest.raises(UnknownPlace, match=f"`isthmus orders waive {intent.id}`"):
        require_named(ledger, (), {plan.strategy})
    ledger.waive_exposure(intent.id, by="ann", because="delisted")
    require_named(ledger, (), {plan.strategy})
    if not mined:
        assert given.settle(ledger, intent, plan, 11).intent.exposure is Exposure.BY_HAND
    assert not ledger.open_intents() and not ledger.intent(intent.id).is_exposed
    book_differences(ledger, Reconciliation(()), "bought back elsewhere")
    with pytest.raises(IllegalMove, match="it owes no other side"):
        ledger.waive_exposure(intent.id, by="ann", because="once more")
    ledger.close()
