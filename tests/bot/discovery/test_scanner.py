"""Every log of a range is read once and in order, whatever the node's limits are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.discovery import scanner
from bot.discovery.errors import ScanFailed
from bot.discovery.scanner import RangeScanner
from chains.anvil import RpcError
from chains.node.errors import Busy, Unreachable
from tests.bot.discovery.chain import EMITTER, TOPIC, LoggedChain


async def places(chain, first: int, last: int, span: int = 2_000) -> list[tuple[int, int]]:
    """Block and index of every log, and that the pieces join."""
    read, following = [], first
    async for piece in RangeScanner(chain, [TOPIC], last, [EMITTER], span).scan(first, last):
        assert piece.first == following <= piece.last
        following = piece.last + 1
        read += [(log.block_number, log.log_index) for log in piece.logs]
    assert following == last + 1
    return read


def expected(logs: dict[int, int], first: int, last: int) -> list[tuple[int, int]]:
    return [(number, index) for number in range(first, last + 1) for index in range(logs.get(number, 0))]


@settings(max_examples=60)
@given(
    logs=st.dictionaries(st.integers(0, 60), st.integers(0, 5)),
    most_blocks=st.integers(1, 80),
    most_logs=st.integers(1, 12),
    span=st.integers(1, 100),
    receipts=st.sampled_from(["block", "transaction"]),
)
async def test_any_limit_gives_the_same_logs(logs, most_blocks, most_logs, span, receipts) -> None:
    chain = LoggedChain(logs, most_blocks=most_blocks, most_logs=most_logs, receipts=receipts)
    assert await places(chain, 3, 60, span) == expected(logs, 3, 60)


async def test_a_limit_of_one_block_and_of_one_log_works() -> None:
    logs = {5: 4, 6: 1, 9: 2}
    for receipts in ("block", "transaction"):
        chain = LoggedChain(logs, most_blocks=1, most_logs=1, receipts=receipts)
        assert await places(chain, 1, 10) == expected(logs, 1, 10)


async def test_ranges_grow_where_there_is_little() -> None:
    chain = LoggedChain({999_999: 1})
    assert await places(chain, 0, 1_000_000) == [(999_999, 0)]
    assert chain.asked < 15


@pytest.mark.parametrize("most_blocks", [10, 100, 10_000])
async def test_where_ranges_are_limited_few_of_those_asked_for_are_too_wide(most_blocks) -> None:
    chain = LoggedChain({}, most_blocks=most_blocks)
    await places(chain, 1, 500 * most_blocks)
    assert chain.asked < 1.25 * 500


async def test_ranges_grow_again_once_there_is_little() -> None:
    chain = LoggedChain(dict.fromkeys(range(1_000), 10), most_logs=1_000)
    await places(chain, 0, 1_000_000)
    assert chain.asked < 120


async def test_an_answer_cut_off_at_a_round_number_is_not_believed(monkeypatch) -> None:
    """This node answers with the first 1,000 logs and says nothing of the others."""
    chain = LoggedChain(dict.fromkeys(range(100), 30))
    whole = chain._range
    monkeypatch.setattr(chain, "_range", lambda first, last: whole(first, last)[:1_000])
    assert len(await places(chain, 0, 99)) == 3_000


async def test_a_node_that_asks_for_patience_gets_it(monkeypatch) -> None:
    monkeypatch.setattr(scanner, "_PAUSES_S", (0.0, 0.0, 0.0))
    chain, refusals = LoggedChain({5: 1}), 2
    whole = chain._range

    def busy(first: int, last: int):
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise RpcError("eth_getLogs", 429, "too many requests")
        return whole(first, last)

    monkeypatch.setattr(chain, "_range", busy)
    assert await places(chain, 0, 10) == [(5, 0)]


async def test_a_node_asked_too_much_is_left_alone_as_long_as_it_says_and_asked_for_no_less(monkeypatch) -> None:
    chain, pauses, refusals = LoggedChain({5: 1}), list[float](), 3
    plain = chain.request_all

    async def busy(requests):
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise Busy("asked to be left alone", 30.0)
        return await plain(requests)

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    monkeypatch.setattr(chain, "request_all", busy)
    monkeypatch.setattr(scanner.asyncio, "sleep", sleep)
    assert await places(chain, 0, 10) == [(5, 0)]
    assert (pauses, chain.asked) == ([30.0, 30.0, 30.0], 1)


async def test_logs_of_who_does_not_have_the_last_block_are_asked_for_again(monkeypatch) -> None:
    """As behind a load balancer, whose backends are not all as far: this one leaves out what it does not have."""
    monkeypatch.setattr(scanner, "_PAUSES_S", (0.0, 0.0, 0.0))
    chain, asked = LoggedChain({5: 1, 10: 1}), 0
    chain.newest = 8
    plain = chain.request_all

    async def catches_up(requests):
        nonlocal asked
        asked += 1
        chain.newest = 10 if asked == 3 else chain.newest
        return await plain(requests)

    monkeypatch.setattr(chain, "request_all", catches_up)
    assert await places(chain, 0, 10) == [(5, 0), (10, 0)]
    chain.newest = 9
    with pytest.raises(ScanFailed, match="does not have block 10 yet"):
        await places(chain, 0, 10)


async def test_silence_narrows_the_range_and_ends_in_its_own_error(monkeypatch) -> None:
    chain = LoggedChain({5: 1})
    whole = chain._range

    def slow(first: int, last: int):
        if last - first > 3:
            raise Unreachable("it took too long")
        return whole(first, last)

    monkeypatch.setattr(chain, "_range", slow)
    assert await places(chain, 0, 20, 16) == [(5, 0)]
    monkeypatch.setattr(chain, "_range", lambda first, last: slow(0, 100))
    with pytest.raises(Unreachable):
        await places(chain, 0, 20, 16)


async def test_a_range_that_is_no_longer_there_is_refused_with_the_remedy(monkeypatch) -> None:
    chain = LoggedChain({})

    def pruned(first: int, last: int):
        raise RpcError("eth_getLogs", 4444, "pruned history unavailable")

    monkeypatch.setattr(chain, "_range", pruned)
    with pytest.raises(ScanFailed, match=r"no longer has the logs of block 3 .*pools\.from_block"):
        await places(chain, 3, 50)


@pytest.mark.parametrize(
    "wrong", [{"blockNumber": None}, {"blockNumber": hex(11)}, {"topics": None}, {"address": "0x"}]
)
async def test_what_is_no_log_of_the_range_is_refused_with_the_remedy(monkeypatch, wrong) -> None:
    chain = LoggedChain({5: 1})
    whole = chain._range
    monkeypatch.setattr(chain, "_range", lambda first, last: [log | wrong for log in whole(first, last)])
    with pytest.raises(ScanFailed, match="use another"):
        await places(chain, 0, 10)


@pytest.mark.parametrize("answered", [None, [None], [{"logs": None}]])
async def test_receipts_that_are_not_there_hide_no_logs(monkeypatch, answered) -> None:
    chain = LoggedChain({4: 2}, most_logs=1)
    plain = chain.request

    async def without(method: str, *params):
        return answered if method == "eth_getBlockReceipts" else await plain(method, *params)

    monkeypatch.setattr(chain, "request", without)
    with pytest.raises(ScanFailed, match="gives no receipts of block 4"):
        await places(chain, 0, 10)


async def test_a_block_that_tells_its_logs_in_no_way_is_an_error() -> None:
    chain = LoggedChain({4: 2}, most_logs=1, receipts="none")
    with pytest.raises(ScanFailed, match="gives no logs of block 4"):
        await places(chain, 0, 10)
