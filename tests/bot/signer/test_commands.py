"""What a person types: halting, resuming, granting and keys, against a signer that really runs."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.config.load import load
from bot.keys import keystore_address
from bot.owner import deposit
from bot.reasons import Reason, Refusal
from bot.signer.client import SignerClient
from bot.signer.keystore import seal
from bot.signer.policy import SignerPolicy
from bot.signer.protocol import Signed
from bot.signer.switch import HALT, KillSwitch, Trading
from chains.tools import ROOT
from tests.bot.running import twin_config
from tests.bot.signer.making import CYCLES, ETHER, OPERATOR, POLICY, SECRET, ask
from tests.bot.signer.owning import OWNER, OWNER_SECRET

PASSPHRASE = "open sesame"
OWNED: SignerPolicy = dataclasses.replace(POLICY, owner=OWNER)


def typed(*words: str | Path, code: int = 0) -> dict[str, Any]:
    """The JSON a command prints."""
    result = CliRunner().invoke(main, [str(word) for word in (*words, "--json")])
    assert result.exit_code == code, result.output
    if code:
        return {"said": result.output}
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[0])
    return document


async def told(*words: str | Path, code: int = 0) -> dict[str, Any]:
    return await asyncio.to_thread(typed, *words, code=code)


def passphrase_file(folder: Path) -> Path:
    file = folder / "passphrase"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(PASSPHRASE)
    return file


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A run file whose ledger folder is `runs` in the test's own."""
    return twin_config(tmp_path)


@pytest.fixture
async def client(config: Path, tmp_path: Path) -> AsyncIterator[SignerClient]:
    run = load(config).config.ledger.folder / "20260101-000000-twin-live-abcd"
    run.mkdir(parents=True)
    keystore = tmp_path / "operator.json"
    keystore.write_bytes(seal(SECRET, PASSPHRASE.encode(), light=True))
    async with await SignerClient.start(
        keystore=keystore,
        passphrase=PASSPHRASE,
        policy=OWNED,
        directory=run / "signer",
        journal=run / "signer.db",
    ) as client:
        yield client


def now_ask(number: int, **changes: Any) -> Any:
    return ask(intent_id=f"intent-{number}", nonce=number, verdict={"made_at_s": time.time()}, **changes)


async def test_halt_stops_a_running_signer_and_resume_lets_it_go_on(client: SignerClient, config: Path) -> None:
    assert isinstance(await client.sign(now_ask(1)), Signed)
    halted = await told("halt", "--config", config, "--because", "looks wrong")
    assert [switch.endswith("looks wrong") for switch in halted["switches"].values()] == [True]
    refused = await client.sign(now_ask(2))
    assert isinstance(refused, Refusal) and refused.reason is Reason.SIGNER_HALTED
    shown = await told("budget", "show", "--config", config)
    assert shown["budgets"][0]["scopes"]["total"]["switch"].startswith("halted by")
    resumed = await told("resume", "--config", config, "--because", "it was not")
    assert "looks wrong" in resumed["was_halted"]
    assert isinstance(await client.sign(now_ask(2)), Signed)


@pytest.mark.parametrize(("resumed", "left"), [(CYCLES, "all strategies halted"), ("", f"{CYCLES} halted")])
async def test_resume_says_what_stays_halted_all_the_same(
    client: SignerClient, config: Path, resumed: str, left: str
) -> None:
    for name in ((), (CYCLES,)):
        await told("halt", *name, "--config", config, "--because", "looks wrong")
    names = (resumed,) if resumed else ()
    said = await told("resume", *names, "--config", config, "--because", "it was not")
    assert [left in stopped for stopped in said["still_stopped"]] == [True]
    refused = await client.sign(now_ask(1))
    assert isinstance(refused, Refusal) and refused.reason is Reason.SIGNER_HALTED


async def test_an_account_that_a_strange_nonce_halted_is_resumed_by_its_name(
    client: SignerClient, config: Path
) -> None:
    name = f"account:{OPERATOR}"
    answer = await told("halt", name, "--config", config, code=2)
    assert "trades here" in answer["said"], "its switch would stop nobody"
    resumed = await told("resume", name, "--config", config, "--because", "my own wallet")
    assert "active" not in resumed["was_halted"] and "in the ledger of its run" in resumed["was_halted"]
    assert KillSwitch(client.switch.folder).read().switches[name].state is Trading.ACTIVE


async def test_flatten_reduces_first(client: SignerClient, config: Path) -> None:
    said = await told("flatten", CYCLES, "--config", config)
    assert said["waits_for_a_run"] == []
    switch = KillSwitch(client.switch.folder).read().switches[CYCLES]
    assert (switch.state, switch.then_halt) == (Trading.REDUCING, True)
    refused = await client.sign(now_ask(1))
    assert isinstance(refused, Refusal) and refused.reason is Reason.SIGNER_REDUCING


@pytest.mark.parametrize(("flattened", "left"), [(CYCLES, ""), ("", CYCLES)])
async def test_flatten_says_what_stays_halted_by_another_switch(
    client: SignerClient, config: Path, flattened: str, left: str
) -> None:
    await told("halt", *filter(None, [left]), "--config", config, "--because", "looks wrong")
    said = await told("flatten", *filter(None, [flattened]), "--config", config)
    (still,) = said["still_halted"]
    assert "looks wrong" in still and still.endswith(f"`{f'isthmus flatten {left}'.strip()}`")
    flat = await told("flatten", *filter(None, [left]), "--config", config)
    assert flat["still_halted"] == []


async def test_flatten_says_where_nothing_runs_that_could_take_anything_back(
    client: SignerClient, config: Path
) -> None:
    await client.close()
    said = await told("flatten", "--config", config, "--run", client.switch.folder)
    assert said["waits_for_a_run"] == [str(client.switch.folder)]


async def test_resume_is_for_the_run_files_network_and_names_what_stays_halted_on_others(
    client: SignerClient, config: Path
) -> None:
    """Who resumes one network has not read why another was halted."""
    elsewhere = KillSwitch(load(config).config.ledger.folder / "base" / "control")
    elsewhere.establish(0.0)
    elsewhere.set("", Trading.HALTED, by="a breaker", because="money is missing", at_s=1.0)
    alone = await told("resume", "--config", config, "--because", "it was not", code=2)
    assert "nothing is halted here" in alone["said"]
    await told("halt", "--config", config)
    resumed = await told("resume", "--config", config, "--because", "it was not")
    assert [left.partition(": ")[0] for left in resumed["still_stopped"]] == [str(elsewhere.folder)]
    assert "money is missing" in resumed["still_stopped"][0]
    assert elsewhere.of(CYCLES).state is Trading.HALTED and client.switch.of(CYCLES).state is Trading.ACTIVE
    await told("resume", "--run", elsewhere.folder.parent, "--because", "found it")
    assert elsewhere.of(CYCLES).state is Trading.ACTIVE


async def test_what_is_not_halted_cannot_be_resumed(client: SignerClient, config: Path) -> None:
    answer = await told("resume", "--config", config, "--because", "why not", code=2)
    assert "nothing is halted" in answer["said"]


def _spoil(config: Path, text: str = "") -> None:
    """Make `text` of the run file, or leave it what says where the runs lie, and a strategy that is half written."""
    (config.parent / "mine.py").write_text("def half a strategy")
    (config.parent / "mine.toml").write_text('strategy = "mine.py:Mine"')
    rest = config.read_text().partition("]")[2]
    config.write_text(text or f'misspelt = 1\nstrategies = ["mine.toml"]\n{rest}')


def _rename_first_strategy(config: Path, name: str) -> None:
    file = ROOT / "strategies" / "dex_arbitrage.toml"
    (config.parent / f"{name}.toml").write_text(file.read_text())
    config.write_text(config.read_text().replace(str(file), f"{name}.toml"))


@pytest.mark.parametrize("words", [("halt",), ("flatten",), ("resume", "--because", "why not")])
async def test_a_misspelt_strategy_is_refused_since_it_would_stop_nobody(
    client: SignerClient, config: Path, words: tuple[str, ...]
) -> None:
    answer = await told(*words, f"{CYCLES}s", "--config", config, code=2)
    assert f"did you mean '{CYCLES}'?" in answer["said"]
    assert f"{CYCLES}s" not in KillSwitch(client.switch.folder).read().switches


async def test_what_only_the_run_file_names_yet_can_be_halted_before_it_trades(
    client: SignerClient, config: Path
) -> None:
    _rename_first_strategy(config, "newcomer")
    await told("halt", "newcomer", "--config", config)
    assert KillSwitch(client.switch.folder).of("newcomer").state is Trading.HALTED


async def test_where_the_policy_cannot_be_read_any_name_can_be_halted(client: SignerClient, config: Path) -> None:
    (client.switch.folder.parent / "signer" / "policy.json").unlink()
    await told("halt", "anything", "--config", config)


@pytest.mark.parametrize("words", [("halt",), ("halt", CYCLES), ("flatten", CYCLES)])
async def test_what_is_wrong_in_the_run_file_or_in_a_strategys_keeps_nobody_from_halting(
    client: SignerClient, config: Path, words: tuple[str, ...]
) -> None:
    _spoil(config)
    await told("config", "check", config, code=2)
    await told(*words, "--config", config)
    assert client.switch.of(CYCLES).state is not Trading.ACTIVE


async def test_where_the_run_file_cannot_be_read_who_halts_is_told_the_other_ways(
    client: SignerClient, config: Path
) -> None:
    _spoil(config, "[ledger")
    answer = await told("halt", "--config", config, code=2)
    assert "not valid TOML" in answer["said"] and "--run, or put a file named HALT" in answer["said"]
    await told("halt", "--run", client.switch.folder.parent)
    assert client.switch.of(CYCLES).state is Trading.HALTED


async def test_nothing_to_halt_is_a_usage_error(config: Path) -> None:
    answer = await told("halt", "--config", config, code=2)
    assert "nothing trades here now; name the run file" in answer["said"]


@pytest.mark.parametrize("verb", ["halt", "flatten"])
async def test_a_folder_in_which_nothing_trades_is_not_told_as_halted(
    client: SignerClient, config: Path, verb: str
) -> None:
    """A switch that is made one folder too high is read by nobody, and the run goes on."""
    runs = client.switch.folder.parent.parent
    answer = await told(verb, "--config", config, "--run", runs, code=2)
    assert "nothing has its kill switch in that folder" in answer["said"] and not (runs / "control").exists()
    assert client.switch.of("dex_arbitrage").state is Trading.ACTIVE


@pytest.mark.parametrize("said", ["", " \t"])
async def test_nothing_is_resumed_or_changed_for_no_reason_but_anything_is_halted(
    client: SignerClient, config: Path, said: str
) -> None:
    await told("halt", "--config", config, "--because", said)
    for command in (("resume",), ("budget", "set", "hour_loss", "0.001 ETH")):
        answer = await told(*command, "--config", config, "--because", said, code=2)
        assert "--because" in answer["said"] and "it is empty" in answer["said"]
    assert client.switch.of("dex_arbitrage").state is Trading.HALTED


async def test_a_reason_in_bytes_that_are_no_text_keeps_nobody_from_halting(client: SignerClient, config: Path) -> None:
    """A terminal may send Latin-1, which arrives as characters that no file takes."""
    await told("halt", "--config", config, "--because", "b\udcf6se")
    assert client.switch.of("dex_arbitrage").state is Trading.HALTED
    await told("resume", "--config", config, "--because", "b\udcf6se")
    assert client.switch.of("dex_arbitrage").state is Trading.ACTIVE


async def test_a_grant_made_by_the_owner_is_used_shown_and_revoked(
    client: SignerClient, config: Path, tmp_path: Path
) -> None:
    owner, passphrase = tmp_path / "owner.json", passphrase_file(tmp_path)
    owner.write_bytes(seal(OWNER_SECRET, PASSPHRASE.encode(), light=True))
    for number in range(2):
        assert isinstance(await client.sign(now_ask(number, worst_case_wei=ETHER)), Signed)
    assert isinstance(await client.sign(now_ask(2, worst_case_wei=ETHER)), Refusal)
    made = await told(
        *("budget", "grant", "hour_loss", "1 ETH", "--strategy", CYCLES, "--for", "1h", "--keystore", owner),
        *("--passphrase-file", passphrase, "--config", config),
    )
    (grant_id,) = made["grants"]
    assert isinstance(await client.sign(now_ask(2, worst_case_wei=ETHER)), Signed)
    shown = (await told("budget", "show", "--config", config))["budgets"][0]
    assert shown["grants"][grant_id]["drawn_wei"] == str(ETHER)
    assert shown["scopes"][CYCLES]["limits"]["hour_loss"]["used"] == str(3 * ETHER)
    await told("budget", "revoke", grant_id, "--config", config)
    assert (await told("budget", "show", "--config", config))["budgets"][0]["grants"] == {}
    await told("budget", "revoke", "0x" + "00" * 16, "--config", config, code=2)


def test_a_grant_whose_command_is_ended_once_it_is_there_has_told_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, passphrase = tmp_path / "owner.json", passphrase_file(tmp_path)
    owner.write_bytes(seal(OWNER_SECRET, PASSPHRASE.encode(), light=True))

    def ended(*given: Any) -> None:
        deposit(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr("bot.owner.deposit", ended)
    words = ("budget", "grant", "hour_loss", "1 ETH", "--for", "1h", "--keystore", owner, "--into", tmp_path)
    more = ("--passphrase-file", passphrase, "--operator", OPERATOR, "--chain-id", 1)
    said = CliRunner().invoke(main, [str(word) for word in (*words, *more)]).output
    (file,) = (tmp_path / "grants").iterdir()
    assert file.stem in said


async def test_what_the_signer_would_not_take_is_refused_before_it_is_written(
    client: SignerClient, config: Path, tmp_path: Path
) -> None:
    passphrase, keystores = passphrase_file(tmp_path), (tmp_path / "owner.json", tmp_path / "foreign.json")
    for keystore, secret in zip(keystores, (OWNER_SECRET, SECRET), strict=True):
        keystore.write_bytes(seal(secret, PASSPHRASE.encode(), light=True))
    more = ("--passphrase-file", passphrase, "--config", config)
    grant = ("budget", "grant", "hour_loss", "1 ETH", "--for", "1h", *more)
    raise_ = ("budget", "set", "hour_loss", "9 ETH", "--because", "a test", *more)
    for words in (grant, raise_):
        foreign = await told(*words, "--strategy", CYCLES, "--keystore", keystores[1], code=2)
        assert f"not signed by the owner, {OWNER}" in foreign["said"]
        assert "nobody" in (await told(*words, "--strategy", "nobody", "--keystore", keystores[0], code=2))["said"]
    assert not [file for name in ("grants", "limits") for file in (client.switch.folder / name).glob("*")]


async def test_a_limit_is_lowered_by_whoever_types_and_raised_by_the_owner_only(
    client: SignerClient, config: Path, tmp_path: Path
) -> None:
    owner, passphrase = tmp_path / "owner.json", passphrase_file(tmp_path)
    owner.write_bytes(seal(OWNER_SECRET, PASSPHRASE.encode(), light=True))
    words = ("budget", "set", "hour_loss", "--strategy", CYCLES, "--config", config, "--because", "a test")
    lowered = (await told(*words, "0.5 ETH"))["changes"][0]
    assert (lowered["before"], lowered["after"]) == (str(2 * ETHER), str(ETHER // 2))
    refused = await client.sign(now_ask(1, worst_case_wei=ETHER))
    assert isinstance(refused, Refusal) and refused.reason is Reason.SIGNER_BUDGET_HOUR_LOSS
    assert "--keystore" in (await told(*words, "1 ETH", code=3))["said"]
    await told(*words, "1 ETH", "--keystore", owner, "--passphrase-file", passphrase)
    assert isinstance(await client.sign(now_ask(1, worst_case_wei=ETHER)), Signed)
    await client.close()
    shown = (await told("budget", "show", "--run", client.switch.folder.parent))["budgets"][0]
    limit = shown["scopes"][CYCLES]["limits"]["hour_loss"]
    assert (limit["limit"], limit["configured"]) == (str(ETHER), str(2 * ETHER))


async def test_the_budget_of_a_signer_that_ended_is_read_from_its_journal(client: SignerClient, config: Path) -> None:
    assert isinstance(await client.sign(now_ask(1, worst_case_wei=ETHER)), Signed)
    await client.close()
    shown = (await told("budget", "show", "--run", client.switch.folder.parent))["budgets"][0]
    assert (shown["running"], shown["scopes"][CYCLES]["limits"]["hour_loss"]["used"]) == (False, str(ETHER))


async def test_a_journal_that_is_gone_is_said_to_be_and_none_is_made_by_who_looks(
    client: SignerClient, config: Path
) -> None:
    await client.close()
    journal = client.switch.folder.parent / "signer.db"
    journal.unlink()
    said = (await told("budget", "show", "--run", client.switch.folder.parent, code=4))["said"]
    assert "it is gone; put the newest back" in said
    assert not journal.exists()


async def test_a_limit_or_grant_of_a_strategy_is_for_the_networks_that_trade_it(
    client: SignerClient, config: Path, tmp_path: Path
) -> None:
    owner, passphrase = tmp_path / "owner.json", passphrase_file(tmp_path)
    owner.write_bytes(seal(OWNER_SECRET, PASSPHRASE.encode(), light=True))
    other = load(config).config.ledger.folder / "base"
    other.mkdir()
    limits = dataclasses.replace(OWNED.strategies[CYCLES], hour_loss_wei=ETHER // 4)
    async with await SignerClient.start(
        keystore=tmp_path / "operator.json",
        passphrase=PASSPHRASE,
        policy=dataclasses.replace(OWNED, strategies={"another": limits}, total=limits),
        directory=other / "signer",
        journal=other / "signer.db",
    ) as elsewhere:
        more = ("--config", config, "--strategy", CYCLES)
        lowered = await told("budget", "set", "hour_loss", "1 ETH", "--because", "a test", *more)
        assert [change["after"] for change in lowered["changes"]] == [str(ETHER)]
        signed = ("--for", "1h", "--keystore", owner, "--passphrase-file", passphrase)
        assert len((await told("budget", "grant", "hour_loss", "1 ETH", *signed, *more))["grants"]) == 1
        set_all = ("budget", "set", "hour_loss", "0.5 ETH", "--because", "a test", "--config", config)
        assert "--keystore" in (await told(*set_all, code=3))["said"], "it would raise the other network's"
        assert not [*(elsewhere.switch.folder / "limits").glob("*")]
        shown = (await told("budget", "show", "--config", config))["budgets"]
        assert all(it["scopes"]["total"]["limits"]["hour_loss"]["limit"] != str(ETHER // 2) for it in shown), "nor here"


async def test_a_switch_that_cannot_be_set_keeps_no_other_from_being_set(
    client: SignerClient, config: Path, tmp_path: Path
) -> None:
    runs = load(config).config.ledger.folder
    broken = runs / "0-first" / "control" / "switch.json"
    broken.mkdir(parents=True)
    (broken.parent / HALT).mkdir()
    refused = await told("halt", "--config", config, code=4)
    assert f"cannot set the switch {broken}" in refused["said"]
    assert KillSwitch(client.switch.folder).of(CYCLES).state is Trading.HALTED


def test_keys_are_imported_listed_and_rotated_and_the_old_one_is_kept(tmp_path: Path) -> None:
    passphrase, folder = passphrase_file(tmp_path), tmp_path / "secrets"
    secret = tmp_path / "key.hex"
    secret.touch(mode=0o600)
    secret.write_text("0x" + SECRET.hex())
    imported = typed("keys", "import", folder / "operator.json", "--from-file", secret, "--passphrase-file", passphrase)
    assert imported["address"] == POLICY.operator
    rotated = typed("keys", "rotate", folder / "operator.json", "--passphrase-file", passphrase)
    assert (rotated["was"], keystore_address(Path(rotated["kept"]))) == (POLICY.operator, POLICY.operator)
    listed = typed("keys", "list", folder)["keystores"]
    assert {it["address"] for it in listed} == {POLICY.operator, rotated["address"]}
    assert rotated["address"] != POLICY.operator


def test_a_key_in_the_environment_is_checked_and_one_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TEST_KEY", SECRET.hex())
    assert typed("keys", "check", "env:A_TEST_KEY")["address"] == POLICY.operator
    monkeypatch.delenv("A_TEST_KEY")
    assert "A_TEST_KEY" in typed("keys", "check", "env:A_TEST_KEY", code=2)["said"]


def test_a_key_that_is_none_is_refused_without_being_repeated(tmp_path: Path) -> None:
    secret = tmp_path / "key.hex"
    secret.touch(mode=0o600)
    secret.write_text("correct horse battery staple")
    answer = typed(
        *("keys", "import", tmp_path / "x.json", "--from-file", secret),
        *("--passphrase-file", passphrase_file(tmp_path)),
        code=2,
    )
    assert "horse" not in json.dumps(answer)
