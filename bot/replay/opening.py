"""What a recorded run began with, as files beside its tape: enough to wire the same road again without any network."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import zlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson

from bot.config.load import BUILT_IN, Loaded
from bot.execution.marks import Marks
from bot.execution.transactions import Identity
from bot.known import KnownPools
from bot.ledger.database import connect, parse_url
from bot.ledger.errors import explained
from bot.ledger.headfile import HeadFile, head_file_of
from bot.ledger.seals import read_head
from bot.market import Market
from bot.mode import Mode
from bot.replay.codec import decode, encode
from bot.wiring import Footing
from chains.assets import Assets, Token
from chains.blocks import Head
from chains.pools.pool import PoolFacts
from chains.pools.registry import Family
from chains.snapshot import Recorded, Snapshot, read, write

FOLDER = "recording"
TAPE = "tape"
_OPENING, _MARKET, _LEDGER = "opening.json.gz", "market.json.gz", "earlier.ledger"
_UNKEPT = f"{_LEDGER}.unkept"

_MOST_OF_FREE = 4
"""A ledger is kept beside a recording where it takes up at most this part of what is free: each start keeps it anew."""


class NotRecorded(LookupError):
    """A run without a recording, or with one that cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A run's beginning. `config` is the path of its run file, empty for the built-in one; `texts` are the files read,
    by path. `accounts` are the exchanges it could trade at, `relays` where transactions could go besides the mempool;
    `trading` is False where it ended at the verdict.
    """

    mode: Mode
    seed: int | None
    instance: str
    network: str
    wall_s: float
    head: Head
    identity: Identity
    caps: Mapping[Token, int]
    profit_tokens: tuple[Token, ...]
    currencies: tuple[Token, ...]
    accounts: tuple[str, ...]
    relays: tuple[str, ...]
    marks: Mapping[Token, Fraction]
    facts: tuple[PoolFacts, ...]
    protocols: Mapping[str, str]
    trading: bool
    config: str
    texts: Mapping[str, str]

    def footing(self, market: Market) -> Footing:
        """What the run stood on."""
        return Footing(
            identity=self.identity,
            caps=self.caps,
            profit_tokens=self.profit_tokens,
            currencies=self.currencies,
            known=KnownPools(self.facts, self.protocols),
            market=market,
            marks=Marks(self.marks),
        )


def texts_of(loaded: Loaded) -> tuple[str, dict[str, str]]:
    """The run file's path, empty for the built-in one, and the text of every file the configuration was read from,
    that of a network of one's own included.
    """
    source = loaded.config.source
    strategies = (strategy.source for strategy in loaded.config.strategies)
    files = [source or BUILT_IN, *strategies, *loaded.network.sources]
    texts = {str(file.resolve()): file.read_text("utf-8-sig") for file in files}
    return str(source.resolve()) if source else "", texts


def pools_at(market: Market, head: Head) -> tuple[Recorded, ...]:
    """Every pool as it is now; pools do not change, so this may be written while the market goes on."""
    return tuple(Recorded(pool, _read_at(market, venue, head)) for venue, pool in market.pools.items())


def write_opening(folder: Path, opening: Opening, pools: tuple[Recorded, ...]) -> None:
    """Write what a run begins with into `folder`. Raises `OSError`, `SnapshotError`."""
    write(Snapshot(pools), folder / _MARKET)
    (folder / _OPENING).write_bytes(gzip.compress(orjson.dumps(encode(opening)), 1))


def keep_ledger(folder: Path, ledger: Path) -> str:
    """Copy what `ledger` knows of runs before this one; why not, where the disk has too little space for that; else
    empty. Raises `LedgerError`, `OSError`.
    """
    size, free = ledger.stat().st_size, shutil.disk_usage(folder).free
    if _MOST_OF_FREE * size > free:
        why = (
            f"the ledger's {size / 1e9:.1f} GB are not kept beside the recording, as the disk has {free / 1e9:.1f} GB "
            "left: this run cannot be replayed as it was. Remove recordings of earlier runs"
        )
        (folder / _UNKEPT).write_text(why)
        return why
    uri, kept = f"{ledger.resolve().as_uri()}?mode=ro", folder / _LEDGER
    with (
        explained(str(kept)),
        closing(sqlite3.connect(uri, uri=True)) as source,
        closing(sqlite3.connect(kept)) as copy,
    ):
        source.backup(copy)
    return ""


def unkept(folder: Path) -> str:
    """Why what the ledger knew before the run is not in the recording, where it was not kept; else empty."""
    told = folder / _UNKEPT
    return told.read_text() if told.is_file() else ""


def read_opening(folder: Path) -> Opening:
    """The opening in a recording's folder. Raises `NotRecorded`."""
    try:
        document: Any = orjson.loads(gzip.decompress((folder / _OPENING).read_bytes()))
        opening = decode(document)
    except FileNotFoundError:
        raise NotRecorded(f"{folder} holds no recording; a run writes one unless [recording] is off") from None
    except (OSError, EOFError, zlib.error, ValueError, TypeError, AttributeError) as error:
        raise NotRecorded(f"{folder / _OPENING} cannot be read ({error}); was it recorded by this version?") from None
    if not isinstance(opening, Opening):
        raise NotRecorded(f"{folder / _OPENING} is not a run's opening")
    return opening


def read_market(folder: Path, assets: Assets, families: Mapping[str, Family]) -> Market:
    """The market as it was when the run opened. Raises `SnapshotError`, `OSError`."""
    market = Market(assets)
    for recorded in read(folder / _MARKET, families).pools:
        market.add_pool(recorded.pool, recorded.block)
    return market


def copy_ledger(folder: Path, to: Path) -> None:
    """What the ledger knew before the run, where it knew anything. Raises `LedgerError`."""
    if not (folder / _LEDGER).is_file():
        return
    shutil.copyfile(folder / _LEDGER, to)
    url = parse_url(str(to))
    engine = connect(url, read_only=True)
    try:
        with explained(str(to)), engine.connect() as connection:
            head = read_head(connection)
    finally:
        engine.dispose()
    # Beside what it was copied from the head file is by now further.
    HeadFile(head_file_of(url)).write(head, sync=False)


def _read_at(market: Market, venue: str, head: Head) -> int:
    origin = market.origin(venue)
    return origin.number if origin is not None else head.number
