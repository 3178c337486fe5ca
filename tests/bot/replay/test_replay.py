"""A run on the twin, recorded, and replayed in this process."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.config.errors import ConfigError
from bot.config.load import BUILT_IN, load
from bot.config.options import Quiet, RunOptions
from bot.mode import Mode
from bot.plan import Plan
from bot.replay import replaying
from bot.replay.compare import Why, compare
from bot.replay.opening import TAPE, read_opening, texts_of
from bot.replay.recorder import Kind
from bot.replay.recordings import latest
from bot.replay.settings import Settings, recorded_config
from bot.replay.tape import TapeWriter, read_tape
from bot.run import app
from bot.run.report import Summary
from bot.signer.switch import KillSwitch, Trading
from bot.strategy import MarketView
from bot.telling import times
from chains.tools import ROOT
from strategies.dex_arbitrage import DexArbitrage

BLOCKS = 12
SHADOWED_BLOCKS = 6
REST = """
enabled = false
[certificate]
enabled = false
[ledger]
folder = "runs"
"""
"""Behind the built-in run file, which ends with its dashboard."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    text = BUILT_IN.read_text().replace('"strategies/', f'"{ROOT}/strategies/').replace("pace_s = 1\n", "pace_s = 0\n")
    (folder / "isthmus.toml").write_text(text + REST)
    return folder


@pytest.fixture(scope="module")
def summary(folder: Path) -> Summary:
    options = RunOptions(mode=Mode.LIVE, blocks=BLOCKS, seed=1)
    return asyncio.run(app.run(load(folder / "isthmus.toml"), options, Quiet()))


@pytest.fixture
def recording(folder: Path, summary: Summary) -> Path:
    return latest(folder / "runs")


def asked(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(main, words)


async def test_a_replay_makes_the_same_decisions_bit_for_bit(recording: Path, summary: Summary) -> None:
    replayed = await replaying.replay(recording)
    assert replayed.difference is None
    assert replayed.complete
    assert replayed.digest == replayed.recorded_digest == summary.decisions
    assert len(replayed.decisions) == summary.counts["plans"] > 5
    assert replayed.result.net_profit_wei == summary.result.net_profit_wei


async def test_a_strategy_that_a_person_resumed_in_mid_run_trades_again_in_the_replay_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, asked_on = DexArbitrage.on_market, list[int]()

    def failing_once(self: DexArbitrage, market: MarketView) -> Iterable[Plan]:
        asked_on.append(market.head.number)
        if market.head.number == asked_on[0] + 1:
            raise KeyError("x")
        return honest(self, market)

    class Resuming(Quiet):
        def line(self, text: str) -> None:
            if "isthmus resume" in text:
                (control,) = folder.glob("resumed/*/control")
                now_s = time.time()
                KillSwitch(control).set("dex_arbitrage", Trading.ACTIVE, by="ann", because="mended", at_s=now_s)

    monkeypatch.setattr(DexArbitrage, "on_market", failing_once)
    text = (folder / "isthmus.toml").read_text().replace('folder = "runs"', 'folder = "resumed"')
    (folder / "resumed.toml").write_text(text)
    options = RunOptions(mode=Mode.LIVE, blocks=BLOCKS, seed=1)
    summary = await app.run(load(folder / "resumed.toml"), options, Resuming())
    assert len(asked_on) > 2 and not summary.halted, "it was resumed before the end"
    run_on, asked_on[:] = list(asked_on), []
    replayed = await replaying.replay(latest(folder / "resumed"))
    assert replayed.difference is None and replayed.digest == summary.decisions
    assert asked_on == run_on


@pytest.mark.parametrize("looked_up", ["is_newest", "may_hold", "too_old"])
async def test_a_tape_that_a_kill_cut_short_has_no_difference(recording: Path, tmp_path: Path, looked_up: str) -> None:
    shutil.copytree(recording, tmp_path / "cut", ignore=shutil.ignore_patterns(TAPE))
    records = list(read_tape(recording / TAPE))
    end = max(number for number, record in enumerate(records) if record[:2] == [Kind.READING, looked_up])
    tape = TapeWriter(tmp_path / "cut" / TAPE, pytest.fail)
    for record in records[:end]:
        tape.put(partial(list, record))
    tape.close()
    replayed = await replaying.replay(tmp_path / "cut")
    assert replayed.difference is None
    assert not replayed.complete
    assert len(replayed.decisions) >= len(replayed.recorded) > 1


async def test_a_strategy_that_reads_the_clock_is_found_out(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = DexArbitrage.on_market

    def clockwise(self: DexArbitrage, market: MarketView) -> Iterable[Plan]:
        for plan in honest(self, market):
            yield replace(plan, min_profit_wei=plan.min_profit_wei + time.time_ns() % 1_000 + 1)

    monkeypatch.setattr(DexArbitrage, "on_market", clockwise)
    folder = shutil.copytree(recording, tmp_path / "copy")
    (folder / "earlier.ledger.unkept").write_text("the ledger was not kept")
    replayed = await replaying.replay(folder)
    assert replayed.difference is not None
    assert replayed.difference.endswith("; the ledger was not kept"), "it may be why"


async def test_supposing_nothing_changes_nothing(recording: Path, summary: Summary) -> None:
    supposed = await replaying.suppose(recording, Settings())
    compared = compare(supposed.recorded, supposed.decisions)
    assert compared.pairs == ()
    assert supposed.supposed == 0
    assert supposed.result.net_profit_wei == summary.result.net_profit_wei


async def test_a_higher_tip_costs_what_it_says(recording: Path, summary: Summary) -> None:
    supposed = await replaying.suppose(recording, Settings.parse(["execution.tip_gwei=4"]))
    before, after = summary.result.net_profit_wei, supposed.result.net_profit_wei
    assert sum(after.values()) < sum(before.values())


async def test_a_budget_that_allows_nothing_would_have_refused_everything(recording: Path, summary: Summary) -> None:
    settings = Settings.parse(["cex_dex_arbitrage.budget.per_trade='0 ETH'"])
    supposed = await replaying.suppose(recording, settings)
    assert supposed.result.net_profit_wei["cex_dex_arbitrage"] == 0
    assert summary.result.net_profit_wei["cex_dex_arbitrage"] > 0


async def test_a_lower_threshold_is_supposed_to_trade_more_or_as_much(recording: Path) -> None:
    supposed = await replaying.suppose(recording, Settings.parse(["dex_arbitrage.min_profit='0.00001 ETH'"]))
    sent = [decision.said for decision in supposed.decisions].count("sent")
    assert sent >= [decision.said for decision in supposed.recorded].count("sent")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "write `--set"),
        ("strategies.dex_arbitrage.max_hops=2", "strategies has no keys of its own; a strategy's begin with its name"),
        ("dex_arbitrag.min_profit=1", "nothing in this run is called so"),
        ("dex_arbitrage.min_profi='1 ETH'", "did you mean"),
        ("execution.tip_gwei=much", "tip_gwei"),
    ],
)
async def test_a_setting_that_does_not_exist_is_refused(recording: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        await replaying.suppose(recording, Settings.parse([text]))


def test_a_network_of_ones_own_is_replayed_as_its_files_were(recording: Path, tmp_path: Path) -> None:
    files = {
        "isthmus.toml": f'network = "my.toml"\nstrategies = ["{ROOT}/strategies/dex_arbitrage.toml"]\n'
        '[node]\nendpoints = ["ws://127.0.0.1:1"]\n',
        "my.toml": 'inherits = "other.toml"\nblock_time_s = 2\n',
        "other.toml": 'inherits = "twin"\nchain_id = 1337\n',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    config, texts = texts_of(load(tmp_path / "isthmus.toml"))
    opening = replace(read_opening(recording), config=config, texts=texts)
    (tmp_path / "my.toml").unlink()
    (tmp_path / "other.toml").write_text('inherits = "twin"\nchain_id = 31337\n')
    network = recorded_config(opening, Settings()).network
    assert (network.name, network.chain_id, network.block_time_s) == ("my", 1337, 2.0)


def test_the_recording_holds_no_secret(recording: Path) -> None:
    operator = orjson.loads((recording.parent / "operator.json").read_bytes())
    secret = operator["crypto"]["ciphertext"].encode()
    tape = b"".join(orjson.dumps(record) for record in read_tape(recording / TAPE))
    for content in (tape, *(file.read_bytes() for file in recording.iterdir())):
        assert secret not in content
        assert b"passphrase" not in content


def test_the_command_says_that_it_is_the_same(folder: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = asked(folder, monkeypatch, "replay", recording.parent.name, "--json")
    assert result.exit_code == 0, result.output
    told = orjson.loads(result.stdout)
    assert told["same"] is True
    assert told["digest"] == told["recorded_digest"]


def test_a_run_beside_itself_has_no_difference(folder: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = asked(folder, monkeypatch, "compare", str(recording), recording.parent.name, "--json")
    assert result.exit_code == 0, result.output
    told = orjson.loads(result.stdout)
    assert told["different"] == [] and told["same"] > 5
    assert told["blocks"] >= BLOCKS and told["blocks_of_one_alone"] == [0, 0]


def _shadow(folder: Path, name: str, min_profit: str = "0.0005 ETH") -> Path:
    """The recording of a dry run, alone on a twin of its own, with that threshold."""
    strategy = (ROOT / "strategies" / "dex_arbitrage.toml").read_text()
    (folder / name).mkdir()
    (folder / name / "dex_arbitrage.toml").write_text(strategy.replace('"0.0005 ETH"', f'"{min_profit}"'))
    text = (folder / "isthmus.toml").read_text().replace('folder = "runs"', f'folder = "{name}"')
    named = text.replace(f"{ROOT}/strategies/dex_arbitrage.toml", f"{name}/dex_arbitrage.toml")
    (folder / f"{name}.toml").write_text(named)
    options = RunOptions(mode=Mode.DRY, blocks=SHADOWED_BLOCKS, seed=1)
    asyncio.run(app.run(load(folder / f"{name}.toml"), options, Quiet()))
    return latest(folder / name)


def test_a_shadow_says_which_decisions_a_changed_strategy_makes_otherwise_and_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, stricter = _shadow(folder, "usual"), _shadow(folder, "stricter", "0.005 ETH")
    changed = asked(folder, monkeypatch, "compare", str(run), str(stricter), "--json")
    assert changed.exit_code == 1, changed.output
    told = orjson.loads(changed.stdout)
    assert {(each["strategy"], each["why"]) for each in told["different"]} == {("dex_arbitrage", Why.ONLY_ONE)}
    assert told["same"] > 0, "what earns more is decided as before"
    by_hand = asked(folder, monkeypatch, "compare", str(run), str(stricter)).stdout
    assert f"dex_arbitrage: {times(len(told['different']))} {Why.ONLY_ONE}\n" in by_hand
    assert (times(1), times(2)) == ("once", "2 times")


def test_what_a_large_plan_bears_is_told_with_its_decision(
    folder: Path, summary: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [asked(folder, monkeypatch, "why", str(number)).stdout for number in range(1, 20)]
    assert any("if its pools move 100 bps against it: " in lines for lines in told)


def _amounts(value: Any, name: str = "") -> Iterator[Any]:
    """What stands under the name of an amount, however deep."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _amounts(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _amounts(item, name)
    elif name.endswith(("_wei", "_units", "amount_in", "amount_out")) and value is not None:
        yield value


def test_every_amount_of_a_decision_is_text_whatever_its_size(
    folder: Path, summary: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [orjson.loads(asked(folder, monkeypatch, "why", str(number), "--json").stdout) for number in range(1, 20)]
    amounts = list(_amounts(told))
    assert len(amounts) > 100 and {type(amount) for amount in amounts} == {str}


def test_a_decision_is_told_without_a_recording_that_cannot_be_read(
    folder: Path, summary: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = latest(folder / "runs") / TAPE
    recorded = tape.read_bytes()
    tape.write_bytes(b"an earlier version's" + recorded)
    try:
        told = asked(folder, monkeypatch, "why", "1")
    finally:
        tape.write_bytes(recorded)
    assert told.exit_code == 0 and "expected +" in told.stdout
    assert "is not a recording of this version" in told.stderr


def test_one_decision_fits_one_screen(folder: Path, summary: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = next(
        number
        for number in range(1, 20)
        if orjson.loads(asked(folder, monkeypatch, "why", str(number), "--json").stdout)["intent"] is not None
    )
    lines = asked(folder, monkeypatch, "why", str(sent)).stdout.splitlines()
    assert len(lines) < 60
    text = "\n".join(lines)
    for part in ("marginal", "fee", "verdict ok", "budget hour loss", "gas", "tip", "intent", "filled at", "came to"):
        assert part in text, part
    told = [line for line in lines if line.startswith("verdict")]
    assert len(told) == len(set(told))
    assert not any(" of 0x" in line for line in lines if line.startswith("  filled at")), "in whole tokens"
    assert asked(folder, monkeypatch, "why", "ffffffffff").exit_code == 2
