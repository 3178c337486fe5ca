"""A plan is the same plan after the wire, and nothing else is taken for one."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import orjson
import pytest
from hypothesis import given

from bot.plan import InvalidPlan, Order, Plan, decode_plan, encode_plan
from chains.executor import CycleCall, ExchangeCall
from tests.bot.ledger.given import ETHER, USDT, WETH, atomic_plan, sell_plan
from tests.bot.planning import plans


@given(plans)
def test_decoding_gives_back_what_was_encoded(plan: Plan) -> None:
    assert decode_plan(encode_plan(plan)) == plan


@given(plans)
def test_encoding_is_canonical(plan: Plan) -> None:
    data = encode_plan(plan)
    assert encode_plan(decode_plan(data)) == data
    assert data == orjson.dumps(orjson.loads(data), option=orjson.OPT_SORT_KEYS)


@given(plans)
def test_no_reader_can_round_an_amount(plan: Plan) -> None:
    """JSON numbers are floats to many readers; a plan has none."""

    def numbers(value: object) -> list[object]:
        if isinstance(value, dict):
            return [found for item in value.values() for found in numbers(item)]
        if isinstance(value, list):
            return [found for item in value for found in numbers(item)]
        return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []

    assert numbers(orjson.loads(encode_plan(plan))) == []


def test_equal_decisions_have_equal_ids_and_any_difference_another() -> None:
    plan = sell_plan(7)
    assert plan.id == sell_plan(7).id
    first, order = plan.legs
    assert isinstance(order, Order)
    changes = [
        dataclasses.replace(plan, note="another"),
        dataclasses.replace(plan, deadline_block=plan.deadline_block + 1),
        dataclasses.replace(plan, deadline_s=plan.deadline_s + 1),
        dataclasses.replace(plan, expected_profit_wei=plan.expected_profit_wei + 1),
        dataclasses.replace(plan, legs=(first, dataclasses.replace(order, limit_price=order.limit_price + 1))),
        dataclasses.replace(plan, legs=(first, dataclasses.replace(order, amount=order.amount + 1))),
        dataclasses.replace(plan, legs=(order, first)),
    ]
    assert len({plan.id, *(changed.id for changed in changes)}) == 1 + len(changes)


def _document(plan: Plan | None = None) -> dict[str, object]:
    document: dict[str, object] = orjson.loads(encode_plan(plan or sell_plan(7)))
    return document


def _dumped(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize("key", sorted(set(_document()) - {"legs"}))
def test_a_plan_with_a_key_missing_is_refused(key: str) -> None:
    document = _document()
    del document[key]
    with pytest.raises(InvalidPlan):
        decode_plan(_dumped(document))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block_number", 7),
        ("block_number", "07"),
        ("block_number", "+7"),
        ("block_number", "7 "),
        ("block_number", "seven"),
        ("expected_profit_wei", 5e15),
        ("expected_profit_wei", "5e15"),
        ("legs", "none"),
        ("legs", [{"kind": "Transfer"}]),
        ("legs", [{}]),
        ("surprise", "1"),
    ],
)
def test_a_plan_that_is_not_in_canonical_form_is_refused(key: str, value: object) -> None:
    with pytest.raises(InvalidPlan):
        decode_plan(_dumped({**_document(), key: value}))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b"\xff", b'"plan"', b"1"])
def test_bytes_that_are_no_plan_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidPlan):
        decode_plan(data)


def test_whitespace_and_another_order_of_keys_are_refused() -> None:
    data = encode_plan(sell_plan(7))
    document = orjson.loads(data)
    reordered, indented = (
        orjson.dumps(dict(reversed(document.items()))),
        orjson.dumps(document, option=orjson.OPT_INDENT_2),
    )
    for other in (data + b" ", reordered, indented):
        with pytest.raises(InvalidPlan, match="canonical"):
            decode_plan(other)


def test_a_limit_price_keeps_every_digit() -> None:
    first, order = sell_plan(7).legs
    assert isinstance(order, Order)
    price = Decimal("0.000000123400")
    plan = dataclasses.replace(sell_plan(7), legs=(first, dataclasses.replace(order, limit_price=price)))
    (decoded,) = decode_plan(encode_plan(plan)).orders
    assert str(decoded.limit_price) == "1.23400E-7" and b'"0.000000123400"' in encode_plan(plan)


def test_an_atomic_plan_runs_a_cycle_that_must_gain() -> None:
    plan = atomic_plan(3)
    call = plan.executor_call(min_gain=17, min_out=0)
    assert call == CycleCall(
        WETH.address, ETHER, 17, plan.deadline_block, plan.deadline_s, bytes(32), tuple(swap.hop for swap in plan.swaps)
    )


def test_a_two_sided_plan_exchanges_inventory_for_at_least_its_minimum() -> None:
    plan = sell_plan(3)
    call = plan.executor_call(min_gain=0, min_out=1_990)
    assert call == ExchangeCall(
        WETH.address, ETHER, USDT.address, 1_990, plan.deadline_block, plan.deadline_s, bytes(32), (plan.swaps[0].hop,)
    )
