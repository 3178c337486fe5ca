"""A recorded run, once more: the same road over the tape, to the same decisions, or to the first that is another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.config.load import Loaded
from bot.engine import Engine, Output
from bot.ledger.ledger import Ledger
from bot.ledger.summary import RunSummary, summarise
from bot.replay.ends import played_ends
from bot.replay.opening import FOLDER, TAPE, NotRecorded, Opening, copy_ledger, read_market, read_opening
from bot.replay.player import Decision, Diverged, PlayedClock, Player
from bot.replay.settings import Settings, recorded_config
from bot.replay.tape import read_tape
from bot.wiring import Footing, build_road, open_books, start
from chains.pools.extension import families_with


class Silent:
    """Tells nobody."""

    def line(self, text: str) -> None:
        pass


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

    @property
    def same(self) -> bool:
        return self.difference is None


def recording_of(run: Path) -> Path:
    """The recording's folder, given a run's folder or that itself. Raises `NotRecorded`."""
    for folder in (run / FOLDER, run):
        if (folder / TAPE).is_file():
            return folder
    raise NotRecorded(f"{run} holds no recording; name a run's folder, such as var/runs/20261121-…-twin-live-ab12")


async def replay(run: Path, out: Output | None = None) -> Replayed:
    """Replay the run in that folder. Raises `NotRecorded`, `NoTape`, `ConfigError`, `SnapshotError`."""
    folder = recording_of(run)
    opening = read_opening(folder)
    loaded = recorded_config(opening, Settings())
    player = Player(read_tape(folder / TAPE), PlayedClock())
    difference = None
    with (
        TemporaryDirectory(prefix="isthmus-replay-") as scratch,
        _Stage.open(folder, Path(scratch), opening, loaded, player, out or Silent()) as stage,
    ):
        try:
            await stage.play()
        except Diverged as error:
            difference = str(error)
        strategies = [strategy.name for strategy in loaded.config.strategies]
        digest = stage.digest
        if difference is None and player.recorded_digest not in (None, digest):
            difference = f"the decisions' digest was {player.recorded_digest} in the run and is {digest}"
        return Replayed(
            opening=opening,
            blocks=player.played,
            recorded=player.recorded,
            decisions=player.replayed,
            recorded_digest=player.recorded_digest,
            digest=digest,
            result=summarise(stage.ledger, strategies),
            difference=difference,
            complete=player.recorded_digest is not None,
        )


class _Stage:
    """The road, set up over a tape."""

    def __init__(
        self, ledger: Ledger, opening: Opening, loaded: Loaded, footing: Footing, player: Player, out: Output
    ) -> None:
        self.ledger = ledger
        self._opening, self._loaded, self._footing = opening, loaded, footing
        self._player, self._out = player, out
        self._engine: Engine | None = None

    @classmethod
    def open(cls, folder: Path, scratch: Path, opening: Opening, loaded: Loaded, player: Player, out: Output) -> _Stage:
        copy_ledger(folder, scratch / "ledger.sqlite3")
        player.clock.wall = opening.wall_s
        player.clock.monotonic = opening.head.arrived_ns
        market = read_market(folder, loaded.network.assets, families_with(loaded.config.families))
        ledger = Ledger.open(str(scratch / "ledger.sqlite3"), player.clock)
        return cls(ledger, opening, loaded, opening.footing(market), player, out)

    def __enter__(self) -> _Stage:
        return self

    def __exit__(self, *exc: object) -> None:
        self.ledger.close()

    @property
    def digest(self) -> str:
        return self._engine.decisions_digest if self._engine else ""

    async def play(self) -> None:
        opening, player = self._opening, self._player
        ends = played_ends(player, opening)
        road = build_road(self._loaded, self.ledger, self._footing, ends, player.clock)

        async def open_road() -> None:
            await open_books(
                self.ledger,
                self._loaded,
                opening.mode,
                opening.seed,
                opening.instance,
                self._footing,
                ends,
                opening.head,
            )
            await start(road, opening.head)

        await player.opening(asyncio.create_task(open_road()))
        engine = self._engine = Engine(road, self._out)
        engine.on_told = player.told
        running = asyncio.create_task(engine.run(player.events()))
        try:
            await player.play(engine, running)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
