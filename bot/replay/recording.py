"""Where a run's recording begins: its folder, what it opened with, and the tape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from bot.clock import Clock
from bot.config.load import Loaded
from bot.config.options import Reporter
from bot.ledger.decisions import Level
from bot.ledger.errors import LedgerUnwritable
from bot.ledger.ledger import Ledger
from bot.mode import Mode
from bot.replay.opening import FOLDER, TAPE, Opening, keep_ledger, pools_at, texts_of, write_opening
from bot.replay.recorder import Kind, Recorder
from bot.replay.tape import TapeWriter
from bot.wiring import Ends, Footing
from bot.world.world import World
from chains.blocks import Head


async def begin_recording(
    loaded: Loaded,
    mode: Mode,
    seed: int | None,
    world: World,
    footing: Footing,
    ends: Ends,
    head: Head,
    clock: Clock,
    out: Reporter,
    stack: AsyncExitStack,
) -> Recorder:
    """Record from here on, into the run's own folder; `stack` ends it. Raises `OSError`, `SnapshotError`.

    What the run opens with is written before anything is begun, so that a run killed soon after can be replayed.
    """
    folder = world.folder / FOLDER
    folder.mkdir(mode=0o700)
    config, texts = texts_of(loaded)
    known = footing.known
    opening = Opening(
        mode=mode,
        seed=seed,
        instance=world.instance,
        network=loaded.network.name,
        wall_s=clock.wall_s(),
        head=head,
        identity=footing.identity,
        caps=footing.caps,
        profit_tokens=tuple(footing.profit_tokens),
        currencies=tuple(footing.currencies),
        accounts=tuple(ends.accounts),
        relays=tuple(ends.relays),
        marks=footing.marks.wei_per_unit,
        facts=known.facts,
        protocols=known.protocols,
        trading=mode is not Mode.DRY,
        config=config,
        texts=texts,
    )
    earlier = _earlier(world)
    unkept = "" if earlier is None else keep_ledger(folder, earlier)
    if unkept:
        out.line(unkept)
    await asyncio.to_thread(write_opening, folder, opening, pools_at(footing.market, head))
    tape = TapeWriter(folder / TAPE, _telling(world.ledger, out))
    tape.put(lambda: [Kind.OPENING])
    recorder = Recorder(tape, clock, unkept)
    stack.callback(recorder.close)
    return recorder


def _earlier(world: World) -> Path | None:
    """The ledger's file, where it may know of runs before this one."""
    file = Path(world.ledger_url)
    return file if file.is_file() and world.memory != world.folder else None


def _telling(ledger: Ledger, out: Reporter) -> Callable[[str], None]:
    """Tells a person and the ledger from another thread. The disk that has no space for one may have none for both."""
    loop = asyncio.get_running_loop()

    def told(detail: str) -> None:
        with suppress(LedgerUnwritable):
            ledger.record_event(Level.WARNING, "recording", detail)
        out.line(f"{detail}; the run goes on")

    def tell(detail: str) -> None:
        loop.call_soon_threadsafe(told, detail)

    return tell
