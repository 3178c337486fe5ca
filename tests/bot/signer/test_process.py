"""The signer as it really runs: a process of its own behind its socket."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from bot.reasons import Reason, Refusal
from bot.signer.awaking import JOURNAL_NAME, SOCKET_NAME
from bot.signer.client import SignerClient
from bot.signer.journal import Journal
from bot.signer.policy import encode_policy
from bot.signer.protocol import (
    HEADER_BYTES,
    MAX_MESSAGE_BYTES,
    Denial,
    Response,
    Settle,
    Settled,
    Signed,
    Status,
    StatusRequest,
    frame,
    parse_response,
)
from bot.signer.switch import Trading
from tests.bot.signer.making import CYCLES, GAIN, GAS_COST_WEI, OPERATOR, POLICY, SECRET, WORST_CASE_WEI
from tests.bot.signer.processes import PASSPHRASE, ROOT, command, now_ask, passphrase_pipe, prepare, start, start_dying


def knock(path: Path, sent: bytes) -> list[Response]:
    """Everything the signer says to raw bytes before it hangs up or falls silent."""
    said = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        with suppress(BrokenPipeError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            said += chunk
    responses = []
    while said:
        end = HEADER_BYTES + int.from_bytes(said[:HEADER_BYTES], "big")
        responses.append(parse_response(said[HEADER_BYTES:end]))
        said = said[end:]
    return responses


def body(said: bytes) -> bytes:
    """A frame of it."""
    return len(said).to_bytes(HEADER_BYTES, "big") + said


async def test_it_signs_settles_and_tells_how_it_is(client: SignerClient) -> None:
    assert client.address == OPERATOR
    signed = await client.sign(now_ask())
    assert isinstance(signed, Signed)
    status = await client.status()
    assert isinstance(status, Status)
    assert (status.signed, status.unsettled) == (1, 1)
    assert status.strategies[CYCLES].reserved_wei == WORST_CASE_WEI
    assert await client.settle(Settle("intent-1", GAS_COST_WEI, GAIN)) == Settled(0)
    assert await client.settle(Settle("intent-2", 0, 0)) == Refusal(
        Reason.SIGNER_SETTLEMENT, "intent intent-2 was never signed"
    )


async def test_a_halt_by_signal_is_heard_over_a_client_that_never_stops_asking(client: SignerClient) -> None:
    asked, over = frame(StatusRequest()) * 50, threading.Event()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(0.05)
        connection.connect(str(client._awake.socket))

        def ask_on() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    connection.sendall(asked)

        def hear_on() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    connection.recv(65536)

        with ThreadPoolExecutor(2) as crowd:
            talking = [crowd.submit(act) for act in (ask_on, hear_on)]
            try:
                os.kill(client.pid, signal.SIGUSR1)
                async with asyncio.timeout(3):
                    while client.switch.of(CYCLES).state is not Trading.HALTED:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
            finally:
                over.set()
        for each in talking:
            each.result()


async def test_many_at_once_are_answered_each_its_own(client: SignerClient) -> None:
    requests = [now_ask(f"intent-{nonce}", nonce) for nonce in range(20)]
    answers = await asyncio.gather(*map(client.sign, requests))
    assert all(isinstance(answer, Signed) for answer in answers)
    assert await asyncio.gather(*map(client.sign, requests)) == answers


async def test_an_answer_given_up_on_is_not_taken_for_the_next(client: SignerClient) -> None:
    given_up = asyncio.ensure_future(client.sign(now_ask("given-up", 0)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert isinstance(await client.status(), Status)


async def test_one_that_hangs_is_waited_for_once_and_not_for_each_question_of_a_head(
    client: SignerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(await client.sign(now_ask()), Signed)
    monkeypatch.setattr("bot.signer.client.ANSWER_TIMEOUT_S", 1.0)
    os.kill(client.pid, signal.SIGSTOP)
    try:
        begun_s = time.monotonic()
        questions = (client.settle(Settle("intent-1", GAS_COST_WEI, GAIN)), *(client.status() for _ in range(4)))
        answers = [await question for question in questions]
        assert time.monotonic() - begun_s < 2
        assert {answer.reason for answer in answers if isinstance(answer, Refusal)} == {Reason.SIGNER_UNREACHABLE}
        assert not any(isinstance(answer, Status | Settled) for answer in answers)
    finally:
        os.kill(client.pid, signal.SIGCONT)
    monkeypatch.undo()
    async with asyncio.timeout(10):
        while isinstance(await client.status(), Refusal):  # noqa: ASYNC110 - nothing tells when it answers again
            await asyncio.sleep(0.05)
    assert await client.settle(Settle("intent-1", GAS_COST_WEI, GAIN)) == Settled(0)


async def test_socket_and_files_are_the_owners_alone(client: SignerClient, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert stat.S_IMODE((run / SOCKET_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((run / JOURNAL_NAME).stat().st_mode) == 0o600


async def test_the_process_gives_up_what_it_can(client: SignerClient) -> None:
    status = await client.status()
    assert isinstance(status, Status)
    process = Path(f"/proc/{client.pid}")
    assert status.protections["no_core_dump"]
    assert status.protections["not_dumpable"]
    assert status.protections["dies_with_parent"]
    assert "Max core file size        0                    0" in (process / "limits").read_text()
    assert PASSPHRASE.encode() not in (process / "cmdline").read_bytes()
    interfaces = (process / "net/dev").read_text().splitlines()[2:]
    assert status.protections["no_network"] == all(line.split(":")[0].strip() == "lo" for line in interfaces)
    assert not (process / "net/tcp").read_text().splitlines()[1:]


async def test_a_second_client_may_look_and_not_sign(client: SignerClient, tmp_path: Path) -> None:
    await client.status()
    said = frame(StatusRequest()) + frame(now_ask()) + frame(Settle("intent-1", 0, 0))
    status, *busy = await asyncio.to_thread(knock, tmp_path / "run" / SOCKET_NAME, said)
    assert isinstance(status, Status)
    assert [denial.reason for denial in busy if isinstance(denial, Denial)] == [Reason.SIGNER_BUSY] * 2
    assert isinstance(await client.sign(now_ask()), Signed)


async def test_who_only_looked_and_came_first_keeps_nobody_from_having_things_signed(client: SignerClient) -> None:
    with socket.socket(socket.AF_UNIX) as looking:
        looking.settimeout(5)
        looking.connect(str(client._awake.socket))
        looking.sendall(frame(StatusRequest()))
        assert looking.recv(HEADER_BYTES)
        while_it_looks = await client.sign(now_ask())
        assert isinstance(while_it_looks, Refusal)
        assert while_it_looks.reason is Reason.SIGNER_BUSY
    async with asyncio.timeout(10):
        while isinstance(await client.sign(now_ask()), Refusal):  # that it hung up may be heard after this
            pass


@pytest.fixture(scope="module")
def running(keystore: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a signer that one test after another knocks at."""
    directory = tmp_path_factory.mktemp("running") / "run"
    prepare(directory, mode=0o700)
    reading = passphrase_pipe(PASSPHRASE)
    with subprocess.Popen(
        command("bot.signer", keystore, directory, reading), pass_fds=(reading,), stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        os.close(reading)
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"ready")
        yield directory / SOCKET_NAME
        process.terminate()
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"),
        b"\0\0\0\1{",
        b"\0\0\0\2{}",
        b"\0\0\0\4null",
        b"\0\0\0\6[[[[[[",
        frame(Settled(0)),
        frame(Denial(Reason.SIGNER_BUSY, "no")),
        body(b'{"type":"status","body":{"' + "\x80".encode() * 100_000 + b'":1}}'),
    ],
    ids=range(10),
)
async def test_garbage_is_called_so_and_survived(garbage: bytes, running: Path) -> None:
    (denial,) = await asyncio.to_thread(knock, running, garbage)
    assert isinstance(denial, Denial)
    assert denial.reason is Reason.SIGNER_MALFORMED
    (status,) = await asyncio.to_thread(knock, running, frame(StatusRequest()))
    assert isinstance(status, Status)


async def test_half_a_message_is_waited_for_and_its_end_forgotten(client: SignerClient, tmp_path: Path) -> None:
    path = tmp_path / "run" / SOCKET_NAME
    assert await asyncio.to_thread(knock, path, frame(StatusRequest())[:-1]) == []
    two = await asyncio.to_thread(knock, path, frame(StatusRequest()) * 2)
    assert [type(response) for response in two] == [Status, Status]


async def test_too_long_a_request_never_leaves(client: SignerClient) -> None:
    refusal = await client.sign(dataclasses.replace(now_ask(), plan=bytes(MAX_MESSAGE_BYTES)))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.SIGNER_MALFORMED


async def test_a_dead_signer_is_unreachable_and_a_new_one_remembers(keystore: Path, tmp_path: Path) -> None:
    first = await start(keystore, tmp_path / "run")
    signed = await first.sign(now_ask())
    os.kill(first.pid, signal.SIGKILL)
    refusal = await first.sign(now_ask())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.SIGNER_UNREACHABLE
    await first.close()
    async with await start(keystore, tmp_path / "run") as second:
        assert await second.sign(now_ask()) == signed
        other = await second.sign(now_ask("intent-2"))
        assert isinstance(other, Refusal)
        assert other.reason is Reason.SIGNER_NONCE


async def test_killed_between_journal_and_reply_it_gives_the_journalled_bytes(keystore: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dying = await start_dying("after", keystore, run)
    lost = await dying.sign(now_ask())
    assert isinstance(lost, Refusal)
    assert lost.reason is Reason.SIGNER_UNREACHABLE
    await dying.close()
    with Journal(run / JOURNAL_NAME) as journal:
        entry = journal.find("intent-1")
    assert entry is not None
    async with await start(keystore, run) as again:
        assert await again.sign(now_ask()) == Signed(entry.raw, entry.tx_hash)


async def test_killed_before_the_journal_nothing_was_ever_signed(keystore: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dying = await start_dying("before", keystore, run)
    assert isinstance(await dying.sign(now_ask()), Refusal)
    await dying.close()
    with Journal(run / JOURNAL_NAME) as journal:
        assert journal.size() == 0


async def test_a_folder_whose_path_is_too_long_for_a_socket_still_has_a_signer(
    keystore: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = tempfile.mkdtemp
    monkeypatch.setattr("tempfile.mkdtemp", lambda **options: made.append(make(**options)) or made[-1])
    async with await start(keystore, tmp_path / ("long" * 30)) as client:
        assert isinstance(await client.sign(now_ask()), Signed)
        (folder,) = map(Path, made)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


async def test_it_does_not_outlive_who_started_it(keystore: Path, tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from bot.signer.client import SignerClient\n"
        "from tests.bot.signer.making import POLICY\n"
        "async def main():\n"
        "    client = await SignerClient.start(keystore=Path(sys.argv[1]), passphrase=sys.argv[2], policy=POLICY,"
        " directory=Path(sys.argv[3]))\n"
        "    print(client.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, keystore, PASSPHRASE, tmp_path / "run"), stdout=subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout is not None
    signer = os.pidfd_open(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    ended, _, _ = await asyncio.to_thread(select.select, [signer], [], [], 5)
    os.close(signer)
    assert ended


ALLOWED = {
    *("bot", "chains", "tests", "__main__"),
    *("coincurve", "_cffi_backend", "cffi", "pycparser", "_libsecp256k1", "Crypto"),
    *("eth_utils", "eth_typing", "eth_hash", "eth_abi", "parsimonious", "regex", "orjson"),
    *("toolz", "cytoolz", "cython_runtime", "pydantic", "pydantic_core", "annotated_types"),
    *("typing_extensions", "typing_inspection"),
}
FORBIDDEN = {"asyncio", "ssl", "http.client", "urllib.request", "multiprocessing", "ftplib", "smtplib", "xmlrpc"}


def test_it_loads_few_modules_and_none_that_reaches_a_network(tmp_path: Path) -> None:
    policy, body = tmp_path / "policy.json", tmp_path / "body.json"
    policy.write_bytes(encode_policy(POLICY))
    body.write_bytes(frame(now_ask())[HEADER_BYTES:])
    printed = subprocess.run(
        [sys.executable, "-m", "tests.bot.signer.imports", policy, body, tmp_path / "signer.db", SECRET.hex()],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    outcome, foreign, everything = printed.splitlines()
    assert outcome == "Signed"
    generated = {
        name
        for name in foreign.split()
        if name.startswith(("_cython_", "_sysconfigdata", "_distutils", "__editable__"))
    }
    assert set(foreign.split()) - generated <= ALLOWED
    assert not set(everything.split()) & FORBIDDEN


async def test_neither_key_nor_passphrase_is_left_anywhere(keystore: Path, tmp_path: Path) -> None:
    async with await start(keystore, tmp_path / "run") as client:
        await client.sign(now_ask())
        await client.sign(dataclasses.replace(now_ask(), plan=b"{"))
    written = b"".join(file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert b"intent-1" in written
    for secret in (SECRET, SECRET.hex().encode(), PASSPHRASE.encode()):
        assert secret not in written
