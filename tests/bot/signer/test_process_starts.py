"""What a signer starts on, and what it does not: each is refused in one clear line."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from bot.keys import new_keystore
from bot.signer.awaking import JOURNAL_NAME, SignerError
from bot.signer.client import SignerClient
from bot.signer.protocol import (
    Status,
)
from tests.bot.signer.making import OPERATOR, POLICY
from tests.bot.signer.processes import PASSPHRASE, ROOT, command, passphrase_pipe, prepare, start


async def test_a_second_signer_on_the_same_journal_does_not_start(
    client: SignerClient, keystore: Path, tmp_path: Path
) -> None:
    with pytest.raises(SignerError, match="another signer is using it"):
        await SignerClient.start(
            keystore=keystore,
            passphrase=PASSPHRASE,
            policy=POLICY,
            directory=tmp_path / "second",
            journal=tmp_path / "run" / JOURNAL_NAME,
        )
    assert isinstance(await client.status(), Status)


async def test_the_first_signer_of_all_makes_the_folder_of_its_journal(keystore: Path, tmp_path: Path) -> None:
    journal = tmp_path / "runs" / "twin" / "signer" / JOURNAL_NAME
    async with await SignerClient.start(
        keystore=keystore, passphrase=PASSPHRASE, policy=POLICY, directory=tmp_path / "run", journal=journal
    ) as client:
        assert isinstance(await client.status(), Status)
    assert journal.exists()
    assert journal.parent.stat().st_mode & 0o077 == 0


async def test_a_wrong_passphrase_is_one_clear_line(keystore: Path, tmp_path: Path) -> None:
    with pytest.raises(SignerError) as refused:
        await start(keystore, tmp_path / "run", passphrase="open barley")
    assert str(refused.value) == f"signer: keystore {keystore}: wrong passphrase"


async def test_a_missing_or_corrupt_keystore_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SignerError, match=r"cannot read keystore .*: No such file"):
        await start(tmp_path / "none.json", tmp_path / "run")
    corrupt = tmp_path / "corrupt.json"
    corrupt.write_text('{"version": 3, "crypto": {')
    with pytest.raises(SignerError, match=r"keystore .*: it is not JSON"):
        await start(corrupt, tmp_path / "run")


async def test_somebody_elses_keystore_is_refused(tmp_path: Path) -> None:
    stranger = new_keystore(tmp_path / "stranger.json", PASSPHRASE, light=True)
    with pytest.raises(SignerError, match=f"the keys are for {stranger}, the policy for {OPERATOR}"):
        await start(tmp_path / "stranger.json", tmp_path / "run")


async def test_a_light_keystore_is_refused_on_a_real_chain(keystore: Path, tmp_path: Path) -> None:
    mainnet = dataclasses.replace(POLICY, chain_id=1, test_chain=False)
    with pytest.raises(SignerError, match="too weak for chain 1"):
        await start(keystore, tmp_path / "run", policy=mainnet)


async def test_a_directory_others_can_enter_is_refused(keystore: Path, tmp_path: Path) -> None:
    run = tmp_path / "open"
    prepare(run, mode=0o755)
    reading = passphrase_pipe(PASSPHRASE + "\n")
    process = await asyncio.create_subprocess_exec(
        *command("bot.signer", keystore, run, reading), pass_fds=(reading,), stderr=subprocess.PIPE, cwd=ROOT
    )
    os.close(reading)
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode() == f"signer: {run} must be yours alone; run: chmod 700 {run}\n"
