"""`isthmus reconcile`: equal to the last unit, or each difference told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from bot.balances import at_exchanges, on_chain
from bot.cli import main
from bot.cli.reconcile import Gone
from bot.clock import SystemClock
from bot.ledger.ledger import Ledger
from bot.ledger.reconcile import UnknownPlace, book_differences
from bot.ledger.reconcile import reconcile as compare
from bot.ledger.records import Account, Mode
from chains.assets import ZERO_ADDRESS, Address
from tests.bot.config.writing import RUN, spoilt, written

OWNER = Address("0x1111111111111111111111111111111111111111")
TOKEN = Address("0x2222222222222222222222222222222222222222")
NATIVE = Account("twin", OWNER, ZERO_ADDRESS)
SPOT = Account("binance", "spot", "ETH")


def _ledger_of(folder: Path, network: str = "twin") -> Path:
    """Where a run on `network` keeps its ledger."""
    return folder / "var" / "runs" / f"20260101-000000-{network}-live-abcd" / "ledger.sqlite3"


def _run_that_ended(folder: Path, *, off_by: int = 0, mode: Mode = Mode.LIVE, network: str = "twin") -> Path:
    """A run file, and beside it the ledger of a run that has asked for its balances."""
    kept = _ledger_of(folder, network)
    kept.parent.mkdir(parents=True)
    ledger = Ledger.open(str(kept), SystemClock())
    ledger.start_run(mode, network, 31337, 1, "digest", "instance")
    ledger.open_account(NATIVE, 10**18)
    ledger.open_account(SPOT, 10**8)
    ledger.record_balances({NATIVE: 5, SPOT: 5})
    ledger.record_balances({NATIVE: 10**18 + off_by, SPOT: 10**8})
    ledger.close()
    return written(folder, RUN)


def _reconcile(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["reconcile", *map(str, arguments)])


def test_a_run_on_the_twin_is_proved_by_what_it_last_saw(tmp_path: Path) -> None:
    result = _reconcile("--config", _run_that_ended(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "run 1: 2 accounts against the chain and the exchanges as the run left them: equal to the last unit\n"
    )


def test_a_run_on_a_private_fork_is_proved_by_what_it_last_saw_and_not_by_the_chain(tmp_path: Path) -> None:
    config = _run_that_ended(tmp_path, mode=Mode.FORK, network="own")
    (config.parent / "own.toml").write_text('inherits = "twin"\n')
    off_the_twin = spoilt(config.read_text(), 'network = "twin"', 'network = "own.toml"')
    config.write_text(f'{off_the_twin}\n[node]\nendpoints = ["http://127.0.0.1:9"]\n')
    result = _reconcile("--config", config)
    assert result.exit_code == 0, result.stderr
    assert "as the run left them: equal to the last unit" in result.stdout


def test_a_dry_run_has_nothing_to_compare(tmp_path: Path) -> None:
    config = _run_that_ended(tmp_path, off_by=-1, mode=Mode.DRY)
    result = _reconcile("--config", config)
    assert result.exit_code == 0, result.stderr
    assert "it was dry and sent nothing" in result.stdout
    assert orjson.loads(_reconcile("--config", config, "--json").stdout)["equal"] is None


def test_a_later_dry_run_does_not_hide_what_trades_live(tmp_path: Path) -> None:
    config = _run_that_ended(tmp_path, off_by=-1)
    runs = tmp_path / "var" / "runs"
    _ledger_of(tmp_path).parent.rename(runs / "twin")
    (runs / "20260101-000000-twin-dry-abcd").mkdir()
    later = Ledger.open(str(runs / "20260101-000000-twin-dry-abcd" / "ledger.sqlite3"), SystemClock())
    later.start_run(Mode.DRY, "twin", 31337, 1, "digest", "instance")
    later.close()
    result = _reconcile("--config", config)
    assert result.exit_code == 1 and "difference -1" in result.stdout
    assert result.stderr == f"ledger {runs}/twin/ledger.sqlite3, run 1 (live); --ledger names another\n"


def test_a_live_start_that_failed_does_not_hide_the_runs_there_were(tmp_path: Path) -> None:
    config = _run_that_ended(tmp_path)
    runs = tmp_path / "var" / "runs"
    (runs / "twin").mkdir()
    Ledger.open(str(runs / "twin" / "ledger.sqlite3"), SystemClock()).close()
    result = _reconcile("--config", config)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == f"ledger {_ledger_of(tmp_path)}, run 1 (live); --ledger names another\n"


def test_of_a_ledger_that_all_runs_share_the_networks_live_run_is_meant(tmp_path: Path) -> None:
    config = _run_that_ended(tmp_path)
    shared = _ledger_of(tmp_path)
    ledger = Ledger.open(str(shared), SystemClock())
    ledger.start_run(Mode.LIVE, "base", 8453, 1, "digest", "another")
    ledger.start_run(Mode.DRY, "twin", 31337, 1, "digest", "a third")
    ledger.close()
    config.write_text(f'{config.read_text()}\n[ledger]\nurl = "sqlite:///{shared}"\n')
    result = _reconcile("--config", config)
    assert result.stdout.startswith("run 1: 2 accounts"), result.output
    assert "run 1 (live)" in result.stderr


def test_the_ledger_of_another_network_is_never_guessed_nor_held_against_this_ones_node(tmp_path: Path) -> None:
    """Accounts have the same addresses on every chain: what differs there must not be booked here."""
    config = _run_that_ended(tmp_path)
    (tmp_path / "other.toml").write_text('inherits = "twin"\nchain_id = 1337\n')
    other = spoilt(RUN, 'network = "twin"', 'network = "other.toml"')
    config.write_text(f'{other}\n[node]\nendpoints = ["http://127.0.0.1:9"]\n')
    guessed = _reconcile("--config", config, "--book", "a deposit")
    assert guessed.exit_code == 2 and "no ledger of network other yet" in guessed.stderr
    named = _reconcile("--config", config, "--book", "a deposit", "--ledger", _ledger_of(tmp_path))
    assert named.exit_code == 2
    assert "is on twin (chain id 31337), and the run file on other (chain id 1337)" in named.stderr
    config.write_text(f'{config.read_text()}\n[ledger]\nurl = "sqlite:///{_ledger_of(tmp_path)}"\n')
    shared = _reconcile("--config", config, "--book", "a deposit")
    assert shared.exit_code == 2 and "holds no run of network other" in shared.stderr


def test_one_wei_too_few_is_a_difference(tmp_path: Path) -> None:
    config = _run_that_ended(tmp_path, off_by=-1)
    result = _reconcile("--config", config)
    assert result.exit_code == 1
    assert f"{ZERO_ADDRESS} of {OWNER} at twin: ledger {10**18}, really {10**18 - 1}, difference -1" in result.stdout
    document = orjson.loads(_reconcile("--config", config, "--json").stdout)
    assert document["equal"] is False
    assert {row["difference"] for row in document["accounts"]} == {"0", "-1"}


def test_what_is_explained_is_booked_once_and_said_to_be(tmp_path: Path) -> None:
    config = _run_that_ended(tmp_path, off_by=-1)
    booked = _reconcile("--config", config, "--book", "a fee")
    assert booked.exit_code == 0 and "1 differences are booked: a fee\n" in booked.stdout
    again = _reconcile("--config", config)
    assert again.exit_code == 0 and "equal to the last unit" in again.stdout, again.output


async def test_what_lay_at_an_exchange_that_is_gone_is_booked_and_nobody_is_asked_about_it_again(
    tmp_path: Path,
) -> None:
    _run_that_ended(tmp_path)
    ledger = Ledger.open(str(_ledger_of(tmp_path)), SystemClock())
    ledger.attach()

    async def chain(account: Account) -> int:
        return ledger.balance(account)

    with pytest.raises(UnknownPlace, match="`isthmus reconcile --gone binance --book REASON`"):
        await compare(ledger, chain, at_exchanges({}))
    book_differences(ledger, await compare(ledger, chain, at_exchanges({"binance": Gone()})), "account closed")
    assert ledger.balance(SPOT) == 0 and (await compare(ledger, chain, at_exchanges({}))).equal
    ledger.close()


@pytest.mark.parametrize(("book", "told"), [((), "--gone goes with --book"), (("--book", "x"), "not in the run file")])
def test_only_an_exchange_that_is_named_no_more_is_gone(tmp_path: Path, book: tuple[str, ...], told: str) -> None:
    config = _run_that_ended(tmp_path)
    gone = "kraken" if not book else "binance"
    result = _reconcile("--config", config, "--gone", gone, *book)
    assert result.exit_code == 2 and told in result.stderr


def test_a_folder_without_a_ledger_says_what_makes_one(tmp_path: Path) -> None:
    result = _reconcile("--config", written(tmp_path))
    assert result.exit_code == 2
    assert "start a run with `isthmus run`" in result.stderr


def test_a_damaged_ledger_is_one_line(tmp_path: Path) -> None:
    damaged = tmp_path / "l.sqlite3"
    damaged.write_bytes(b"not a database" * 100)
    result = _reconcile("--config", written(tmp_path), "--ledger", damaged)
    assert result.exit_code == 4
    (line,) = result.stderr.splitlines()
    assert str(damaged) in line and "restore a backup" in line


def test_an_account_nobody_asked_about_is_not_taken_for_equal(tmp_path: Path) -> None:
    config = _run_that_ended(tmp_path)
    ledger = Ledger.open(str(_ledger_of(tmp_path)), SystemClock())
    ledger.attach()
    ledger.open_account(Account("twin", OWNER, TOKEN), 1)
    ledger.close()
    result = _reconcile("--config", config)
    assert result.exit_code == 4
    assert f"{TOKEN} of {OWNER} at twin: was never asked for" in result.stderr


class Node:
    async def balance(self, account: Address) -> int:
        return 3

    async def call(self, to: Address, data: bytes) -> bytes:
        assert (to, data.hex()) == (TOKEN, "70a08231" + OWNER[2:].rjust(64, "0"))
        return (4).to_bytes(32, "big")


class Exchange:
    asked = 0

    async def balances(self) -> dict[str, int]:
        self.asked += 1
        return {"ETH": 7}


async def test_the_chain_is_asked_for_ether_and_for_tokens() -> None:
    ask = on_chain(Node())
    assert await ask(NATIVE) == 3
    assert await ask(Account("twin", OWNER, TOKEN)) == 4


async def test_an_exchange_is_asked_once_for_all_its_currencies() -> None:
    exchange = Exchange()
    ask = at_exchanges({"binance": exchange})
    answers = await asyncio.gather(*(ask(Account("binance", "spot", currency)) for currency in ("ETH", "USDT")))
    assert (answers, exchange.asked) == ([7, 0], 1)
    with pytest.raises(UnknownPlace, match="add that exchange"):
        await ask(Account("kraken", "spot", "ETH"))


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    run_file, ledger = _run_that_ended(tmp_path), tmp_path / "gone.sqlite3"
    result = _reconcile("--config", run_file, "--ledger", ledger)
    assert result.exit_code == 4 and "there is no such file; a run creates it" in result.stderr
    assert not ledger.exists()
