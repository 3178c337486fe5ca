"""Call data of the executor contract's two entries, strictly decoded again; `chains.hops` packs what lies between.

The layout is that of `contracts/src/Executor.sol`; `tests/contracts` holds both against each other. The signer imports
this module, so it needs no codec of anybody's: all arguments are words, and the last one is an array of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from eth_utils.crypto import keccak

from chains.assets import Address
from chains.hops import (
    BalancerV2Route,
    BalancerV3Route,
    CurveRoute,
    Hop,
    HopKind,
    InvalidCallData,
    Route,
    UniswapV4Route,
    address_in,
    bits,
    pack,
    unpack,
)
from chains.loans import Lender, Loan, is_loan, pack_loan, unpack_loan

__all__ = [
    "EXCHANGE",
    "RUN",
    "SELECTORS",
    "SIGNATURES",
    "BalancerV2Route",
    "BalancerV3Route",
    "CurveRoute",
    "CycleCall",
    "ExchangeCall",
    "ExecutorCall",
    "Hop",
    "HopKind",
    "InvalidCallData",
    "Lender",
    "Loan",
    "Route",
    "Share",
    "UniswapV4Route",
    "decode",
    "encode",
]

SIGNATURES = ("run(uint256,uint256,bytes32,uint256[])", "exchange(uint256,uint256,address,bytes32,uint256[])")
RUN, EXCHANGE = SELECTORS = tuple(keccak(text=signature)[:4] for signature in SIGNATURES)
"""The first four bytes of the two entries' call data: `run`, then `exchange`."""

_WORD_BYTES = 32
_TOKEN_BITS = 160
_BLOCK_BITS = _TIME_BITS = 48
_TIME_OFFSET = 208
_AMOUNT_BITS = 128
_LENGTH_BITS = 16
_LENGTH_OFFSET = 160
_KIND_OFFSET = 184
_SHARE_KIND = 18


@dataclass(frozen=True, slots=True)
class Share:
    """One of several routes that share the input: `amount_in` base units of it go along the next `hops` hops."""

    amount_in: int
    hops: int


@dataclass(frozen=True, slots=True)
class CycleCall:
    """`run`: closed cycles from `token` to `token`, on credit of their first hops or on a `loan`, without inventory.

    `amount_in` and `min_gain` are base units of `token`, below 2^128; `max_block` is the last block it may land in, and
    `deadline_s` the last second, in Unix time; `parent_hash`, unless 32 zero bytes, must be the hash of the block
    before it. Without `shares` the hops are one route; with them, they are as many routes, one after the other.
    """

    token: Address
    amount_in: int
    min_gain: int
    max_block: int
    deadline_s: int
    parent_hash: bytes
    hops: tuple[Hop, ...]
    loan: Loan | None = None
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class ExchangeCall:
    """`exchange`: spends `amount_in` of the inventory's `token_in` for at least `min_out` of `token_out`.

    Amounts, block, time and shares as in `CycleCall`.
    """

    token_in: Address
    amount_in: int
    token_out: Address
    min_out: int
    max_block: int
    deadline_s: int
    parent_hash: bytes
    hops: tuple[Hop, ...]
    shares: tuple[Share, ...] = ()


ExecutorCall = CycleCall | ExchangeCall


def encode(call: ExecutorCall) -> bytes:
    """The call data that makes the executor do `call`.

    Raises `InvalidCallData` for a value that does not fit its field, and for shares that are not the whole.
    """
    try:
        words = _words(call)
        if isinstance(call, CycleCall):
            if call.loan:
                words.insert(0, pack_loan(call.loan))
            amounts = _amounts(call.amount_in, call.min_gain)
            return RUN + _arguments([_head(call.token, call), amounts], call.parent_hash, words)
        amounts = _amounts(call.amount_in, call.min_out)
        bought = bits(call.token_out, _TOKEN_BITS)
        return EXCHANGE + _arguments([_head(call.token_in, call), amounts, bought], call.parent_hash, words)
    except (OverflowError, TypeError) as error:
        raise InvalidCallData(f"no call data for this call: {error}") from error


def decode(data: bytes) -> ExecutorCall:
    """The call that `data` makes: the inverse of `encode`.

    Raises `InvalidCallData` for anything that `encode` would not have written, down to the last byte.
    """
    selector, arguments = data[:4], data[4:]
    if selector not in SELECTORS:
        raise InvalidCallData(f"selector 0x{selector.hex()} is neither run nor exchange")
    call = _cycle(arguments) if selector == RUN else _exchange(arguments)
    if encode(call) != data:
        raise InvalidCallData("the arguments are not in canonical form")
    return call


def _arguments(fixed: Sequence[int], parent_hash: bytes, words: Sequence[int]) -> bytes:
    """`fixed`, the hash, where the array begins, its length, and the array (Solidity's ABI)."""
    if len(parent_hash) != _WORD_BYTES:
        raise InvalidCallData(f"a parent hash of {len(parent_hash)} bytes")
    begins = (len(fixed) + 2) * _WORD_BYTES
    return b"".join((*map(_word, fixed), parent_hash, *map(_word, (begins, len(words), *words))))


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD_BYTES, "big")


def _read(arguments: bytes, fixed: int) -> tuple[list[int], bytes, list[int]]:
    """The inverse of `_arguments`, for so many `fixed` ones."""
    read = [int.from_bytes(arguments[at : at + _WORD_BYTES], "big") for at in range(0, len(arguments), _WORD_BYTES)]
    words = read[fixed + 3 :]
    if len(arguments) % _WORD_BYTES or read[fixed + 1 : fixed + 3] != [(fixed + 2) * _WORD_BYTES, len(words)]:
        raise InvalidCallData("the arguments are not in canonical form")
    return read[:fixed], arguments[fixed * _WORD_BYTES : (fixed + 1) * _WORD_BYTES], words


def _head(token: Address, call: ExecutorCall) -> int:
    until = bits(call.max_block, _BLOCK_BITS) << _TOKEN_BITS | bits(call.deadline_s, _TIME_BITS) << _TIME_OFFSET
    return bits(token, _TOKEN_BITS) | until


def _until(head: int) -> tuple[int, int]:
    """The last block and the last second."""
    return head >> _TOKEN_BITS & (1 << _BLOCK_BITS) - 1, head >> _TIME_OFFSET


def _amounts(amount_in: int, least: int) -> int:
    return bits(amount_in, _AMOUNT_BITS) | bits(least, _AMOUNT_BITS) << _AMOUNT_BITS


def _words(call: ExecutorCall) -> list[int]:
    """The hops' words, each route behind a word that says its share; the last takes what is left, and says zero."""
    if not call.shares:
        return [word for hop in call.hops for word in pack(hop)]
    whole = sum(share.amount_in for share in call.shares), sum(share.hops for share in call.shares)
    if len(call.shares) < 2 or whole != (call.amount_in, len(call.hops)):
        raise InvalidCallData(f"{call.shares} are not {call.amount_in} base units over {len(call.hops)} hops")
    words: list[int] = []
    rest = iter(call.hops)
    for share in call.shares:
        route = [word for hop in islice(rest, share.hops) for word in pack(hop)]
        amount = 0 if share is call.shares[-1] else share.amount_in
        words.append(
            bits(amount, _TOKEN_BITS) | bits(len(route), _LENGTH_BITS) << _LENGTH_OFFSET | _SHARE_KIND << _KIND_OFFSET
        )
        words += route
    return words


def _routes(words: Sequence[int], amount_in: int) -> tuple[tuple[Hop, ...], tuple[Share, ...]]:
    """The inverse of `_words`."""
    if not words or words[0] >> _KIND_OFFSET != _SHARE_KIND:
        return unpack(words), ()
    hops: list[Hop] = []
    shares: list[Share] = []
    index = 0
    while index < len(words):
        length = words[index] >> _LENGTH_OFFSET & (1 << _LENGTH_BITS) - 1
        route = unpack(words[index + 1 : index + 1 + length])
        last = index + 1 + length >= len(words)
        amount = amount_in if last else words[index] & (1 << _TOKEN_BITS) - 1
        shares.append(Share(amount, len(route)))
        hops += route
        amount_in -= amount
        index += 1 + length
    return tuple(hops), tuple(shares)


def _cycle(arguments: bytes) -> CycleCall:
    (head, amounts), parent_hash, words = _read(arguments, 2)
    loan = unpack_loan(words[0]) if words and is_loan(words[0]) else None
    amount_in, min_gain = _split(amounts)
    hops, shares = _routes(words[1:] if loan else words, amount_in)
    return CycleCall(address_in(head), amount_in, min_gain, *_until(head), parent_hash, hops, loan, shares)


def _exchange(arguments: bytes) -> ExchangeCall:
    (head, amounts, token_out), parent_hash, words = _read(arguments, 3)
    amount_in, min_out = _split(amounts)
    hops, shares = _routes(words, amount_in)
    return ExchangeCall(
        address_in(head),
        amount_in,
        address_in(token_out),
        min_out,
        *_until(head),
        parent_hash,
        hops,
        shares,
    )


def _split(amounts: int) -> tuple[int, int]:
    return amounts & (1 << _AMOUNT_BITS) - 1, amounts >> _AMOUNT_BITS
