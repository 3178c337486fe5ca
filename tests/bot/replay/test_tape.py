from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ledger.errors import LedgerFull
from bot.replay.levels import BookReader, BookWriter
from bot.replay.recording import _telling
from bot.replay.tape import MAGIC, NoTape, TapeWriter, read_tape
from chains.assets import Token
from chains.exchanges.books import Book, Level
from tests.bot.ledger.given import open_ledger
from tests.full import files_of_at_most
from tests.told import Told

BASE, QUOTE = Token("x", "ETH", "ETH", 8), Token("x", "USDT", "USDT", 8)
LEVELS = st.dictionaries(st.integers(1, 50), st.integers(1, 5), max_size=8)


def written(file: Path, records: int) -> Path:
    tape = TapeWriter(file, on_trouble=pytest.fail)
    for number in range(records):
        tape.put(lambda number=number: ["record", number])
    tape.close()
    return file


def book(bids: dict[int, int], asks: dict[int, int], nonce: int) -> Book:
    best_first: tuple[Level, ...] = tuple(sorted(bids.items(), reverse=True))
    return Book("x", "ETH/USDT", BASE, QUOTE, best_first, tuple(sorted(asks.items())), 1, 1, 1, 1, 100, nonce, 5, nonce)


def test_records_come_back_in_order(tmp_path: Path) -> None:
    assert list(read_tape(written(tmp_path / "tape", 1_300))) == [["record", number] for number in range(1_300)]


def test_what_a_crash_cut_short_is_left_out_and_everything_before_it_stands(tmp_path: Path) -> None:
    tape = written(tmp_path / "tape", 1_300)
    whole = tape.read_bytes()
    for lost in (1, 9, 200):
        tape.write_bytes(whole[:-lost])
        records = list(read_tape(tape))
        assert records == [["record", number] for number in range(1_024)]


def test_damage_in_the_middle_is_refused_by_name(tmp_path: Path) -> None:
    tape = written(tmp_path / "tape", 1_300)
    damaged = bytearray(tape.read_bytes())
    damaged[len(MAGIC) + 20] ^= 1
    tape.write_bytes(damaged)
    with pytest.raises(NoTape, match="damaged in the middle"):
        list(read_tape(tape))


def test_another_file_is_no_tape(tmp_path: Path) -> None:
    (tmp_path / "tape").write_bytes(b"SQLite format 3\0")
    with pytest.raises(NoTape, match="not a recording of this version"):
        list(read_tape(tmp_path / "tape"))


def test_what_cannot_be_written_is_told_once_and_the_run_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    tape = TapeWriter(tmp_path / "tape", told.append)
    tape.put(lambda: object())
    tape.put(lambda: ["record", 1])
    tape.close()
    assert len(told) == 1
    assert told[0].startswith("the recording ended: ")


@given(st.lists(st.tuples(LEVELS, LEVELS), min_size=1, max_size=10))
def test_books_come_back_from_their_changes(states: list[tuple[dict[int, int], dict[int, int]]]) -> None:
    writer, reader = BookWriter(), BookReader()
    for nonce, (bids, asks) in enumerate(states):
        now = book(bids, asks, nonce)
        assert reader.book(writer.document(now)) == now


def test_a_tape_that_found_no_space_says_so_once_and_does_not_try_again_at_its_end(tmp_path: Path) -> None:
    told: list[str] = []
    tape = TapeWriter(tmp_path / "tape", told.append)
    with files_of_at_most(len(MAGIC) + 5):
        tape.put(lambda: ["record", 1])
        tape.close()
    tape.close()
    assert told == ["the recording ended: [Errno 27] File too large"]
    assert list(read_tape(tmp_path / "tape")) == []


async def test_that_a_recording_ended_is_told_where_the_ledger_has_no_space_for_it_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerFull("no space")

    ledger, out, failed = open_ledger(tmp_path / "ledger.db"), Told(), list[object]()
    monkeypatch.setattr(ledger, "record_event", full)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    tell = _telling(ledger, out)
    await asyncio.to_thread(tell, "the recording ended: why")
    await asyncio.sleep(0)
    assert out == ["the recording ended: why; the run goes on"] and not failed
    ledger.close()
