"""Whatever is said to the signer: it answers, it goes on, and what it signs is inside its policy."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from bot.plan import InvalidPlan, Plan, Swap, decode_plan, encode_plan
from bot.reasons import Reason
from bot.signer.protocol import (
    HEADER_BYTES,
    Cover,
    Denial,
    GrantUsage,
    Settle,
    Settled,
    Signed,
    SignRequest,
    Status,
    StrategyUsage,
    frame,
    parse_request,
    parse_response,
)
from bot.signer.service import Signer
from bot.signer.wire import InvalidMessage
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import Fees
from chains.assets import Address, Token, address
from chains.executor import InvalidCallData
from tests.bot.signer.inside import assert_inside_policy
from tests.bot.signer.making import (
    CYCLE,
    DAI,
    EXCHANGE,
    EXECUTOR,
    FEES,
    GAIN,
    GWEI,
    HEAD,
    OTHER,
    USDC,
    V2_POOL,
    V3_POOL,
    WETH,
    ask,
)
from tests.bot.signer.wild import fresh_signer, offer
from tests.conftest import Counted

QUICK = settings(max_examples=150, deadline=None)
FUZZ = settings(max_examples=150, deadline=None)

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
integers = st.integers(-(2**200), 2**200)
times = st.floats(0, 2e9)
fees = st.builds(Fees, integers, integers, integers)
wild_fees = st.builds(Fees, st.integers(0, 2_000_000), st.integers(0, 200 * GWEI), st.integers(0, 10 * GWEI))
verdicts = st.builds(
    Verdict,
    outcome=st.sampled_from(Outcome),
    tx_digest=st.text(),
    block_number=integers,
    block_hash=st.text(),
    gas_used=integers,
    gas_price_wei=integers,
    deltas=st.dictionaries(st.tuples(addresses, addresses), integers, max_size=4),
    reason=st.text(),
    made_at_s=times,
)
requests = st.builds(
    SignRequest,
    intent_id=st.text(),
    chain_id=integers,
    sender=addresses,
    target=addresses,
    code_hash=st.text(),
    plan=st.binary(max_size=100),
    min_gain=integers,
    min_out=integers,
    nonce=integers,
    fees=fees,
    worst_case_wei=integers,
    head_number=integers,
    verdict=verdicts,
)
settlements = st.builds(Settle, st.text(), integers, integers) | st.builds(Cover, st.text(), st.booleans())
usages = st.builds(StrategyUsage, *[integers] * 9)
grants = st.builds(GrantUsage, st.text(), st.text(), integers, integers, integers)
responses = st.one_of(
    st.builds(Signed, st.binary(max_size=200), st.text()),
    st.builds(Settled, integers),
    st.builds(Denial, st.sampled_from(Reason), st.text()),
    st.builds(
        Status,
        address=addresses,
        chain_id=integers,
        policy_digest=st.text(),
        signed=integers,
        unsettled=integers,
        protections=st.dictionaries(st.text(), st.booleans(), max_size=3),
        strategies=st.dictionaries(st.text(), usages, max_size=3),
        switches=st.dictionaries(st.text(), st.text(), max_size=3),
        grants=st.dictionaries(st.text(), grants, max_size=3),
    ),
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(EXECUTOR) | integers.map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def shared_signer() -> Iterator[Signer]:
    with fresh_signer() as signer:
        yield signer


@QUICK
@given(st.one_of(requests, settlements))
def test_every_request_is_read_as_it_was_written(request: SignRequest | Settle | Cover) -> None:
    assert parse_request(frame(request)[HEADER_BYTES:]) == request


@QUICK
@given(responses)
def test_every_response_is_read_as_it_was_written(response: Signed | Settled | Denial | Status) -> None:
    assert parse_response(frame(response)[HEADER_BYTES:]) == response


@QUICK
@given(data=st.binary(max_size=300) | documents.map(lambda document: json.dumps(document).encode()))
def test_bytes_that_are_no_message_are_malformed(data: bytes, shared_signer: Signer) -> None:
    response = shared_signer.answer(data)
    assert isinstance(response, Denial)
    assert response.reason is Reason.SIGNER_MALFORMED
    with pytest.raises(InvalidMessage):
        parse_response(data)


@QUICK
@given(request=requests | settlements)
def test_a_request_made_of_noise_is_denied(request: SignRequest | Settle | Cover, shared_signer: Signer) -> None:
    response = shared_signer.answer(frame(request)[HEADER_BYTES:])
    assert isinstance(response, Denial)
    assert response.reason is not Reason.SIGNER_INTERNAL, response


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a JSON document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


GOOD = [json.loads(frame(ask(plan))[HEADER_BYTES:]) for plan in (CYCLE, EXCHANGE)]
GOOD_PLANS = [json.loads(encode_plan(plan)) for plan in (CYCLE, EXCHANGE)]
NUMBERS = st.sampled_from(["0", "1", "-1", "7", "1000", "1001", "1002", "31337", str(2**63), str(2**128), str(10**18)])


@FUZZ
@given(data=st.data())
def test_a_good_request_with_one_value_changed_is_never_signed_outside_the_policy(data: st.DataObject) -> None:
    document = data.draw(st.sampled_from(GOOD))
    path = data.draw(st.sampled_from(sorted(places(document), key=str)))
    check(json.dumps(changed(document, path, data.draw(NUMBERS | documents))).encode())


@FUZZ
@given(data=st.data())
def test_a_good_plan_with_one_value_changed_is_never_signed_outside_the_policy(data: st.DataObject) -> None:
    document = data.draw(st.sampled_from(GOOD_PLANS))
    path = data.draw(st.sampled_from(sorted(places(document), key=str)))
    spoiled = changed(document, path, data.draw(NUMBERS | documents))
    check(frame(simulated(canonical(spoiled)))[HEADER_BYTES:])


def mostly(good: Any, wild: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([good, good, good, None]).flatmap(lambda value: wild if value is None else st.just(value))


@FUZZ
@given(
    plan=st.sampled_from([CYCLE, EXCHANGE]),
    fees=mostly(FEES, wild_fees),
    min_gain=mostly(GAIN, st.integers(0, 2 * GAIN)),
    min_out=mostly(1_995 * 10**6, st.integers(0, 2_100 * 10**6)),
    pool=mostly(V2_POOL, st.sampled_from([V3_POOL, EXECUTOR, OTHER])),
    token=mostly(WETH, st.sampled_from([USDC, DAI])),
    deadline_block=st.integers(HEAD - 1, HEAD + 7),
    target=mostly(EXECUTOR, st.just(OTHER)),
)
def test_an_engine_gone_wild_gets_no_signature_outside_the_policy(
    plan: Plan,
    fees: Fees,
    min_gain: int,
    min_out: int,
    pool: Address,
    token: Token,
    deadline_block: int,
    target: Address,
) -> None:
    """The engine is consistent here: the verdict is about the very transaction it asks for."""
    first, *others = plan.legs
    assert isinstance(first, Swap)
    first = dataclasses.replace(first, hop=dataclasses.replace(first.hop, pool=pool))
    last = dataclasses.replace(others[0], token_out=token) if isinstance(others[0], Swap) else others[0]
    wild = dataclasses.replace(plan, legs=(first, last), deadline_block=deadline_block)
    request = ask(
        wild, fees=fees, min_gain=min_gain, min_out=min_out, target=target, worst_case_wei=fees.worst_cost_wei
    )
    check(frame(request)[HEADER_BYTES:])


def canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def simulated(plan: bytes) -> SignRequest:
    """A request for `plan`, with a verdict about exactly what it builds if it builds anything."""
    try:
        return ask(decode_plan(plan))
    except (InvalidPlan, InvalidCallData, ValueError, TypeError, IndexError, AttributeError):
        return dataclasses.replace(ask(), plan=plan)


def check(body: bytes) -> None:
    with fresh_signer() as signer:
        response = signer.answer(body)
    event(type(response).__name__)
    if isinstance(response, Signed):
        assert_inside_policy(response)
    else:
        assert isinstance(response, Denial)
        assert response.reason is not Reason.SIGNER_INTERNAL, response


def test_five_hundred_wild_transactions_get_no_signature_outside_the_policy(counted: Counted) -> None:
    seen = offer(seed=7, count=500)
    assert sum(seen.values()) == 500
    assert {what.split()[0] for what in seen} == {"payload", "request", "plan", "replay"}
    assert seen["plan signed"], "what is in order was not signed either"
    counted("policy", f"500 transactions: 0 signatures outside the policy ({seen['plan signed']} plans signed)")
