"""What an endpoint may be asked: units a day over restarts, requests a second, and rests after refusals."""

from __future__ import annotations

import random
import time
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.node import EndpointSettings, NodeError, NodeEvent, QuotaSpent
from chains.node.answers import retry_seconds
from chains.node.events import Events
from chains.node.health import Fault, Health
from chains.node.limits import Limiter
from chains.node.quota import Quota, UsageFile
from chains.node.seen import questions
from chains.node.units import cost
from tests.chains.node.scripted import Scripted
from tests.chains.node.support import SENDER, TOPIC, Follow, chain, emit, node_on

LONGEST_S = 6.0
NOON = 1_700_000_000 - 1_700_000_000 % 86_400 + 43_200


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = float(NOON)

    def __call__(self) -> float:
        return self.now_s


def quota(
    clock: Hands, file: UsageFile | None = None, cap: int | None = 100, in_flight: bool = False
) -> tuple[Quota, list[str]]:
    told: list[str] = []
    settings = EndpointSettings("https://node.example.org/v2/secret", daily_units=cap, units={"eth_call": 10})
    return Quota(settings, clock, file, lambda name, detail: told.append(name), lambda: in_flight), told


def test_four_fifths_and_the_cap_are_told_once_a_day():
    clock = Hands()
    one, told = quota(clock)
    one.spend("eth_call", 7)
    assert (told, one.to_spare(), str(one)) == ([], True, "70 units of 100 (70%) today")
    one.spend("eth_call", 2)
    assert (told, one.to_spare(), one.allows("eth_call")) == (["quota_80"], False, True)
    one.spend("eth_call", 1)
    one.spend("eth_call", 1)
    assert (told, one.allows("eth_call")) == (["quota_80", "quota_spent"], False)
    clock.now_s += 43_200
    assert (one.used, one.allows("eth_call")) == (0, True)
    one.spend("eth_call", 8)
    assert told == ["quota_80", "quota_spent", "quota_80"]


def test_beyond_the_cap_what_is_in_flight_is_brought_home_and_nothing_else():
    clock = Hands()
    for in_flight in (False, True):
        one, _ = quota(clock, in_flight=in_flight)
        one.spend("eth_call", 10)
        assert not one.allows("eth_call") and not one.allows("eth_getCode")
        assert one.allows("eth_sendRawTransaction") and one.allows("eth_getTransactionReceipt")
        assert one.allows("eth_getLogs") is in_flight
        assert one.allows("eth_getBlockByNumber") is in_flight
        assert all(one.allows(each.method) is in_flight for each in questions((), (SENDER,), (SENDER,)))


def test_a_restart_knows_what_was_used_and_two_processes_count_together(tmp_path: Path):
    clock, path = Hands(), tmp_path / "deep" / "units.json"
    first, _ = quota(clock, UsageFile(path))
    second, _ = quota(clock, UsageFile(path))
    first.spend("eth_call", 3)
    second.spend("eth_call", 4)
    first.write()
    assert (first.used, quota(clock, UsageFile(path))[0].used) == (70, 70)
    clock.now_s += 86_400
    assert quota(clock, UsageFile(path))[0].used == 0


def test_who_counts_the_end_of_a_day_forgets_nothing_of_the_next_one(tmp_path: Path):
    early, late, path = Hands(), Hands(), tmp_path / "units.json"
    first, _ = quota(early, UsageFile(path), cap=None)
    second, _ = quota(late, UsageFile(path), cap=None)
    first.spend("eth_call", 3)
    early.now_s += 86_400
    second.spend("eth_call", 1)
    late.now_s += 86_400
    first.spend("eth_call", 4)
    first.write()
    second.spend("eth_call", 2)
    second.write()
    assert (second.used, quota(late, UsageFile(path))[0].used) == (60, 60)


def test_a_clock_that_is_set_on_and_back_forgets_no_day(tmp_path: Path):
    clock = Hands()
    one, _ = quota(clock, UsageFile(tmp_path / "units.json"))
    one.spend("eth_call", 7)
    for days in (365, 1, -366):
        clock.now_s += 86_400 * days
        one.spend("eth_call", 1)
        one.write()
    assert one.used == 80


def test_a_usage_file_of_one_day_is_gone_on_with(tmp_path: Path):
    path = tmp_path / "units.json"
    path.write_text('{"day": "2023-11-14", "units": {"a": 5}}')
    assert UsageFile(path).add("2023-11-14", {"a": 2}) == {"a": 7}


def test_a_usage_file_holds_no_key(tmp_path: Path):
    one, _ = quota(Hands(), UsageFile(tmp_path / "units.json"))
    one.spend("eth_call")
    one.write()
    text = (tmp_path / "units.json").read_text()
    assert "https://node.example.org" in text and "secret" not in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        "{",
        '{"day": 1}',
        '{"day": "2023-11-14", "units": {"a": "many"}}',
        '{"days": 1}',
        '{"days": {"a": 1}}',
    ],
)
def test_a_usage_file_that_is_none_is_refused_with_the_remedy(tmp_path: Path, text: str):
    path = tmp_path / "units.json"
    path.write_text(text)
    with pytest.raises(NodeError, match="delete it to count today's from zero"):
        UsageFile(path).add("2023-11-14", {})


def test_a_usage_file_that_cannot_be_written_is_told_and_counting_goes_on(tmp_path: Path):
    (tmp_path / "file").write_text("")
    one, told = quota(Hands(), UsageFile(tmp_path / "file" / "units.json"))
    one.spend("eth_call", 2)
    assert (told, one.used) == (["quota_unwritten"], 20)


async def test_a_node_stops_at_its_cap_by_name_and_goes_on_with_another_endpoint(tmp_path: Path):
    usage = tmp_path / "units.json"
    told: list[NodeEvent] = []
    async with chain() as anvil:
        poor = EndpointSettings(anvil.http_url, daily_units=100)
        async with node_on(poor, usage=usage) as node:
            node.listen(told.append)
            for _ in range(5):
                await node.balance(SENDER)
            with pytest.raises(QuotaSpent, match="today's units are used up"):
                await node.balance(SENDER)
            assert await node.receipt("0x" + "11" * 32) is None
        assert [event.name for event in told] == ["quota_80", "quota_spent"]
        [used] = orjson.loads(usage.read_bytes())["days"].values()
        assert list(used.values()) == [120]
        async with node_on(poor, anvil.ws_url, usage=usage) as node:
            assert await node.balance(SENDER) == 10**24
            assert node.endpoints[1].quota.used == cost("eth_getBalance", {})


async def test_blocks_are_followed_beyond_the_cap_only_while_something_is_in_flight():
    async with chain() as anvil, Scripted(anvil) as server:  # noqa: SIM117
        async with node_on(EndpointSettings(server.url, daily_units=1)) as node:
            with pytest.raises(QuotaSpent):
                await node.head()
            node.in_flight = lambda: True
            follow = Follow(node.blocks([TOPIC]))
            await follow.until_height(0)
            await emit(anvil)
            await follow.until_height(1)
            assert len(follow.chain[1].logs) == 1
            assert (await node.seen([], [SENDER], [SENDER])).balances.keys() == {SENDER}
            await follow._events.aclose()  # type: ignore[attr-defined]


@given(st.floats(1, 1000), st.lists(st.floats(0, 2), max_size=60))
def test_never_more_than_the_rate_goes_in_any_stretch(rate: float, pauses: list[float]):
    clock = Hands()
    limiter = Limiter(rate, clock, random.Random(1), LONGEST_S)
    begun_s, sent = clock.now_s, 0
    for pause_s in pauses:
        clock.now_s += pause_s
        while limiter.wait_s() <= 0:
            limiter.take()
            sent += 1
        assert sent <= max(rate, 1) + rate * (clock.now_s - begun_s) + 1


@given(st.integers(0, 2**32))
def test_rests_double_up_to_the_longest_and_end_with_an_answer(seed: int):
    clock = Hands()
    limiter = Limiter(None, clock, random.Random(seed), LONGEST_S)
    for refusal in range(12):
        rest_s = limiter.refused(None)
        ceiling_s = min(0.5 * 2**refusal, LONGEST_S)
        assert ceiling_s / 2 <= rest_s <= ceiling_s
    assert limiter.wait_s() > 0
    clock.now_s += LONGEST_S
    assert limiter.wait_s() == 0
    limiter.answered()
    assert limiter.refused(None) <= 0.5


def test_an_endpoint_is_left_alone_for_as_long_as_it_says():
    clock = Hands()
    limiter = Limiter(None, clock, random.Random(1), LONGEST_S)
    limiter.refused(30)
    clock.now_s += 29
    assert limiter.wait_s() == pytest.approx(1)


_NO_DATE = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0.5", 0.5), ("-1", 0), (None, None), ("soon", None), (_NO_DATE, None)]
)
def test_retry_after_is_seconds(header: str | None, seconds: float | None):
    assert retry_seconds(header) == seconds


def test_retry_after_is_a_date_too():
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    found = retry_seconds(later)
    assert found is not None and 28 <= found <= 31


def test_a_circuit_opens_after_failures_in_a_row_and_closes_with_an_answer():
    clock = Hands()
    health = Health(clock, random.Random(1), LONGEST_S)
    assert [health.failed() for _ in range(5)] == [False, False, False, True, False]
    assert health.broken
    clock.now_s += 1
    assert not health.broken
    health.failed()
    assert health.broken
    health.answered(0.1)
    assert not health.broken


def test_no_rest_and_no_pause_before_a_proof_is_longer_than_half_a_block():
    clock = Hands()
    health = Health(clock, random.Random(1), LONGEST_S)
    for _ in range(40):
        health.failed()
        health.drop(Fault.LAGGING, "still")
        assert health.broken_until_s <= clock.now_s + LONGEST_S
        assert health.dropped is not None and health.dropped.proof_due_s <= clock.now_s + LONGEST_S
        clock.now_s += LONGEST_S


def test_what_happened_before_anyone_listened_is_told_first():
    events, told = Events(), []
    events.tell("first", "a")
    events.listen(lambda event: told.append(event.name))
    events.tell("second", "b")
    assert told == ["first", "second"]
