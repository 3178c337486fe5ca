"""`docs/add-a-pool.md` is true: its family, one file outside the package, works like one of the package's own."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from eth_abi.abi import encode

from bot.cli import main
from bot.market import Market
from bot.market.loader import load_pools
from bot.market.multicall import aggregate3
from chains.assets import Asset, Assets
from chains.pools.extension import InvalidFamilyFile, families_with, load_module
from chains.pools.pool import Call, MalformedState, PoolFacts
from chains.pools.registry import FAMILIES, UnknownFamily
from chains.pools.words import selector, word
from chains.snapshot import Recorded, Snapshot, read, write
from tests.chains.pools.samples import at, log, pair, token

PAGE = Path(__file__).parents[2] / "docs" / "add-a-pool.md"
ONE, OTHER = token(11, "USD1", 6), token(12, "USD2", 6)


def documented():
    """The page's family, whole."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return code


@pytest.fixture
def family_file(tmp_path):
    file = tmp_path / "constant_sum.py"
    file.write_text(documented(), encoding="utf-8")
    return file


@pytest.fixture
def pool(family_file):
    return load_module(family_file).ConstantSumPool(at(3), (ONE, OTHER), (10**12, 5 * 10**11), 100)


@pytest.fixture
def state(tmp_path, pool):
    write(Snapshot((Recorded(pool, 7), Recorded(pair((5, 7)), 7))), tmp_path / "pools.json.gz")
    return str(tmp_path / "pools.json.gz")


def run(*arguments):
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout.splitlines()[0])


def test_its_cases_run_and_count_as_recorded_proof(family_file):
    code, report = run("exactness", "--family", "constant_sum", "--family-file", family_file)
    assert code == 0
    assert report["families"] == [{"family": "constant_sum", "cases": 4, "mismatches": 0, "source": "recorded"}]


def test_without_proofs_it_is_listed_unproven_with_no_cases_and_not_traded(family_file, state):
    family_file.write_text(family_file.read_text(encoding="utf-8").replace("PROOFS = ", "UNUSED = "), encoding="utf-8")
    moved = family_file.rename(family_file.with_name("unproven_sum.py"))
    _, report = run("exactness", "--family", "constant_sum", "--family-file", moved)
    assert report["families"] == [{"family": "constant_sum", "cases": 0, "mismatches": 0, "source": "unproven"}]
    code, verdict = run("pools", "why", at(3), "--state", state, "--family-file", moved)
    assert code == 1 and "unproven" in verdict["reasons"][0]


def test_a_wrong_quote_would_be_seen(family_file):
    code = family_file.read_text(encoding="utf-8").replace(
        "(PPM - self.fee_ppm) // PPM", "(PPM - self.fee_ppm + 1) // PPM"
    )
    wrong = family_file.with_name("wrong_sum.py")
    wrong.write_text(code, encoding="utf-8")
    code, report = run("exactness", "--family", "constant_sum", "--family-file", wrong)
    assert code == 1 and report["families"][0]["mismatches"] == 1


def test_it_is_written_read_quoted_and_explained_from_a_file(family_file, state, pool):
    assert read(Path(state), families_with([family_file])).by_venue[at(3)].pool == pool
    quoting = ["quote", "--state", state, "--in", "USD1", "--out", "USD2", "--amount", 10**6]
    assert run(*quoting, "--family-file", family_file) == (
        0,
        {"amount": "999900", "pool": at(3), "family": "constant_sum"},
    )
    code, verdict = run("pools", "why", at(3), "--state", state, "--family-file", family_file)
    assert code == 0 and verdict["tradable"]
    code, error = run(*quoting)
    assert code == 2 and error["error"]["kind"] == "UnknownPoolFamily"


async def test_it_is_loaded_from_a_node_and_lives_in_the_market(family_file, pool):
    class Reader:
        async def call(self, to, data, block_hash):
            assert data == aggregate3([Call(at(3), selector("getReserves()"))])
            return encode(["(bool,bytes)[]"], [[(True, word(10**12) + word(5 * 10**11))]])

    facts = PoolFacts("constant_sum", at(3), (ONE, OTHER), 100)
    loaded = await load_pools(Reader(), [facts], "0x" + "11" * 32, families=families_with([family_file]))
    assert loaded.pools == (pool,)
    with pytest.raises(UnknownFamily):
        await load_pools(Reader(), [facts], "0x" + "11" * 32)

    market = Market(Assets({Asset("ONE"): [ONE], Asset("OTHER"): [OTHER]}))
    market.add_pool(pool, 7)
    assert market.price(Asset("ONE"), in_=Asset("OTHER")) == pytest.approx(1.0)
    sync = load_module(family_file).SYNC
    assert pool.applied(log(at(3), [sync], 5, 6)).reserves == (5, 6)
    assert pool.swapped(ONE, 10**6).reserves == (10**12 + 10**6, 5 * 10**11 - 999_900)
    assert pool.quote(ONE, pool.quote_exact_out(OTHER, 12345)) >= 12345
    with pytest.raises(MalformedState):
        type(pool)(at(3), (ONE, ONE), (1, 1), 0)


BROKEN = {
    "no family": ("x = 1\n", "defines no FAMILY"),
    "no python": ("def", "cannot be loaded: SyntaxError"),
    "a taken name": (
        "from chains.pools.registry import FAMILIES\nFAMILY = FAMILIES['constant_product']\n",
        "there is a family 'constant_product' already",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_no_family_is_refused_in_one_line(tmp_path, what):
    content, says = BROKEN[what]
    file = tmp_path / f"broken_{what.replace(' ', '_')}.py"
    file.write_text(content)
    with pytest.raises(InvalidFamilyFile, match=says):
        families_with([file])
    with pytest.raises(InvalidFamilyFile):
        families_with([tmp_path / "nothing.py"])


def test_the_package_itself_stays_as_it_was(family_file):
    families_with([family_file])
    assert "constant_sum" not in FAMILIES
