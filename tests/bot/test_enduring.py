"""A full disk, or a locked ledger: nothing is signed or sent while nothing can be written, it is told once, and then it
goes on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from bot.enduring import Unwritten
from bot.execution.transactions import Sent, TransactionDesk
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerFull, LedgerLocked, LedgerUnwritable
from bot.ledger.ledger import Ledger
from bot.ledger.states import IntentState
from bot.reasons import Refusal
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.protocol import Signed, SignRequest
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from bot.simulator.verdict import Verdict
from chains.blocks import Block, ChainEvent, Head, Undone
from tests.bot.execution.given import cycle, head, open_ledger
from tests.bot.execution.scripted import POLICY, Connection, ScriptedChain, ScriptedSimulator, desk
from tests.bot.ledger.given import StandingClock
from tests.bot.signer.making import SECRET
from tests.told import Told


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path / "ledger.db")
    yield ledger
    assert ledger.verified().whole
    ledger.close()


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Connection]:
    with Journal(tmp_path / "signer.db") as journal:
        clock, switch = StandingClock(), KillSwitch(tmp_path / "control")
        switch.establish(clock.wall_s())
        key = SigningKey(SECRET)
        yield Connection(
            Signer(
                policy=POLICY, policy_digest="", key=key, journal=journal, switch=switch, clock=clock, protections={}
            )
        )


async def test_nothing_is_sent_while_the_disk_is_full_and_plans_go_out_again_when_it_is_not(
    ledger: Ledger, signer: Connection
) -> None:
    chain = ScriptedChain()
    on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
    with _full(ledger), pytest.raises(LedgerFull, match="the disk is full; free some space"):
        await _sent(on, ledger)
    assert chain.sent == []
    await on.on_block(Block(head(11), ()))
    again = desk(ledger, chain, ScriptedSimulator(cycle(11)), signer)
    sent = await _sent(again, ledger, 11)
    assert isinstance(sent, Sent) and sent.intent.nonce == 0 and len(chain.sent) == 1


async def test_what_was_signed_when_the_disk_filled_up_is_never_sent_and_its_nonce_is_used_again(
    ledger: Ledger, signer: Connection
) -> None:
    chain = ScriptedChain()
    on = desk(ledger, chain, ScriptedSimulator(cycle()), _FillingSigner(signer, ledger))
    with pytest.raises(LedgerFull):
        await _sent(on, ledger)
    _limit(ledger, pages=2**30)
    (left,) = ledger.open_intents()
    assert chain.sent == [] and left.state is IntentState.RESERVED
    await on.on_block(Block(head(11), ()))
    assert ledger.intent(left.id).state is IntentState.RELEASED
    again = desk(ledger, chain, ScriptedSimulator(cycle(11)), signer)
    sent = await _sent(again, ledger, 11)
    assert isinstance(sent, Sent) and sent.intent.nonce == left.nonce


async def test_nothing_is_sent_while_another_process_locks_the_ledger_and_plans_go_out_once_it_lets_go(
    ledger: Ledger, signer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.ledger.database.BUSY_TIMEOUT_MS", 1)
    chain = ScriptedChain()
    on = desk(ledger, chain, ScriptedSimulator(cycle()), signer)
    plan, at = cycle(10), head(10)
    ledger.record_plan(plan)
    prepared = on.prepare(plan, at)
    verdict = await on.verdict(prepared, at)
    assert isinstance(verdict, Verdict)
    ledger._let_go()
    ledger._writer.dispose()
    with closing(sqlite3.connect(ledger.where, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerLocked, match="another process is writing to it"):
            await on.submit(prepared, verdict, at)
        other.execute("ROLLBACK")
    assert chain.sent == []
    assert isinstance(await on.submit(prepared, verdict, at), Sent) and len(chain.sent) == 1


@pytest.mark.parametrize("kind", [LedgerFull, LedgerLocked])
async def test_it_is_told_once_and_told_when_it_is_over(kind: type[LedgerUnwritable]) -> None:
    told, taken = Told(), list[Head]()
    unwritten, given_up = Unwritten(told), list[Head]()
    full = {head(11), head(12)}

    async def take(event: ChainEvent) -> None:
        assert isinstance(event, Block)
        if event.head in full:
            raise kind("ledger: it takes nothing")
        taken.append(event.head)

    async def give_up(at: Head) -> None:
        given_up.append(at)

    for number in (10, 11, 12, 13):
        await unwritten.take(Block(head(number), ()), take, give_up)
    assert taken == [head(10), head(13)] and given_up == [head(11), head(12)]
    assert told == [
        "nothing is signed: ledger: it takes nothing",
        "the ledger can be written again: trading goes on",
    ]


async def test_a_reorganisation_that_cannot_be_booked_is_booked_before_what_follows_it() -> None:
    taken, unwritten, full = list[ChainEvent](), Unwritten(Told()), True
    undone = Undone(head(9), (head(10).hash,))

    async def take(event: ChainEvent) -> None:
        if full:
            raise LedgerFull("ledger: the disk is full")
        taken.append(event)

    async def give_up(at: Head) -> None:
        raise AssertionError("a block was passed over before the reorganisation it follows")

    await unwritten.take(undone, take, give_up)
    await unwritten.take(Block(head(10), ()), take, give_up)
    full = False
    await unwritten.take(Block(head(11), ()), take, give_up)
    assert taken == [undone, Block(head(10), ()), Block(head(11), ())]


class _FillingSigner(Connection):
    """While it signs, something else fills the disk."""

    def __init__(self, signer: Connection, ledger: Ledger) -> None:
        super().__init__(signer._signer)
        self._ledger = ledger

    async def sign(self, request: SignRequest) -> Signed | Refusal:
        answer = await super().sign(request)
        _fill(self._ledger)
        return answer


async def _sent(on: TransactionDesk, ledger: Ledger, number: int = 10) -> Sent | Refusal:
    plan = cycle(number)
    ledger.record_plan(plan)
    prepared = on.prepare(plan, head(number))
    verdict = await on.verdict(prepared, head(number))
    assert isinstance(verdict, Verdict)
    return await on.submit(prepared, verdict, head(number))


@contextmanager
def _full(ledger: Ledger) -> Iterator[None]:
    _fill(ledger)
    yield
    _limit(ledger, pages=2**30)


def _fill(ledger: Ledger) -> None:
    """The file may not grow, and has no room left in it."""
    _limit(ledger, pages=1)
    for size in (2000, 500, 100, 10, 1):
        with suppress(LedgerFull):
            while True:
                ledger.record_event(Level.INFO, "filler", "x" * size)


def _limit(ledger: Ledger, *, pages: int) -> None:
    """SQLite takes the present size where that is more."""
    with ledger._writer.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
