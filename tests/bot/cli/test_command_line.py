"""The command line as a person and a script meet it: help that teaches, one-line errors, exit codes with a meaning."""

from __future__ import annotations

import errno
import importlib
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import orjson
import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.cli.command import Verbs, command
from bot.cli.errors import MEANINGS, CommandFailed, ExitCode, exit_code, explained
from bot.cli.output import TerminalReporter
from bot.cli.parameters import DURATION

ROOT = Path(__file__).resolve().parents[3]


def _commands(
    group: click.Group = main, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        path = (*words, name)
        if isinstance(found, click.Group):
            yield from _commands(found, path)
        else:
            yield path, found


COMMANDS = dict(_commands())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_teaches_with_an_example_and_speaks_to_machines(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*words, "--help"])
    assert shown.exit_code == 0
    assert "Examples:" in shown.stdout
    assert f"isthmus {' '.join(words)}" in shown.stdout.split("Examples:")[1]
    assert "--json" in shown.stdout
    assert "--debug" in shown.stdout
    assert all(option.help for option in COMMANDS[words].params if isinstance(option, click.Option))


@pytest.mark.parametrize("words", [(), ("config",), ("keys",), ("executor",)], ids=" ".join)
def test_a_group_lists_its_verbs_each_with_a_line(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*words, "--help"])
    assert shown.exit_code == 0
    listed = shown.stdout.split("Commands:")[1].strip().splitlines()
    assert all(len(line.split()) > 3 for line in listed if line.startswith("  ") and "Examples" not in line)


def test_module_and_console_command_are_the_same_program() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "bot", "config", "chekc"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 2
    assert (
        shown.stderr
        == "error: isthmus config: no command 'chekc'; did you mean 'check'?; `isthmus config --help` shows how\n"
    )


_INTERRUPTED = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
runpy.run_module("bot", run_name="__main__")
"""


_INTERRUPTED_AGAIN = """
import os, signal, sys
from bot.__main__ import start
from bot.cli import command

def complain(error, as_json):
    os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
command._complain = complain
sys.argv = ["isthmus", "rnu"]
start()
"""


@pytest.mark.parametrize("program", [_INTERRUPTED, _INTERRUPTED_AGAIN], ids=["being loaded", "ending"])
def test_ctrl_c_while_the_command_is_being_loaded_or_ends_is_one_line(program: str) -> None:
    stopped = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (stopped.returncode, stopped.stderr) == (130, "error: stopped\n")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["rnu"], "did you mean 'run'?"),
        (["run", "--fro", "60s"], "Did you mean '--for'?"),
        (["run", "--for", "soon"], "write one such as 60s, 5m or 1h"),
        (["run", "--for", "0s"], "write one such as 60s, 5m or 1h"),
        (["run", "--mode", "real"], "is not one of 'dry', 'fork', 'live'"),
        (["run", "--blocks", "0"], "is not in the range x>=1"),
        (["run", "surplus"], "got unexpected extra argument"),
        (["run", "--config", "nowhere.toml"], "`isthmus init` writes a first one"),
        (["keys", "new"], "missing argument"),
        (["executor", "status", "--executor"], "executor status --help` shows how"),
        (["keys", "new", "k.json"], "give --passphrase-file or --passphrase-fd"),
        (["keys", "check", "k.json", "--passphrase-fd", "99"], "file descriptor 99 cannot be read"),
        (["init", "--network", "etherium"], "did you mean 'ethereum'?"),
        (["init", "--network", "ethereum"], "give --node, once for each endpoint"),
        (["init", "--node", "ws://127.0.0.1:1"], "goes with another --network"),
        (["config", "schema", "strategy", "--for", "strategies.dex_arbitrage"], "write 'module:Class'"),
        (["config", "schema", "run", "--for", "a:B"], "--for goes with `schema strategy`"),
        (
            ["config", "schema", "strategy", "--for", "strategies.dex_arbitrage:DexArbitrag"],
            "did you mean 'DexArbitrage'?",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert remedy in line
    assert not list(tmp_path.iterdir())


def test_a_group_without_a_verb_shows_its_help_on_stderr() -> None:
    result = CliRunner().invoke(main, ["config"])
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == ""
    assert "Commands:" in result.stderr


def test_every_meaning_names_a_real_exception() -> None:
    for name in MEANINGS:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), Exception), name


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (TimeoutError(), ExitCode.TIMEOUT, "it took too long; try again, or give it more time"),
        (OSError(errno.ENOSPC, "No space", "l.db"), ExitCode.ENVIRONMENT, "l.db: the disk is full; free some space"),
        (OSError(errno.EMFILE, "Too many open files"), ExitCode.ENVIRONMENT, "too many files are open; allow more"),
        (OSError(errno.EADDRINUSE, "in use"), ExitCode.ENVIRONMENT, "the port is taken; choose another"),
        (PermissionError(errno.EACCES, "denied", "k"), ExitCode.ENVIRONMENT, "k: permission denied; change its owner"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), ExitCode.ENVIRONMENT, "nothing answers there"),
        (ZeroDivisionError("division by zero"), ExitCode.ERROR, "run again with --debug to see where"),
        (KeyError("x"), ExitCode.ERROR, "KeyError: 'x'; run again"),
    ],
)
def test_an_exception_becomes_a_code_and_a_remedy(error: Exception, code: ExitCode, line: str) -> None:
    assert exit_code(error) is code
    assert line in explained(error)


def test_the_meaning_of_a_base_class_holds_for_what_derives_from_it() -> None:
    from bot.signer.keystore import WrongPassphrase

    assert exit_code(WrongPassphrase("no")) is ExitCode.USAGE


@command("fails", examples=["isthmus fails"])
async def fails(as_json: bool) -> None:
    raise ZeroDivisionError("a bug")


@command("refused", examples=["isthmus refused"])
def refused(as_json: bool) -> ExitCode:
    return ExitCode.REFUSED


TRIAL = Verbs(
    "trial", verbs={"fails": (f"{__name__}:fails", "Fail."), "refused": (f"{__name__}:refused", "Be refused.")}
)


def test_a_bug_is_one_line_and_its_trace_is_for_debug_only() -> None:
    plain = CliRunner().invoke(TRIAL, ["fails"])
    assert plain.exit_code == ExitCode.ERROR
    assert plain.stderr == "error: ZeroDivisionError: a bug; run again with --debug to see where\n"
    traced = CliRunner().invoke(TRIAL, ["fails", "--debug"])
    assert "Traceback" in traced.stderr


def test_a_failure_is_an_object_for_machines() -> None:
    result = CliRunner().invoke(TRIAL, ["fails", "--json"])
    error = orjson.loads(result.stdout)["error"]
    assert error["exit_code"] == result.exit_code == ExitCode.ERROR
    assert error["kind"] == "ZeroDivisionError"


@pytest.mark.parametrize("arguments", [["rnu"], ["run", "--for", "soon"], ["init", "--network", "base"], ["why", "1"]])
def test_whatever_is_wrong_is_an_object_for_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "isthmus.toml").write_text('strategies = ["nowhere.toml"]\n')
    result = CliRunner().invoke(main, [*arguments, "--json"])
    error = orjson.loads(result.stdout)["error"]
    assert error["exit_code"] == result.exit_code == ExitCode.USAGE
    assert [f"error: {problem}" for problem in error["problems"]] == result.stderr.splitlines()


def test_a_name_in_bytes_that_are_no_text_is_an_object_for_machines_too() -> None:
    result = CliRunner().invoke(main, ["config", "check", "b\udcf6se.toml", "--json"])
    assert orjson.loads(result.stdout)["error"]["problems"] == [
        "b?se.toml: no such file; `isthmus init` writes a first one"
    ]


def test_a_command_may_return_its_exit_code() -> None:
    assert CliRunner().invoke(TRIAL, ["refused"]).exit_code == ExitCode.REFUSED


def test_a_failure_keeps_its_code() -> None:
    assert CommandFailed("no", ExitCode.TIMEOUT).code is ExitCode.TIMEOUT


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400), ("7", 7)])
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize(("asked", "coloured"), [("", True), ("1", False)])
def test_whoever_asks_for_no_colour_gets_none(asked: str, coloured: bool) -> None:
    told = CliRunner(env={"NO_COLOR": asked}).invoke(main, ["doctor", "--tools-only"], color=True)
    assert ("\x1b[" in told.stdout) is coloured


def test_progress_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = TerminalReporter()
    reporter.progress("building", 1, 2)
    reporter.line("done")
    assert capsys.readouterr() == ("done\n", "")


def test_progress_vanishes_from_a_terminal() -> None:
    script = (
        "from bot.cli.output import TerminalReporter\nreporter = TerminalReporter()\n"
        "reporter.progress('building', 1, 2)\nreporter.progress('building', 2, 2)\n"
    )
    parent, child = pty.openpty()
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, stderr=child, check=True)
    shown = os.read(parent, 4096).decode()
    os.close(child)
    os.close(parent)
    assert "building 50 %" in shown
    assert shown.endswith(f"\r{' ' * len('building 50 %')}\r")


def test_lines_leave_stdout_to_machines_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalReporter(lines_to_stderr=True).line("decided")
    assert capsys.readouterr() == ("", "decided\n")


@pytest.mark.parametrize("full", [False, True], ids=["nobody reads", "no space"])
def test_a_run_goes_on_where_its_words_go_nowhere(full: bool) -> None:
    script = (
        "import sys\nfrom bot.cli.output import TerminalReporter\nreporter = TerminalReporter()\n"
        "for number in range(3):\n    reporter.line('decided')\nprint('to the end', file=sys.stderr)\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full", "wb") as no_space, os.fdopen(writing, "wb") as nobody:
        out = no_space if full else nobody
        arguments = [sys.executable, "-c", script]
        ended = subprocess.run(arguments, cwd=ROOT, stdout=out, stderr=subprocess.PIPE, check=False)
    assert b"to the end" in ended.stderr


def test_what_a_terminal_has_no_letters_for_is_said_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "a…\U0001f4a9"
    folder.mkdir()
    arguments = [sys.executable, "-m", "bot", "keys", "list", str(folder)]
    narrow = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, env=narrow, check=False)
    assert (ended.stderr, ended.returncode) == (b"", 0)
    assert b"a\\u2026\\U0001f4a9: no keystores" in ended.stdout


def test_a_full_disk_under_stdout_is_one_line_too() -> None:
    with open("/dev/full", "wb") as full:
        arguments = [sys.executable, "-m", "bot", "networks", "list", "--json"]
        ended = subprocess.run(arguments, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == ExitCode.ENVIRONMENT
    (line,) = ended.stderr.splitlines()
    assert "the disk is full" in line


def test_a_passphrase_is_asked_of_nobody_where_there_is_no_stdin(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m bot keys new {tmp_path}/k.json <&-"
    ended = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == ExitCode.USAGE
    assert "give --passphrase-file or --passphrase-fd" in ended.stderr


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [sys.executable, "-m", "bot", "networks", "list"]
    ended = subprocess.run(arguments, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (ExitCode.ERROR, b"")
