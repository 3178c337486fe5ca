"""A recorded run, once more: the same road over the tape, to the same decisions, or to the first that is another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bot.config.load import Loaded
from bot.config.options import Quiet
from bot.engine import Engine
from bot.ledger.ledger import Ledger
from bot.ledger.summary import RunSummary, summarise
from bot.replay.codec import decode
from bot.replay.ends import played_ends
from bot.replay.heard import Heard, PlayedClock
from bot.replay.opening import TAPE, Opening, copy_ledger, read_market, read_opening, unkept
from bot.replay.player import Decision, Diverged, Player
from bot.replay.remembered import Remembered
from bot.replay.settings import Settings, recorded_config
from bot.replay.supposed import Supposing
from bot.replay.tape import read_tape
from bot.road import Output, Road
from bot.wiring import Ends, Footing, build_road, open_books, start
from chains.pools.extension import families_with
from chains.snapshot.document import from_json


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to. `difference` names the first thing that is not as in the run; None where all is."""

    opening: Opening
    blocks: int
    recorded: Sequence[Decision]
    decisions: Sequence[Decision]
    recorded_digest: str | None
    digest: str
    result: RunSummary
    difference: str | None
    complete: bool
    """Whether the recording has its end: False where the process ended before it could write it."""


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a run would have come to under other settings. `supposed` counts the answers that had to be made up."""

    opening: Opening
    blocks: int
    recorded: Sequence[Decision]
    decisions: Sequence[Decision]
    result: RunSummary
    supposed: int


async def replay(folder: Path, out: Output | None = None) -> Replayed:
    """Replay the recording in that folder. Raises `NotRecorded`, `NoTape`, `ConfigError`, `SnapshotError`."""
    opening = read_opening(folder)
    difference = None
    with _stage(folder, opening, Settings()) as stage:
        player = Player(read_tape(folder / TAPE), stage.heard())
        try:
            digest = await stage.play(player, out or Quiet())
        except Diverged as error:
            difference, digest = str(error), ""
        if difference is None and player.recorded_digest not in (None, digest):
            difference = f"the decisions' digest was {player.recorded_digest} in the run and is {digest}"
        if difference is not None and (why := unkept(folder)):
            difference = f"{difference}; {why}"
        return Replayed(
            opening=opening,
            blocks=player.heard.played,
            recorded=player.recorded,
            decisions=player.replayed,
            recorded_digest=player.recorded_digest,
            digest=digest,
            result=stage.result(),
            difference=difference,
            complete=player.recorded_digest is not None,
        )


async def suppose(folder: Path, settings: Settings, out: Output | None = None) -> Supposed:
    """What the run whose recording is in that folder would have come to under `settings`.

    Raises `NotRecorded`, `NoTape`, `ConfigError`, `SnapshotError`, `Unsupposable`.
    """
    opening = read_opening(folder)
    remembered = Remembered.of(read_tape(folder / TAPE))
    with _stage(folder, opening, settings) as stage:
        supposing = Supposing(
            records=read_tape(folder / TAPE),
            remembered=remembered,
            identity=opening.identity,
            market=stage.footing.market,
            heard=stage.heard(),
            coin=stage.footing.marks.gas_coin(stage.loaded.network.wrapped),
        )
        await stage.play(supposing, out or Quiet())
        return Supposed(
            opening,
            supposing.heard.played,
            remembered.decisions,
            supposing.replayed,
            stage.result(),
            supposing.supposed,
        )


@contextmanager
def _stage(folder: Path, opening: Opening, settings: Settings) -> Iterator[_Stage]:
    """The road of a run, set up anew with a ledger that is thrown away."""
    loaded, clock = recorded_config(opening, settings), PlayedClock(opening.wall_s, opening.head.arrived_ns)
    market = read_market(folder, loaded.network.assets, families_with(loaded.config.families))
    with TemporaryDirectory(prefix="isthmus-replay-") as scratch:
        file = Path(scratch) / "ledger.sqlite3"
        copy_ledger(folder, file)
        with closing(Ledger.open(str(file), clock)) as ledger:
            yield _Stage(opening, loaded, ledger, opening.footing(market), clock)


@dataclass(frozen=True, slots=True)
class _Stage:
    opening: Opening
    loaded: Loaded
    ledger: Ledger
    footing: Footing
    clock: PlayedClock

    async def play(self, player: Player | Supposing, out: Output) -> str:
        """The whole run; gives the digest of its decisions."""
        ends = played_ends(player, self.opening)
        road = build_road(self.loaded, self.ledger, self.footing, ends, self.clock)
        await player.opening(asyncio.create_task(self._open(road, ends)))
        engine = Engine(road, out)
        engine.deciding.on_told = player.told
        running = asyncio.create_task(engine.run(player.heard.events()))
        try:
            await player.play(engine, running)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return engine.decisions_digest

    async def _open(self, road: Road, ends: Ends) -> None:
        opening = self.opening
        await open_books(
            self.ledger, self.loaded, opening.mode, opening.seed, opening.instance, self.footing, ends, opening.head
        )
        await start(road, opening.head)

    def heard(self) -> Heard:
        """What the run heard, from its beginning."""
        return Heard(self.clock, self._join)

    def _join(self, facts: Any, protocol: str, state: Any) -> None:
        """Take in a pool as it is on the tape."""
        market = self.footing.market
        self.footing.known.add(decode(facts), protocol)
        for recorded in from_json(state, families_with(self.loaded.config.families)).pools:
            market.add_pool(recorded.pool, market.number)

    def result(self) -> RunSummary:
        return summarise(self.ledger, [strategy.name for strategy in self.loaded.config.strategies])
