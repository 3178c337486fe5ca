"""Every family is written to a snapshot and read back unchanged, whatever its state."""

import dataclasses
import json
import types
from collections.abc import Mapping
from enum import Enum
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chains.assets import Address, Token
from chains.pools.registry import FAMILIES
from chains.pools.tick_math import Ticks
from chains.pools.uniswap_v4_key import PoolKey
from chains.printing import one_line
from chains.snapshot.codec import decode, encode, reference, tokens_in
from tests.chains.pools.samples import at, ticks_of, token

SPACING = 10
steps = st.integers(-1000, 1000).map(lambda step: step * SPACING)
ticks = st.lists(st.tuples(steps, st.integers(1, 100), st.integers(1, 2**100)), max_size=4).map(
    lambda spans: ticks_of([(low, low + width * SPACING, liquidity) for low, width, liquidity in spans], SPACING)
)
keys = st.builds(
    lambda number, fee_ppm, spacing: PoolKey((token(number, "A"), token(number + 1, "B")), fee_ppm, spacing),
    st.integers(1, 2**159),
    st.integers(0, 10**6),
    st.integers(1, 32767),
)
PLAIN = {
    int: st.integers(-(2**256), 2**256),
    bool: st.booleans(),
    str: st.text(max_size=8).map(one_line),
    bytes: st.binary(max_size=40),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Address: st.integers(0, 2**160 - 1).map(at),
    Token: st.integers(1, 2**160 - 1).map(lambda number: token(number, f"T{number % 100}", number % 30)),
    PoolKey: keys,
    Ticks: ticks | st.integers(-(10**5), 10**5).map(lambda tick: Ticks.around(tick, SPACING)),
}


def values(hint):
    """Anything that `hint` allows, also what no such pool can be in."""
    if hint in PLAIN:
        return PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin in (Union, types.UnionType):
        return st.one_of(*(st.none() if one is types.NoneType else values(one) for one in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(*map(values, arguments), max_size=3)
    if isinstance(hint, type) and issubclass(hint, Ticks):
        return values(Ticks).map(lambda ticks: hint(**{name: getattr(ticks, name) for name in parts(Ticks)}))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    return st.builds(hint, **{name: values(part) for name, part in parts(hint).items()})


def parts(kind):
    """The fields that make a dataclass or a named tuple, and their hints."""
    hints = get_type_hints(kind)
    if dataclasses.is_dataclass(kind):
        return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}
    return {name: hints[name] for name in kind._fields}


def classes_in(kind, found=None):
    """The dataclasses a state is made of, the pool's own first."""
    found = {} if found is None else found
    if dataclasses.is_dataclass(kind) and kind not in (*found, *PLAIN) and not issubclass(kind, Ticks):
        found[kind] = None
        kinds = parts(kind).values()
    else:
        kinds = parts(kind).values() if hasattr(kind, "_fields") and kind not in PLAIN else get_args(kind)
    for one in kinds:
        classes_in(one, found)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_state_is_read_back_unchanged(family, monkeypatch):
    """Without the classes' own checks: what they refuse is theirs to test, what a file keeps is tested here."""
    kind = FAMILIES[family].pool
    for checked in classes_in(kind):
        monkeypatch.setattr(checked, "__post_init__", lambda self: None, raising=False)

    @settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
    @given(values(kind))
    def unchanged(pool):
        named = {reference(token): token for token in tokens_in(pool)}
        if len(named) == len(tokens_in(pool)):
            assert decode(json.loads(json.dumps(encode(pool))), kind, named, "pool") == pool

    unchanged()
