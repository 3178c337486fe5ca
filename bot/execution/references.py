"""The pools an inventory goes by: which they are, and whether each is what it must be. Nothing is sent here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from bot.execution.settings import Bound, InventoryCap, Rpc
from chains.anvil import RpcError
from chains.assets import ZERO_ADDRESS, Address, address
from chains.networks import Network
from chains.networks.factory import Family

_MOST_OBSERVATIONS = 65_535


class NoReference(RuntimeError):
    """An inventory token whose worth no pool can tell; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """A pool of a known factory between two tokens, its liquidity, and how many blocks' prices it remembers."""

    at: Address
    liquidity: int
    observations: int


@dataclass(frozen=True, slots=True)
class References:
    """Finds and checks references on the chain behind `rpc`, for means over `bound.window_s`."""

    rpc: Rpc
    network: Network
    bound: Bound

    async def inventory(
        self, caps: Sequence[tuple[Address, int]], named: Sequence[Address] = ()
    ) -> tuple[InventoryCap, ...]:
        """The tokens with their caps in base units, each beyond the first with its reference.

        That is the one `named`, in the same order; without any, of the network's own Uniswap V3 pools the one with the
        most liquidity that remembers long enough. Raises `NoReference`, and what `rpc` raises.
        """
        if self.bound.asks_nothing or len(caps) < 2:
            if named:
                raise NoReference("reference_pools are for inventory tokens beyond the first: leave them out")
            return tuple(InventoryCap(token, cap) for token, cap in caps)
        (first, cap), rest = caps[0], caps[1:]
        if named and len(named) != len(rest):
            raise NoReference(f"{len(named)} reference_pools for {len(rest)} inventory tokens beyond the first")
        meant: Sequence[Address | None] = named or [None] * len(rest)
        asked = (self._priced(first, token, most, at) for (token, most), at in zip(rest, meant, strict=True))
        return (InventoryCap(first, cap), *await asyncio.gather(*asked))

    async def problem(self, first: Address, token: Address, at: Address) -> str | None:
        """Why the pool at `at` cannot say what `token` is worth in `first`, in one line; None when it can."""
        tokens = await self._ask(at, "token0()", "address"), await self._ask(at, "token1()", "address")
        if None in tokens:
            return f"reference {at} is no pool on this chain"
        if {address(str(found)) for found in tokens} != {first, token}:
            return f"reference {at} is a pool of {tokens[0]} and {tokens[1]}, not of {first} and {token}"
        fee = await self._ask(at, "fee()", "uint24")
        if fee is None or at not in await self._made(first, token, [int(fee)]):
            return f"reference {at} was made by no Uniswap V3 factory that {self.network.name} names"
        if await self._observations(at) < self._needed:
            return self._forgets(at)
        if not await self._remembers(at):
            return f"reference {at} does not remember {self.bound.window_s} s yet: {self._remedy(at)}"
        return None

    async def _priced(self, first: Address, token: Address, most: int, named: Address | None) -> InventoryCap:
        at = named or await self._deepest(first, token)
        if problem := await self.problem(first, token, at):
            raise NoReference(problem)
        return InventoryCap(token, most, at)

    async def _deepest(self, first: Address, token: Address) -> Address:
        """The pool with the most liquidity, of those that remember enough where any does."""
        pools = await asyncio.gather(*(self._seen(at) for at in await self._made(first, token)))
        if not pools:
            raise NoReference(
                f"{self.network.name} has no Uniswap V3 pool of {first} and {token}, which would say what that is "
                "worth; leave it out of executor.inventory_caps, or begin them with another token"
            )
        enough = [pool for pool in pools if pool.observations >= self._needed] or pools
        return max(enough, key=lambda pool: pool.liquidity).at

    async def _made(self, first: Address, token: Address, fees: Sequence[int] | None = None) -> list[Address]:
        """The pools of both that the network's factories have made, of these fees or of all there are."""
        asked = [
            (factory.address, (("address", "address", "uint24"), (first, token, fee)))
            for factory in self.network.factories.values()
            if factory.family is Family.CONCENTRATED
            for fee in fees or factory.tick_spacings
        ]
        signature = "getPool(address,address,uint24)"
        found = await asyncio.gather(*(self._ask(at, signature, "address", what) for at, what in asked))
        return [at for at in (address(str(each)) for each in found if each is not None) if at != ZERO_ADDRESS]

    async def _seen(self, at: Address) -> _Pool:
        liquidity = await self._ask(at, "liquidity()", "uint128") or 0
        return _Pool(at, int(liquidity), await self._observations(at))

    async def _observations(self, at: Address) -> int:
        """How many prices it keeps, or will once it has come round: `observationCardinalityNext`."""
        words = await self._answer(at, keccak(text="slot0()")[:4])
        return int.from_bytes(words[4 * 32 : 5 * 32], "big")

    async def _remembers(self, at: Address) -> bool:
        data = keccak(text="observe(uint32[])")[:4] + abi_encode(["uint32[]"], [[self.bound.window_s, 0]])
        return bool(await self._answer(at, data))

    @property
    def _needed(self) -> int:
        """As many prices as a window has blocks, at most one a second."""
        return min(-(-self.bound.window_s // self.network.block_step_s) + 1, _MOST_OBSERVATIONS)

    def _forgets(self, at: Address) -> str:
        return f"reference {at} remembers fewer prices than {self.bound.window_s} s may bring: {self._remedy(at)}"

    def _remedy(self, at: Address) -> str:
        grow = f"cast send {at} 'increaseObservationCardinalityNext(uint16)' {self._needed}"
        return f"anyone may have it keep more (`{grow}`); ask again {self.bound.window_s} s later"

    async def _ask(
        self, at: Address, signature: str, kind: str, asked: tuple[Sequence[str], Sequence[Any]] = ((), ())
    ) -> Any:
        """One value; None where nothing answers so."""
        answer = await self._answer(at, keccak(text=signature)[:4] + abi_encode(*asked))
        try:
            return abi_decode([kind], answer)[0] if answer else None
        except DecodingError:
            return None

    async def _answer(self, at: Address, data: bytes) -> bytes:
        """What a view answers; nothing where it reverts, or nobody is there."""
        try:
            return bytes.fromhex((await self.rpc.rpc("eth_call", {"to": at, "data": "0x" + data.hex()}, "latest"))[2:])
        except RpcError:
            return b""
