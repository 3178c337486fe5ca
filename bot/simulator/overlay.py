"""What is laid over a fork: code, storage and balances that the chain itself does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from chains.anvil import Anvil, RpcError
from chains.assets import Address

_BALANCE_OF = keccak(text="balanceOf(address)")[:4]


class CannotOverlay(RuntimeError):
    """A token whose balances cannot be set on a fork; the message names it."""


def balance_of_data(account: Address) -> bytes:
    """Call data of ERC-20 `balanceOf(account)`."""
    return _BALANCE_OF + bytes(12) + bytes.fromhex(account[2:])


@dataclass(frozen=True, slots=True)
class Overlay:
    """Placed on a fork after each reset, so that a plan can be tried on any node without owning anything there.

    `code` is runtime code by address; `storage` words by (address, slot); `native` wei by account; `nonces` by account;
    `tokens` base units by (account, ERC-20).
    """

    code: Mapping[Address, bytes] = field(default_factory=dict)
    storage: Mapping[tuple[Address, int], int] = field(default_factory=dict)
    native: Mapping[Address, int] = field(default_factory=dict)
    nonces: Mapping[Address, int] = field(default_factory=dict)
    tokens: Mapping[tuple[Address, Address], int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the fork is as the chain is."""
        return not (self.code or self.storage or self.native or self.nonces or self.tokens)

    async def place(self, anvil: Anvil) -> None:
        """Put everything on `anvil`'s present state. Raises `CannotOverlay`, `RpcError`, `AnvilFailed`."""
        calls = self._state_calls()
        if calls:
            await anvil.batch(calls)
        for (account, token), amount in self.tokens.items():
            await self._deal(anvil, account, token, amount)

    def _state_calls(self) -> list[tuple[str, tuple[Any, ...]]]:
        return [
            *(("anvil_setCode", (account, "0x" + code.hex())) for account, code in self.code.items()),
            *(
                ("anvil_setStorageAt", (account, hex(slot), f"0x{word:064x}"))
                for (account, slot), word in self.storage.items()
            ),
            *(("anvil_setBalance", (account, hex(wei))) for account, wei in self.native.items()),
            *(("anvil_setNonce", (account, hex(nonce))) for account, nonce in self.nonces.items()),
        ]

    async def _deal(self, anvil: Anvil, account: Address, token: Address, amount: int) -> None:
        try:
            await anvil.rpc("anvil_dealERC20", account, token, hex(amount))
            question = {"to": token, "data": "0x" + balance_of_data(account).hex()}
            placed = int(await anvil.rpc("eth_call", question, "latest"), 16)
        except (RpcError, ValueError) as error:
            raise CannotOverlay(
                f"the balance of token {token} cannot be set on a fork ({error}); leave it out of the inventory"
            ) from None
        if placed != amount:
            raise CannotOverlay(
                f"token {token} shows {placed} after {amount} was set on a fork; leave it out of the inventory"
            )
