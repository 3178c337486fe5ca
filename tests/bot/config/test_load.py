"""Good configurations: what is shipped loads, paths count from their file, and the documentation is true."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import jsonschema
import orjson
import pytest
from click.testing import CliRunner

from bot.cli import main
from bot.config.checks import LiveRefused, require_live_consent
from bot.config.errors import ConfigError
from bot.config.load import BUILT_IN, load
from bot.config.options import RunOptions
from bot.config.reading import read_document
from bot.config.reference import reference
from bot.config.schema import run_schema, strategy_schema
from bot.config.strategies import UnknownStrategy, strategy_class
from bot.mode import Mode
from chains.assets import Amount
from chains.networks import load_network
from tests.bot.config.writing import RUN, STRATEGY, spoilt, written

ROOT = Path(__file__).resolve().parents[3]
SHIPPED_STRATEGIES = sorted((ROOT / "strategies").glob("*.toml"))


def test_without_a_file_a_run_is_the_twin_with_both_strategies() -> None:
    loaded = load()
    assert loaded.network.name == "twin"
    assert loaded.config.source is None
    assert [strategy.name for strategy in loaded.config.strategies] == ["dex_arbitrage", "cex_dex_arbitrage"]
    assert loaded.config.strategies[0].parameters["min_profit"] == Amount(Decimal("0.0005"), "ETH")


def test_budgets_are_exact_in_wei() -> None:
    budget = load().config.strategies[0].budget
    assert budget.in_wei() == {
        "capital_wei": 5 * 10**18,
        "per_trade_wei": 5 * 10**17,
        "hour_loss_wei": 10**18,
        "day_loss_wei": 2 * 10**18,
        "gas_day_wei": 5 * 10**18,
        "drawdown_wei": 10**18,
    }


def test_a_strategy_is_made_with_its_parameters(tmp_path: Path) -> None:
    config = load(written(tmp_path, strategy=spoilt(STRATEGY, "max_hops = 3", "max_hops = 2"))).config
    strategy = config.strategies[0].create()
    assert strategy.name == "dex"
    assert strategy.max_hops == 2  # type: ignore[attr-defined]


def test_a_strategy_may_lie_beside_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from bot.strategy import Strategy\n\n\nclass Mine(Strategy):\n"
        "    threshold: float = 0.5\n\n    def on_market(self, market):\n        return ()\n"
    )
    text = spoilt(STRATEGY, "strategies.dex_arbitrage:DexArbitrage", "mine.py:Mine")
    text = spoilt(text, 'max_hops = 3\nmin_profit = "0.0005 ETH"', "threshold = 1")
    assert load(written(tmp_path, strategy=text)).config.strategies[0].parameters == {"threshold": 1.0}


_MINE = "from bot.strategy import Strategy\nclass Mine(Strategy):\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def broken(:\n", "cannot import 'mine.py' (SyntaxError: invalid syntax (mine.py, line 1)); mend it there"),
        ("\nraise ValueError('two\\nlines')", "(ValueError: two lines, mine.py, line 2); mend it there"),
        ("import sys\nsys.exit(3)", "(SystemExit: 3, mine.py, line 2); mend it there"),
        ("import not_there", "No module named 'not_there'); mend it there"),
        ("import helpers", "'helpers'); files beside it cannot be imported: move what it needs into it, or install"),
        (
            f"{_MINE}    def __init__(self): pass\n    def on_market(self, market): return ()",
            "cannot be made (too many positional arguments); write `def __init__(self, name, parameters=None)`",
        ),
        ("class Mine: ...", "no strategy 'Mine' in 'mine.py'; write a subclass of bot.strategy.Strategy there"),
        (f"{_MINE}    patience: int = 1", "Mine in 'mine.py' has no on_market"),
        (
            f"{_MINE}    patience: 'Int' = 1\n    def on_market(self, market): return ()",
            "Mine in 'mine.py' has an annotation that is no type (name 'Int' is not defined)",
        ),
    ],
)
def test_a_strategy_that_cannot_be_used_is_one_problem(tmp_path: Path, code: str, told: str) -> None:
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "helpers.py").touch()
    assert told in _refused(tmp_path, "mine.py:Mine")


def test_what_a_strategy_prints_leaves_stdout_to_the_one_object(tmp_path: Path) -> None:
    code = "print('loaded')\n" + _MINE + "    def on_market(self, market): return ()"
    (tmp_path / "mine.py").write_text(code)
    text = spoilt(STRATEGY, "strategies.dex_arbitrage:DexArbitrage", "mine.py:Mine")
    path = written(tmp_path, strategy=spoilt(text, 'max_hops = 3\nmin_profit = "0.0005 ETH"', ""))
    result = CliRunner().invoke(main, ["config", "check", str(path), "--json"])
    assert orjson.loads(result.stdout)["ok"] and result.stderr == "loaded\n"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("self.seen = set()", "does not hand on what it gets; write `super().__init__(name, parameters)` there"),
        (
            "raise ValueError('too few')",
            "Mine cannot be made (ValueError: too few, mine.py, line 3); mend its __init__",
        ),
    ],
)
def test_an_init_of_a_strategys_own_that_fails_is_told_as_its_authors(tmp_path: Path, body: str, told: str) -> None:
    init = f"    def __init__(self, name, parameters=None): {body}\n    def on_market(self, market): return ()"
    (tmp_path / "mine.py").write_text(_MINE + init)
    text = spoilt(STRATEGY, "strategies.dex_arbitrage:DexArbitrage", "mine.py:Mine")
    text = spoilt(text, 'max_hops = 3\nmin_profit = "0.0005 ETH"', "")
    (strategy,) = load(written(tmp_path, strategy=text)).config.strategies
    with pytest.raises(UnknownStrategy, match=re.escape(told)):
        strategy.create()


@pytest.mark.parametrize("reference", ["gone.py:Mine", "gone.strategies:Mine", "strategies.gone:Mine"])
def test_a_strategy_that_is_nowhere_is_told_how_to_be_named(tmp_path: Path, reference: str) -> None:
    assert "write 'module:Class' or 'file.py:Class'" in _refused(tmp_path, reference)


def _refused(folder: Path, reference: str) -> str:
    """The one line that `isthmus config check` says of a strategy so named."""
    path = written(folder, strategy=spoilt(STRATEGY, "strategies.dex_arbitrage:DexArbitrage", reference))
    result = CliRunner().invoke(main, ["config", "check", str(path)])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    return line


def test_relative_paths_count_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = spoilt(RUN, "[signer]", '[ledger]\nurl = "sqlite:///l.db"\n[signer]\nkeystore = "keys/k.json"')
    path = written(tmp_path, run)
    monkeypatch.chdir("/")
    config = load(path).config
    assert config.signer.keystore == tmp_path / "keys/k.json"
    assert config.ledger.url == f"sqlite:///{tmp_path}/l.db"
    assert config.ledger.folder == tmp_path / "var/runs"
    assert config.strategies[0].source == tmp_path / "dex.toml"


def test_the_digest_depends_on_settings_and_not_on_where_they_lie(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    same = [load(written(tmp_path / name)).config.digest for name in ("a", "b")]
    other = load(written(tmp_path / "c", strategy=spoilt(STRATEGY, "max_hops = 3", "max_hops = 2"))).config.digest
    assert same[0] == same[1] != other


@pytest.mark.parametrize("path", SHIPPED_STRATEGIES, ids=lambda path: path.name)
def test_shipped_strategy_files_fit_the_schema_editors_use(path: Path) -> None:
    document = _json(path)
    jsonschema.Draft202012Validator.check_schema(strategy_schema())
    jsonschema.validate(document, strategy_schema(), cls=jsonschema.Draft202012Validator)
    parameters = strategy_class(document["strategy"], path.parent).parameters()
    jsonschema.validate(document, strategy_schema(parameters), cls=jsonschema.Draft202012Validator)
    assert set(document["parameters"]) == set(parameters), "a strategy's file documents each of its parameters"


@pytest.mark.parametrize("path", SHIPPED_STRATEGIES, ids=lambda path: path.name)
def test_every_key_of_a_shipped_strategy_file_is_explained(path: Path) -> None:
    lines = path.read_text().splitlines()
    for above, line in pairwise(lines):
        starts_a_group = above == "" or above.startswith("[")
        assert not (starts_a_group and line[:1].islower() and not line.startswith("strategy =")), line


def test_the_built_in_run_file_fits_the_schema_editors_use() -> None:
    jsonschema.Draft202012Validator.check_schema(run_schema())
    jsonschema.validate(_json(BUILT_IN), run_schema(), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("spoil", [("port = 0", "prot = 0"), ("port = 0", "port = -1"), ('"ETH/USDT"', '"ETH"')])
def test_the_schema_refuses_what_the_reader_refuses(tmp_path: Path, spoil: tuple[str, str]) -> None:
    path = written(tmp_path, spoilt(RUN, *spoil))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(_json(path), run_schema(), cls=jsonschema.Draft202012Validator)


def test_the_page_of_keys_is_up_to_date() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == reference(), "run `isthmus config reference > docs/configuration.md`"


def test_a_network_file_cannot_make_a_real_chain_a_test_chain(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('inherits = "ethereum"\ntest_chain = true\n')
    node = 'network = "mine.toml"\nnode = { endpoints = ["ws://127.0.0.1:1"] }'
    with pytest.raises(ConfigError, match="mine calls chain id 1 a test chain, but only 1337 and 31337 are"):
        load(written(tmp_path, spoilt(RUN, 'network = "twin"', node)))


def test_live_off_the_twin_needs_key_and_contract_on_a_test_chain_too(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('inherits = "twin"\n')
    node = 'network = "mine.toml"\nnode = { endpoints = ["ws://127.0.0.1:1"] }'
    loaded = load(written(tmp_path, spoilt(RUN, 'network = "twin"', node)))
    require_live_consent(Mode.FORK, None, loaded.config, loaded.network)
    with pytest.raises(LiveRefused, match="isthmus keys new"):
        require_live_consent(Mode.LIVE, None, loaded.config, loaded.network)


def test_live_on_a_real_chain_needs_every_consent(tmp_path: Path) -> None:
    mainnet, config = load_network("ethereum"), load(written(tmp_path)).config
    require_live_consent(Mode.DRY, None, config, mainnet)
    require_live_consent(Mode.LIVE, None, config, load_network("twin"))
    with pytest.raises(LiveRefused, match="--live-on-chain-id 1"):
        require_live_consent(Mode.LIVE, None, config, mainnet)
    with pytest.raises(LiveRefused, match="says 31337; they must be equal"):
        require_live_consent(Mode.LIVE, 31337, config, mainnet)
    with pytest.raises(LiveRefused, match="isthmus keys new"):
        require_live_consent(Mode.LIVE, 1, config, mainnet)
    with_key = load(written(tmp_path, spoilt(RUN, "[signer]", '[signer]\nkeystore = "k"'))).config
    with pytest.raises(LiveRefused, match="isthmus executor deploy"):
        require_live_consent(Mode.LIVE, 1, with_key, mainnet)


def test_a_passphrase_is_not_part_of_what_options_print() -> None:
    assert "hunter2" not in repr(RunOptions(passphrase="hunter2"))


def _json(path: Path) -> dict:
    return orjson.loads(orjson.dumps(read_document(path).values, default=float))
