"""Damage done to a ledger behind its back: flipped bits, write-ahead logs cut short, rows edited by hand."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.models import Base
from bot.ledger.records import TradeFill
from bot.ledger.seals import UNSEALED_COLUMNS
from bot.ledger.states import OrderState
from bot.simulator.verdict import LEVELS_BPS, IfMoved
from tests.bot.ledger.given import (
    INVENTORY_USDT,
    INVENTORY_WETH,
    StandingClock,
    hedge_order,
    open_ledger,
    pending,
    receipt,
    sell_plan,
)

FILE = "ledger.db"
_BESIDE = ("", "-wal", "-head")

Rows = dict[str, list[tuple[Any, ...]]] | None
"""Every value of every table as it is stored; None when it cannot be read."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """A ledger with some trades in it, in `folder`; `rows` is what it says."""

    folder: Path
    rows: Rows

    @classmethod
    def closed(cls, folder: Path, trades: int) -> Specimen:
        """As after a proper end: everything is in the one file."""
        _trade(folder / FILE, trades).close()
        return cls(folder, rows_of(folder / FILE))

    @classmethod
    def killed(cls, folder: Path, trades: int) -> Specimen:
        """As after a kill: the newest commits are in the write-ahead log."""
        alive = folder / "alive"
        alive.mkdir()
        with closing(_trade(alive / FILE, trades)):
            for beside in _BESIDE:
                shutil.copy(alive / (FILE + beside), folder / (FILE + beside))
        shutil.rmtree(alive)
        return cls(folder, rows_of_copy(folder))

    def copied(self, to: Path) -> Path:
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir()
        for beside in _BESIDE:
            if (self.folder / (FILE + beside)).exists():
                shutil.copy(self.folder / (FILE + beside), to / (FILE + beside))
        return to / FILE


@dataclass(frozen=True, slots=True)
class Tally:
    """Damages done, those that changed a row, and those of them that were found when the ledger was opened."""

    done: int = 0
    visible: int = 0
    found: int = 0
    missed: tuple[str, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.done + other.done, self.visible + other.visible, self.found + other.found, self.missed + other.missed
        )


Damage = Callable[[Path, random.Random], str]
"""Does something to the ledger at a path, and says what."""


def damaged(specimen: Specimen, scratch: Path, damage: Damage, rng: random.Random, times: int) -> Tally:
    """Damages a fresh copy, `times` times, and opens each as a start of the bot would."""
    tally = Tally()
    for _ in range(times):
        path = specimen.copied(scratch)
        what = damage(path, rng)
        visible = rows_of_copy(path.parent) != specimen.rows
        found = not _opens(path)
        missed = (what,) if visible and not found else ()
        tally += Tally(1, int(visible), int(visible and found), missed)
    return tally


def flip_a_bit(path: Path, rng: random.Random) -> str:
    """One bit of the database file."""
    content = bytearray(path.read_bytes())
    at, bit = rng.randrange(len(content)), rng.randrange(8)
    content[at] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {at}"


def cut_the_log(path: Path, rng: random.Random) -> str:
    """The write-ahead log ends early, at any byte."""
    log = path.with_name(path.name + "-wal")
    length = rng.randrange(log.stat().st_size)
    with log.open("rb+") as file:
        file.truncate(length)
    return f"the log ends at {length}"


def edit_a_row(path: Path, rng: random.Random) -> str:
    """Somebody changes a value, or takes a row away, or puts one in again."""
    with closing(sqlite3.connect(path)) as database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        while True:
            edit = _some_edit(database, rng)
            try:
                database.execute(edit)
            except sqlite3.IntegrityError:
                continue
            database.commit()
            return edit


def rows_of_copy(folder: Path) -> Rows:
    """The rows of the ledger in `folder`, whose files are left as they are."""
    looked_at = folder / "looked-at"
    looked_at.mkdir()
    try:
        for beside in ("", "-wal"):
            if (folder / (FILE + beside)).exists():
                shutil.copy(folder / (FILE + beside), looked_at / (FILE + beside))
        return rows_of(looked_at / FILE)
    finally:
        shutil.rmtree(looked_at)


def rows_of(path: Path) -> Rows:
    """What any reader would see, value by value; the lease's heartbeat, which nothing depends on, is left out."""
    try:
        with closing(sqlite3.connect(path)) as database:
            database.text_factory = bytes
            tables = {table.name: _columns(table.name) for table in Base.metadata.sorted_tables}
            tables["alembic_version"] = "version_num"
            return {
                name: database.execute(f"SELECT {columns} FROM {name}").fetchall() for name, columns in tables.items()
            }
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None


def _columns(table: str) -> str:
    names = (column.name for column in Base.metadata.tables[table].columns)
    return ", ".join(f'"{name}"' for name in names if (table, name) not in UNSEALED_COLUMNS)


def _opens(path: Path) -> bool:
    try:
        Ledger.open(str(path), StandingClock(), hold="twin").close()
    except LedgerError:
        return False
    return True


def _some_edit(database: sqlite3.Connection, rng: random.Random) -> str:
    held = [
        table
        for table in Base.metadata.sorted_tables
        if database.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0]
    ]
    table = rng.choice(held)
    (row,) = rng.choice(database.execute(f"SELECT rowid FROM {table.name}").fetchall())
    if rng.random() < 0.2:
        return f"DELETE FROM {table.name} WHERE rowid = {row}"
    choices = [column.name for column in table.columns if (table.name, column.name) not in UNSEALED_COLUMNS]
    column = rng.choice(choices)
    values = ("NULL", "7", "'7'", "-1", "x'00'", f"\"{column}\" || '0'", f'"{column}" + 1', "''")
    return f'UPDATE {table.name} SET "{column}" = {rng.choice(values)} WHERE rowid = {row}'


def _trade(path: Path, trades: int) -> Ledger:
    """Trades of both kinds, some of them reorganised away, one of them open."""
    ledger = open_ledger(path)
    ledger.hold("twin")
    for number in range(trades):
        intent = pending(ledger, number, sell_plan(number))
        moved = [IfMoved(bps, -number, settles=False) for bps in LEVELS_BPS]
        ledger.record_borne(intent.plan_id, f"{number:064}", moved)
        mined = receipt(number)
        ledger.record_mined(intent.id, mined, {INVENTORY_WETH: -(10**18), INVENTORY_USDT: 2010 * 10**6})
        if number % 3 == 2:
            ledger.undo_block(mined.block_hash)
            continue
        order = ledger.place_order(intent.id, hedge_order(), "spot")
        fill = TradeFill(str(number), 10**8, 2000 * 10**8, "USDT", 2 * 10**8)
        ledger.record_order("binance", order.client_id, OrderState.FILLED, [fill])
    return ledger


def tallies(folder: Path, seed: int, flips: int, cuts: int, edits: int, trades: int = 6) -> Iterator[tuple[str, Tally]]:
    """Each kind of damage, and what came of it."""
    rng = random.Random(seed)
    closed, killed, scratch = folder / "closed", folder / "killed", folder / "scratch"
    for made in (closed, killed):
        made.mkdir()
    whole = Specimen.closed(closed, trades)
    yield "flipped bits", damaged(whole, scratch, flip_a_bit, rng, flips)
    yield "edited rows", damaged(whole, scratch, edit_a_row, rng, edits)
    yield "logs cut short", damaged(Specimen.killed(killed, trades), scratch, cut_the_log, rng, cuts)
