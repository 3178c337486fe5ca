"""Recorded layouts become snapshots: exact where they are exact, left out with a reason where they are not."""

import copy
import gzip
import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.cli import main
from bot.exactness.extracts import DATA, extract
from bot.quotes import QuoteRequest, Quotes
from bot.snapshot.importing import NothingRecorded, UnknownLayout, imported, opened
from chains.snapshot import SnapshotError, read
from chains.snapshot.document import from_json, to_json
from chains.snapshot.errors import NotASnapshot
from chains.twin.data import POOLS_FILE
from chains.twin.data import snapshot as twin_market
from tests.chains.pools.samples import at

ROW = {
    "exchange_name": "uniswap_v2",
    "address": at(50),
    "fee_float": 0.003,
    "last_updated_block": 7,
    "tkn0_address": at(1),
    "tkn1_address": at(2),
    "tkn0_symbol": "A",
    "tkn1_symbol": "B\x1b[2J",
    "tkn0_decimals": 18.0,
    "tkn1_decimals": 6,
    "tkn0_balance": 2**100,
    "tkn1_balance": 10**9,
    "sqrt_price_q96": float("nan"),
    "tick": float("nan"),
    "liquidity": float("nan"),
}
RANGE = ROW | {
    "exchange_name": "uniswap_v3",
    "address": at(51),
    "sqrt_price_q96": 2**96 + 5,
    "tick": 0,
    "liquidity": 10**20,
    "tkn0_balance": float("nan"),
    "tkn1_balance": float("nan"),
}
SWAP = {
    "event": "Swap",
    "address": at(51),
    "blockNumber": 9,
    "blockHash": "0x" + "11" * 32,
    "transactionHash": "0x" + "22" * 32,
    "transactionIndex": 0,
    "logIndex": 3,
    "args": {
        "sender": at(8),
        "recipient": at(9),
        "amount0": -5,
        "amount1": 6,
        "sqrtPriceX96": 2**97,
        "liquidity": 77,
        "tick": 13863,
    },
}


def saved(folder, **documents):
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    return folder


def reasons(snapshot):
    return {left.venue: left.reason for left in snapshot.left_out}


def test_the_market_that_comes_with_isthmus_is_read_as_the_twin_reads_it():
    told = {recorded.pool.address: recorded for recorded in opened(POOLS_FILE).pools}
    assert len(told) == len(twin_market().pools) == 1_780
    for pool in twin_market().pools:
        read_as, block = told[pool.address].pool, told[pool.address].block
        known = read_as.reserves if hasattr(pool, "reserves") else (read_as.liquidity, read_as.tick)
        assert known == (pool.reserves if hasattr(pool, "reserves") else (pool.liquidity, pool.tick))
        assert (read_as.fee_ppm, block) == (pool.fee_ppm, pool.block)
        assert tuple(token.address for token in read_as.tokens) == pool.tokens


def test_rows_of_pools_become_pools_and_events_bring_them_forward(tmp_path):
    snapshot = imported(saved(tmp_path, a_rows=[ROW, RANGE], b_events=[SWAP]))
    pair, ranged = (snapshot.by_venue[at(number)] for number in (50, 51))
    assert (pair.pool.reserves, pair.pool.fee_ppm, pair.block) == ((2**100, 10**9), 3000, 7)
    assert [token.symbol for token in pair.pool.tokens] == ["A", "B[2J"], "no control characters reach a terminal"
    assert (ranged.pool.sqrt_price_x96, ranged.pool.liquidity, ranged.block) == (2**97, 77, 9)
    assert ranged.pool.ticks.edges == (13860, 13920), "only the recorded price's own range is known"


BAD_ROWS = {
    "a state that was not recorded": ({"tkn0_balance": float("nan")}, "listed without a state"),
    "a balance that was rounded": ({"tkn0_balance": 1e30}, "listed without a state"),
    "a negative balance": ({"tkn0_balance": -5}, "outside uint112"),
    "equal tokens": ({"tkn1_address": at(1), "tkn1_symbol": "A", "tkn1_decimals": 18}, "on both sides"),
    "another fee": ({"fee_float": 0.01}, "a fee of 10000 ppm, where uniswap_v2 has 3000"),
    "a protocol nobody knows": ({"exchange_name": "wishful"}, "wishful is not a family"),
    "half decimals": ({"tkn0_decimals": 5.5}, "has 5.5 decimals"),
    "a missing column": ({"tkn0_symbol": None, "fee_float": None}, ""),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_row_that_is_no_exact_pool_is_left_out_with_the_reason(tmp_path, what):
    change, says = BAD_ROWS[what]
    bad = ROW | {"address": at(60)} | change
    snapshot = imported(saved(tmp_path, rows=[ROW, bad]))
    assert [recorded.pool.venue for recorded in snapshot.pools] == [at(50)]
    assert says in reasons(snapshot)[at(60)]


def test_of_two_states_the_later_is_kept_and_the_other_named(tmp_path):
    later = ROW | {"last_updated_block": 8, "tkn0_balance": 5}
    snapshot = imported(saved(tmp_path, a=[later], b=[ROW]))
    assert snapshot.by_venue[at(50)].pool.reserves[0] == 5
    assert reasons(snapshot) == {at(50): "its state in block 7: block 8 is later"}


def test_a_token_has_one_symbol_and_a_pool_that_counts_it_otherwise_is_left_out(tmp_path):
    renamed = ROW | {"address": at(61), "tkn0_symbol": "A2"}
    recounted = ROW | {"address": at(62), "tkn0_decimals": 17}
    snapshot = imported(saved(tmp_path, rows=[ROW, renamed, recounted]))
    assert snapshot.by_venue[at(61)].pool.tokens == snapshot.by_venue[at(50)].pool.tokens
    assert reasons(snapshot)[at(62)] == "another pool records its tokens with other decimals"


def test_a_recorded_pool_with_its_ticks_answers_as_mainnet_did(tmp_path):
    name = "state_uniswap_v3_wbtc_weth_24407242.json.gz"
    (tmp_path / name).write_bytes((DATA / name).read_bytes())
    snapshot = from_json(to_json(imported(tmp_path / name)))
    quotes, checked = Quotes(snapshot), 0
    for key, answer in extract("quotes_uniswap_v3_wbtc_weth_24407242.json.gz")["entries"].items():
        pool, function, direction, amount = key.split("|")
        token_in, token_out = direction.split("->")
        recorded = snapshot.by_venue[pool].pool
        filled = recorded.filled(next(token for token in recorded.tokens if token.symbol == token_in), int(amount))
        if function == "quoteExactInputSingle" and filled.amount_in == int(amount):
            request = QuoteRequest(token_in, token_out, int(amount), pool=pool)
            assert quotes.answer(request).amount == answer["value"]
            checked += 1
    assert checked > 10


RECORDED_STATES = {
    "state_curve_3pool_24407242.json": "curve_stable",
    "state_curve_rai_25144000.json": "curve_meta",
    "state_pancakeswap_v2_46875151.json": "constant_product",
}


@pytest.mark.parametrize("name", RECORDED_STATES)
def test_other_families_recordings_are_read_and_written_back_unchanged(tmp_path, name):
    (tmp_path / name).write_bytes((DATA / name).read_bytes())
    snapshot = imported(tmp_path / name)
    assert [recorded.pool.family for recorded in snapshot.pools] == [RECORDED_STATES[name]]
    assert from_json(json.loads(json.dumps(to_json(snapshot)))) == snapshot


def test_ticks_that_do_not_add_up_are_not_trusted(tmp_path):
    state = extract("state_uniswap_v3_wbtc_weth_24407242.json.gz")
    some = dict(list(state["tick_data"].items())[::2])
    with pytest.raises(NothingRecorded, match="do not add up to its liquidity"):
        imported(saved(tmp_path, state=state | {"tick_data": some}) / "state.json")
    word = {str(state["scalars"]["tick"] // 60 // 256): {"bitmap": 1}}
    partial = imported(saved(tmp_path, state=state | {"tick_data": some, "tick_bitmap": word}) / "state.json")
    ticks = partial.pools[0].pool.ticks
    assert ticks.first_word == ticks.last_word == 17 and len(ticks.order) < len(some)


def test_the_twins_market_is_the_recorded_one(tmp_path):
    """The same recording, read by two rooms."""
    rows = []
    recorded = twin_market()
    for pool in recorded.pools[:400]:
        row = {"exchange_name": pool.family.value.replace("sushi_v2", "sushiswap_v2"), "address": pool.address}
        for number, token in enumerate(pool.tokens):
            known = recorded.tokens[token]
            row |= {f"tkn{number}_address": token, f"tkn{number}_symbol": known.symbol}
            row |= {f"tkn{number}_decimals": known.decimals}
        if hasattr(pool, "reserves"):
            row |= {f"tkn{number}_balance": reserve for number, reserve in enumerate(pool.reserves)}
        else:
            row |= {"sqrt_price_q96": pool.sqrt_price_x96, "tick": pool.tick, "liquidity": pool.liquidity}
        rows.append(row | {"fee_float": pool.fee_ppm / 10**6, "last_updated_block": pool.block})
    snapshot = imported(saved(tmp_path, rows=rows))
    assert len(snapshot.pools) == 400 and not snapshot.left_out


def test_a_file_of_no_layout_is_refused_and_in_a_folder_left_out(tmp_path):
    with pytest.raises(UnknownLayout, match="of no layout this program knows"):
        imported(saved(tmp_path, other={"hello": 1}) / "other.json")
    with pytest.raises(NothingRecorded):
        imported(tmp_path)
    snapshot = imported(saved(tmp_path, rows=[ROW]))
    assert "of no layout" in reasons(snapshot)["other.json"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(at(1)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
DOCUMENTS = [
    [ROW, RANGE],
    [SWAP],
    *(extract(name) for name in RECORDED_STATES),
    {"chain_id": 1, "block_number": 3, "calls": {f"{at(1)}:0x0902f1ac": "00" * 96, f"{at(1)}:0x3850c7bd": "00"}},
]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_in_a_recording_it_is_imported_left_out_or_refused_in_one_line(tmp_path, data):
    broken = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    place = broken
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(anything)
            break
        place = place[key]
    try:
        snapshot = imported(saved(tmp_path, broken=broken) / "broken.json")
        assert from_json(to_json(snapshot)) == snapshot
    except SnapshotError as error:
        assert str(error).isprintable()


def test_a_table_of_rounded_curves_is_never_quoted(tmp_path):
    table = (
        "cid,k,x,x_act,y_act,pair,fee,descr,constr,params\n1,2.5,1.5,1.5,1.6,A/B,0.003,uniswap_v2 A/B 0.003,uv2,{}\n"
    )
    (tmp_path / "curves.csv.gz").write_bytes(gzip.compress(table.encode()))
    with pytest.raises(NothingRecorded, match="rounded decimals"):
        imported(tmp_path / "curves.csv.gz")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(table.encode())[:-9])
    with pytest.raises(NotASnapshot, match="it is compressed, and damaged"):
        imported(tmp_path / "cut.csv.gz")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UnknownLayout, match="a table, but not of curves"):
        imported(tmp_path / "other.csv")


def test_the_verbs_import_list_show_and_explain(tmp_path):
    source, target = (
        saved(
            tmp_path, rows=[ROW | {"tkn1_address": at(0xABCDEF)}, RANGE, ROW | {"address": at(60), "tkn0_balance": -5}]
        ),
        tmp_path / "s.gz",
    )

    def run(*arguments):
        result = CliRunner().invoke(main, [*arguments])
        return result, (json.loads(result.stdout.splitlines()[0]) if "--json" in arguments else result.stdout)

    _, made = run("snapshot", "import", str(source / "rows.json"), "-o", str(target), "--json")
    assert (made["pools"], made["left_out"]) == (2, 1)
    assert made["families"] == {"concentrated": 1, "constant_product": 1} and len(read(target).pools) == 2
    again, _ = run("snapshot", "import", str(target), "-o", str(tmp_path / "copy.json"))
    assert again.exit_code == 0 and read(tmp_path / "copy.json") == read(target)

    _, listed = run("pools", "list", "--state", str(target), "--family", "concentrated", "--json")
    assert [row["pool"] for row in listed["pools"]] == [at(51)]
    assert [row["symbol"] for row in listed["pools"][0]["tokens"]] == ["A", "B[2J"]
    misspelt, _ = run("pools", "list", "--state", str(target), "--family", "concentratd")
    assert misspelt.exit_code == 2 and "did you mean 'concentrated'?" in misspelt.stderr
    _, listed = run("pools", "list", "--state", str(target), "--token", at(0xABCDEF).lower(), "--json")
    assert [row["pool"] for row in listed["pools"]] == [at(50)]
    _, listed = run("pools", "list", "--state", str(target), "--token", "a", "--json")
    assert len(listed["pools"]) == 2
    _, shown = run("pools", "show", at(50), "--state", str(target), "--json")
    assert shown["state"]["reserves"] == [str(2**100), str(10**9)]
    assert "reserves = " in run("pools", "show", at(50), "--state", str(target))[1]
    assert run("pools", "show", at(7), "--state", str(target))[0].exit_code == 1

    _, good = run("pools", "why", at(50).lower(), "--state", str(target), "--json")
    assert good["tradable"] and "proven exact" in good["reasons"][0]
    result, bad = run("pools", "why", at(60), "--state", str(target), "--json")
    assert result.exit_code == 1 and not bad["tradable"] and "outside uint112" in bad["reasons"][0]
    assert "not in the snapshot" in run("pools", "why", at(7), "--state", str(target), "--json")[1]["reasons"][0]
    nowhere = run("pools", "list")[0]
    assert nowhere.exit_code == 2 and "--state FILE, --store URL or --node URL" in nowhere.stderr
