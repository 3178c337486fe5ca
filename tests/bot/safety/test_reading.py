"""Reading what a token says of itself, and what a trace shows it to do."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from bot.safety import questions
from bot.safety.judge import Findings, behaviour
from bot.safety.probe import MOST_PPM, NOTHING, OPERATOR, STRANGER, Reply, Venue, probe_address
from bot.safety.report import Oddity, Standing, TokenReport, decode_report, encode_report
from bot.safety.scenario import ALL_SURROUNDINGS, REAL, Scenario, Surroundings
from bot.safety.trace import embedded, touched
from chains.assets import Address, address
from chains.blocks import Head
from chains.pools.words import topic

TOKEN, OTHER, THIRD, POOL = (address("0x" + digits * 20) for digits in ("11", "22", "33", "44"))
BALANCE_OF = "0x70a08231"


def frame(kind: str, to: str, *calls: dict[str, Any], data: str = "0xa9059cbb") -> dict[str, Any]:
    return {"type": kind, "to": to.lower(), "input": data, "calls": list(calls)}


def test_a_trace_tells_code_run_from_contracts_asked_and_contracts_called() -> None:
    trace = frame(
        "CALL",
        POOL,
        frame("CALL", OTHER),
        frame(
            "CALL",
            TOKEN,
            frame("DELEGATECALL", OTHER, frame("STATICCALL", THIRD, frame("CALL", POOL)), frame("CALL", POOL)),
            frame("STATICCALL", "0x0000000000000000000000000000000000000001"),
        ),
        frame("STATICCALL", TOKEN, frame("STATICCALL", THIRD), data=BALANCE_OF + "00" * 32),
    )
    seen = touched(trace, TOKEN)
    assert (seen.delegates, seen.asked, seen.balances, seen.called) == ({OTHER}, {THIRD}, {THIRD}, {POOL})


def test_what_a_token_does_in_a_call_to_itself_counts() -> None:
    trace = frame("CALL", POOL, frame("CALL", TOKEN, frame("CALL", TOKEN, frame("CALL", OTHER))))
    assert OTHER in touched(trace, TOKEN).called


def test_an_address_inside_code_cannot_be_replaced() -> None:
    code = {TOKEN: b"\x73" + bytes.fromhex(OTHER[2:]) + b"\x5a"}
    assert embedded({OTHER, THIRD}, code) == {OTHER}


def replies(**answers: int) -> list[Reply]:
    """One-word answers by function name; everything else reverts."""
    calls = questions.questions(TOKEN, Address(OTHER))
    named = {name.partition("(")[0]: name for name in questions.ALL}
    by_name = {named[name]: Reply(True, 32, word) for name, word in answers.items()}
    assert len(calls) == len(questions.ALL)
    return [by_name.get(name, Reply(False, 0, 0)) for name in questions.ALL]


def test_a_plain_token_says_only_what_the_standard_asks() -> None:
    said = questions.read(replies(balanceOf=0, decimals=6))
    assert said == questions.Said(True, 6, False, False, False, False, False, False)


def test_powers_of_the_keeper_are_told_apart_from_their_use() -> None:
    said = questions.read(replies(balanceOf=0, decimals=6, paused=0, isBlackListed=1, maxFlashLoan=5))
    assert (said.pausable, said.paused, said.blacklist, said.blacklisted) == (True, False, True, True)
    assert said.flash_mintable


def test_a_word_that_is_no_flag_is_no_answer_about_a_pause_or_a_list() -> None:
    said = questions.read(replies(balanceOf=0, decimals=6, paused=7, frozen=2**160 - 1))
    assert not (said.pausable or said.blacklist)


def test_of_a_token_that_answers_anything_only_the_standard_is_believed() -> None:
    said = questions.read([Reply(True, 32, 1)] * len(questions.ALL))
    assert said == questions.Said(True, 1, False, False, False, False, False, False)


def test_decimals_that_make_no_sense_are_none() -> None:
    assert questions.read(replies(balanceOf=0, decimals=78)).decimals is None
    assert questions.read(replies(balanceOf=0)).decimals is None


HEAD = Head(7, "0x07", "0x06", 1_700_000_000, 10**9, 0, 30_000_000)


def scenario(surroundings: Surroundings) -> Scenario:
    return Scenario(Venue(POOL, False, True, 3_000, TOKEN, OTHER), 10**18, surroundings, HEAD, 12, 10**24)


@pytest.mark.parametrize("surroundings", ALL_SURROUNDINGS)
def test_a_trials_blocks_are_no_larger_and_its_operator_no_richer_than_real_ones(surroundings: Surroundings) -> None:
    blocks = scenario(surroundings).request()["blockStateCalls"]
    for block in blocks:
        assert int(block["blockOverrides"]["gasLimit"], 16) == HEAD.gas_limit
        assert sum(int(call["gas"], 16) for call in block["calls"]) <= HEAD.gas_limit
    held = blocks[0]["stateOverrides"].get(OPERATOR)
    assert (held is None) is surroundings.bare
    if held is not None:
        assert 0 < int(held["balance"], 16) < 10**18


@pytest.mark.parametrize("call", [1, 2, 6, 13])
def test_a_token_that_leaves_no_gas_to_tell_what_it_did_is_refused_by_name(call: int) -> None:
    said: list[dict[str, Any]] = [{"status": "0x1", "returnData": "0x" + NOTHING.hex(), "logs": []} for _ in range(14)]
    for wrong in ({}, {"status": "0x0", "returnData": "0x"}):
        said[call] |= wrong
        trial, findings = scenario(REAL).read([{"calls": said}]), Findings()
        behaviour({10**18: {REAL: trial}}, findings)
        assert (Oddity.GAS_HUNGRY in findings.lines) is bool(wrong)


def test_a_token_may_say_and_hold_what_it_likes_and_its_report_is_written() -> None:
    there, amount = 2**255, 10**6
    moved = encode(["bool", *["uint256"] * 8], [True, amount, amount, 0, 0, there, 32, 1, 50_000])
    said: list[dict[str, Any]] = [{"status": "0x1", "returnData": "0x" + moved.hex(), "logs": []} for _ in range(14)]
    for balance, at in ((amount, 7), (there, 8), (there, 10), (amount, 11)):
        said[at]["returnData"] = f"0x{balance:064x}"
    said[6]["returnData"] = "0x" + encode(["bool"] * 3, [True] * 3).hex()
    parties = [f"0x{int(each, 16):064x}" for each in (probe_address(TOKEN), STRANGER)]
    event = {"address": TOKEN, "topics": ["0x" + topic("Transfer(address,address,uint256)").hex(), *parties]}
    said[3]["logs"] = [{**event, "data": data} for data in ("0x", "0x" + "ff" * 4_000, f"0x{amount:064x}")]
    findings = Findings()
    trial = scenario(REAL).read([{"calls": said}])
    assert trial.told == (amount, amount)
    seen = behaviour({10**18: {REAL: trial}}, findings)
    assert seen.taxes.buy_ppm == -MOST_PPM and seen.rebasing_ppm == MOST_PPM
    report = TokenReport("twin", TOKEN, 1, "0x01", Standing.REFUSED, taxes=seen.taxes, rebasing_ppm=seen.rebasing_ppm)
    assert decode_report(encode_report(report)) == report
