"""Code that asks what an EVM of this process cannot or must not say: it is not put there, so that it cannot be run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache


class Op(IntEnum):
    """The opcodes that matter here (Yellow Paper, appendix H; EIP-3198, EIP-7516, EIP-7939)."""

    STOP = 0x00
    CLZ = 0x1E
    COINBASE = 0x41
    PREVRANDAO = 0x44
    BASEFEE = 0x48
    BLOBBASEFEE = 0x4A
    JUMP = 0x56
    JUMPDEST = 0x5B
    PUSH1 = 0x60
    PUSH32 = 0x7F
    CREATE = 0xF0
    RETURN = 0xF3
    CREATE2 = 0xF5
    REVERT = 0xFD
    INVALID = 0xFE
    SELFDESTRUCT = 0xFF


_ENDS = frozenset({Op.STOP, Op.JUMP, Op.RETURN, Op.REVERT, Op.INVALID, Op.SELFDESTRUCT})
# pyrevm runs every call at a base fee of zero and knows no opcode after Cancun's; a nonce in the store may be old, and
# a created address follows from it.
_UNKNOWABLE = frozenset({Op.CLZ, Op.BASEFEE, Op.BLOBBASEFEE, Op.CREATE})
# What is created may ask as well.
_OF_BUILDERS = frozenset({Op.COINBASE, Op.PREVRANDAO, Op.CREATE2})
_LOOKED_FOR = _UNKNOWABLE | _OF_BUILDERS
_DELEGATION = bytes.fromhex("ef0100")
# Pairs of one factory have the same code, and so have most tokens that one launchpad made.
KEPT_CODES = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """What code could ask: as `blind`, what pyrevm cannot say; as `asking`, itself or what it creates, who builds."""

    blind: bool
    asking: bool


@lru_cache(maxsize=KEPT_CODES)
def asked_by(code: bytes) -> Asked:
    """What `code` could ask. A delegation (EIP-7702), which pyrevm does not know, is blind."""
    found = _executable(code)
    return Asked(code.startswith(_DELEGATION) or not found.isdisjoint(_UNKNOWABLE), not found.isdisjoint(_OF_BUILDERS))


def _executable(code: bytes) -> set[int]:
    """Which of the opcodes that are looked for `code` could execute.

    What follows the end of a basic block is reachable only from a JUMPDEST on, so metadata rarely counts.
    """
    found: set[int] = set()
    at = 0
    while (at := _past_others(code, at)) < len(code):
        found.add(code[at])
        at += 1
    return found


def _past_others(code: bytes, at: int) -> int:
    matched = _OTHERS.match(code, at)
    assert matched is not None, "a run may be empty"
    return matched.end()


def _one_of(opcodes: Iterable[int]) -> bytes:
    return b"[%b]" % b"".join(rb"\x%02x" % op for op in opcodes)


def _run_but(stops: frozenset[int], also: bytes = b"(?!)") -> bytes:
    """Instructions one after another, with what they push, up to one of `stops`, and what is `also` passed. A loop over
    them is ten times as slow: it was most of what a contract that was never met before took."""
    pushes = (rb"\x%02x[\x00-\xff]{0,%d}+" % (op, op - Op.PUSH1 + 1) for op in range(Op.PUSH1, Op.PUSH32 + 1))
    single = _one_of(op for op in range(256) if not (op in stops or Op.PUSH1 <= op <= Op.PUSH32))
    return rb"(?:%b++|%b|%b)*+" % (single, b"|".join(pushes), also)


_DEAD = _one_of(sorted(_ENDS)) + _run_but(frozenset({Op.JUMPDEST}))
_OTHERS = re.compile(_run_but(_ENDS | _LOOKED_FOR, _DEAD))
"""From an instruction that can be reached to the next one that is looked for."""
