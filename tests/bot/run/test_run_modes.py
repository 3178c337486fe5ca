"""The three modes on the twin, a newcomer's first commands, and what a run says it ended with."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.cli.errors import ExitCode
from bot.cli.run import _ended
from bot.clock import SystemClock
from bot.config.load import load
from bot.config.options import Quiet, RunOptions
from bot.drift.divergence import Divergence
from bot.ledger.ledger import Ledger
from bot.ledger.reconcile import Reconciliation, Row
from bot.ledger.records import Account
from bot.ledger.summary import Latency, RunSummary
from bot.mode import Mode
from bot.run import app
from bot.run.report import Summary
from bot.simulator import Simulator
from chains.blocks import Head
from chains.node.seen import Ahead, Seen
from chains.tools import ROOT
from tests.bot.running import Isthmus, twin_config

_RECORDING = ("record_event", "_event", "_keep_event", "_note", "_record")
OPERATING = (ROOT / "docs" / "operating.md").read_text()


def test_dry_decides_and_simulates_and_sends_nothing(tmp_path: Path) -> None:
    twin_config(tmp_path, certified=False)
    with Isthmus(tmp_path, "run", "--mode", "dry", "--blocks", "6", "--json") as run:
        assert run.end() == 0
    summary = run.document()
    assert summary["mode"] == "dry"
    for strategy in ("dex_arbitrage", "cex_dex_arbitrage"):
        assert re.search(rf"^\d+ +{strategy} +dry ", run.stderr, re.MULTILINE), run.stderr
    assert (summary["sent"], sum(summary["settled"].values())) == (0, 0)
    assert summary["ledger_equals_chain"] is None, "there is nothing to compare"
    assert run.errors() == []


async def test_live_what_is_asked_on_a_head_is_asked_together_with_its_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Seen | None] = []
    answer, expect = Ahead.answer, Simulator.expect
    expected: list[Head] = []

    async def answered(self: Ahead, *asked: Any) -> Seen | None:
        found.append(await answer(self, *asked))
        return found[-1]

    def noted(self: Simulator, head: Head) -> None:
        expected.append(head)
        expect(self, head)

    monkeypatch.setattr(Ahead, "answer", answered)
    monkeypatch.setattr(Simulator, "expect", noted)
    summary = await app.run(load(twin_config(tmp_path, certified=False)), RunOptions(blocks=6), Quiet())
    assert len([seen for seen in found if seen is not None]) >= 6, found
    assert any(receipt for seen in found if seen is not None for receipt in seen.receipts.values())
    assert len({head.hash for head in expected}) >= 6
    assert summary.result.sent and not summary.in_flight


def test_fork_trades_on_a_private_chain_and_carries_its_balances_on(tmp_path: Path) -> None:
    twin_config(tmp_path, certified=False)
    with Isthmus(tmp_path, "run", "--mode", "fork", "--blocks", "6") as run:
        assert run.end() == 0
    assert "what trades did to pools ended with the block" in run.stdout
    assert "the ledger equals the chain and the exchange to the last unit" in run.stdout
    trades = re.findall(r"^\d+  \w+ +(?:settled|hedged) +[+-]\d+\.\d{6} ETH  ", run.stdout, re.MULTILINE)
    assert len(trades) >= 2 and ", 0 reverted, " in run.stdout and "in flight" not in run.stdout
    assert run.errors() == []


def test_a_newcomer_gets_from_an_empty_folder_to_a_proven_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def isthmus(*words: str) -> str:
        asked = CliRunner().invoke(main, words)
        assert asked.exit_code == 0, asked.output
        return asked.output

    assert "isthmus run" in isthmus("init")
    assert "ok: dex_arbitrage, cex_dex_arbitrage on twin" in isthmus("config", "check")
    assert "ok    node: the twin brings its own" in isthmus("doctor")
    with Isthmus(tmp_path, "run", "--blocks", "3") as run:
        assert run.end() == 0, run.stdout + run.stderr
    assert re.search(r"^dashboard: http://127\.0\.0\.1:\d+/$", run.stdout, re.MULTILINE)
    assert "as the run left them: equal to the last unit" in isthmus("reconcile")


OWNER = "0x1111111111111111111111111111111111111111"
ACCOUNT = Account("twin", OWNER, OWNER)


def _summary(**changes: Any) -> Summary:
    plain: dict[str, Any] = {
        "network": "twin",
        "mode": Mode.LIVE,
        "chain_id": 31337,
        "seed": 1,
        "pools": 2,
        "pool_states": {},
        "books": 1,
        "blocks": 3,
        "duration_s": 3.0,
        "setup_s": 1.0,
        "node_calls": 9,
        "exchange_calls": 2,
        "counts": {"simulated": 4},
        "result": RunSummary({"one": 1, "two": 0}, {"one": 10**15, "two": 0}, 1, 0, {}, 0.5, Latency(1.0, 2.0), ()),
        "reconciliation": Reconciliation((Row(ACCOUNT, 5, 5),)),
        "not_as_simulated": 0,
        "decisions": "00",
        "ledger_url": "ledger.sqlite3",
    }
    return Summary(**{**plain, **changes})


OFF_BY_ONE = Reconciliation((Row(ACCOUNT, 5, 4),))


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({}, ExitCode.OK, ""),
        ({"reconciliation": OFF_BY_ONE}, ExitCode.ERROR, "THE LEDGER DIFFERS: "),
        ({"halted": {"one": "lost 1 ETH"}}, ExitCode.OK, ""),
        ({"halted": {"one": "lost 1 ETH", "two": "lost 2 ETH"}}, ExitCode.REFUSED, "every strategy is halted"),
        ({"trouble": "the signer's process ended"}, ExitCode.ENVIRONMENT, "the signer's process ended"),
        ({"in_flight": 2, "reconciliation": OFF_BY_ONE}, ExitCode.TIMEOUT, "2 intents were still in flight"),
    ],
    ids=["well", "differs", "one halted", "all halted", "trouble", "in flight"],
)
def test_a_summary_means_an_exit_code_and_why(changes: dict[str, Any], code: ExitCode, told: str) -> None:
    ended, reason = _ended(_summary(**changes))
    assert (ended, reason[: len(told)]) == (code, told)
    assert bool(reason) is (code is not ExitCode.OK)


def test_the_summary_says_what_each_mode_leaves_out() -> None:
    assert "4 plans would have been signed; nothing was signed or sent" in str(_summary(mode=Mode.DRY))
    assert "settled" not in str(_summary(mode=Mode.DRY)).partition("plans")[0]
    assert "HALTED: lost 1 ETH" in str(_summary(halted={"one": "lost 1 ETH"}))
    assert all(len(line) <= 120 for line in str(_summary(mode=Mode.FORK)).splitlines())


def test_a_halted_strategy_is_resumed_by_a_person_with_a_reason(tmp_path: Path) -> None:
    url = str(tmp_path / "ledger.sqlite3")
    ledger = Ledger.open(url, SystemClock())
    ledger.start_run(Mode.LIVE, "twin", 31337, 1, "digest", "instance")
    ledger.halt("one", "lost 1 ETH")
    ledger.close()
    words = ["resume", "one", "--ledger", url, "--because", "one bad pool"]
    resumed = CliRunner().invoke(main, words)
    assert (resumed.exit_code, resumed.stdout) == (0, "one may trade again; it was halted: lost 1 ETH\n")
    again = CliRunner().invoke(main, words)
    assert again.exit_code == ExitCode.USAGE
    assert again.stderr.startswith(f"error: one is not halted in run 1 of ledger {url};")


def test_the_page_on_operating_names_every_exit_code() -> None:
    rows = {int(code) for code in re.findall(r"^\| (\d+) \| ", OPERATING, re.MULTILINE)}
    assert rows == {*ExitCode, 130}


def test_the_page_on_operating_names_every_event() -> None:
    named = {name for file in sorted((ROOT / "bot").rglob("*.py")) for name in _events(ast.parse(file.read_text()))}
    named |= {f"divergence_{divergence}" for divergence in Divergence}
    assert named >= {"reorg", "node_silent"}, "the source is searched rightly"
    assert named - set(re.findall(r"^\| `(\w+)` \|", OPERATING, re.MULTILINE)) == set()


def _events(tree: ast.AST) -> set[str]:
    """The names given to what writes an event down."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _RECORDING:
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            found |= {text for text in texts[:1] if text}
    return found
