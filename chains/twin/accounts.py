"""The twin's own accounts: nobody holds a key to them, the twin's node impersonates them."""

from __future__ import annotations

from eth_utils.crypto import keccak

from chains.assets import Address, address


def _named(name: str) -> Address:
    return address("0x" + keccak(text=f"isthmus twin: {name}")[-20:].hex())


TRADERS: tuple[Address, ...] = tuple(_named(f"trader {number}") for number in range(24))
"""One transaction per trader and block, so that a block's order never depends on their nonces."""

CROWD = _named("crowd")
"""Everybody else who wants blockspace."""

CROWD_SINK = _named("crowd sink")
"""A contract that burns all the gas it is given, at no computing cost: its code is INVALID (0xfe)."""

MINTER = _named("minter")
"""TwinMinter: owns the V3 positions."""

BUILDER = _named("builder")
"""Sends the transactions that open the pools."""
