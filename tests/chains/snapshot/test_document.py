"""Snapshots: what is written is read back unchanged, and what is wrong is refused by name."""

import copy
import gzip
import json
import os
import resource
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exactness.curve import rai
from chains.pools.concentrated import ConcentratedPool
from chains.pools.constant_product import MAX_RESERVE, ConstantProductPool
from chains.pools.tick_math import MAX_TICK, MIN_TICK, sqrt_price_at
from chains.printing import one_line
from chains.snapshot import LeftOut, Recorded, Snapshot, SnapshotError, read, write
from chains.snapshot import document as document_module
from chains.snapshot.codec import reference, tokens_in
from chains.snapshot.document import from_json, to_json
from chains.snapshot.errors import (
    DuplicatePool,
    MissingField,
    NotASnapshot,
    UnknownField,
    UnknownPoolFamily,
    UnsupportedVersion,
    WrongValue,
)
from tests.chains.pools.samples import A, B, at, pair, ranged, ticks_of, token

SPACING = 60

numbers = st.integers(1, 2**64)
texts = st.text(max_size=12).map(one_line)
places = st.sampled_from(["ethereum", "base"])
pairs_of_tokens = st.builds(
    lambda number, one, other, decimals, place: (
        token(number, one, decimals, place),
        token(number + 1, other, 255 - decimals, place),
    ),
    st.integers(1, 2**159),
    texts,
    texts,
    st.integers(0, 255),
    places,
)
reserves = st.integers(0, MAX_RESERVE)
pairs = st.builds(
    ConstantProductPool, numbers.map(at), pairs_of_tokens, st.tuples(reserves, reserves), st.integers(0, 10**6 - 1)
)


@st.composite
def ranges(draw):
    bounds = st.integers(MIN_TICK // SPACING + 1, MAX_TICK // SPACING - 1).map(lambda step: step * SPACING)
    spans = draw(st.lists(st.tuples(bounds, bounds, st.integers(1, 2**96)), max_size=6))
    positions = [(min(one, two), max(one, two), liquidity) for one, two, liquidity in spans if one != two]
    price = sqrt_price_at(draw(st.integers(MIN_TICK, MAX_TICK - 1)))
    tokens = draw(pairs_of_tokens)
    return ranged(price, positions, number=draw(numbers), tokens=tokens, fee_ppm=draw(st.integers(0, 10**6 - 1)))


def agree(recorded):
    """Whether no two pools describe a token differently, which a snapshot refuses."""
    tokens = {token for one in recorded for token in tokens_in(one.pool)}
    return len({reference(token) for token in tokens}) == len(tokens)


snapshots = st.builds(
    Snapshot,
    st.lists(
        st.builds(Recorded, pairs | ranges(), st.integers(0, 2**40)), max_size=5, unique_by=lambda one: one.pool.venue
    )
    .filter(agree)
    .map(tuple),
    st.lists(st.builds(LeftOut, texts, texts), max_size=3).map(tuple),
)


@given(snapshots)
def test_a_snapshot_is_read_back_unchanged(snapshot):
    assert from_json(json.loads(json.dumps(to_json(snapshot)))) == snapshot


def test_a_token_that_two_pools_describe_differently_is_refused():
    renamed = pair((5, 7), number=101, tokens=(token(1, "A2"), B))
    with pytest.raises(WrongValue, match="is described as"):
        Snapshot((Recorded(pair((5, 7)), 3), Recorded(renamed, 3)))


@pytest.mark.parametrize("name", ["state.json", "state.json.gz"])
def test_equal_snapshots_are_equal_files_and_read_back_the_same(tmp_path, name):
    snapshot = Snapshot((Recorded(pair((5, 7)), 3), Recorded(ranged(2**96, [(-60, 60, 9)]), 4)))
    for file in (tmp_path / name, tmp_path / f"again-{name}"):
        write(snapshot, file)
    assert read(tmp_path / name) == snapshot
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()


def document():
    return to_json(Snapshot((Recorded(pair((5, 7)), 3), Recorded(ranged(2**96, [(-60, 60, 9)]), 4))))


def state(document, number=0):
    return document["pools"][number]["state"]


BROKEN = {
    "another format": (lambda d: d.update(format="other"), NotASnapshot, "not a snapshot"),
    "a later version": (lambda d: d.update(version=3), UnsupportedVersion, "reads versions up to 2"),
    "a version that is no integer": (lambda d: d.update(version=1.0), UnsupportedVersion, "version 1.0"),
    "a section gone": (lambda d: d.pop("tokens"), MissingField, "no tokens"),
    "a field gone": (lambda d: state(d).pop("reserves"), MissingField, r"pools\[0\].state: no reserves"),
    "a field too many": (lambda d: state(d).update(k="35"), UnknownField, "unknown k; known are address, fee_ppm"),
    "a negative reserve": (lambda d: state(d).update(reserves=["-5", "7"]), WrongValue, "outside uint112"),
    "a reserve too large": (lambda d: state(d).update(reserves=["5", str(2**112)]), WrongValue, "outside uint112"),
    "a reserve as a float": (lambda d: state(d).update(reserves=[5.5, "7"]), WrongValue, "5.5 is not an integer"),
    "a reserve as truth": (lambda d: state(d).update(reserves=[True, "7"]), WrongValue, "True is not an integer"),
    "one reserve": (lambda d: state(d).update(reserves=["5"]), WrongValue, "1 values where 2 belong"),
    "an endless number": (lambda d: state(d).update(fee_ppm="9" * 5000), WrongValue, "not an integer"),
    "a fee of everything": (lambda d: state(d).update(fee_ppm="1000000"), WrongValue, "fee of 1000000"),
    "a family nobody knows": (
        lambda d: d["pools"][0].update(family="wishful"),
        UnknownPoolFamily,
        "'wishful' is unknown; known are",
    ),
    "a state of another family": (lambda d: d["pools"][0].update(family="concentrated"), MissingField, "no liquidity"),
    "equal tokens": (lambda d: state(d).update(tokens=[state(d)["tokens"][0]] * 2), WrongValue, "on both sides"),
    "a token not listed": (
        lambda d: state(d).update(tokens=["x", "y"]),
        WrongValue,
        "not one of the document's tokens",
    ),
    "a symbol that moves the cursor": (
        lambda d: next(iter(d["tokens"].values())).update(symbol="\x1b[2JWETH"),
        WrongValue,
        r"symbol: '\\x1b\[2JWETH' is not printable text",
    ),
    "a reason that does": (
        lambda d: d["left_out"].append({"venue": "0x", "reason": "\x9b31m"}),
        WrongValue,
        "reason: .* is not printable text",
    ),
    "a field that does": (
        lambda d: state(d).update({"\x1b[2J": "35"}),
        UnknownField,
        "unknown \N{REPLACEMENT CHARACTER}",
    ),
    "a token under another's name": (
        lambda d: next(iter(d["tokens"].values())).update(network="base"),
        WrongValue,
        "it is called",
    ),
    "decimals beyond a byte": (
        lambda d: next(iter(d["tokens"].values())).update(decimals=256),
        WrongValue,
        "not between 0 and 255",
    ),
    "an address mistyped": (lambda d: state(d).update(address="0x12"), WrongValue, "not a 20-byte hex address"),
    "a negative block": (lambda d: d["pools"][0].update(block=-1), WrongValue, "is no block's number"),
    "a number that no block has": (lambda d: d["pools"][0].update(block=2**63), WrongValue, "is no block's number"),
    "a price off its tick": (lambda d: state(d, 1).update(tick="5"), WrongValue, "is not at tick 5"),
    "a tick between the spacings": (
        lambda d: state(d, 1)["ticks"].update(net={"-59": "9", "60": "-9"}, gross={"-59": "9", "60": "9"}),
        WrongValue,
        "tick",
    ),
    "a tick beyond the last": (
        lambda d: state(d, 1)["ticks"].update(net={"-887280": "9"}, gross={"-887280": "9"}),
        WrongValue,
        "tick",
    ),
    "a spacing of zero": (lambda d: state(d, 1)["ticks"].update(spacing="0"), WrongValue, "spacing"),
    "ticks without gross": (lambda d: state(d, 1)["ticks"].update(gross={}), WrongValue, "tick"),
    "the same pool twice": (lambda d: d["pools"].append(d["pools"][0]), DuplicatePool, "2 times"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_snapshot_is_refused_by_name(what):
    change, kind, says = BROKEN[what]
    broken = document()
    change(broken)
    with pytest.raises(kind, match=says) as refused:
        from_json(broken)
    assert type(refused.value) is kind and str(refused.value).isprintable()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\x1f\x8b broken", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_snapshot_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(NotASnapshot):
        read(tmp_path / "file")


def test_a_file_without_end_is_refused_plain_or_compressed(tmp_path, monkeypatch):
    monkeypatch.setattr(document_module, "MOST_BYTES", 2 << 20)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b" " * (3 << 20)))
    for file in (Path("/dev/zero"), tmp_path / "bomb.gz"):
        with pytest.raises(NotASnapshot, match="more than 2 MiB, or without end"):
            read(file)
    (tmp_path / "whole.gz").write_bytes(gzip.compress(b" " * (2 << 20)))
    assert len(document_module.read_whole(tmp_path / "whole.gz")) == 2 << 20


def test_a_snapshot_that_finds_no_space_leaves_the_one_that_was_there(tmp_path):
    file = tmp_path / "s.json"
    write(Snapshot((Recorded(pair((5, 7)), 3),)), file)
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write(Snapshot((Recorded(pair((6, 7)), 4),)), file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [each.name for each in tmp_path.iterdir()] == ["s.json"] and file.read_bytes() == before
    file.chmod(0o600)
    write(Snapshot((Recorded(pair((6, 7)), 4),)), file)
    assert file.read_bytes() != before and file.stat().st_mode & 0o777 == 0o600


def test_what_comes_out_of_a_pipe_is_read(tmp_path):
    write(Snapshot((Recorded(pair((5, 7)), 3),)), tmp_path / "s.gz")
    reading, writing = os.pipe()
    os.write(writing, (tmp_path / "s.gz").read_bytes())
    os.close(writing)
    assert read(Path(f"/dev/fd/{reading}")) == read(tmp_path / "s.gz")
    os.close(reading)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**300), 2**300) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_whatever_stands_anywhere_a_snapshot_reads_or_is_refused_by_name(data):
    broken = copy.deepcopy(document())
    place = broken
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(values)
            break
        place = place[key]
    try:
        assert isinstance(from_json(broken), Snapshot)
    except SnapshotError as error:
        assert "\n" not in str(error)


def test_a_part_of_a_pool_that_has_no_form_is_a_bug_not_a_file():
    with pytest.raises(TypeError, match="no form in a snapshot"):
        to_json(Snapshot((Recorded(pair((Fraction(3, 2), 2)), 1),)))


def test_tokens_and_states_are_written_once_and_in_order():
    snapshot = Snapshot((Recorded(pair((5, 7)), 3),))
    assert snapshot.tokens == (A, B)
    assert isinstance(read, object) and list(to_json(snapshot)["tokens"]) == [f"twin:{A.address}", f"twin:{B.address}"]
    assert isinstance(ranged(2**96, []), ConcentratedPool) and ticks_of([], 60).order == ()


def test_the_former_version_is_read_where_its_pools_are_the_same_and_refused_by_name_where_not():
    former = document() | {"version": 1}
    assert from_json(former) == from_json(document())
    lacking = to_json(Snapshot((Recorded(rai(), 3),))) | {"version": 1}
    del state(lacking)["own"]["asking"]
    with pytest.raises(UnsupportedVersion, match=r"no asking; the file is of version 1.*take or import it again"):
        from_json(lacking)
    with pytest.raises(MissingField, match="no asking"):
        from_json(lacking | {"version": 2})
