"""Logs put into arrays give the states that the pools' own `applied` gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.market.integers import fast, plain
from bot.market.integers.directory import BY_HAND, NOBODY, Heard, Register, address_name, directory
from bot.market.integers.layout import States, Taken, packed
from bot.market.integers.topics import KNOWN
from chains.assets import address
from chains.blocks import Log
from chains.codec import decoded
from chains.pools.concentrated import MINT, PANCAKE_SWAP, SWAP, ConcentratedPool
from chains.pools.constant_product import SYNC, ConstantProductPool
from chains.pools.tick_math import MAX_TICK, MIN_TICK, sqrt_price_at
from chains.pools.words import word
from tests.chains.codec.test_codec import answer, entry
from tests.chains.pools.samples import pair, ranged

PAIR = pair((10**21, 2 * 10**21), number=0xAA)
RANGES = ranged(sqrt_price_at(0), [(-600, 600, 10**18)], number=0xBB)
POOLS = [PAIR, RANGES]
TABLE = Heard(directory([pool.address for pool in POOLS]), directory([]))
STRANGER = "0x" + "77" * 20
PARTY = "11".zfill(64)


def priced(tick: int) -> int:
    """A price in the middle of a tick."""
    return (sqrt_price_at(tick) + sqrt_price_at(tick + 1)) // 2


ticks = st.integers(MIN_TICK, MAX_TICK - 1)
syncs = st.tuples(st.integers(0, 2**113), st.integers(0, 2**112)).map(lambda pair: (PAIR.address, SYNC, list(pair)))
swaps = st.tuples(ticks, st.integers(0, 2**129), st.sampled_from([SWAP, PANCAKE_SWAP])).map(
    lambda drawn: (
        RANGES.address,
        drawn[2],
        [5, -7, priced(drawn[0]), drawn[1], drawn[0], *([0, 0] if drawn[2] == PANCAKE_SWAP else [])],
    )
)
others = st.sampled_from(
    [
        (RANGES.address, MINT, [0, 10**6, 1, 1]),
        (STRANGER, SYNC, [1, 1]),
        (PAIR.address, b"\x01" * 32, []),
        (RANGES.address, SYNC, [1, 1]),
        (PAIR.address, SYNC, [1]),
    ]
)


def raw_logs(events: list[tuple[str, bytes, list[int]]]) -> bytes:
    topics = {SWAP: [PARTY, PARTY], PANCAKE_SWAP: [PARTY, PARTY]}
    return answer(
        [
            entry(emitter, [kind.hex(), *topics.get(kind, [])], [word(each).hex() for each in data], place)
            for place, (emitter, kind, data) in enumerate(events)
        ]
    )


@given(st.lists(st.one_of(syncs, swaps, others), max_size=12))
def test_compiled_and_plain_leave_the_same_states_and_the_same_logs(events: list[tuple[str, bytes, list[int]]]) -> None:
    logs = decoded(raw_logs(events))
    outcomes = []
    for kernels in (fast, plain):
        states, taken = States.of(packed(POOLS)), Taken.room(len(events))
        states.span[:], states.span_liquidity[:, 0] = (-600, 600), 10**18
        changes, lefts = kernels.apply_logs(logs, TABLE, KNOWN, 7, states, taken)
        told = [column[:changes].tolist() for column in taken[1:7]]
        outcomes.append((states.state.tolist(), states.mark.tolist(), told, taken.left[:lefts].tolist()))
    assert outcomes[0] == outcomes[1]


@given(st.lists(st.one_of(syncs, swaps), max_size=8))
def test_states_are_those_that_the_pools_come_to_by_themselves(events: list[tuple[str, bytes, list[int]]]) -> None:
    good = [event for event in events if max(event[2][0:2] if event[1] == SYNC else [0]) < 2**112]
    good = [event for event in good if event[1] == SYNC or 0 < event[2][3] < 2**128]
    states, taken = States.of(packed(POOLS)), Taken.room(len(good))
    changes, lefts = fast.apply_logs(decoded(raw_logs(good)), TABLE, KNOWN, 7, states, taken)
    after: dict[str, ConstantProductPool | ConcentratedPool] = {pool.address: pool for pool in POOLS}
    for place, (emitter, kind, data) in enumerate(good):
        log_topics = (kind, bytes(32), bytes(32)) if kind != SYNC else (kind,)
        after[emitter] = after[emitter].applied(_log(emitter, log_topics, data, place))
    emitters = [emitter for emitter, _, _ in good]
    assert [POOLS[row].address for row in taken.changed[:changes].tolist()] == list(dict.fromkeys(emitters))
    assert [emitters[at] for at in taken.first[:changes].tolist()] == list(dict.fromkeys(emitters))
    assert lefts == 0
    assert taken.prior[:changes].tolist() == [packed(POOLS).state[row].tolist() for row in taken.changed[:changes]]
    assert states.state.tolist() == packed([after[pool.address] for pool in POOLS]).state.tolist()


def _log(emitter: str, topics: tuple[bytes, ...], data: list[int], place: int) -> Log:
    return Log(address(emitter), topics, b"".join(word(each) for each in data), 1, "0x", "0x", 0, place)


def test_addresses_that_fall_into_one_slot_are_still_told_apart() -> None:
    many = [address(f"0x{number:040x}") for number in range(1, 2_000)]
    table = directory(many)
    assert sorted(row for row in table.rows.tolist() if row != NOBODY) == list(range(len(many)))
    with pytest.raises(ValueError, match="occurs twice"):
        directory([many[0], many[0]])


def test_whose_an_address_is_can_be_said_anew() -> None:
    register, many = Register(), [address(f"0x{number:040x}") for number in range(1, 200)]
    for row, each in enumerate(many):
        register.put(address_name(each), row)
        register.put(address_name(many[0]), BY_HAND)
    assert [register.table.row(address_name(each)) for each in many] == [BY_HAND, *range(1, 199)]
