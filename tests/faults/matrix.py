"""The fault matrix: every fault on every method the bot lives by, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from bot.execution.transactions import TransactionDesk
from tests.faults.chain import Setting
from tests.faults.fault import Fault, Kind
from tests.faults.oracle import Wrong
from tests.faults.rig import Layout, Rig, open_rig

METHODS = {
    "chainId": ("eth_chainId",),
    "newHeads": ("eth_subscribe",),
    "getBlockByNumber": ("eth_getBlockByNumber", "eth_blockNumber"),
    "getBlockByHash": ("eth_getBlockByHash",),
    "getLogs": ("eth_getLogs",),
    "call": ("eth_call",),
    "getTransactionReceipt": ("eth_getTransactionReceipt",),
    "getTransactionCount": ("eth_getTransactionCount",),
    "sendRawTransaction": ("eth_sendRawTransaction",),
}
"""The matrix's columns: what each stands for on the wire."""

BLOCK_TIME_S = 2
"""The rollups' and Polygon's."""

_PATIENCE_S = 180.0
RECOVERY_BLOCKS = 2
"""Within how many blocks after a fault's end the bot must follow and send again."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault on one method, over one layout of endpoints."""

    kind: Kind
    method: str
    layout: Layout

    def __str__(self) -> str:
        return f"{self.kind} x {self.method} ({self.layout})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell.

    `struck` is how often the fault struck, `recovery` how many blocks it took after its end (None: it never did),
    `ends` how often the run ended by its own word and was started again, `bugs` how it ended otherwise.
    """

    cell: Cell
    struck: int
    recovery: int | None
    wrong: tuple[Wrong, ...]
    ends: int
    bugs: tuple[str, ...]
    seconds: float

    @property
    def in_time(self) -> bool:
        """Whether it traded again as soon as it must."""
        return self.recovery is not None and self.recovery <= RECOVERY_BLOCKS

    @property
    def late_only(self) -> bool:
        """Whether being late is all that is wrong, which a busy machine may be the reason of."""
        return not (self.in_time or self.wrong or self.bugs)

    @property
    def good(self) -> bool:
        """No wrong action, no bug, and trading again in time."""
        return self.in_time and not self.wrong and not self.bugs


async def play(rig: Rig, *faults: Fault) -> int | None:
    """Faults over two quiet blocks, a restart, two blocks at once, and a reorganisation; then the blocks to recover."""
    await rig.strike(*faults)
    await rig.blocks(2)
    await rig.bot.restart()
    await rig.blocks()
    await rig.blocks(at_once=2)
    await rig.reorganise(1)
    await rig.blocks()
    rig.heal()
    return await rig.recovered_after()


async def outcome(cell: Cell, setting: Setting, desk: type[TransactionDesk] = TransactionDesk) -> Outcome:
    """Play one cell on a chain of its own."""
    begun = time.monotonic()
    async with open_rig(setting, cell.layout, desk=desk, block_time_s=BLOCK_TIME_S) as rig:
        fault = Fault(cell.kind, frozenset(METHODS[cell.method]))
        recovery = await play(rig, fault)
        wrong = await rig.settle()
        struck = sum(rig.faulty.schedule.struck.values())
        return Outcome(
            cell, struck, recovery, tuple(wrong), rig.bot.ends.total(), tuple(rig.bot.bugs), time.monotonic() - begun
        )


def cells(layouts: Iterable[Layout], kinds: Iterable[Kind] = Kind, methods: Iterable[str] = METHODS) -> list[Cell]:
    """Every fault on every method, over every layout."""
    return [Cell(kind, method, layout) for layout, kind, method in product(layouts, kinds, methods)]


async def outcomes(of: Sequence[Cell], setting: Setting, *, at_once: int) -> AsyncIterator[Outcome]:
    """Play `of`, some at a time; each outcome as it comes."""
    turn = asyncio.Semaphore(at_once)

    async def play_one(cell: Cell) -> Outcome:
        async with turn:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return await outcome(cell, setting)
            except TimeoutError:
                return Outcome(cell, 0, None, (), 0, (), _PATIENCE_S)
            except Exception as error:
                return Outcome(cell, 0, None, (), 0, (f"the cell itself failed: {error!r}",), 0.0)

    for next_one in asyncio.as_completed([play_one(cell) for cell in of]):
        yield await next_one


def table(found: Iterable[Outcome], layout: Layout) -> str:
    """The matrix over one layout as text: wrong actions and blocks to recovery per cell.

    `0/1` is none wrong and recovered with the first block; `-` never recovered, `!` a bug, `.` the fault was not met.
    """
    by_cell = {(one.cell.kind, one.cell.method): one for one in found if one.cell.layout == layout}
    kinds = [kind for kind in Kind if any(key[0] is kind for key in by_cell)]
    methods = [method for method in METHODS if any(key[1] == method for key in by_cell)]
    width = max(map(len, methods), default=0)
    lines = [f"{'':16}" + "".join(f" {method:>{width}}" for method in methods)]
    for kind in kinds:
        shown = [_shown(by_cell.get((kind, method))) for method in methods]
        lines.append(f"{kind:16}" + "".join(f" {text:>{width}}" for text in shown))
    return "\n".join(lines)


def _shown(one: Outcome | None) -> str:
    if one is None:
        return ""
    recovery = "-" if one.recovery is None else str(one.recovery)
    return f"{len(one.wrong)}/{recovery}{'!' if one.bugs else ''}{'' if one.struck else '.'}"
