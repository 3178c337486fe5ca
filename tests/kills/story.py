"""Kills, lost replies and reorganisations over one chain and one ledger, and the judgement of what came of them."""

from __future__ import annotations

import asyncio
import pickle
import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import func, select

from bot.clock import SystemClock
from bot.ledger.errors import LedgerError
from bot.ledger.ledger import Ledger
from bot.ledger.models import FillRow, IntentRow
from bot.ledger.states import IntentState, MinedAs
from tests.faults.bot import Bot
from tests.faults.chain import Setting, TrueChain
from tests.faults.oracle import judge
from tests.kills.killer import STEPS, Order, Report
from tests.kills.strace import Strike
from tests.kills.worker import MakeDesk, Scene

BLOCK_S = 0.03
REORGANISED = 0.08
"""How often a block is followed by a reorganisation of one or two."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a story: `wrong` is empty when every promise was kept."""

    kills: int
    at_work: int
    reorganisations: int
    blocks: int
    intents: int
    final: int
    rows: int
    wrong: tuple[str, ...] = field(default=())

    def __add__(self, other: Outcome) -> Outcome:
        numbers = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        return Outcome(**numbers, wrong=self.wrong + other.wrong)

    def __str__(self) -> str:
        said = ", ".join(f"{getattr(self, name)} {text}" for name, text in _NUMBERS.items())
        return f"{said}: {len(self.wrong)} wrong"


_NUMBERS = {
    "kills": "kills",
    "at_work": "of them at work",
    "reorganisations": "reorganisations",
    "blocks": "blocks",
    "intents": "intents",
    "final": "final",
    "rows": "ledger rows",
}

NOTHING = Outcome(0, 0, 0, 0, 0, 0, 0)


@dataclass(slots=True)
class Story:
    """One chain, one ledger, and a seed that says how blocks, reorganisations, losses and kills fall."""

    setting: Setting
    folder: Path
    seed: int
    kills: int
    desk: MakeDesk
    forgets: bool = False
    steps: int = STEPS
    _reorganisations: int = 0

    async def play(self, killer: Connection) -> Outcome:
        """Play it, bring everything home, and judge."""
        async with TrueChain.open(self.setting) as chain:
            scene = Scene(self.setting, chain.anvil.http_url, self.folder, self.desk, self.forgets)
            order = Order(scene, self.kills, self.seed, steps=self.steps)
            killed = await self._while_blocks_are_made(chain, killer, order, wild=True)
            return await self.brought_home(chain, scene, killer, killed)

    async def brought_home(self, chain: TrueChain, scene: Scene, killer: Connection, killed: Report) -> Outcome:
        """One worker ends what was begun, and the chain is asked what came of it all."""
        home = await self._while_blocks_are_made(chain, killer, Order(scene, 1, self.seed, finish=True), wild=False)
        errors = [f"a worker failed: {error.strip()}" for error in (*killed.errors, *home.errors)]
        return await self._judged(chain, scene, killed, errors)

    async def _while_blocks_are_made(self, chain: TrueChain, killer: Connection, order: Order, *, wild: bool) -> Report:
        return cast(Report, await self.while_blocks_are_made(chain, killer, order, wild=wild))

    async def while_blocks_are_made(
        self, chain: TrueChain, killer: Connection, order: Order | Strike, *, wild: bool
    ) -> object:
        """The killer's answer; meanwhile the chain goes on, with reorganisations where it is `wild`."""
        rng = random.Random(order.seed * 2 + wild)
        killer.send_bytes(pickle.dumps(order))
        while not killer.poll():
            await chain.anvil.rpc("evm_mine")
            if wild and rng.random() < REORGANISED:
                self._reorganisations += 1
                await chain.anvil.rpc("anvil_reorg", rng.randint(1, 2), [])
            await asyncio.sleep(rng.uniform(0, 2 * BLOCK_S))
        return killer.recv()

    async def _judged(self, chain: TrueChain, scene: Scene, killed: Report, errors: Sequence[str]) -> Outcome:
        height = int(await chain.anvil.rpc("eth_blockNumber"), 16)
        with closing(Ledger.view(scene.ledger, SystemClock())) as ledger:
            try:
                ledger.attach()
            except LedgerError as error:
                return replace(NOTHING, kills=killed.kills, blocks=height, wrong=(*errors, str(error)))
            bot = cast(Bot, SimpleNamespace(ledger=ledger, decided=()))
            wrong = [str(one) for one in await judge(chain, bot)]
            wrong += [f"corrupt: {fault}" for fault in ledger.verified().faults]
            wrong += _lost_fills(ledger)
            numbers = _numbers(ledger)
        return Outcome(
            kills=killed.kills,
            at_work=killed.at_work,
            reorganisations=self._reorganisations,
            blocks=height,
            wrong=(*errors, *wrong),
            **numbers,
        )


def _lost_fills(ledger: Ledger) -> list[str]:
    """Every plan that was carried out has its two fills, and no others stand."""
    standing = (
        select(
            IntentRow.id, IntentRow.mined_as, func.count(FillRow.id).filter(FillRow.undone.is_(False)).label("fills")
        )
        .outerjoin(FillRow, FillRow.intent_id == IntentRow.id)
        .group_by(IntentRow.id, IntentRow.mined_as)
    )
    with ledger.read() as connection:
        rows = connection.execute(standing).all()
    due = {MinedAs.OK.value: 2}
    return [
        f"fills: intent {row.id} was mined {row.mined_as} and has {row.fills} of {due.get(row.mined_as, 0)}"
        for row in rows
        if row.fills != due.get(row.mined_as, 0)
    ]


def _numbers(ledger: Ledger) -> dict[str, Any]:
    final = (IntentState.FINAL.value, IntentState.CANCELLED.value)
    with ledger.read() as connection:
        states = connection.execute(select(IntentRow.state)).scalars().all()
    return {
        "intents": len(states),
        "final": sum(state in final for state in states),
        "rows": ledger.verified().rows,
    }
