"""Signers started as processes of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from bot.signer.awaking import JOURNAL_NAME, POLICY_NAME, SOCKET_NAME, Awaking
from bot.signer.client import SignerClient
from bot.signer.policy import SignerPolicy, encode_policy
from bot.signer.protocol import (
    SignRequest,
)
from bot.signer.switch import CONTROL_NAME
from tests.bot.signer.making import OPERATOR, POLICY, ask

PASSPHRASE = "open sesame"
ROOT = Path(__file__).parents[3]


def now_ask(intent_id: str = "intent-1", nonce: int = 7) -> SignRequest:
    """A request whose simulation is fresh by the real clock."""
    return ask(intent_id=intent_id, nonce=nonce, verdict={"made_at_s": time.time()})


async def start(
    keystore: Path, directory: Path, *, passphrase: str = PASSPHRASE, policy: SignerPolicy = POLICY
) -> SignerClient:
    return await SignerClient.start(keystore=keystore, passphrase=passphrase, policy=policy, directory=directory)


def prepare(directory: Path, mode: int) -> None:
    directory.mkdir(mode=mode)
    (directory / POLICY_NAME).write_bytes(encode_policy(POLICY))


def passphrase_pipe(passphrase: str) -> int:
    reading, writing = os.pipe()
    os.write(writing, passphrase.encode())
    os.close(writing)
    return reading


def command(module: str, keystore: Path, directory: Path, reading: int, *words: str) -> list[str | Path]:
    return [
        *(sys.executable, "-m", module, *words, "--passphrase-fd", str(reading), "--key", f"keystore:{keystore}"),
        *("--policy", directory / POLICY_NAME, "--journal", directory / JOURNAL_NAME),
        *("--control", directory / CONTROL_NAME),
        *("--socket", directory / SOCKET_NAME),
    ]


async def start_dying(when: str, keystore: Path, directory: Path) -> SignerClient:
    """The signer, wired to kill itself at its first signature, before or after that is in its journal."""
    prepare(directory, mode=0o700)
    reading = passphrase_pipe(PASSPHRASE)
    process = await asyncio.create_subprocess_exec(
        *command("tests.bot.signer.dying", keystore, directory, reading, when),
        pass_fds=(reading,),
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    os.close(reading)
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"ready")
    awake = Awaking(process, None, directory / SOCKET_NAME, directory, directory / CONTROL_NAME)
    return SignerClient(awake, OPERATOR)
