"""What an executor and its inventory are made with, for ever."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from chains.assets import ZERO_ADDRESS, Address
from chains.loans import Lender, Loan

if TYPE_CHECKING:
    from chains.networks import Network

MAX_TOKENS = 4
"""As many profit tokens, as many inventory tokens and as many operators as the contracts have immutables for."""

MILLION = 10**6


class Rpc(Protocol):
    """Anything that answers JSON-RPC: `chains.anvil.Anvil`, `bot.rpc.HttpRpc`."""

    async def rpc(self, method: str, *params: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Bound:
    """The least that must come back for what the inventory lends: what it is worth at the mean price of the last
    `window_s` seconds, less `slippage_ppm`. A million asks nothing of a trade.
    """

    window_s: int
    slippage_ppm: int

    @property
    def asks_nothing(self) -> bool:
        """Whether no reference is needed: the cap alone bounds what a trade may lose."""
        return self.slippage_ppm == MILLION


UNBOUNDED = Bound(0, MILLION)
"""For forks, where nothing can be lost, and chains without a pool that remembers prices."""


@dataclass(frozen=True, slots=True)
class InventoryCap:
    """A token the inventory lends to `exchange`: at most `per_block` base units of it in one block.

    `reference` is the Uniswap V3 pool between the inventory's first token and this one that says what it is worth; the
    zero address for the first token, and where nothing is asked of a trade.
    """

    token: Address
    per_block: int
    reference: Address = ZERO_ADDRESS


@dataclass(frozen=True, slots=True)
class Venues:
    """The singletons an executor settles hops at, and takes loans from; the zero address for what a chain lacks."""

    wrapped_native: Address = ZERO_ADDRESS
    pool_manager: Address = ZERO_ADDRESS
    balancer_vault_v2: Address = ZERO_ADDRESS
    balancer_vault_v3: Address = ZERO_ADDRESS
    aave_pool: Address = ZERO_ADDRESS

    @classmethod
    def of(cls, network: Network) -> Venues:
        """Those that `network` names among its contracts."""
        return cls(
            Address(network.wrapped.address),
            network.contracts.get("uniswap_v4_pool_manager", ZERO_ADDRESS),
            network.contracts.get("balancer_v2_vault", ZERO_ADDRESS),
            network.contracts.get("balancer_v3_vault", ZERO_ADDRESS),
            network.contracts.get("aave_v3_pool", ZERO_ADDRESS),
        )

    def lender(self, loan: Loan) -> Address:
        """Whom `loan` comes from and goes back to. (Aave keeps its tokens elsewhere; its pool is who is asked.)"""
        singletons = {
            Lender.UNISWAP_V4: self.pool_manager,
            Lender.BALANCER_V3: self.balancer_vault_v3,
            Lender.BALANCER_V2: self.balancer_vault_v2,
            Lender.AAVE_V3: self.aave_pool,
        }
        return singletons.get(loan.lender, loan.pool)

    async def present(self, rpc: Rpc) -> Venues:
        """Those of them that have code on the chain behind `rpc`."""
        code = [await rpc.rpc("eth_getCode", at, "latest") for at in astuple(self)]
        return Venues(*(at if found != "0x" else ZERO_ADDRESS for at, found in zip(astuple(self), code, strict=True)))


NO_VENUES = Venues()
"""A chain, or a test, with nothing but two-token pools and wrappers."""


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """What an executor is made with, for ever. `profit_tokens` are those a cycle may earn in.

    `operators` are one to four hot keys with the same rights: each may trade, none may withdraw.
    """

    owner: Address
    operators: tuple[Address, ...]
    treasury: Address
    profit_tokens: tuple[Address, ...]
    inventory: tuple[InventoryCap, ...] = ()
    venues: Venues = NO_VENUES
    bound: Bound = UNBOUNDED

    @property
    def references(self) -> list[Address]:
        """The pools that say what the tokens beyond the first are worth, in the tokens' order."""
        return [cap.reference for cap in self.inventory[1:] if not self.bound.asks_nothing]

    def refusal(self) -> str | None:
        """Why nothing is made with these settings, in one line; None where something is. The contract itself refuses
        them too, but for a treasury that is somebody else here.
        """
        listed = [cap.token for cap in self.inventory]
        if ZERO_ADDRESS in (self.owner, *self.operators, self.treasury, *self.profit_tokens, *listed):
            return "the zero address is nobody: name an owner, an operator, a treasury and real tokens"
        if not 1 <= len(self.operators) <= MAX_TOKENS:
            return f"{len(self.operators)} operators given: name one to {MAX_TOKENS}"
        if len(set(self.operators)) < len(self.operators):
            return "an operator is named twice"
        if self.owner in self.operators:
            return f"owner and operator are both {self.owner}: the key that trades must not be the key that withdraws"
        if self.treasury in self.operators:
            return f"treasury and operator are both {self.treasury}: what is swept must not go to the key that trades"
        if self.treasury in (*self.profit_tokens, *listed, *self.references, *astuple(self.venues)):
            return f"the treasury {self.treasury} is a token or a venue: what is swept there is lost"
        if not 1 <= len(self.profit_tokens) <= MAX_TOKENS:
            return f"{len(self.profit_tokens)} profit tokens given: name one to {MAX_TOKENS}"
        if len(listed) > MAX_TOKENS:
            return f"{len(listed)} inventory tokens given: at most {MAX_TOKENS} fit"
        if len(set(listed)) < len(listed):
            return "an inventory token is named twice"
        for cap in self.inventory:
            if not 0 < cap.per_block < 1 << 128:
                return f"the cap of {cap.token} is {cap.per_block}: it must be positive and below 2^128"
        return self._bound_refusal()

    def _bound_refusal(self) -> str | None:
        if not 0 <= self.bound.slippage_ppm <= MILLION:
            return f"a slippage of {self.bound.slippage_ppm} ppm is none: write 0 to {MILLION}"
        referenced = [cap for cap in self.inventory if cap.reference != ZERO_ADDRESS]
        if self.bound.asks_nothing or len(self.inventory) < 2:
            return f"{referenced[0].token} needs no reference here: leave it out" if referenced else None
        if not 0 < self.bound.window_s < 1 << 32:
            return f"a mean price of {self.bound.window_s} seconds is none: write 1 to 2^32 - 1"
        if self.inventory[0] in referenced:
            return f"{self.inventory[0].token} is what the others are priced in: it has no reference itself"
        missing = [cap.token for cap in self.inventory[1:] if cap.reference == ZERO_ADDRESS]
        return f"{missing[0]} has no reference: name a Uniswap V3 pool of it" if missing else None
