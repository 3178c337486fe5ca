"""Runs an asking against answers by contract and question, as a chain would give them."""

from __future__ import annotations

from collections.abc import Mapping

from chains.assets import Address
from chains.discovery.found import Asking
from chains.pools.words import selector

Answers = Mapping[tuple[Address, str], bytes]
"""What a contract answers to a function, by its signature; anything else fails."""


def asked(asking: Asking, answers: Answers):
    """What `asking` returns."""
    known = {(at, selector(signature)): answer for (at, signature), answer in answers.items()}
    try:
        calls = next(asking)
        while True:
            calls = asking.send(tuple(known.get((call.to, call.data[:4]), b"") for call in calls))
    except StopIteration as finished:
        return finished.value
