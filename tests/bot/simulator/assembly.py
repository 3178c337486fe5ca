"""A little EVM assembly for contracts that no compiler would write: opcodes, numbers, labels (`there:`, `@there`)."""

from __future__ import annotations

_OPS = {
    **{"STOP": 0x00, "ADD": 0x01, "SUB": 0x03, "DIV": 0x04, "MUL": 0x02, "EQ": 0x14, "ISZERO": 0x15, "AND": 0x16},
    **{
        "BALANCE": 0x31,
        "CALLER": 0x33,
        "GAS": 0x5A,
        "GT": 0x11,
        "CALLDATALOAD": 0x35,
        "CALLDATASIZE": 0x36,
        "CALLDATACOPY": 0x37,
        "CALL": 0xF1,
        "COINBASE": 0x41,
    },
    **{"PREVRANDAO": 0x44, "BASEFEE": 0x48, "BLOCKHASH": 0x40, "POP": 0x50, "MSTORE": 0x52, "SLOAD": 0x54},
    **{"SSTORE": 0x55, "JUMP": 0x56, "JUMPI": 0x57, "TLOAD": 0x5C, "TSTORE": 0x5D, "RETURN": 0xF3, "REVERT": 0xFD},
    **{"GASPRICE": 0x3A, "NUMBER": 0x43, "DUP1": 0x80, "DUP2": 0x81, "SWAP1": 0x90, "INVALID": 0xFE},
    **{"CREATE2": 0xF5, "EXTCODESIZE": 0x3B, "STATICCALL": 0xFA},
}
_JUMPDEST, _PUSH1, _PUSH2, _PUSH32 = 0x5B, 0x60, 0x61, 0x7F


def assemble(source: str) -> bytes:
    """The code of `source`: words of opcodes, decimal or 0x-prefixed numbers, `label:` and `@label`."""
    code, labels, open_jumps = bytearray(), dict[str, int](), list[tuple[int, str]]()
    for token in source.split():
        if token.endswith(":"):
            labels[token[:-1]] = len(code)
            code.append(_JUMPDEST)
        elif token.startswith("@"):
            open_jumps.append((len(code) + 1, token[1:]))
            code += bytes((_PUSH2, 0, 0))
        elif token in _OPS:
            code.append(_OPS[token])
        else:
            number = int(token, 0)
            size = max(1, (number.bit_length() + 7) // 8)
            code += bytes((_PUSH1 + size - 1,)) + number.to_bytes(size, "big")
    for at, label in open_jumps:
        code[at : at + 2] = labels[label].to_bytes(2, "big")
    return bytes(code)


BALANCE_OR_PAY = """
    CALLDATASIZE 36 EQ @balance JUMPI
    {condition} @pay JUMPI STOP
    pay: 0 SLOAD 100 ADD 0 SSTORE STOP
    balance: 0 SLOAD 0 MSTORE 32 0 RETURN
"""
"""A token with one balance for everybody, which any other call than `balanceOf` raises by 100 if `condition` holds."""


def pays_when(condition: str) -> str:
    """The code, as hex, of such a token."""
    return "0x" + assemble(BALANCE_OR_PAY.format(condition=condition)).hex()
