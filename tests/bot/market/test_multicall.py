"""Batches say what Multicall3's ABI says, and fit themselves to what a node takes."""

from __future__ import annotations

import contextlib

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from bot.market.multicall import LoadFailed, aggregate3, ask_all, ask_together, decode_aggregate3
from chains.anvil import RpcError
from chains.node.errors import Unreachable
from chains.pools.pool import Call, MalformedState
from chains.pools.words import unsigned, word
from tests.chains.pools.samples import at

TYPES = ["(address,bool,bytes)[]"]


@given(st.lists(st.tuples(st.integers(0, 2**160 - 1), st.binary(max_size=100)), max_size=8))
def test_call_data_is_what_the_abi_says(drawn) -> None:
    calls = [Call(at(number), data) for number, data in drawn]
    assert aggregate3(calls)[4:] == encode(TYPES, [[(to, True, data) for to, data in calls]])


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), min_size=1, max_size=8))
def test_answers_are_read_as_the_abi_says_and_failed_ones_are_empty(results) -> None:
    answer = encode(["(bool,bytes)[]"], [results])
    assert decode_aggregate3(answer, len(results)) == [data if good else b"" for good, data in results]


@given(st.binary(max_size=400), st.integers(0, 5))
def test_no_answer_does_more_than_be_refused(answer: bytes, count: int) -> None:
    with contextlib.suppress(LoadFailed):
        assert len(decode_aggregate3(answer, count)) == count


@given(st.data())
def test_a_truncated_answer_is_refused(data) -> None:
    answer = encode(["(bool,bytes)[]"], [[(True, b"\1" * 64), (True, b"\2" * 32)]])
    cut = data.draw(st.integers(1, len(answer) - 1))
    with pytest.raises(LoadFailed):
        decode_aggregate3(answer[:cut], 2)


class Echo:
    """Answers each call with its data; refuses batches larger than `most` as a node does."""

    def __init__(self, most: int, error: Exception | None = None, poison: bytes | None = None) -> None:
        self.most, self.error, self.poison = most, error or RpcError("eth_call", -32000, "out of gas"), poison
        self.batches: list[int] = []

    async def call(self, to, data: bytes, block_hash: str) -> bytes:
        (calls,) = decode(TYPES, data[4:])
        self.batches.append(len(calls))
        if len(calls) > self.most or any(payload == self.poison for _, _, payload in calls):
            raise self.error
        return encode(["(bool,bytes)[]"], [[(True, payload) for _, _, payload in calls]])


CALLS = [Call(at(1), word(number)) for number in range(2_500)]


@pytest.mark.parametrize("most", [1, 3, 100, 999, 10_000])
async def test_every_answer_comes_in_its_place_whatever_a_node_takes(most: int) -> None:
    calls = CALLS if most > 3 else CALLS[:60]
    told: list[int] = []
    answers = await ask_all(Echo(most), calls, "0x00", told.append)
    assert [unsigned(answer) for answer in answers] == list(range(len(calls)))
    assert sum(told) == len(calls)


async def test_one_call_that_takes_all_the_gas_fails_alone() -> None:
    answers = await ask_all(Echo(10**6, poison=word(7)), CALLS[:100], "0x00")
    assert [place for place, answer in enumerate(answers) if not answer] == [7]


async def test_a_node_that_can_answer_nothing_makes_no_call_look_failed() -> None:
    node = Echo(-1, RpcError("eth_call", -32000, "request timeout"))
    with pytest.raises(RpcError, match="request timeout"):
        await ask_all(node, CALLS[:100], "0x00")


async def test_a_block_that_is_gone_is_not_asked_for_in_halves() -> None:
    node = Echo(0, RpcError("eth_call", -32000, "header not found"))
    with pytest.raises(RpcError, match="header not found"):
        await ask_all(node, CALLS[:1_000], "0x00")
    assert len(node.batches) == 1


async def test_silence_is_not_waited_for_without_end() -> None:
    node = Echo(0, Unreachable("no answer"))
    with pytest.raises(Unreachable):
        await ask_all(node, CALLS[:1_000], "0x00")
    assert len(node.batches) <= 8


async def test_a_node_that_is_only_too_slow_for_large_batches_is_given_smaller_ones() -> None:
    assert len(await ask_all(Echo(300, Unreachable("time-out")), CALLS[:900], "0x00")) == 900


async def test_askings_run_in_step_and_one_that_is_refused_stops_no_other() -> None:
    def twice(number: int):
        (first,) = yield (Call(at(1), word(number)),)
        if number == 2:
            raise MalformedState("two is wrong")
        (second,) = yield (Call(at(1), first[:-1] + b"\x09"),)
        return unsigned(second)

    node = Echo(10)
    results, refused = await ask_together(node, ((str(number), twice(number)) for number in (1, 2, 3)), "0x00")
    assert (results, refused) == ({"1": 9, "3": 9}, {"2": "two is wrong"})
    assert node.batches == [3, 2]
