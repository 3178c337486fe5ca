"""Bytes that must never be signed, whatever led to them: other types, fields, encodings, and forbidden calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import rlp

from bot.reasons import Reason
from bot.signer.case import Case, build
from bot.signer.forbidden import FORBIDDEN
from bot.transaction import UnsignedTransaction
from chains import executor
from tests.bot.signer.making import CYCLE, ETHER, EXECUTOR, HEAD, NOW_S, OTHER, POLICY, ask

TO = bytes.fromhex(EXECUTOR[2:])


def good_case() -> Case:
    """What the policy permits."""
    case = build(POLICY, ask(), newest_head=HEAD, now_s=NOW_S)
    assert isinstance(case, Case)
    return case


GOOD = good_case()
TX = GOOD.transaction


def number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


FIELDS = [
    *map(number, (TX.chain_id, TX.nonce, TX.tip_wei, TX.max_fee_wei, TX.gas_limit)),
    *(TO, b"", TX.data, []),
]
assert bytes([2]) + rlp.encode(FIELDS) == GOOD.payload


def typed(kind: int, fields: list[object]) -> bytes:
    return bytes([kind]) + bytes(rlp.encode(fields))


def with_field(index: int, value: object) -> bytes:
    return typed(2, [value if at == index else field for at, field in enumerate(FIELDS)])


_LEGACY = [number(7), number(10**9), number(300_000), TO, b"", TX.data]
_AUTHORISATION = [number(31337), bytes.fromhex(OTHER[2:]), b"", b"\x01", b"\x01" * 32, b"\x01" * 32]

PAYLOADS: dict[str, bytes] = {
    "nothing": b"",
    "only a type": b"\x02",
    "a legacy transaction": rlp.encode(_LEGACY),
    "a legacy transaction for this chain": rlp.encode([*_LEGACY, number(31337), b"", b""]),
    "a legacy transaction for every chain": rlp.encode([*_LEGACY, b"", b"", b""]),
    "an access-list transaction": typed(1, [number(31337), *_LEGACY, []]),
    "a blob transaction": typed(3, [*FIELDS, number(1), [b"\x01" * 32]]),
    "a delegation of the account": typed(4, [*FIELDS, [_AUTHORISATION]]),
    "a delegation under type 2": typed(2, [*FIELDS, [_AUTHORISATION]]),
    "type 0": typed(0, FIELDS),
    "type 5": typed(5, FIELDS),
    "type 0x7e, a rollup's deposit": typed(0x7E, FIELDS),
    "type 0x19, a message (EIP-191)": b"\x19\x01" + bytes(64),
    "a personal message": b"\x19Ethereum Signed Message:\n5hello",
    "a hash": b"\x99" * 32,
    "the creation of a contract": with_field(5, b""),
    "a recipient of 19 bytes": with_field(5, TO[1:]),
    "a recipient of 21 bytes": with_field(5, TO + b"\0"),
    "another recipient": with_field(5, bytes.fromhex(OTHER[2:])),
    "the zero address": with_field(5, bytes(20)),
    "no chain": with_field(0, b""),
    "another chain": with_field(0, number(1)),
    "a chain with a zero before it": with_field(0, b"\0" + number(31337)),
    "another nonce": with_field(1, number(8)),
    "nonce 2^64": with_field(1, number(2**64)),
    "another tip": with_field(2, number(TX.tip_wei + 1)),
    "a tip above the fee": with_field(2, number(TX.max_fee_wei + 1)),
    "another fee": with_field(3, number(TX.max_fee_wei + 1)),
    "another gas limit": with_field(4, number(TX.gas_limit + 1)),
    "a wei sent along": with_field(6, b"\x01"),
    "value 2^256": with_field(6, number(2**256)),
    "other call data": with_field(7, TX.data[:-1] + b"\x01"),
    "no call data": with_field(7, b""),
    "one byte more of call data": with_field(7, TX.data + b"\0"),
    "an access list": with_field(8, [[TO, [bytes(32)]]]),
    "an access list that is text": with_field(8, b""),
    "a list as a number": with_field(1, [b"\x07"]),
    "a field too few": typed(2, FIELDS[:-1]),
    "a field too many": typed(2, [*FIELDS, b""]),
    "a byte behind": GOOD.payload + b"\0",
    "a byte missing": GOOD.payload[:-1],
    "twice the same": GOOD.payload * 2,
    "fields that are no list": b"\x02" + bytes(rlp.encode(b"".join(FIELDS[:-1]))),  # type: ignore[arg-type]
    "a length in long form": b"\x02\xfa\x00" + GOOD.payload[2:],
    "already signed": typed(2, [*FIELDS, b"\x01", b"\x01" * 32, b"\x01" * 32]),
}


def retold(change: Callable[[UnsignedTransaction], UnsignedTransaction]) -> Case:
    """The good case with another transaction, encoded as it is."""
    changed = change(TX)
    return dataclasses.replace(GOOD, transaction=changed, payload=changed.payload())


def holding(selector: str) -> Case:
    """The good case, except that a word of its arguments begins with `selector`."""
    assert isinstance(GOOD.call, executor.CycleCall)
    call = dataclasses.replace(GOOD.call, parent_hash=bytes.fromhex(selector[2:]).ljust(32, b"\0"))
    case = retold(lambda tx: dataclasses.replace(tx, data=executor.encode(call)))
    return dataclasses.replace(case, call=call)


CASES: dict[str, tuple[Case, Reason]] = {
    **{name: (dataclasses.replace(GOOD, payload=payload), Reason.SIGNER_TYPE) for name, payload in PAYLOADS.items()},
    **{f"{text} within": (holding(selector), Reason.SIGNER_FORBIDDEN) for selector, text in FORBIDDEN.items()},
    **{
        f"{text} itself": (
            retold(lambda tx, selector=selector: dataclasses.replace(tx, data=bytes.fromhex(selector[2:]) + bytes(64))),
            Reason.SIGNER_SELECTOR,
        )
        for selector, text in FORBIDDEN.items()
    },
    "coins sent along": (retold(lambda tx: dataclasses.replace(tx, value_wei=1)), Reason.SIGNER_VALUE),
    "an ether sent along": (retold(lambda tx: dataclasses.replace(tx, value_wei=ETHER)), Reason.SIGNER_VALUE),
    "value 2^128": (retold(lambda tx: dataclasses.replace(tx, value_wei=2**128)), Reason.SIGNER_VALUE),
    "a byte behind the arguments": (
        retold(lambda tx: dataclasses.replace(tx, data=tx.data + b"\0")),
        Reason.SIGNER_CALLDATA,
    ),
    "arguments cut short": (retold(lambda tx: dataclasses.replace(tx, data=tx.data[:-32])), Reason.SIGNER_CALLDATA),
    "another plan's call": (
        dataclasses.replace(GOOD, call=CYCLE.executor_call(1, 0)),
        Reason.SIGNER_CALLDATA,
    ),
}
"""By name: a case whose bytes are not what the policy permits, and the code of its refusal."""
