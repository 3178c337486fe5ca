"""The kill switch tripped while a real signer signs as fast as it can: what it still signed, and how late."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from bot.reasons import Reason, Refusal
from bot.signer.awaking import JOURNAL_NAME
from bot.signer.client import SignerClient
from bot.signer.journal import Journal
from bot.signer.keystore import seal
from bot.signer.policy import UNLIMITED, SignerPolicy
from bot.signer.protocol import Cancel, Settle, Signed
from bot.signer.switch import CONTROL_NAME, HALT, TOTAL, KillSwitch, Trading
from bot.transaction import Fees
from tests.bot.signer.making import CYCLES, GAIN, GWEI, POLICY, SECRET, ask

PASSPHRASE = "open sesame"
BOUND_S = 1.0
WAYS = ("switch", "strategy", "file", "signal")
ENDLESS: SignerPolicy = dataclasses.replace(
    POLICY, strategies={name: dataclasses.replace(UNLIMITED, min_profit_wei=10**15) for name in POLICY.strategies}
)


@dataclass
class Tally:
    """`latest_s` is the longest from a flag to the last signature; `after` what was signed after a flag's commit."""

    trips: int = 0
    signed: int = 0
    after: int = 0
    latest_s: float = 0.0
    cancels: int = 0
    halted: list[tuple[float, float]] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return self.trips > 0 and not self.after and self.latest_s <= BOUND_S and self.cancels == self.trips


class Load:
    """One client that asks for one signature after the other."""

    def __init__(self, client: SignerClient) -> None:
        self._client = client
        self.number = 0
        self.signed: list[tuple[float, float]] = []
        """When each signature was asked for and when it came, by the wall clock."""
        self.refused = asyncio.Event()

    async def run(self) -> None:
        while True:
            self.number += 1
            asked_s = time.time()
            request = ask(intent_id=f"intent-{self.number}", nonce=self.number, verdict={"made_at_s": asked_s})
            answer = await self._client.sign(request)
            if isinstance(answer, Signed):
                self.signed.append((asked_s, time.time()))
                if self.number % 7:
                    await self._client.settle(Settle(request.intent_id, GWEI, GAIN))
                else:
                    self.open = request.intent_id
            elif isinstance(answer, Refusal) and answer.reason is Reason.SIGNER_HALTED:
                self.refused.set()
                await asyncio.sleep(0.001)
            else:
                raise AssertionError(f"under load: {answer}")

    open = ""


async def trip(folder: Path, trips: int, seed: int) -> Tally:
    """Trip the switch `trips` times, each way in its turn, and let it go on again."""
    rng, tally = random.Random(seed), Tally()
    keystore = folder / "operator.json"
    keystore.write_bytes(seal(SECRET, PASSPHRASE.encode(), light=True))
    run = folder / "memory"
    async with await SignerClient.start(
        keystore=keystore, passphrase=PASSPHRASE, policy=ENDLESS, directory=run
    ) as client:
        load = Load(client)
        loading = asyncio.create_task(load.run())
        try:
            for number in range(trips):
                await asyncio.wait({loading}, timeout=0.05 + rng.random() * 0.1)
                if loading.done():
                    loading.result()
                await _one(WAYS[number % len(WAYS)], client, run / CONTROL_NAME, load, tally)
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
    tally.signed = len(load.signed)
    with Journal(run / JOURNAL_NAME) as journal:
        times = [entry.at_s for entry in journal.entries()]
    tally.after += sum(begun < at_s < ended for at_s in times for begun, ended in tally.halted)
    return tally


async def _one(way: str, client: SignerClient, control: Path, load: Load, tally: Tally) -> None:
    switch, load.open = KillSwitch(control), ""
    while not load.open:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    waiting, before = load.open, len(load.signed)
    load.refused.clear()
    flagged_s = time.time()
    await asyncio.to_thread(_flag, way, client, switch)
    name = CYCLES if way == "strategy" else TOTAL
    while switch.of(name).state is not Trading.HALTED:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    committed_s = time.time()
    await asyncio.wait_for(load.refused.wait(), 5)
    late = load.signed[before:]
    tally.latest_s = max([tally.latest_s, *(came_s - flagged_s for _, came_s in late)])
    tally.after += sum(asked_s > committed_s for asked_s, _ in late)
    tally.cancels += isinstance(await client.replace(Cancel(waiting, Fees(21_000, 60 * GWEI, 3 * GWEI))), Signed)
    tally.halted.append((committed_s, time.time()))
    tally.trips += 1
    (control / HALT).unlink(missing_ok=True)
    if way != "file":
        switch.set(name, Trading.ACTIVE, by="a test", because="next", at_s=time.time())


def _flag(way: str, client: SignerClient, switch: KillSwitch) -> None:
    if way == "file":
        (switch.folder / HALT).touch()
    elif way == "signal":
        os.kill(client.pid, signal.SIGUSR1)
    else:
        name = CYCLES if way == "strategy" else TOTAL
        switch.set(name, Trading.HALTED, by="a test", because="a trip", at_s=time.time())
