"""32-byte ABI words: the few conversions that logs, calls and answers of pools need."""

from __future__ import annotations

from eth_utils.crypto import keccak

from chains.assets import Address, address
from chains.pools.pool import AmountOutOfRange, MalformedState

WORD = 32


def topic(signature: str) -> bytes:
    """The first topic of the event with this canonical signature."""
    return bytes(keccak(text=signature))


def selector(signature: str) -> bytes:
    """The four bytes that call the function with this canonical signature."""
    return bytes(keccak(text=signature)[:4])


def unsigned(data: bytes, index: int = 0) -> int:
    """The `index`-th word of `data` as uint256."""
    return int.from_bytes(data[WORD * index : WORD * (index + 1)], "big")


def signed(data: bytes, index: int = 0) -> int:
    """The `index`-th word of `data` as int256."""
    return int.from_bytes(data[WORD * index : WORD * (index + 1)], "big", signed=True)


def word(value: int) -> bytes:
    """A signed or unsigned integer as one word."""
    return value.to_bytes(WORD, "big", signed=value < 0)


def account(answer: bytes, question: str, index: int = 0) -> Address:
    """The `index`-th word of `answer` as an address. Raises `MalformedState` where it is none."""
    value = unsigned(require_words(answer, index + 1, question), index)
    if value >> 160:
        raise MalformedState(f"{question} answered {value:#x}, which is no address")
    return address(f"0x{value:040x}")


def require_words(answer: bytes, count: int, question: str) -> bytes:
    """`answer` unchanged. Raises `MalformedState` if it is shorter than `count` words (an empty one: no contract)."""
    if len(answer) < WORD * count:
        raise MalformedState(f"{question} answered {len(answer)} bytes, expected {WORD * count}: is this such a pool?")
    return answer


def uint256(value: int) -> int:
    """`value`, where 256 bits hold it. Raises `AmountOutOfRange` where the contract's arithmetic would revert."""
    if not 0 <= value < 2**256:
        raise AmountOutOfRange("the contract's 256-bit arithmetic does not hold these balances and amounts")
    return value
