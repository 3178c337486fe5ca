"""What a run came to, for a person and for a program: amounts exact, differences named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from bot.ledger.reconcile import Reconciliation, Row
from bot.ledger.records import Account
from bot.ledger.summary import Latency, RunSummary
from bot.run.report import Summary

WEI = 123_456_789_012_345_678_901
ACCOUNT = Account("twin", "0xowner", "0xtoken")


def summary(**changes: Any) -> Summary:
    result = RunSummary(
        settled={"dex_arbitrage": 3, "cex_dex_arbitrage": 0},
        net_profit_wei={"dex_arbitrage": WEI, "cex_dex_arbitrage": -5},
        sent=4,
        reverted=1,
        refused={"pool_in_use": 2},
        first_settled_s=1.5,
        head_to_signed_ms=Latency(84.5, 178.2),
        unmarked=(),
    )
    given: dict[str, Any] = {
        "network": "twin",
        "mode": "live",
        "chain_id": 31337,
        "seed": 5,
        "pools": 1779,
        "pool_states": {"recorded": 1779},
        "books": 2,
        "blocks": 16,
        "duration_s": 16.08,
        "setup_s": 4.25,
        "node_calls": 59,
        "exchange_calls": 9,
        "counts": {"simulated": 0},
        "result": result,
        "reconciliation": Reconciliation((Row(ACCOUNT, 5, 5),)),
        "not_as_simulated": 0,
        "decisions": "ab" * 32,
        "ledger_url": "ledger.sqlite3",
    }
    return Summary(**(given | changes))


def test_amounts_are_decimal_strings_that_no_reader_rounds() -> None:
    document = orjson.loads(orjson.dumps(summary().document()))
    assert document["net_profit"] == {"dex_arbitrage": str(WEI), "cex_dex_arbitrage": "-5"}
    assert document["settled"] == {"dex_arbitrage": 3, "cex_dex_arbitrage": 0}
    assert document["refused"] == {"pool_in_use": 2}


def test_the_first_trade_is_timed_from_the_start_of_the_program() -> None:
    assert summary().document()["first_settled_s"] == 5.75


def test_a_run_that_settled_nothing_has_no_first_trade() -> None:
    result = RunSummary({}, {}, 0, 0, {}, None, Latency(None, None), ())
    document = summary(result=result, blocks=0).document()
    assert document["first_settled_s"] is None
    assert document["head_to_signed_ms"] == {"p50": None, "p99": None}
    assert str(summary(result=result, blocks=0))


def test_a_dry_run_proves_nothing_and_says_so() -> None:
    dry = summary(mode="dry", reconciliation=None)
    assert dry.document()["ledger_equals_chain"] is None
    assert "nothing was signed or sent" in str(dry)


def test_a_ledger_that_differs_names_the_account_and_by_how_much() -> None:
    differing = summary(reconciliation=Reconciliation((Row(ACCOUNT, 5, 4),)))
    assert differing.document()["ledger_equals_chain"] is False
    assert "THE LEDGER DIFFERS" in str(differing) and f"{ACCOUNT}: -1 units" in str(differing)


def test_a_profit_with_halves_of_trades_says_so() -> None:
    half = replace(summary().result, half_done={"cex_dex_arbitrage": 2})
    text = str(summary(result=half))
    assert "0 settled, -0.000000000000000005 ETH after gas and fees, with the chain sides of 2 that still owe" in text
    assert "still owe the other" in text
    assert text.count("that still owe") == 1
    assert summary(result=half).document()["half_done"] == {"cex_dex_arbitrage": 2}


def test_a_person_reads_profit_reverts_refusals_and_what_is_still_out() -> None:
    text = str(summary(in_flight=2, halted={"dex_arbitrage": "drawdown"}))
    for part in ("+123.456789 ETH", "1 reverted", "pool_in_use", "2 had no answer yet", "HALTED: drawdown", "84.5 ms"):
        assert part in text
