"""Uniswap V4 pool keys, their ids, and what the flags in a hook contract's address let it do. No state lives here.

Source: v4-core, PoolKey, PoolId and Hooks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chains.assets import ZERO_ADDRESS, Address, Token
from chains.pools.pool import PPM, MalformedState

DYNAMIC_FEE = 0x800000
"""Stands in a key where the hook contract sets the LP fee."""

MAX_TICK_SPACING = 2**15 - 1
_FLAG_MASK = (1 << 14) - 1


class HookFlag(IntFlag):
    """What a hook contract is called for, by the bits of its address."""

    BEFORE_INITIALIZE = 1 << 13
    AFTER_INITIALIZE = 1 << 12
    BEFORE_ADD_LIQUIDITY = 1 << 11
    AFTER_ADD_LIQUIDITY = 1 << 10
    BEFORE_REMOVE_LIQUIDITY = 1 << 9
    AFTER_REMOVE_LIQUIDITY = 1 << 8
    BEFORE_SWAP = 1 << 7
    AFTER_SWAP = 1 << 6
    BEFORE_DONATE = 1 << 5
    AFTER_DONATE = 1 << 4
    BEFORE_SWAP_RETURNS_DELTA = 1 << 3
    AFTER_SWAP_RETURNS_DELTA = 1 << 2
    AFTER_ADD_LIQUIDITY_RETURNS_DELTA = 1 << 1
    AFTER_REMOVE_LIQUIDITY_RETURNS_DELTA = 1 << 0


SWAP_FLAGS = (
    HookFlag.BEFORE_SWAP | HookFlag.AFTER_SWAP | HookFlag.BEFORE_SWAP_RETURNS_DELTA | HookFlag.AFTER_SWAP_RETURNS_DELTA
)
"""With any of these the hook contract runs in a swap, and may change what it pays or refuse it."""


def hook_flags(hooks: Address) -> HookFlag:
    """What the hook contract at this address is called for."""
    return HookFlag(int(hooks, 16) & _FLAG_MASK)


@dataclass(frozen=True, slots=True)
class PoolKey:
    """What names a pool. The zero address as a token is the native coin; `fee_ppm` may be `DYNAMIC_FEE`.

    `pool_id` is the hash of the rest: the pool's name in the manager's storage and events.
    """

    tokens: tuple[Token, Token]
    fee_ppm: int
    tick_spacing: int
    hooks: Address = ZERO_ADDRESS
    pool_id: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        first, second = (int(token.address, 16) for token in self.tokens)
        if first >= second:
            raise MalformedState(f"{self.tokens[0]} and {self.tokens[1]} are not in the order of a pool key")
        if not 0 <= self.fee_ppm <= PPM and self.fee_ppm != DYNAMIC_FEE:
            raise MalformedState(f"a pool key cannot have a fee of {self.fee_ppm} ppm")
        if self.fee_ppm == DYNAMIC_FEE and self.hooks == ZERO_ADDRESS:
            raise MalformedState("a pool key with a dynamic fee needs the hook contract that sets it")
        if not 0 < self.tick_spacing <= MAX_TICK_SPACING:
            raise MalformedState(f"a pool key cannot have a tick spacing of {self.tick_spacing}")
        values = (self.tokens[0].address, self.tokens[1].address, self.fee_ppm, self.tick_spacing, self.hooks)
        packed = encode(["address", "address", "uint24", "int24", "address"], values)
        object.__setattr__(self, "pool_id", bytes(keccak(packed)))

    @property
    def swap_flags(self) -> HookFlag:
        """The flags that let the hook contract change a swap."""
        return hook_flags(self.hooks) & SWAP_FLAGS


@dataclass(frozen=True, slots=True)
class HookedPool:
    """A pool whose hook contract may change what a swap pays. It has no `quote`, and is never traded on trust."""

    manager: Address
    key: PoolKey

    @property
    def venue(self) -> str:
        return "0x" + self.key.pool_id.hex()

    @property
    def why(self) -> str:
        """Why it is not quoted."""
        names = ", ".join(str(flag.name) for flag in self.key.swap_flags)
        return f"the hook contract {self.key.hooks} of pool {self.venue} may change its swaps: {names}"
