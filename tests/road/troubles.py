"""What befalls a bot over hours: by seed, one trouble after the other, with rest between them.

Faults that answer out of another node are not among these: `tests.torture.rpc` has them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from bot.rpc import HttpRpc
from chains.assets import address
from tests.chains.node.support import TcpProxy
from tests.faults.fault import CONNECT, ELSEWHERE, Fault, Kind
from tests.faults.matrix import METHODS
from tests.faults.proxy import FaultProxy
from tests.road.lasting import Lasting

_DEEPEST_REORG = 3
_LONGEST_SILENCE = 6
_LONGEST = 20
_REST = (15, 45)
_MOST_FAULTS = 3
_REPEATED = ("from", "to", "value", "input", "gas", "maxFeePerGas", "maxPriorityFeePerGas")
"""What makes somebody else's transaction the same one in another block."""


class Trouble(StrEnum):
    """What befalls it."""

    ENDPOINT = "an endpoint fails"
    SILENCE = "both endpoints fail"
    EXCHANGE_GONE = "the exchange is gone"
    EXCHANGE_MUTE = "the exchange does not answer"
    REORG = "a reorganisation"
    BURST = "blocks at once"
    KILL = "kill -9"


_WEIGHTS = {
    Trouble.ENDPOINT: 6,
    Trouble.SILENCE: 2,
    Trouble.EXCHANGE_GONE: 3,
    Trouble.EXCHANGE_MUTE: 2,
    Trouble.REORG: 5,
    Trouble.BURST: 2,
    Trouble.KILL: 2,
}


@dataclass(frozen=True, slots=True)
class Befalling:
    """From `step` until the step `until`. `size` is a depth or a number of blocks; `faults` are an endpoint's."""

    step: int
    until: int
    trouble: Trouble
    size: int = 1
    faults: tuple[Fault, ...] = ()


def befallings(seed: int, no_kill_from: int) -> Iterator[Befalling]:
    """The troubles of `seed`, without end and always the same. Nothing is killed from step `no_kill_from` on."""
    dice = random.Random(seed)
    step = 0
    while True:
        step += dice.randint(*_REST)
        trouble = dice.choices([*_WEIGHTS], weights=[*_WEIGHTS.values()])[0]
        if trouble is Trouble.KILL and step >= no_kill_from:
            trouble = Trouble.ENDPOINT
        match trouble:
            case Trouble.REORG | Trouble.BURST:
                befalling = Befalling(step, step, trouble, dice.randint(1, _DEEPEST_REORG))
            case Trouble.KILL:
                befalling = Befalling(step, step, trouble)
            case Trouble.SILENCE:
                befalling = Befalling(step, step + dice.randint(1, _LONGEST_SILENCE), trouble, faults=(_gone(dice),))
            case _:
                faults = tuple(_fault(dice) for _ in range(dice.randint(1, _MOST_FAULTS)))
                befalling = Befalling(step, step + dice.randint(2, _LONGEST), trouble, faults=faults)
        yield befalling
        step = befalling.until


def _gone(dice: random.Random) -> Fault:
    return Fault(dice.choice((Kind.BLACKHOLE, Kind.UNAVAILABLE, Kind.RESET, Kind.RATE_LIMITED)))


def _fault(dice: random.Random) -> Fault:
    columns = [*METHODS.values(), (CONNECT,)]
    methods = frozenset(name for column in dice.sample(columns, dice.randint(1, 4)) for name in column)
    return Fault(
        kind=dice.choice([kind for kind in Kind if kind not in ELSEWHERE]),
        methods=methods if dice.random() < 0.9 else frozenset(),
        chance=dice.choice((1.0, 0.5)),
        seed=dice.randrange(1 << 30),
    )


@dataclass(slots=True)
class Surroundings:
    """What stands between a lasting twin and its bot, and how it is made to fail. `befallen` counts what was done."""

    faulty: FaultProxy
    good: FaultProxy
    exchange: TcpProxy
    befallen: Counter[Trouble] = field(default_factory=Counter)

    @property
    def struck(self) -> int:
        """How many requests a fault struck."""
        return sum(self.faulty.schedule.struck.values()) + sum(self.good.schedule.struck.values())

    async def begin(self, befalling: Befalling, on: Lasting) -> None:
        """Let it befall. A kill is whoever's who holds the bot."""
        self.befallen[befalling.trouble] += 1
        match befalling.trouble:
            case Trouble.ENDPOINT | Trouble.SILENCE:
                self.faulty.schedule.plan(*befalling.faults)
                if befalling.trouble is Trouble.SILENCE:
                    self.good.schedule.plan(*befalling.faults)
            case Trouble.EXCHANGE_GONE:
                self.exchange.refusing = True
                self.exchange.drop()
            case Trouble.EXCHANGE_MUTE:
                self.exchange.muted = True
            case Trouble.REORG:
                await reorganise(on, befalling.size)
                await self.good.rebroadcast()
            case Trouble.BURST:
                for _ in range(befalling.size):
                    await on.block()

    def heal(self) -> None:
        """All is well again."""
        self.faulty.schedule.clear()
        self.good.schedule.clear()
        if self.exchange.muted:
            self.exchange.drop()
        self.exchange.refusing = self.exchange.muted = False


async def reorganise(on: Lasting, depth: int) -> None:
    """Replace the last `depth` blocks by others that have everything in them but what the bot sent.

    What was dropped is back in the pool when `FaultProxy.rebroadcast` has been told to give it back.
    """
    async with HttpRpc(on.twin.descriptor["rpc_http"]) as rpc:
        tip = int(await rpc.rpc("eth_blockNumber"), 16)
        blocks = [await rpc.rpc("eth_getBlockByNumber", hex(tip - depth + 1 + at), True) for at in range(depth)]
        kept = [
            [{name: tx[name] for name in _REPEATED}, at]
            for at, block in enumerate(blocks)
            for tx in block["transactions"]
            if address(tx["from"]) not in on.operators
        ]
        await rpc.rpc("anvil_reorg", depth, kept)
