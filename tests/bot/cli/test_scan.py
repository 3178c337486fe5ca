"""`isthmus scan` and `isthmus route`: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from chains.snapshot import Recorded, Snapshot, write
from chains.snapshot.codec import reference
from tests.bot.market.samples import USDC, WETH
from tests.chains.pools.samples import pair

ETH = 10**18
CHEAP = pair((1_000 * ETH, 1_900_000 * 10**6), number=1, tokens=(WETH, USDC))
DEAR = pair((1_000 * ETH, 2_000_000 * 10**6), number=2, tokens=(WETH, USDC))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    file = tmp_path / "blocks" / "1.json.gz"
    file.parent.mkdir()
    write(Snapshot((Recorded(CHEAP, 7), Recorded(DEAR, 7))), file)
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_a_scan_is_one_object_with_bound_capture_and_opportunities(state: Path) -> None:
    result = run("scan", "--state", state, "--gas-price", "20", "--json")
    assert result.exit_code == 0
    told = orjson.loads(result.stdout)
    (one,) = told["opportunities"]
    assert int(told["bound_wei"]) >= int(told["captured_wei"]) == int(one["gross_wei"]) > 0
    assert int(told["captured_net_wei"]) == int(one["net_wei"]) == int(one["gross_wei"]) - one["gas"] * 20 * 10**9
    assert told["block"] == 7 and told["captured_share"] > 0.99


def test_gas_is_not_counted_in_a_token_that_does_not_pay_it(state: Path) -> None:
    told = run("scan", "--state", state, "--gas-price", "20", "--numeraire", "USDC")
    assert told.exit_code == 2 and "gas is not paid in USDC" in told.stderr
    assert run("scan", "--state", state, "--numeraire", "USDC").exit_code == 0
    assert run("scan", "--state", state, "--gas-price", "20", "--numeraire", "WETH").exit_code == 0


def test_a_book_that_is_left_out_is_told_by_name_and_why(state: Path, tmp_path: Path) -> None:
    """Who brings a book must not take a scan without it for one with it."""
    sides = [{"currency": token.symbol, "decimals": 8, "token": reference(token)} for token in (WETH, USDC)]
    book = {"exchange": "binance", "symbol": "ETH/USDC", "base": sides[0], "quote": sides[1], "taker_fee_ppm": 0}
    steps = {"tick": "0.01", "lot": "0.01", "min_amount": "0", "min_notional": "0"}
    levels = {"bids": [["1901", "1"]], "asks": [["1900", "1"]]}
    (tmp_path / "books.json").write_text(
        json.dumps({"format": "isthmus-books", "version": 1, "books": [{**book, **steps, **levels}]})
    )
    told = run("scan", "--state", state, "--books", tmp_path / "books.json")
    assert told.exit_code == 0 and "left out: binance:ETH/USDC: crossed: the best bid 1901" in told.stderr


def test_a_folder_and_a_pattern_are_one_line_per_block(state: Path) -> None:
    write(Snapshot((Recorded(CHEAP, 8),)), state.with_name("2.json"))
    for where in (state.parent, state.parent / "*.json*"):
        lines = run("scan", "--state", where, "--json").stdout.splitlines()
        assert [orjson.loads(line)["block"] for line in lines] == [7, 8]
        assert orjson.loads(lines[1])["bound_wei"] == "0"


def test_people_are_shown_prices_fees_and_sizes(state: Path) -> None:
    shown = run("scan", "--state", state).stdout
    assert "bound" in shown and "captured" in shown and "marginal" in shown and "fee 0.3 %" in shown


def test_why_answers_for_a_given_cycle(state: Path) -> None:
    told = orjson.loads(run("scan", "--state", state, "--why", f"{DEAR.venue},{CHEAP.venue}", "--json").stdout)
    assert {reason["code"] for reason in told["reasons"]} == {"opportunity", "prices_do_not_cover_fees"}
    assert "opportunity" in run("scan", "--state", state, "--why", f"{DEAR.venue},{CHEAP.venue}").stdout
    assert run("scan", "--state", state, "--why", DEAR.venue).exit_code == 2


def test_files_of_a_folder_that_cannot_be_scanned_are_told_and_the_others_scanned(state: Path) -> None:
    names = ("0.json", "2.json")
    (state.parent / names[0]).write_text("{")
    first = run("scan", "--state", state.parent, "--json")
    *scanned, error = map(orjson.loads, first.stdout.splitlines())
    assert [told["state"] for told in scanned] == [str(state)]
    assert (first.exit_code, error["error"]["kind"], len(error["error"]["problems"])) == (2, "NotASnapshot", 1)
    (state.parent / names[1]).write_text(json.dumps({"something": "else"}))
    both = run("scan", "--state", state.parent, "--json")
    *scanned, error = map(orjson.loads, both.stdout.splitlines())
    assert len(scanned) == 1 and both.exit_code == 2
    assert all(name in problem for name, problem in zip(names, error["error"]["problems"], strict=True))
    elsewhere = run("scan", "--state", state.parent, "--refuse", CHEAP.venue[:-1] + "9", "--numeraire", "WETH")
    assert elsewhere.exit_code == 2 and "1.json.gz: --refuse" in elsewhere.stderr


def test_a_refused_book_is_named_and_the_scan_goes_on(state: Path, tmp_path: Path) -> None:
    currency = {"currency": "ETH", "decimals": 8, "token": reference(WETH)}
    book = {"exchange": "x", "symbol": "ETH/USDC", "base": currency, "quote": currency | {"token": reference(USDC)}}
    book |= {"tick": "0.01", "lot": "0.01", "min_amount": "0", "min_notional": "0", "taker_fee_ppm": 0}
    book |= {"bids": [["2", "1"]], "asks": [["1", "1"]]}
    file = tmp_path / "books.json"
    file.write_text(json.dumps({"format": "isthmus-books", "version": 1, "books": [book]}))
    told = orjson.loads(run("scan", "--state", state, "--books", file, "--json").stdout)
    assert told["left_out"][0]["venue"] == "x:ETH/USDC" and told["left_out"][0]["reason"].startswith("crossed")
    file.write_text("{}")
    assert run("scan", "--state", state, "--books", file).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--gas-price", "NaN"),
        ("--gas-price", "-1"),
        ("--gas-price", "1e400"),
        ("--budget", "much"),
        ("--refuse", "0x12"),
        ("--numeraire", "DOGE"),
        ("--max-hops", "1"),
    ],
)
def test_options_that_mean_nothing_are_usage_errors_of_one_line(state: Path, arguments: tuple[str, str]) -> None:
    result = run("scan", "--state", state, *arguments)
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1


def test_an_empty_folder_and_a_missing_file_say_so(tmp_path: Path) -> None:
    assert run("scan", "--state", tmp_path).exit_code == 2
    assert run("scan", "--state", tmp_path / "none.json").exit_code == 4


def test_an_order_is_split_and_compared_with_the_best_single_path(state: Path) -> None:
    result = run("route", "--state", state, "--in", "WETH", "--out", "USDC", "--amount", 200 * ETH, "--json")
    told = orjson.loads(result.stdout)
    assert result.exit_code == 0 and len(told["paths"]) == 2
    assert sum(int(part["amount_in"]) for part in told["paths"]) == int(told["amount_in"]) == 200 * ETH
    assert int(told["amount_out"]) > int(told["single"]["amount_out"])
    asked = run("route", "--state", state, "--in", "WETH", "--out", "USDC", "--amount", 10**9, "--exact-out")
    assert asked.exit_code == 0 and "the best single path asks" in asked.stdout
    parts = [line for line in asked.stdout.splitlines() if "%  " in line]
    assert parts and all(line.endswith(" USDC") for line in parts), "each in whole tokens, as all else"


def test_an_order_is_split_no_further_than_its_gas_allows(state: Path) -> None:
    order = ("route", "--state", state, "--in", "WETH", "--out", "USDC", "--amount", 200 * ETH, "--json")
    split, told = (orjson.loads(run(*order, "--gas-price", gwei).stdout) for gwei in ("0", "1000000"))
    assert (len(split["paths"]), len(told["paths"])) == (2, 1)
    assert told["amount_out"] == told["single"]["amount_out"]
    worth = told["gas"] * 1_000_000 * 10**9 * 1_994 * 10**6 // ETH
    assert 0.999 * worth < int(told["gas_cost"]) < 1.001 * worth, "in what is received"
    assert "gas_cost" not in split
    asked = ("route", "--state", state, "--in", "WETH", "--out", "USDC", "--amount", 10**11, "--exact-out")
    split, told = (orjson.loads(run(*asked, "--gas-price", gwei, "--json").stdout) for gwei in ("1", "1000000"))
    assert (len(split["paths"]), len(told["paths"])) == (2, 1)
    assert int(told["gas_cost"]) == told["gas"] * 1_000_000 * 10**9, "in what is paid"


@pytest.mark.parametrize(
    ("token_in", "token_out", "amount", "code"),
    [
        ("WETH", "WETH", "1", "no_trade"),
        ("WETH", "USDC", "0", "no_trade"),
        ("WETH", "USDC", "-" + "9" * 900, "amount_out_of_range"),
        ("WETH", "DOGE", "1", "unknown_token"),
        ("WETH", "USDC", "much", "malformed_request"),
        ("WETH", "USDC", str(2**200), "no_route"),
        ("WETH", "USDC", "9" * 400, "amount_out_of_range"),
    ],
)
def test_an_order_that_cannot_be_routed_is_refused_by_name(
    state: Path, token_in: str, token_out: str, amount: str, code: str
) -> None:
    order = ("--in", token_in, "--out", token_out, "--amount", amount)
    result = run("route", "--state", state, *order, "--json")
    assert result.exit_code == 1 and orjson.loads(result.stdout)["refused"] == code
