"""A view on a block's logs is the same as the tuple of them, and can be read wherever that can."""

from __future__ import annotations

import copy
import pickle

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chains.codec
from chains.assets import address
from chains.blocks import Log
from chains.codec.views import LogsView, emitted, having
from chains.kernels.cache import compiled
from tests.chains.codec.viewed import document, viewed

pytestmark = pytest.mark.skipif(not compiled(), reason="needs Numba")

BLOCK = "0x" + "ab" * 32
TOPICS = [bytes(31) + bytes([number]) for number in range(3)]
EMITTERS = [address("0x" + f"{number:02x}" * 20) for number in (0, 1, 0xFE)]


@st.composite
def blocks_logs(draw: st.DrawFn) -> tuple[Log, ...]:
    """Logs of one block, in order."""
    places = sorted(draw(st.sets(st.integers(0, 2**31 - 1), min_size=1, max_size=6)))
    return tuple(
        Log(
            draw(st.sampled_from(EMITTERS)),
            tuple(draw(st.lists(st.sampled_from(TOPICS), max_size=4))),
            draw(st.binary(max_size=100)),
            17,
            BLOCK,
            "0x" + draw(st.binary(min_size=32, max_size=32)).hex(),
            draw(st.integers(0, 300)),
            place,
        )
        for place in places
    )


@given(blocks_logs(), st.slices(6))
def test_a_view_is_equal_to_its_logs_and_cut_as_they_are(logs: tuple[Log, ...], cut: slice) -> None:
    view = viewed(logs)
    assert view == logs == view and list(logs) == view and view == viewed(logs)
    assert (len(view), view[cut], tuple(view)) == (len(logs), logs[cut], logs)
    assert [view[at] for at in range(-len(logs), len(logs))] == [*logs, *logs]
    assert logs[-1] in view and view.index(logs[-1]) == len(logs) - 1
    assert view != logs[:-1] and view != (*logs, logs[0]) and view != logs[0]
    with pytest.raises(IndexError):
        view[len(logs)]


@given(blocks_logs(), st.sets(st.sampled_from(TOPICS)), st.sets(st.sampled_from(EMITTERS)))
def test_the_logs_of_topics_and_of_emitters_are_the_same_of_a_view(
    logs: tuple[Log, ...], topics: set[bytes], emitters: set[str]
) -> None:
    view, places = viewed(logs), {address(emitter) for emitter in emitters}
    assert (
        having(view, topics)
        == having(logs, topics)
        == tuple(log for log in logs if log.topics[:1] and log.topics[0] in topics)
    )
    assert emitted(view, places) == emitted(logs, places) == tuple(log for log in logs if log.address in places)


def test_only_logs_that_are_asked_for_are_made() -> None:
    logs = tuple(Log(EMITTERS[n % 2], (TOPICS[n % 3],), bytes(32), 17, BLOCK, "0x0c", 0, n) for n in range(6))
    made = list[int]()

    def read(log: dict[str, str]) -> Log:
        made.append(int(log["logIndex"], 16))
        return logs[made[-1]]

    view = viewed(logs)
    watched = LogsView(view.arrays, view._text, view._spans, read)
    assert having(watched, {TOPICS[1]}) == (logs[1], logs[4])
    assert emitted(watched, {EMITTERS[1]}) == (logs[1], logs[3], logs[5])
    assert (len(watched), watched[2], watched == view, made) == (6, logs[2], True, [1, 4, 1, 3, 5, 2])


def test_a_view_is_copied_and_sent_to_another_process_as_it_is() -> None:
    view = viewed([Log(EMITTERS[1], (TOPICS[2],), bytes(64), 17, BLOCK, "0x0c", 3, 9)])
    assert copy.deepcopy(view) == pickle.loads(pickle.dumps(view)) == view


def test_what_is_loaded_before_a_run_is_all_that_reading_logs_needs() -> None:
    """Nothing is compiled while a block waits."""
    from chains.codec.scan import scan

    chains.codec.warm()
    known = len(scan.signatures)  # type: ignore[attr-defined]
    viewed([Log(EMITTERS[1], (TOPICS[2],), bytes(64), 17, BLOCK, "0x0c", 3, 9)])
    assert len(scan.signatures) == known == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("field", ["blockNumber", "transactionIndex", "transactionHash"])
@pytest.mark.parametrize("change", [None, "missing", 7, "0xg", "0x" + "1" * 16])
def test_what_no_log_could_be_made_of_later_is_not_scanned(field: str, change: object) -> None:
    written = document(Log(EMITTERS[1], (), b"", 17, BLOCK, "0x0c", 3, 9)) | {field: change}
    if change == "missing":
        del written[field]
    raw = orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": [written]})
    unread = chains.codec._scanned(raw) is None
    assert unread == (field != "transactionHash" or not isinstance(change, str) or change == "missing")
