"""Bad configurations: each is answered with one clear line that names file, line, key and remedy, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import main
from tests.bot.config.bad_sections import BUDGETS, RELAYS, SECTIONS
from tests.bot.config.writing import RUN, STRATEGY, spoilt, written
from tests.conftest import Counted

RUN_FILE = [
    # what is replaced, by what, the line and key that must be named, the remedy that must be given
    ("port = 0", "prot = 0", 17, "dashboard.prot", "did you mean 'port'?"),
    ("[signer]", "[singer]", 12, "singer", "did you mean 'signer'?"),
    ("symbols = ", "symbol = ", 6, "exchanges[0].symbol", "did you mean 'symbols'?"),
    ('network = "twin"', 'network = "twni"', 1, "network", "did you mean 'twin'?"),
    ('network = "twin"', "network = 1", 1, "network", 'write `network = "twin"`'),
    (
        'network = "twin"',
        'node = { endpoints = ["ws://127.0.0.1:1"] }\nnetwork = "twin"',
        1,
        "node.endpoints",
        "the twin brings its own node; name the chain of yours in `network`",
    ),
    (
        'network = "twin"',
        'node = { timeout_s = 5 }\nnetwork = "ethereum"',
        1,
        "node.endpoints",
        'off the twin write `endpoints = ["ws://127.0.0.1:8546"]`',
    ),
    ('strategies = ["dex.toml"]', "", None, "strategies", 'write `strategies = ["strategies/dex_arbitrage.toml"]`'),
    ('strategies = ["dex.toml"]', "strategies = []", 2, "strategies", "a list of at least 1"),
    ('strategies = ["dex.toml"]', 'strategies = "dex.toml"', 2, "strategies", "a list in brackets"),
    ('["dex.toml"]', '["dxe.toml"]', 2, "strategies[0]", "`isthmus init` writes one"),
    ('["dex.toml"]', '["dex.toml", "./dex.toml"]', 2, "strategies[1]", "give one file another `name`"),
    ('"ETH/USDT"', '"ETHUSDT"', 6, "exchanges[0].symbols[0]", "such as 'ETH/USDT'"),
    ('"ETH/USDT"', '"ETH/USTD"', 6, "exchanges[0].symbols[0]", "did you mean 'USDT'?"),
    ('"ETH/USDT"', '"ETH/USDT", "ETH/USDT"', 6, "exchanges[0].symbols[1]", "'ETH/USDT' is there twice; remove one"),
    (
        'name = "binance"',
        'name = "binance"\nccxt_id = "binnance"',
        6,
        "exchanges[0].ccxt_id",
        "did you mean 'binance'?",
    ),
    (
        'name = "binance"',
        'name = "binance"\nccxt_id = "qqqq"',
        6,
        "exchanges[0].ccxt_id",
        "its list is at docs.ccxt.com",
    ),
    ('"binance"', '"the_account_of_our_second_desk_at_binance"', 5, "exchanges[0].name", "at most 40 characters"),
    ('"binance"', '"Binance"', 5, "exchanges[0].name", 'write `name = "binance"`'),
    ('name = "binance"', 'name = "binance"\napi_key = "env:K"', 4, "exchanges[0].api_secret", "write `api_secret` too"),
    (
        'name = "binance"',
        'name = "binance"\napi_passphrase = "env:K"',
        6,
        "exchanges[0].api_passphrase",
        "write `api_key` and `api_secret` too",
    ),
    ('"20 WETH"', '"20 WEHT"', 10, "executor.inventory_caps[0]", "did you mean 'WETH'?"),
    ('"20 WETH"', '"-20 WETH"', 10, "executor.inventory_caps[0]", "write a positive amount"),
    ('"20 WETH"', '"0.0000000000000000001 WETH"', 10, "executor.inventory_caps[0]", "write fewer digits"),
    ('"20 WETH"', '"1e60 WETH"', 10, "executor.inventory_caps[0]", "write one above 0 and below 2^128 base units"),
    ('"20 WETH"', '"0 WETH"', 10, "executor.inventory_caps[0]", "write one above 0 and below 2^128 base units"),
    (
        '"20 WETH"',
        '"1 WETH", "1 USDC", "1 USDT", "1 WBTC", "1 DAI"',
        10,
        "executor.inventory_caps",
        "a list of at most 4",
    ),
    ('"20 WETH"', '"20 WETH", "3 WETH"', 10, "executor.inventory_caps[1]", "'WETH' is there twice; remove one"),
    ('["WETH"]', '["WETH", "USDC", "WETH"]', 9, "executor.profit_tokens[2]", "'WETH' is there twice; remove one"),
    (
        '["WETH"]',
        '["WETH", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"]',
        9,
        "executor.profit_tokens[1]",
        "'0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2' is there twice; remove one",
    ),
    ("[executor]", "[executor]\nallowed_slippage_ppm = 500_001", 9, "executor.allowed_slippage_ppm", "500000"),
    (
        "[executor]",
        '[executor]\nreference_pools = ["0x11b815efB8f581194ae79006d24E0d814B7697F6"]',
        9,
        "executor.reference_pools",
        "1 pools for 0 inventory tokens beyond the first",
    ),
    ("[executor]", "[executor]\nreference_window_s = 59", 9, "executor.reference_window_s", "60"),
    (
        "[executor]",
        '[executor]\nreference_pools = ["0x12"]',
        9,
        "executor.reference_pools[0]",
        "copy the address again",
    ),
    ('["WETH"]', '["SHIB"]', 9, "executor.profit_tokens[0]", "known here: DAI, USDC, USDT, WBTC, WETH"),
    ('["WETH"]', '["0x12"]', 9, "executor.profit_tokens[0]", "or its 0x address"),
    ("[executor]", '[executor]\naddress = "0x12"', 9, "executor.address", "copy the address again"),
    (
        "[executor]",
        '[executor]\naddress = "0x5fbDB2315678afecb367f032d93F642f64180aa3"',
        9,
        "executor.address",
        "wrong EIP-55 checksum; expected 0x5FbDB2315678afecb367f032d93F642f64180aa3",
    ),
    ("[signer]", '[signer]\nfurther_keys = ["b.json"]', 13, "signer.further_keys", "there is no first key; name it as"),
    (
        "[signer]",
        '[signer]\nkeystore = "a.json"\nfurther_keys = ["b.json", "./a.json"]',
        14,
        "signer.further_keys[1]",
        "is named before; name each operator's key once",
    ),
    (
        "[signer]",
        '[signer]\nkeystore = "a.json"\nfurther_keys = ["env:SECOND"]',
        14,
        "signer.further_keys[0]",
        "keep further keys in keystores or devices",
    ),
    (
        "[signer]",
        '[signer]\nkey = "env:FIRST"\nfurther_keys = ["b.json"]',
        14,
        "signer.further_keys",
        "opens no others with it",
    ),
    (
        "[signer]",
        '[signer]\nkeystore = "a.json"\nfurther_keys = ["b.json", "c.json", "d.json", "e.json"]',
        14,
        "signer.further_keys",
        "a list of at most 3",
    ),
    ("max_fee_gwei = 200", "max_fee_gwei = -200", 13, "signer.max_fee_gwei", "write a number of zero or more"),
    ("max_fee_gwei = 200", "max_verdict_age_s = 0", 13, "signer.max_verdict_age_s", "write a number above zero"),
    (
        "max_fee_gwei = 200",
        "max_tip_gwei = 2",
        13,
        "signer.max_tip_gwei",
        "execution.tip_gwei (2); write at least 2.25",
    ),
    ("max_fee_gwei = 200", "max_fee_gwei = 5", 13, "signer.max_fee_gwei", "less than signer.max_tip_gwei (10)"),
    ("max_fee_gwei = 200", "max_tip_gwei = 201", 13, "signer.max_tip_gwei", "more than signer.max_fee_gwei (200)"),
    ("max_fee_gwei = 200", 'user = ""', 13, "signer.user", "isthmus-signer"),
    ("max_fee_gwei = 200", 'user = "a\\u0000b"', 13, "signer.user", "isthmus-signer"),
    ("max_fee_gwei = 200", 'max_fee_gwei = "200"', 13, "signer.max_fee_gwei", "expected a number"),
    ("max_fee_gwei = 200", "max_fee_gwei = nan", 13, "signer.max_fee_gwei", "write a number of zero or more"),
    ("gas_limit = 1_500_000", "gas_limit = 20_999", 14, "signer.gas_limit", "21000 or more; write `gas_limit = "),
    ("gas_limit = 1_500_000", "gas_limit = 16_777_217", 14, "signer.gas_limit", "16777216 or less"),
    ("gas_limit = 1_500_000", "gas_limit = 1.5", 14, "signer.gas_limit", "a whole number"),
    ("gas_limit = 1_500_000", "gas_limit = true", 14, "signer.gas_limit", "a whole number"),
    ("port = 0", "port = 65536", 17, "dashboard.port", "65535 or less"),
    ("port = 0", 'host = "0.0.0.0"', 17, "dashboard.host", "write '127.0.0.1'"),
    ("port = 0", "enabled = 1", 17, "dashboard.enabled", "true or false"),
    (
        "[dashboard]",
        '[[transfers]]\nsource = "binance:ETH"\ntarget = "twin:WTEH"\ndelay_s = 300\n[dashboard]',
        16,
        "transfers[0]",
        "did you mean 'twin:WETH'?",
    ),
    (
        "[dashboard]",
        '[[transfers]]\nsource = "binance:ETH"\ntarget = "twin:USDT"\ndelay_s = 300\n[dashboard]',
        16,
        "transfers[0]",
        "stand for different assets",
    ),
    (
        "[dashboard]",
        '[[transfers]]\nsource = "twin:ETH"\ntarget = "twin:WETH"\ndelay_s = 300\n[dashboard]',
        16,
        "transfers[0]",
        "leads from one place to another",
    ),
    (
        "[dashboard]",
        '[[transfers]]\nsource = "binance:ETH"\ntarget = "twin:WETH"\ndelay_s = 300\nfee = 0.000000001\n[dashboard]',
        16,
        "transfers[0]",
        "finer than its 8 decimals",
    ),
    (
        "[dashboard]",
        '[[transfers]]\nsource = "binance:ETH"\ntarget = "twin:WETH"\nfee = 1\n[dashboard]',
        16,
        "transfers[0].delay_s",
        "missing; write `delay_s = 300`",
    ),
    (
        "[dashboard]",
        '[[transfers]]\nsource = "binance ETH"\ntarget = "twin:WETH"\ndelay_s = 300\n[dashboard]',
        17,
        "transfers[0].source",
        "binance:ETH",
    ),
    ("[dashboard]", '[simulator]\nfinal_verdict = "guess"\n[dashboard]', 17, "simulator.final_verdict", "'anvil'"),
    ("[dashboard]", '[ledger]\nurl = "ledger.db"\n[dashboard]', 17, "ledger.url", "write 'sqlite:///"),
    (
        "[dashboard]",
        '[node]\nendpoints = ["localhost"]\n[dashboard]',
        17,
        "node.endpoints[0].url",
        "such as 'ws://127.0.0.1:8545'",
    ),
    (
        'network = "twin"',
        'node = { endpoints = ["ws://127.0.0.1:1"] }\nexecution = { agree_above = "1 ETH" }\nnetwork = "ethereum"',
        2,
        "execution.agree_above",
        "needs two endpoints that can agree; add one to node.endpoints",
    ),
    (
        'network = "twin"',
        'node = { endpoints = ["ws://x:1", "ws://x:1/"] }\nexecution = { agree_above = "1 ETH" }\nnetwork = "ethereum"',
        1,
        "node.endpoints[1]",
        "is named before, and would agree with itself; name each endpoint once",
    ),
    (
        "[dashboard]",
        '[node]\nendpoints = [{ url = "ws://x", units = { eth_call = -26 } }]\n[dashboard]',
        17,
        "node.endpoints[0].units.eth_call",
        "0 or more",
    ),
    (
        "[dashboard]",
        '[[relays]]\nname = "the_relay_that_our_second_desk_would_send_to"\nurl = "https://x"\n[dashboard]',
        17,
        "relays[0].name",
        "text of at most 40 characters",
    ),
    (
        "[dashboard]",
        '[[relays]]\nname = "f"\nurl = "https://x"\nnetworks = ["ethereun"]\n[dashboard]',
        19,
        "relays[0].networks[0]",
        "unknown network 'ethereun'; did you mean 'ethereum'?",
    ),
    (
        'network = "twin"',
        f'pools = {{ discover = true, vaults = ["0x{"8" * 40}"] }}\nnetwork = "twin"',
        1,
        "pools.vaults",
        "no strategy may use them; add 'erc4626' and 'aave_v3' to a strategy's filter.venues",
    ),
    (
        "[dashboard]",
        '[node]\nendpoints = [{ url = "ws://x", daily_unit = 5 }]\n[dashboard]',
        17,
        "node.endpoints[0].daily_unit",
        "did you mean 'daily_units'?",
    ),
    (
        "[dashboard]",
        '[node]\nendpoints = ["ftp://x"]\n[dashboard]',
        17,
        "node.endpoints[0].url",
        "is not a ws/wss/http/https URL",
    ),
    (
        "[dashboard]\nport = 0",
        "[breakers]\ndead_man_s = 100",
        17,
        "breakers.dead_man_s",
        "shorter than two proofs of the books take; write at least 120, or 0",
    ),
    (
        "[dashboard]\nport = 0",
        "[certificate]\nenabled = false\nplan_within_ms = 5",
        18,
        "certificate.plan_within_ms",
        "nothing is planned by a certificate that is off",
    ),
    ("[dashboard]\nport = 0", "[unheard_of]", 16, "unheard_of", "known here: breakers, budget"),
    ('network = "twin"', "twin = 1", 1, "twin", "a table; write the table `[twin]`"),
    ("[dashboard]\nport = 0", "[[dashboard]]\nport = 0", 16, "dashboard", "a table; write the table `[dashboard]`"),
    ("port = 0", "port = 0\nport = 1", 18, "", "not valid TOML"),
    ("port = 0", "port =", 17, "", "not valid TOML"),
    ("port = 0", "port = 0\n[dashboard]", 18, "", "not valid TOML"),
    ('network = "twin"', "network = twin", 1, "", "text in quotes"),
    ("port = 0", f"port = {'9' * 5_000}", 18, "", "not valid TOML"),
    ('["20 WETH"]', '["1e-999999999 WETH"]', 10, "executor.inventory_caps[0]", "write a positive amount"),
    ('["20 WETH"]', '["1e999999999 WETH"]', 10, "executor.inventory_caps[0]", "write a positive amount"),
]

STRATEGY_FILE = [
    ("per_trade", "per_trad", 9, "budget.per_trad", "did you mean 'per_trade'?"),
    ('capital = "5 ETH"', 'capital = "-1 ETH"', 8, "budget.capital", "write a positive amount such as '5 ETH'"),
    ('capital = "5 ETH"', 'capital = "5"', 8, "budget.capital", "write a positive amount such as '5 ETH'"),
    ('capital = "5 ETH"', "capital = 5", 8, "budget.capital", "in quotes and with its unit"),
    ('capital = "5 ETH"', 'capital = "5 DOGE"', 8, "budget.capital", "budgets are counted in ETH"),
    ('capital = "5 ETH"', 'capital = "5e-19 ETH"', 8, "budget.capital", "finer than a wei"),
    ('capital = "5 ETH"', 'capital = "1e99 ETH"', 8, "budget.capital", "write a positive amount such as '5 ETH'"),
    ('capital = "5 ETH"', 'capital = "NaN ETH"', 8, "budget.capital", "is not an amount"),
    ('capital = "5 ETH"', 'capital = "0.1 ETH"', 9, "budget.per_trade", "lower it or raise budget.capital"),
    ('hour_loss = "1 ETH"', 'hour_loss = "3 ETH"', 10, "budget.hour_loss", "raise budget.day_loss"),
    ('drawdown = "1 ETH"\n', "", 7, "budget.drawdown", 'missing; write `drawdown = "2 ETH"`'),
    ("[budget]", "[buget]", 7, "buget", "did you mean 'budget'?"),
    ("max_hops = 3", "max_hop = 3", 4, "parameters.max_hop", "did you mean 'max_hops'?"),
    ("max_hops = 3", "max_hops = 9", 4, "parameters.max_hops", "9 is none of its choices; write one of 2, 3, 4"),
    ("max_hops = 3", 'max_hops = "3"', 4, "parameters.max_hops", "'3' is none of its choices"),
    ("max_hops = 3", "max_hops = [3]", 4, "parameters.max_hops", "none of its choices"),
    ("max_hops = 3", 'max_routes = "3"', 4, "parameters.max_routes", "expected a whole number, got '3'"),
    ("max_hops = 3", "max_routes = -3", 4, "parameters.max_routes", "write zero or more, such as 4"),
    ("max_hops = 3", f"max_routes = {10**19}", 4, "parameters.max_routes", "more than TOML holds; write a smaller one"),
    ("max_hops = 3", "max_routes = [3]", 4, "parameters.max_routes", "expected a whole number"),
    ('min_profit = "0.0005 ETH"', "min_profit = 0.0005", 5, "parameters.min_profit", "in quotes and with its unit"),
    ('min_profit = "0.0005 ETH"', 'min_profit = "1 EHT"', 5, "parameters.min_profit", "did you mean 'ETH'?"),
    (
        'min_profit = "0.0005 ETH"',
        'min_profit = "5 USDC"',
        5,
        "parameters.min_profit",
        "must be in ETH, such as '0.002 ETH'",
    ),
    (":DexArbitrage", ":DexArbitrag", 1, "strategy", "did you mean 'DexArbitrage'?"),
    ("strategies.dex_arbitrage:", "strategies.nowhere:", 1, "strategy", "write 'module:Class'"),
    ("strategies.dex_arbitrage:DexArbitrage", "mine.py:Mine", 1, "strategy", "no such file"),
    ("strategies.dex_arbitrage:DexArbitrage", "bot.plan:Plan", 1, "strategy", "no strategy 'Plan'"),
    ("strategies.dex_arbitrage:DexArbitrage", "DexArbitrage", 1, "strategy", "strategies.dex_arbitrage:DexArbitrage"),
    ('"USDC"]', '"UDSC"]', 16, "filter.tokens[1]", "did you mean 'USDC'?"),
    ('["uniswap_v3"]', '["uniswap_v4"]', 17, "filter.venues[0]", "did you mean 'uniswap_v3'?"),
    ('["uniswap_v3"]', '["uniswap_v3"]\nkinds = ["pol"]', 18, "filter.kinds[0]", "'pool'"),
    ('["uniswap_v3"]', "[3]", 17, "filter.venues[0]", "text in quotes"),
    ("[filter]", 'name = "Dex Arb"\n[filter]', 15, "budget.name", "unknown key"),
]


def refused(path: Path) -> str:
    """What `isthmus config check` says about a bad file: the only line there is."""
    result = CliRunner().invoke(main, ["config", "check", str(path)])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    return line


def expected(path: Path, line: int | None, key: str) -> str:
    place = f"error: {path}" if line is None else f"error: {path}:{line}"
    return f"{place}: {key}: " if key else f"{place}: "


BAD = [
    *(("isthmus.toml", *row) for row in (*RUN_FILE, *SECTIONS, *RELAYS)),
    *(("dex.toml", *row) for row in (*STRATEGY_FILE, *BUDGETS)),
]


@pytest.mark.parametrize(("file", "old", "new", "line", "key", "remedy"), BAD)
def test_a_bad_file_is_answered_with_line_key_and_remedy(
    tmp_path: Path, file: str, old: str, new: str, line: int | None, key: str, remedy: str
) -> None:
    path = written(tmp_path)
    (tmp_path / file).write_text(spoilt((tmp_path / file).read_text(), old, new))
    answer = refused(path)
    assert answer.startswith(expected(tmp_path / file, line, key)), answer
    assert remedy in answer


@pytest.mark.parametrize("name", ["total", "signer"])
def test_no_strategy_is_called_what_the_command_line_calls_something_else(tmp_path: Path, name: str) -> None:
    """`isthmus budget show` showed its limits instead of those of all; `isthmus replay --set` found no key of it."""
    answer = refused(written(tmp_path, strategy=f'name = "{name}"\n{STRATEGY}'))
    assert answer.startswith(expected(tmp_path / "isthmus.toml", 2, "strategies[0]")), answer
    assert f"{name!r} means something else on the command line; give the file another `name`" in answer


def test_at_least_120_bad_files_are_tried(counted: Counted) -> None:
    assert len(BAD) >= 120
    counted("bad configurations", f"{len(BAD)} files, each with its line, key and remedy")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    assert "no such file; `isthmus init` writes a first one" in refused(tmp_path / "none.toml")


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path)


def test_a_binary_file_is_not_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "isthmus.toml"
    path.write_bytes(b'network = "twin"\n\xff\xfe')
    assert f"{path}:2: not UTF-8 text" in refused(path)


def test_an_empty_file_lacks_its_strategies(tmp_path: Path) -> None:
    path = tmp_path / "isthmus.toml"
    path.write_text("")
    assert ": strategies: missing; write `strategies = " in refused(path)


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "isthmus.toml"
    path.write_text("# x\n" * 300_000)
    assert "larger than 1 MB" in refused(path)


def test_machines_get_the_same_problems_as_one_object(tmp_path: Path) -> None:
    import orjson

    path = written(tmp_path, run=spoilt(RUN, "port = 0", "prot = 0"))
    result = CliRunner().invoke(main, ["config", "check", str(path), "--json"])
    error = orjson.loads(result.stdout)["error"]
    assert result.exit_code == error["exit_code"] == 2
    assert error["kind"] == "ConfigError"
    assert len(error["problems"]) == 1


def test_a_stack_trace_is_there_for_those_who_ask(tmp_path: Path) -> None:
    path = written(tmp_path, run=spoilt(RUN, "port = 0", "prot = 0"))
    result = CliRunner().invoke(main, ["config", "check", str(path), "--debug"])
    assert "Traceback" in result.stderr
