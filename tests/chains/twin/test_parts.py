"""The small parts: recorded data, storage words, prices, crowd, and the traders' picture of a pool."""

from __future__ import annotations

import gzip
from math import exp, log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.assets import address
from chains.blocks import Head
from chains.twin import data
from chains.twin.crowd import crowd_gas
from chains.twin.data import Family, recorded_mids, snapshot, swap_sizes_usd
from chains.twin.errors import CorruptSnapshot
from chains.twin.layout import WETH9, safe_symbol, short_text_word
from chains.twin.market import MarketView, PoolView, on_cycles
from chains.twin.parameters import CrowdParameters
from chains.twin.prices import BTC_SYMBOL, ETH_SYMBOL, USDC, USDT, WBTC, FairPrices, PricePath

amounts = st.floats(min_value=1e3, max_value=1e30)


def _pool(reserve0: float, reserve1: float, fee_ppm: int = 3000) -> PoolView:
    return PoolView(WETH9, Family.UNISWAP_V2, (USDC, USDT), fee_ppm, (reserve0, reserve1))


def test_the_extract_holds_what_its_readme_says() -> None:
    families = [pool.family for pool in snapshot().pools]
    assert [families.count(family) for family in Family] == [1066, 78, 636]
    assert len(snapshot().tokens) == 1365
    assert len(swap_sizes_usd()) == 6046
    assert {symbol: len(mids) for symbol, mids in recorded_mids().items()} == {ETH_SYMBOL: 651, BTC_SYMBOL: 651}


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b\x08broken", gzip.compress(b"{"), gzip.compress(b'{"pools": [{}]}')],
    ids=["empty", "not gzip", "not JSON", "no pools"],
)
def test_a_corrupt_snapshot_is_one_line_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = tmp_path / "pools.json.gz"
    file.write_bytes(content)
    monkeypatch.setattr(data, "POOLS_FILE", file)
    with pytest.raises(CorruptSnapshot, match=r"pools\.json\.gz") as refused:
        snapshot.__wrapped__()
    assert "\n" not in str(refused.value)


@given(st.text())
def test_a_symbol_is_printable_and_fits_a_storage_word_whatever_a_stranger_chose(text: str) -> None:
    symbol = safe_symbol(text)
    assert symbol.isprintable() and symbol
    stored = bytes.fromhex(short_text_word(symbol)[2:])
    assert stored[: stored[31] // 2].decode() == symbol


def test_a_symbol_cannot_turn_a_line_around_or_end_it() -> None:
    assert safe_symbol("US\u202eDC\n\0") == "USDC"
    assert safe_symbol("\u200b") == "?"


@given(amounts, amounts, st.sampled_from([100, 500, 3000, 10000]), st.floats(-2, 2))
def test_a_swap_to_a_price_gets_there(reserve0: float, reserve1: float, fee_ppm: int, move: float) -> None:
    pool = _pool(reserve0, reserve1, fee_ppm)
    target = pool.price * exp(move)
    sell_first, amount_in = pool.amount_to(target)
    assert amount_in >= 0
    assert pool.displacement(sell_first, amount_in) == pytest.approx(abs(log(target / pool.price)), abs=1e-6)


@given(amounts, amounts, st.booleans(), st.floats(0, 10))
def test_a_swap_never_empties_a_pool_and_never_beats_its_price(
    reserve0: float, reserve1: float, sell_first: bool, share: float
) -> None:
    pool = _pool(reserve0, reserve1)
    reserve_in, reserve_out = (reserve0, reserve1) if sell_first else (reserve1, reserve0)
    out = pool.amount_out(sell_first, share * reserve_in)
    assert 0 <= out < reserve_out
    assert out <= share * reserve_out * (1 + 1e-12)


def test_the_exchange_and_the_deepest_pool_open_at_one_price() -> None:
    path = PricePath()
    view = MarketView(on_cycles(snapshot().pools))
    weth_usdt = view.pools[address("0x11b815efB8f581194ae79006d24E0d814B7697F6")]
    wbtc_weth = view.pools[address("0x4585FE77225b41b697C938B018E2Ac67Ac5a20c0")]
    assert path.mid(ETH_SYMBOL, 0) == pytest.approx(weth_usdt.price * 1e12, rel=1e-12)
    assert path.mid(BTC_SYMBOL, 0) == pytest.approx(wbtc_weth.price / 1e10 * path.mid(ETH_SYMBOL, 0), rel=1e-12)


def test_prices_start_over_when_the_recording_does() -> None:
    path = PricePath(loop_s=650.4)
    assert path.mid(ETH_SYMBOL, -3) == path.mid(ETH_SYMBOL, 0) == path.mid(ETH_SYMBOL, 651)
    assert path.mid(ETH_SYMBOL, 5) == path.mid(ETH_SYMBOL, 655.9)


def test_every_token_on_a_cycle_has_a_price_that_moves_with_what_it_is_priced_in() -> None:
    view = MarketView(on_cycles(snapshot().pools))
    fair = FairPrices(view.pools.values(), snapshot().tokens, PricePath())
    opening, later = fair.usd(0), fair.usd(420)
    assert {token for pool in view.pools.values() for token in pool.tokens} <= opening.keys()
    assert opening[USDC] == later[USDC] == pytest.approx(1, abs=1e-3)
    wrapped_lido = address("0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0")
    assert later[wrapped_lido] / opening[wrapped_lido] == pytest.approx(later[WETH9] / opening[WETH9])
    assert opening[WBTC] == pytest.approx(30721.256, abs=0.01)


@pytest.mark.parametrize("opening_gwei", [2, 15, 90])
def test_the_crowd_brings_the_base_fee_back_to_where_it_hovers(opening_gwei: int) -> None:
    fees, base_fee_wei = [], opening_gwei * 10**9
    for number in range(400):
        gas = crowd_gas(1, number, base_fee_wei, 1_500_000, CrowdParameters()) + 1_500_000
        base_fee_wei = Head(number, "", "", 0, base_fee_wei, gas, 30_000_000).next_base_fee_wei()
        fees.append(base_fee_wei / 1e9)
    settled = fees[100:]
    assert 13 < sum(settled) / len(settled) < 17
    assert 8 < min(settled) < max(settled) < 25
    assert max(settled) - min(settled) > 1


def test_on_cycles_keeps_pairs_of_pools_and_triangles_and_nothing_else() -> None:
    pools = snapshot().pools
    kept = on_cycles(pools)
    lonely = next(pool for pool in pools if pool not in kept)
    assert sum(set(pool.tokens) == set(lonely.tokens) for pool in pools) == 1
    assert on_cycles([lonely]) == []
