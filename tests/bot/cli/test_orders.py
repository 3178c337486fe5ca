"""`isthmus orders`: what may still trade is listed, and what nobody knows of is settled by a person's word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.cli.control import person
from bot.clock import SystemClock
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.ledger.records import Account
from bot.ledger.states import OrderState
from bot.plan import Plan
from tests.bot.execution.given import open_ledger, pending, sells_on_chain, settle
from tests.bot.ledger.given import StandingClock
from tests.bot.market.samples import ETH_AT_EXCHANGE, USD_AT_EXCHANGE

ETH = Account.of("binance", ETH_AT_EXCHANGE)
USDT = Account.of("binance", USD_AT_EXCHANGE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger whose one order, to buy 1 ETH, is in quarantine."""
    return _quarantined(tmp_path / "l.sqlite3", sells_on_chain())


def _quarantined(path: Path, plan: Plan) -> Path:
    ledger = open_ledger(path)
    intent = settle(ledger, pending(ledger, plan), plan, 11).intent
    order = ledger.place_order(intent.id, plan.orders[0], "binance")
    ledger.record_order("binance", order.client_id, OrderState.QUARANTINED)
    ledger.close()
    return path


def _orders(path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["orders", words[0], "--ledger", str(path), *words[1:]])


def _ids(path: Path) -> list[str]:
    return [order["client_id"] for order in orjson.loads(_orders(path, "list", "--json").stdout)["orders"]]


def _read(path: Path) -> Ledger:
    ledger = Ledger.view(str(path), StandingClock())
    ledger.attach()
    return ledger


def test_an_order_in_quarantine_is_listed_with_what_it_asked_for(path: Path) -> None:
    (client_id,) = _ids(path)
    told = _orders(path, "list").stdout
    assert told == f"quarantined  {client_id}  binance  buy 1.00000000 ETH/USDT at 2000\n"


def test_an_exchange_that_accounts_finer_is_told_and_booked_in_its_own_units(tmp_path: Path) -> None:
    plan = sells_on_chain()
    (order,) = plan.orders
    base, quote = (replace(token, decimals=18) for token in (order.base, order.quote))
    finer = replace(order, base=base, quote=quote, amount=10**18, expected_quote=order.expected_quote * 10**10)
    path = _quarantined(tmp_path / "finer.sqlite3", replace(plan, legs=(*plan.swaps, finer)))
    (client_id,) = _ids(path)
    assert "buy 1.000000000000000000 ETH/USDT" in _orders(path, "list").stdout
    amounts = ("--traded", "0.4", "--for", "799.123456789012", "--fee", "0.0004 ETH")
    done = _orders(path, "settle", client_id, *amounts, "--because", "statement", "--json")
    assert orjson.loads(done.stdout)["filled"] == str(4 * 10**17), done.stderr


def test_one_that_never_traded_is_settled_and_gone_from_the_list(path: Path) -> None:
    (client_id,) = _ids(path)
    done = _orders(path, "settle", client_id, "--never-traded", "--because", "ticket 4711")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{client_id} at binance is rejected; a run goes on from there\n"
    assert _orders(path, "list").stdout == "no order may still trade\n"
    ledger = _read(path)
    assert f"by {person()}: ticket 4711" in events(ledger, 1)[0].detail
    ledger.close()


def test_one_that_traded_is_booked_to_the_last_unit(path: Path) -> None:
    (client_id,) = _ids(path)
    amounts = ("--traded", "0.4", "--for", "799.12", "--fee", "0.0004 ETH")
    done = _orders(path, "settle", client_id, *amounts, "--because", "statement", "--json")
    assert orjson.loads(done.stdout)["state"] == "cancelled", done.stderr
    ledger = _read(path)
    assert ledger.balance(ETH) == 20 * 10**8 + 40_000_000 - 40_000
    assert ledger.balance(USDT) == 40_000 * 10**8 - 79_912_000_000
    ledger.close()


def test_the_currency_of_a_fee_may_be_written_as_one_likes(path: Path) -> None:
    (client_id,) = _ids(path)
    done = _orders(
        path, "settle", client_id, "--traded", "0.4", "--for", "800", "--fee", "0.0004 eth", "--because", "x"
    )
    assert done.exit_code == 0, done.stderr
    ledger = _read(path)
    assert ledger.balance(ETH) == 20 * 10**8 + 40_000_000 - 40_000
    ledger.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "either --never-traded, or --traded"),
        (("--never-traded", "--traded", "1", "--for", "2"), "either --never-traded, or --traded"),
        (("--traded", "1"), "either --never-traded, or --traded"),
        (("--traded", "much", "--for", "2"), "'much' is not an amount"),
        (("--traded", "0.123456789", "--for", "2"), "at most 8 decimals"),
        (("--traded", "-1", "--for", "2"), "above zero"),
        (("--traded", "1", "--for", "1e9999999"), "'1e9999999' is not an amount"),
        (("--traded", "1", "--for", "1e999900"), "'1e999900' is not an amount"),
        (
            ("--traded", "0.4", "--for", "8001.2"),
            "worse than the order's limit; it was to buy 1.00000000 ETH/USDT at 2000",
        ),
    ],
)
def test_half_a_word_settles_nothing(path: Path, words: tuple[str, ...], told: str) -> None:
    (client_id,) = _ids(path)
    done = _orders(path, "settle", client_id, *words, "--because", "a slip")
    assert done.exit_code == 2 and told in done.stderr
    assert _ids(path) == [client_id]


def test_a_trade_is_a_persons_once_its_orders_are_known_and_no_run_is_on_the_ledger(path: Path) -> None:
    (client_id,) = _ids(path)
    because = ("--because", "delisted")
    unclear = _orders(path, "waive", "1", *because)
    assert unclear.exit_code != 0 and f"order {client_id} of intent 1 is not known" in unclear.stderr
    _orders(path, "settle", client_id, "--never-traded", *because)
    running = Ledger.open(str(path), SystemClock(), hold=sells_on_chain().network)
    held = _orders(path, "waive", "1", *because)
    running.close()
    assert held.exit_code == 4, held.output
    assert _orders(path, "waive", "1", *because).stdout.startswith("intent 1 of cex_dex_arbitrage: its other side is")
    ledger = _read(path)
    assert not ledger.open_intents() and f"{person()}: delisted" in events(ledger, 1)[0].detail
    ledger.close()


def test_an_order_that_is_not_open_is_refused_with_where_to_look(path: Path) -> None:
    done = _orders(path, "settle", "isthmus-nobody-1", "--never-traded", "--because", "a slip")
    assert done.exit_code == 2 and "`isthmus orders list` says which are" in done.stderr
