"""Call data of the executor contract's two entries, strictly decoded again; `chains.hops` packs what lies between.

The layout is that of `contracts/src/Executor.sol`; `tests/contracts` holds both against each other. The signer imports
this module, so it needs nothing but the ABI codec.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.address import to_checksum_address
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
    pack,
    unpack,
)

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
    "Route",
    "UniswapV4Route",
    "decode",
    "encode",
]

SIGNATURES = (
    "run(address,uint256,uint256,uint256,bytes32,uint256[])",
    "exchange(address,uint256,address,uint256,uint256,bytes32,uint256[])",
)
RUN, EXCHANGE = SELECTORS = tuple(keccak(text=signature)[:4] for signature in SIGNATURES)
"""The first four bytes of the two entries' call data: `run`, then `exchange`."""

_RUN_TYPES = ("address", "uint256", "uint256", "uint256", "bytes32", "uint256[]")
_EXCHANGE_TYPES = ("address", "uint256", "address", "uint256", "uint256", "bytes32", "uint256[]")


@dataclass(frozen=True, slots=True)
class CycleCall:
    """`run`: a closed cycle from `token` to `token`, its first hop taken as a flash swap, so no inventory is needed.

    `amount_in` and `min_gain` are base units of `token`; `max_block` is the last block it may land in;
    `parent_hash`, unless 32 zero bytes, must be the hash of the block before it.
    """

    token: Address
    amount_in: int
    min_gain: int
    max_block: int
    parent_hash: bytes
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class ExchangeCall:
    """`exchange`: spends `amount_in` of the inventory's `token_in` for at least `min_out` of `token_out`."""

    token_in: Address
    amount_in: int
    token_out: Address
    min_out: int
    max_block: int
    parent_hash: bytes
    hops: tuple[Hop, ...]


ExecutorCall = CycleCall | ExchangeCall


def encode(call: ExecutorCall) -> bytes:
    """The call data that makes the executor do `call`.

    Raises `InvalidCallData` for a value that does not fit its field.
    """
    try:
        words = [word for hop in call.hops for word in pack(hop)]
        if isinstance(call, CycleCall):
            run = (call.token, call.amount_in, call.min_gain, call.max_block, call.parent_hash, words)
            return RUN + abi_encode(_RUN_TYPES, run)
        exchange = (
            call.token_in,
            call.amount_in,
            call.token_out,
            call.min_out,
            call.max_block,
            call.parent_hash,
            words,
        )
        return EXCHANGE + abi_encode(_EXCHANGE_TYPES, exchange)
    except (EncodingError, TypeError) as error:
        raise InvalidCallData(f"no call data for this call: {error}") from error


def decode(data: bytes) -> ExecutorCall:
    """The call that `data` makes: the inverse of `encode`.

    Raises `InvalidCallData` for anything that `encode` would not have written, down to the last byte.
    """
    selector, arguments = data[:4], data[4:]
    if selector not in SELECTORS:
        raise InvalidCallData(f"selector 0x{selector.hex()} is neither run nor exchange")
    try:
        call = _cycle(arguments) if selector == RUN else _exchange(arguments)
    except (DecodingError, OverflowError) as error:
        raise InvalidCallData(f"the arguments cannot be read: {error}") from error
    if encode(call) != data:
        raise InvalidCallData("the arguments are not in canonical form")
    return call


def _cycle(arguments: bytes) -> CycleCall:
    token, amount_in, min_gain, max_block, parent_hash, words = abi_decode(_RUN_TYPES, arguments)
    return CycleCall(_address(token), amount_in, min_gain, max_block, parent_hash, unpack(words))


def _exchange(arguments: bytes) -> ExchangeCall:
    token_in, amount_in, token_out, min_out, max_block, parent_hash, words = abi_decode(_EXCHANGE_TYPES, arguments)
    return ExchangeCall(
        _address(token_in),
        amount_in,
        _address(token_out),
        min_out,
        max_block,
        parent_hash,
        unpack(words),
    )


def _address(digits: str) -> Address:
    return Address(str(to_checksum_address(digits)))
