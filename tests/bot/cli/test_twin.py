"""`isthmus twin`: says where it listens, and ends cleanly when told to."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import orjson

ROOT = Path(__file__).resolve().parents[3]


def test_the_twin_says_where_it_listens_and_ends_on_ctrl_c() -> None:
    command = [sys.executable, "-m", "bot", "twin", "--stepped", "--seed", "7", "--json"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        descriptor = orjson.loads(process.stdout.readline())
        assert (descriptor["chain_id"], descriptor["seed"], descriptor["stepped"]) == (31337, 7, True)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_the_node_cannot_have_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "bot", "twin", "--stepped", "--rpc-port", port]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 4
    assert f"the twin's node cannot listen on port {port} " in ended.stderr
    assert "choose another, or 0" in ended.stderr
