"""A signer that is a user of its own: what it is, what it owns, and who may ask it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.signer import account
from bot.signer.account import UID, Account, NoAccount, let_through, standing
from bot.signer.awaking import SOCKET_NAME
from bot.signer.client import SignerClient
from bot.signer.keystore import seal
from bot.signer.looking import prove_journals
from bot.signer.protocol import Signed, Status, StatusRequest, frame
from tests.bot.signer.apart import ACCOUNT, STRANGER, missing, reachable, tried
from tests.bot.signer.making import ETHER, POLICY, SECRET
from tests.bot.signer.processes import PASSPHRASE, now_ask
from tests.bot.signer.test_commands import told

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"NOT RUN: {missing()}")

WRITE = "import sys; open(sys.argv[1], 'ab').write(b'x'); print('done')"
REMOVE = "import os, sys; os.unlink(sys.argv[1]); print('done')"
READ = "import sys; open(sys.argv[1], 'rb').read(); print('done')"
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    try:
        connection.sendall(bytes.fromhex(sys.argv[2]))
        print('answered' if connection.recv(1) else 'hung up')
    except ConnectionError:
        print('hung up')
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a run, which its root had made for itself."""
    with reachable() as (folder, python):
        monkeypatch.setattr("sys.executable", python)
        (folder / "keys").mkdir(mode=0o700)
        (folder / "keys" / "operator.json").touch(mode=0o600)
        (folder / "keys" / "operator.json").write_bytes(seal(SECRET, PASSPHRASE.encode(), light=True))
        made = folder / "run"
        made.mkdir(mode=0o700)
        yield made


@asynccontextmanager
async def started(run: Path, own: Account | None = ACCOUNT) -> AsyncIterator[SignerClient]:
    if own is not None:
        let_through(own, run)
    async with await SignerClient.start(
        keystore=run.parent / "keys" / "operator.json",
        passphrase=PASSPHRASE,
        policy=POLICY,
        directory=run / "signer",
        journal=run / "signer" / "signer-1.db",
        control=run / "control",
        account=own,
    ) as client:
        yield client


def asked(path: Path, uid: int) -> str:
    return tried(ASK, path, frame(StatusRequest()).hex(), uid=uid, gid=uid)


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


async def test_it_is_that_user_for_good_and_what_it_keeps_is_its_own(run: Path) -> None:
    async with started(run) as client:
        signed = await client.sign(now_ask())
        assert isinstance(signed, Signed)
        said = status_of(client.pid)
        assert said["Uid"].split() == said["Gid"].split() == [str(UID)] * 4
        assert (said["Groups"].strip(), int(said["CapEff"], 16), said["NoNewPrivs"]) == ("", 0, "1")
        status = await client.status()
        assert isinstance(status, Status) and all(status.protections.values()), status
        own = [run / "signer", *(file for file in (run / "signer").iterdir() if file.suffix != ".log")]
        assert {file.name: file.stat().st_uid for file in own} == {file.name: UID for file in own}
        socket_file, journal = run / "signer" / SOCKET_NAME, run / "signer" / "signer-1.db"
        assert "PermissionError" in asked(socket_file, STRANGER)
        # Even where every folder on the way and the socket itself are open to all, it is nobody else's.
        for opened in (run, run / "signer", socket_file):
            opened.chmod(0o777 if opened == socket_file else 0o755)
        assert asked(socket_file, STRANGER) == asked(socket_file, UID) == "hung up"
        assert asked(socket_file, os.geteuid()) == "answered"
        for code, file in ((WRITE, journal), (READ, journal), (REMOVE, journal)):
            assert "PermissionError" in tried(code, file, uid=STRANGER, gid=os.getegid()), (code, file)
    async with started(run) as again:
        assert await again.sign(now_ask()) == signed


async def test_persons_halt_it_change_its_limits_and_look_at_it_as_ever(run: Path) -> None:
    async with started(run) as client:
        assert isinstance(await client.sign(now_ask("intent-1", 1)), Signed)
        await told("halt", "--run", run, "--because", "looks wrong")
        assert not isinstance(await client.sign(now_ask("intent-2", 2)), Signed)
        await told("resume", "--run", run, "--because", "it was not")
        await told("budget", "set", "hour_loss", "1 ETH", "--run", run, "--because", "a test")
        assert isinstance(await client.sign(now_ask("intent-2", 2)), Signed)
        shown = (await told("budget", "show", "--run", run))["budgets"][0]
        assert (shown["running"], shown["scopes"]["total"]["limits"]["hour_loss"]["limit"]) == (True, str(ETHER))
    shown = (await told("budget", "show", "--run", run))["budgets"][0]
    assert (shown["running"], shown["scopes"]["total"]["limits"]["hour_loss"]["limit"]) == (False, str(ETHER))
    assert [(it.rows > 0, it.problem) for it in prove_journals(run)] == [(True, "")]
    assert {file.stat().st_uid for file in (run / "signer").glob("signer-1.db*")} == {UID}


async def test_what_a_signer_of_the_bots_user_kept_is_handed_over(run: Path) -> None:
    async with started(run, None) as client:
        signed = await client.sign(now_ask())
        await told("halt", "--run", run, "--because", "for the night")
        assert (run / "signer" / "signer-1.db").stat().st_uid == os.geteuid()
    async with started(run) as client:
        await told("resume", "--run", run, "--because", "morning")
        assert await client.sign(now_ask()) == signed
        assert (run / "signer" / "signer-1.db").stat().st_uid == UID


def test_only_root_gives_a_user_and_who_asked_for_one_is_refused_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert str(standing(None, [])) == "runs as user 1000, as the bot does: only root can give it a user of its own"
    with pytest.raises(NoAccount, match=r"signer\.user is 'daemon': only root can"):
        standing("daemon", [])


@pytest.mark.parametrize(
    ("wanted", "why"),
    [("no such user", "no user is called 'no such user'"), ("root", "root, or of its group"), ("0", "root, or of its")],
)
def test_a_user_that_cannot_be_the_signers_is_refused(wanted: str, why: str) -> None:
    with pytest.raises(NoAccount, match=why):
        standing(wanted, [])


def test_where_it_could_not_reach_its_files_it_stays_the_bots_user_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "_passes", lambda own, folder: folder != tmp_path)
    stays = standing(None, [tmp_path / "run"])
    assert stays.own is None and f"user {UID} cannot pass {tmp_path}; run `chmod o+x {tmp_path}`" in str(stays)
    with pytest.raises(NoAccount, match="cannot pass"):
        standing("4711", [tmp_path / "run"])
    assert standing("4711", [tmp_path.parent]).own == Account(4711, 4711)


def test_the_folders_on_the_way_must_let_it_pass(tmp_path: Path) -> None:
    tmp_path.chmod(0o710)
    assert not account._passes(ACCOUNT, tmp_path)
    os.chown(tmp_path, -1, UID)
    assert account._passes(ACCOUNT, tmp_path)
    os.chown(tmp_path, UID, 0)
    tmp_path.chmod(0o011)
    assert not account._passes(ACCOUNT, tmp_path)
