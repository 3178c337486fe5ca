"""Quotes from a snapshot: the pool's own numbers, in order, and every refusal by name."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import main
from bot.quotes import QuoteRefused, QuoteRequest, Quotes, parse_request
from chains.pools.concentrated import ConcentratedPool
from chains.pools.tick_math import Ticks, sqrt_price_at
from chains.snapshot import Recorded, Snapshot, write
from tests.chains.pools.samples import A, B, at, pair, ranged, token

C, OTHER_A = token(3, "C"), token(4, "A", place="base")
SMALL, LARGE = pair((10**18, 10**18), number=101), pair((10**24, 10**24), number=102)
EMPTY, FAR = pair((0, 0), number=103, tokens=(B, C)), pair((5, 5), number=104, tokens=(OTHER_A, C))
RANGED = ranged(2**96, [(-600, 600, 10**20)], number=105)
NAMESAKE = pair((9, 9), number=106, tokens=(token(5, "A"), B))
SNAPSHOT = Snapshot(tuple(Recorded(pool, 1) for pool in (SMALL, LARGE, EMPTY, FAR, RANGED, NAMESAKE)))
QUOTES = Quotes(SNAPSHOT)


def asked(token_in=A.address, token_out=B.address, amount=10**15, exact_out=False, pool=None):
    return QUOTES.answer(QuoteRequest(token_in, token_out, amount, exact_out, pool))


def refusal(**request):
    with pytest.raises(QuoteRefused) as refused:
        asked(**request)
    return refused.value.code


def test_a_named_pool_answers_itself_and_without_one_the_best_does():
    assert asked(pool=SMALL.address).amount == SMALL.quote(A, 10**15)
    best = asked()
    assert best.amount == max(pool.quote(A, 10**15) for pool in (SMALL, LARGE, RANGED)) and best.pool == LARGE
    least = asked(exact_out=True)
    assert least.amount == min(pool.quote_exact_out(B, 10**15) for pool in (SMALL, LARGE, RANGED))


def test_tokens_are_found_by_address_symbol_and_reference_and_in_any_case():
    for name in ("B", "b", B.address, B.address.lower(), B.address.upper().replace("0X", "0x"), f"twin:{B.address}"):
        assert asked(token_in=name, token_out=A.address).amount == LARGE.quote(B, 10**15)
    assert asked("A", "C", 3, pool=FAR.address.lower()).amount == FAR.quote(OTHER_A, 3)
    assert asked("A", "C", 3).amount == FAR.quote(OTHER_A, 3), "only one A trades for C"


def test_every_refusal_has_a_name():
    assert refusal(token_in="A") == refusal(token_in="a") == "ambiguous_token"
    assert refusal(token_in="nothing") == "unknown_token"
    assert refusal(token_out=A.address) == refusal(token_out=A.address, pool=SMALL.address) == "no_pool"
    assert refusal(token_in=C.address, pool=SMALL.address) == "unknown_token"
    assert refusal(pool="0x12") == "unknown_pool"
    assert refusal(token_in=A.address, token_out=C.address) == "no_pool"
    assert refusal(token_in=B.address, token_out=C.address) == "empty_pool"
    assert refusal(amount=0) == refusal(amount=2**256) == refusal(amount=-1) == "amount_out_of_range"
    assert refusal(amount=2**255, pool=SMALL.address) == "amount_out_of_range"
    assert refusal(amount=10**18, exact_out=True, pool=SMALL.address) == "insufficient_liquidity"
    assert refusal(amount=2**200) == "no_quote"


def test_a_pool_known_only_at_its_price_quotes_there_as_the_whole_pool_and_refuses_beyond():
    whole = ranged(sqrt_price_at(30) + 12345, [(-600, 600, 10**20)])
    known = Ticks.around(whole.tick, 60)
    narrow = ConcentratedPool(at(9), (A, B), 3000, whole.sqrt_price_x96, whole.tick, whole.liquidity, known)
    quotes = Quotes(Snapshot((Recorded(narrow, 1),)))
    for token_in, token_out in ((A, B), (B, A)):
        answered = 0
        for amount in (1, 10**6, 10**15, 10**17, 10**19):
            try:
                quoted = quotes.answer(QuoteRequest(token_in.address, token_out.address, amount)).amount
            except QuoteRefused as refused:
                assert refused.code == "beyond_known_liquidity"
                continue
            assert quoted == whole.quote(token_in, amount)
            answered += 1
        assert 2 <= answered < 5


MALFORMED = [
    "{",
    "[]",
    "null",
    '{"token_in": "A", "token_out": "B"}',
    '{"token_in": "A", "token_out": "B", "amount": 1, "slippage": 3}',
    '{"token_in": "A", "token_out": "B", "amount": 1.5}',
    '{"token_in": "A", "token_out": "B", "amount": true}',
    '{"token_in": "A", "token_out": "B", "amount": "1e18"}',
    '{"token_in": "A", "token_out": "B", "amount": ' + "9" * 5000 + "}",
    '{"token_in": 1, "token_out": "B", "amount": 1}',
    '{"token_in": "A", "token_out": "B", "amount": 1, "exact_out": "yes"}',
    '{"token_in": "A", "token_out": "B", "amount": 1, "pool": 7}',
]


@pytest.mark.parametrize("line", MALFORMED)
def test_a_malformed_request_is_refused(line):
    with pytest.raises(QuoteRefused) as refused:
        parse_request(line)
    assert refused.value.code == "malformed_request" and "\n" not in str(refused.value)


@given(st.text() | st.from_type(type(None)).map(json.dumps))
def test_any_line_is_a_request_or_a_refusal(line):
    try:
        parse_request(line)
    except QuoteRefused as refused:
        assert refused.code == "malformed_request"


@pytest.fixture
def state(tmp_path):
    write(SNAPSHOT, tmp_path / "pools.json.gz")
    return str(tmp_path / "pools.json.gz")


def run(*arguments):
    return CliRunner().invoke(main, ["quote", *arguments])


def test_the_verb_quotes_and_refuses(state):
    asking = ["--state", state, "--in", A.address, "--out", "B", "--amount", "1000"]
    assert run(*asking).stdout.split()[0] == str(LARGE.quote(A, 1000))
    answer = json.loads(run(*asking, "--exact-out", "--pool", SMALL.address, "--json").stdout)
    expected = {"amount": str(SMALL.quote_exact_out(B, 1000)), "pool": SMALL.address, "family": "constant_product"}
    assert answer == expected
    refused = run("--state", state, "--in", A.address, "--out", "B", "--amount", "0", "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout.splitlines()[0])["refused"] == "amount_out_of_range"


def test_an_amount_of_any_length_is_told_as_out_of_range_by_its_length(state):
    """Cut to its first digits it would read as an amount like any other."""
    for digits in (100, 5_000):
        refused = run("--state", state, "--in", A.address, "--out", "B", "--amount", "9" * digits)
        assert refused.exit_code == 1 and "amount_out_of_range" in refused.stderr and len(refused.stderr) < 150


def test_requests_that_begin_with_a_byte_order_mark_are_read(state, tmp_path):
    request = json.dumps({"token_in": A.address, "token_out": B.address, "amount": 10**15})
    (tmp_path / "requests.jsonl").write_text(f"{request}\r\n", encoding="utf-8-sig")
    result = run("--state", state, "--requests", str(tmp_path / "requests.jsonl"))
    assert json.loads(result.stdout) == {"amount": str(LARGE.quote(A, 10**15))}


def test_requests_are_answered_in_order_and_a_bad_one_stops_nothing(state, tmp_path):
    requests = [
        {"token_in": A.address, "token_out": B.address, "amount": 10**15},
        {"token_in": A.address, "token_out": B.address, "amount": 0},
        {"token_in": "B", "token_out": A.address, "amount": str(10**15), "exact_out": True, "pool": RANGED.address},
    ]
    lines = [json.dumps(request) for request in requests] + ["not json"]
    (tmp_path / "requests.jsonl").write_text("\n".join(lines) + "\n")
    result = run("--state", state, "--requests", str(tmp_path / "requests.jsonl"))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert answers[0] == {"amount": str(LARGE.quote(A, 10**15))}
    assert answers[2] == {"amount": str(RANGED.quote_exact_out(A, 10**15))}
    assert [answers[i]["refused"] for i in (1, 3)] == ["amount_out_of_range", "malformed_request"]
    assert all(set(answers[i]) == {"refused", "detail"} for i in (1, 3)) and len(answers) == 4


def test_requests_without_a_line_end_are_not_read_for_ever(state, tmp_path):
    (tmp_path / "requests.jsonl").write_text("{}\n" + " " * (1 << 17))
    for file in ("/dev/zero", tmp_path / "requests.jsonl"):
        result = run("--state", state, "--requests", str(file))
        assert result.exit_code == 2 and result.stderr.endswith("write one request a line\n")
    assert result.stdout.count("malformed_request") == 1 and "line 2" in result.stderr


def test_options_that_do_not_go_together_are_a_usage_error(state, tmp_path):
    for arguments in (["--in", "A"], ["--requests", "x", "--in", "A"]):
        result = CliRunner().invoke(main, ["quote", "--state", state, *arguments])
        assert result.exit_code == 2 and "error:" in result.stderr
    missing = run("--state", str(tmp_path / "none.json"), "--in", "A", "--out", "B", "--amount", "1")
    assert missing.exit_code == 4
