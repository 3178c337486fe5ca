"""A pool factory: which family its pools are of, and where CREATE2 (EIP-1014) puts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from eth_utils.crypto import keccak

from chains.assets import Address
from chains.create2 import created_at, pool_salt

_CLONE_OF = bytes.fromhex("3d602d80600a3d3981f3363d3d373d3d3d363d73")
_CLONE_TO = bytes.fromhex("5af43d82803e903d91602b57fd5bf3")


class Family(StrEnum):
    """How a factory's pools price a swap; by the same names as `chains.pools`."""

    CONSTANT_PRODUCT = "constant_product"
    CONCENTRATED = "concentrated"
    CAMELOT = "camelot"
    SOLIDLY = "solidly"
    SLIPSTREAM = "slipstream"
    ALGEBRA = "algebra"

    @property
    def creation_events(self) -> tuple[str, ...]:
        """The signatures of the events, one of which such a factory emits for each new pool."""
        return _CREATION_EVENTS[self]


_CREATION_EVENTS: Mapping[Family, tuple[str, ...]] = MappingProxyType(
    {
        Family.CONSTANT_PRODUCT: ("PairCreated(address,address,address,uint256)",),
        Family.CONCENTRATED: ("PoolCreated(address,address,uint24,int24,address)",),
        Family.CAMELOT: ("PairCreated(address,address,address,uint256)",),
        Family.SOLIDLY: (
            "PoolCreated(address,address,bool,address,uint256)",
            "PairCreated(address,address,bool,address,uint256)",
        ),
        Family.SLIPSTREAM: ("PoolCreated(address,address,int24,address)",),
        Family.ALGEBRA: ("Pool(address,address,address)", "CustomPool(address,address,address,address)"),
    }
)


class NoDerivation(LookupError):
    """A factory whose pools' addresses cannot be computed: its file has no init code hash for it."""


@dataclass(frozen=True, slots=True)
class Factory:
    """A pool factory.

    `init_code_hash` (32 bytes) gives its pools' addresses by CREATE2 from `deployer`; empty where it is not known. Only
    where it is `proven`, by pools others recorded, is a derived address ever believed. `tick_spacings` maps each input
    fee, in parts per million, to the tick spacing of its pools; a constant-product factory has one fee and no ticks, so
    its spacing there is 0. `spacings` are those of a family whose pools are told apart by them. `deploy_block` is the
    block before which it has no events; 0 where that is not known.
    """

    protocol: str
    family: Family
    address: Address
    init_code_hash: bytes
    tick_spacings: Mapping[int, int]
    creator: Address | None = None
    spacings: tuple[int, ...] = ()
    deploy_block: int = 0
    proven: bool = False

    @property
    def fees_ppm(self) -> tuple[int, ...]:
        """The input fees its pools can have; empty where each pool has its own."""
        return tuple(self.tick_spacings)

    @property
    def deployer(self) -> Address:
        """The contract that performs CREATE2: the factory itself, except where another does it for it."""
        return self.creator or self.address

    def pool(self, first: str, second: str, kind: int = 0) -> Address:
        """The address of the pool of two tokens, in any order. Raises `NoDerivation`.

        `kind` tells pools of one pair apart: the fee in ppm (`concentrated`), the tick spacing (`slipstream`), whether
        it is stable (`solidly`); families with one pool per pair have none.
        """
        if not self.init_code_hash:
            raise NoDerivation(f"the addresses of {self.protocol}'s pools cannot be computed; ask {self.address}")
        return created_at(self.deployer, pool_salt(self.family, first, second, kind), self.init_code_hash)

    @property
    def kinds(self) -> tuple[int, ...]:
        """What `kind` can be for `pool`."""
        match self.family:
            case Family.CONCENTRATED:
                return self.fees_ppm
            case Family.SLIPSTREAM:
                return self.spacings
            case Family.SOLIDLY:
                return (0, 1)
        return (0,)


def clone_code_hash(implementation: Address) -> bytes:
    """keccak-256 of the creation code of a minimal proxy of `implementation` (EIP-1167, as OpenZeppelin's Clones)."""
    return bytes(keccak(_CLONE_OF + bytes.fromhex(implementation[2:]) + _CLONE_TO))
