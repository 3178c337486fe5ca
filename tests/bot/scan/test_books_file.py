"""Books from a file are taken as they stand, or refused by name."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from bot.market.dual.venues import BookVenue
from bot.scan.books_file import BooksError, read_books
from chains.pools.pool import PoolError
from chains.snapshot.codec import reference
from chains.snapshot.errors import SnapshotError
from tests.bot.market.samples import USDC, WBTC, WETH

TOKENS = (WETH, USDC, WBTC)


def book(**changes) -> dict:
    return {
        "exchange": "binance",
        "symbol": "ETH/USDC",
        "base": {"currency": "ETH", "decimals": 8, "token": reference(WETH)},
        "quote": {"currency": "USDC", "decimals": 8, "token": reference(USDC)},
        "tick": "0.01",
        "lot": "0.0001",
        "min_amount": "0.0001",
        "min_notional": "5",
        "taker_fee_ppm": 1000,
        "bids": [["1999.99", "2"], ["1999", "10"]],
        "asks": [["2000.01", "1.5"], ["2001", "10"]],
    } | changes


def written(tmp_path, *books: dict, **changes):
    file = tmp_path / "books.json"
    file.write_text(json.dumps({"format": "isthmus-books", "version": 1, "books": list(books)} | changes))
    return file


def only(tmp_path, **changes) -> BookVenue:
    (venue,) = read_books(written(tmp_path, book(**changes)), TOKENS).venues
    return venue


def test_a_book_trades_the_tokens_of_the_chain_in_whole_lots_after_its_fee(tmp_path) -> None:
    venue = only(tmp_path)
    assert venue.tokens == (WETH, USDC)
    sold = WETH.units("2.00005")
    assert venue.paid(WETH, sold) == USDC.units(Decimal("3999.98") * Decimal("0.999"))
    assert venue.paid(USDC, USDC.units("3000.015")) == WETH.units(Decimal("1.5") * Decimal("0.999"))
    left = venue.swapped(WETH, sold)
    assert left.book.best_bid == 1999 and left.book.asks == venue.book.asks
    with pytest.raises(PoolError):
        venue.paid(WETH, WETH.units("0.0001"))
    with pytest.raises(PoolError):
        venue.paid(WETH, WETH.units("13"))


def test_the_pieces_of_a_book_promise_no_less_than_it_pays(tmp_path) -> None:
    venue = only(tmp_path)
    for token, amount in ((WETH, WETH.units("7")), (USDC, USDC.units("9000"))):
        promised, rest = 0.0, float(amount)
        for piece in venue.pieces(token):
            promised += piece.rate * min(rest, piece.cap)
            rest -= min(rest, piece.cap)
        assert venue.paid(token, amount) <= promised <= venue.paid(token, amount) * 1.001
    assert venue.marginal_price(WETH) == venue.pieces(WETH)[0].rate


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bids": [["2000.01", "1"]]}, "crossed"),
        ({"bids": [["2100", "1"]]}, "crossed"),
        ({"bids": []}, "empty"),
        ({"asks": []}, "empty"),
        ({"bids": [["NaN", "1"]]}, "not_a_number"),
        ({"bids": [[float("nan"), "1"]]}, "not_a_number"),
        ({"asks": [["Infinity", "1"]]}, "not_a_number"),
        ({"asks": [["dear", "1"]]}, "not_a_number"),
        ({"asks": [[True, "1"]]}, "not_a_number"),
        ({"bids": [["-1999", "1"]]}, "not_positive"),
        ({"bids": [["1999", "-1"]]}, "not_positive"),
        ({"bids": [["1999", "0"]]}, "not_positive"),
        ({"bids": [["1999.995", "1"]]}, "off_tick"),
        ({"bids": [["1999", "0.00015"]]}, "off_lot"),
        ({"bids": [["1999.0000000001", "1"]]}, "too_fine"),
        ({"bids": [["1e99", "1"]]}, "out_of_range"),
        ({"bids": [["1999", "1"], ["1999.5", "1"]]}, "unsorted"),
        ({"asks": [["2001", "1"], ["2001", "1"]]}, "unsorted"),
        ({"lot": "0"}, "not_positive"),
        ({"tick": "NaN"}, "not_a_number"),
        ({"taker_fee_ppm": 1_000_000}, "bad_fee"),
        ({"taker_fee_ppm": -1}, "bad_fee"),
        ({"base": {"currency": "ETH", "decimals": 99, "token": reference(WETH)}}, "bad_decimals"),
        ({"base": {"currency": "ETH", "decimals": 8, "token": "twin:0x00"}}, "unknown_token"),
        ({"base": {"currency": "ETH", "decimals": 8, "token": reference(USDC)}}, "equal_tokens"),
    ],
)
def test_a_book_that_cannot_be_true_is_refused_by_name_and_the_others_stay(tmp_path, changes, code) -> None:
    other = book(symbol="WBTC/USDC", base={"currency": "BTC", "decimals": 8, "token": reference(WBTC)})
    found = read_books(written(tmp_path, book(**changes), other), TOKENS)
    assert [venue.venue for venue in found.venues] == ["binance:WBTC/USDC"]
    assert found.refused["binance:ETH/USDC"].startswith(f"{code}: ")


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "[]",
        '{"format": "isthmus-snapshot", "version": 1, "books": []}',
        '{"format": "isthmus-books", "version": 2, "books": []}',
        '{"format": "isthmus-books", "version": 1}',
        '{"format": "isthmus-books", "version": 1, "books": {}}',
        '{"format": "isthmus-books", "version": 1, "books": [{"exchange": "binance"}]}',
        '{"format": "isthmus-books", "version": 1, "books": [7]}',
    ],
)
def test_what_is_not_of_the_format_is_an_error_that_says_where(tmp_path, document) -> None:
    file = tmp_path / "books.json"
    file.write_text(document)
    with pytest.raises(SnapshotError, match=r"books\.json"):
        read_books(file, TOKENS)


def test_levels_that_are_no_pairs_and_books_that_stand_there_twice_are_errors(tmp_path) -> None:
    with pytest.raises(BooksError, match="price, amount"):
        read_books(written(tmp_path, book(bids=[["1999"]])), TOKENS)
    with pytest.raises(BooksError, match="twice"):
        read_books(written(tmp_path, book(), book()), TOKENS)
