"""The watch that proves the books is killed, and the signer, a process of its own, halts by itself."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path

from bot.clock import SystemClock
from bot.config.budgets import BreakerSettings
from bot.ledger.ledger import Ledger
from bot.reasons import Reason, Refusal
from bot.risk.halting import Halting
from bot.risk.watch import Watch
from bot.signer.client import SignerClient
from bot.signer.keystore import seal
from bot.signer.protocol import Signed
from bot.signer.switch import Trading
from chains.blocks import Head
from tests.bot.risk.test_halting import Chain, Engine
from tests.bot.signer.making import POLICY, SECRET, ask
from tests.told import Told

PASSPHRASE = "open sesame"
DEAD_MAN_S = 2


async def asked(client: SignerClient, number: int) -> Signed | Refusal:
    return await client.sign(ask(intent_id=f"i-{number}", nonce=number, verdict={"made_at_s": time.time()}))


async def hear() -> None:
    pass


async def test_a_killed_watch_halts_the_signer_by_itself(ledger: Ledger, tmp_path: Path) -> None:
    keystore, chain = tmp_path / "key.json", Chain()
    keystore.write_bytes(seal(SECRET, PASSPHRASE.encode(), light=True))
    for account, units in ledger.accounts().items():
        if account.place == ledger.run.network:
            chain.held[account.owner, account.token] = units
    async with await SignerClient.start(
        keystore=keystore,
        passphrase=PASSPHRASE,
        policy=dataclasses.replace(POLICY, dead_man_s=DEAD_MAN_S),
        directory=tmp_path / "signer",
    ) as client:
        head = Head(1, "0x01", "0x", 1, 1, 0, 30_000_000)
        watch = Watch(
            halting=Halting(client.switch, SystemClock()),
            engine=Engine(head=head),
            first=head,
            ledger=ledger,
            node=chain,
            settings=BreakerSettings.model_construct(prove_every_s=0.2),
            beat=client.heartbeat,
            hear=hear,
            resume=ledger.resume,
            clock=SystemClock(),
            out=Told(),
        )
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(DEAD_MAN_S + 0.5)
        assert isinstance(await asked(client, 1), Signed), "it was wound up all the while"
        watching.cancel()
        await asyncio.sleep(DEAD_MAN_S + 0.5)
        refused = await asked(client, 2)
        assert isinstance(refused, Refusal) and refused.reason is Reason.SIGNER_DEAD_MAN
        assert client.switch.of(POLICY.network).state is Trading.HALTED
        await client.heartbeat()
        refused = await asked(client, 3)
        assert isinstance(refused, Refusal) and refused.reason is Reason.SIGNER_HALTED, "only a person resumes"
