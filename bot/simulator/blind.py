"""Code that asks what the EVM of this process cannot say: it is not run here, so that it cannot tell where it runs."""

from __future__ import annotations

from enum import IntEnum


class Op(IntEnum):
    """The opcodes that matter here (Yellow Paper, appendix H; EIP-3198, EIP-7516, EIP-7939)."""

    STOP = 0x00
    CLZ = 0x1E
    BASEFEE = 0x48
    BLOBBASEFEE = 0x4A
    JUMP = 0x56
    JUMPDEST = 0x5B
    PUSH1 = 0x60
    PUSH32 = 0x7F
    CREATE = 0xF0
    RETURN = 0xF3
    REVERT = 0xFD
    INVALID = 0xFE
    SELFDESTRUCT = 0xFF


_ENDS = frozenset({Op.STOP, Op.JUMP, Op.RETURN, Op.REVERT, Op.INVALID, Op.SELFDESTRUCT})
# pyrevm runs every call at a base fee of zero and knows no opcode after Cancun's; a nonce in the store may be old, and
# a created address follows from it.
_UNKNOWABLE = frozenset({Op.CLZ, Op.BASEFEE, Op.BLOBBASEFEE, Op.CREATE})
_DELEGATION = bytes.fromhex("ef0100")


def is_blind(code: bytes) -> bool:
    """Whether `code` could execute one of those opcodes, or is a delegation (EIP-7702) that pyrevm does not know.

    What follows the end of a basic block is reachable only from a JUMPDEST on, so metadata rarely counts.
    """
    if code.startswith(_DELEGATION):
        return True
    at, reachable = 0, True
    while at < len(code):
        op = code[at]
        if op == Op.JUMPDEST:
            reachable = True
        elif reachable and op in _UNKNOWABLE:
            return True
        elif op in _ENDS:
            reachable = False
        at += op - Op.PUSH1 + 2 if Op.PUSH1 <= op <= Op.PUSH32 else 1
    return False
