"""Whose code a token runs and whom it calls, read from a `callTracer` trace of one trip there and back. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from chains.assets import Address, address
from chains.pools.words import selector

_LAST_PRECOMPILE = 0x1FF
_BALANCE_OF = "0x" + selector("balanceOf(address)").hex()
_DELEGATING = frozenset({"DELEGATECALL", "CALLCODE"})

Frame = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Touched:
    """Other contracts than the token: whose code it runs, whom it asks (`balances`: for a balance), whom it calls."""

    delegates: frozenset[Address]
    asked: frozenset[Address]
    balances: frozenset[Address]
    called: frozenset[Address]


def touched(trace: Frame, token: Address) -> Touched:
    """All that `token` touched anywhere in `trace`."""
    delegates, asked, balances, called = set(), set(), set(), set()
    for entry in _entries(trace, token):
        for frame in _own(entry):
            to = _to(frame)
            if to is None or to == token:
                continue
            if frame["type"] in _DELEGATING:
                delegates.add(to)
            elif frame["type"] == "STATICCALL":
                asked.add(to)
                if entry["input"].startswith(_BALANCE_OF):
                    balances.add(to)
            else:
                called.add(to)
    return Touched(frozenset(delegates), frozenset(asked), frozenset(balances), frozenset(called))


def embedded(targets: Set[Address], codes: Mapping[Address, bytes]) -> frozenset[Address]:
    """Those of `targets` whose address is a part of some code: clones and libraries, which cannot be replaced."""
    return frozenset(at for at in targets if any(bytes.fromhex(at[2:]) in code for code in codes.values()))


def _entries(frame: Frame, token: Address) -> Iterator[Frame]:
    """Every call into `token`, also those it makes to itself or comes back from elsewhere."""
    for child in frame.get("calls", ()):
        if _to(child) == token:
            yield child
        yield from _entries(child, token)


def _own(entry: Frame) -> Iterator[Frame]:
    """Every call that code running for the token makes itself, however deep its delegates are."""
    for child in entry.get("calls", ()):
        yield child
        if child["type"] in _DELEGATING:
            yield from _own(child)


def _to(frame: Frame) -> Address | None:
    """Whom a frame calls. None for a precompile; a contract it creates counts by its address."""
    to = frame.get("to")
    return address(to) if to and int(to, 16) > _LAST_PRECOMPILE else None
