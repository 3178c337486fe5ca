"""What a signer starts on, and what it does not: each is refused in one clear line."""

from __future__ import annotations

import asyncio
import dataclasses
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.keys import new_keystore
from bot.signer.awaking import JOURNAL_NAME, START_TIMEOUT_S, SignerError, patience_for
from bot.signer.client import SignerClient
from bot.signer.presence import is_running
from bot.signer.protocol import (
    Status,
)
from bot.signer.switch import CONTROL_NAME
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


async def test_two_that_ask_at_once_whether_a_signer_runs_are_not_taken_for_one(
    client: SignerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = tmp_path / "run" / CONTROL_NAME
    assert is_running(control)
    await client.close()
    locks = fcntl.flock

    def held_by_another_at_first(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", locks)
        raise BlockingIOError

    monkeypatch.setattr(fcntl, "flock", held_by_another_at_first)
    assert not is_running(control)


async def test_the_first_signer_of_all_makes_the_folder_of_its_journal(keystore: Path, tmp_path: Path) -> None:
    journal = tmp_path / "runs" / "twin" / "signer" / JOURNAL_NAME
    async with await SignerClient.start(
        keystore=keystore, passphrase=PASSPHRASE, policy=POLICY, directory=tmp_path / "run", journal=journal
    ) as client:
        assert isinstance(await client.status(), Status)
    assert journal.exists()
    assert journal.parent.stat().st_mode & 0o077 == 0


def test_a_signer_is_waited_for_the_longer_the_more_it_has_to_prove(tmp_path: Path) -> None:
    journal = tmp_path / "signer.db"
    assert patience_for(journal) == START_TIMEOUT_S
    journal.touch()
    os.truncate(journal, 4 * 10**9)
    assert patience_for(journal) > 10 * START_TIMEOUT_S


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


def test_who_may_not_be_himself_in_a_namespace_of_his_own_stays_where_he_is() -> None:
    """As root without capabilities, which some containers are: nothing but the network is kept then, and it is said."""
    script = (
        "import os\n"
        "from bot.signer import confinement as tried\n"
        "linux, write, user = tried._linux, tried.Path.write_text, os.getuid()\n"
        "def unprivileged(function, *arguments):\n"
        "    return arguments != (tried._CLONE_NEWNET,) and linux(function, *arguments)\n"
        "def refused(path, text):\n"
        "    if path.name == 'uid_map':\n"
        "        raise PermissionError(1, 'Operation not permitted')\n"
        "    return write(path, text)\n"
        "tried._linux, tried.Path.write_text = unprivileged, refused\n"
        "print(tried.confine(), os.getuid() == user)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "'no_network': False" in told and "'not_dumpable': True" in told and told.endswith("True\n")
