"""Sweeping: what the executor and its inventory hold goes to the treasury, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from bot.execution.deployment import DeploymentFailed, balance, call_data, transact, verify
from bot.execution.settings import Rpc
from chains.anvil import RpcError
from chains.assets import ZERO_ADDRESS, Address, address

_SWEPT = "0x" + keccak(text="Swept(address,uint256)").hex()


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep sent to the treasury, in base units."""

    contract: Address
    token: Address
    amount: int
    tx_hash: str


@dataclass(frozen=True, slots=True)
class Unswept:
    """A token that could not be moved out of a contract, and what it or the node answered."""

    contract: Address
    token: Address
    why: str


async def sweep(
    rpc: Rpc,
    owner: LocalAccount,
    executor: Address,
    tokens: Sequence[Address],
    chain_id: int,
    most_tip_wei: int | None = None,
) -> tuple[Swept | Unswept, ...]:
    """Send all that the executor and its inventory hold of `tokens` to the treasury; nothing is sent for nothing held.

    The zero address is the native coin, of which the executor is swept alone: the inventory takes none, and what is
    forced upon it stays there. `most_tip_wei` as in `transact`.

    A token that does not answer, or does not let itself be moved, keeps no other from being swept. Raises
    `DeploymentFailed` for a key that is not the owner's, `VerificationFailed`, and what `rpc` raises but `RpcError`.
    """
    made = await verify(rpc, executor)
    if made.settings.owner != address(owner.address):
        raise DeploymentFailed(f"the executor's owner is {made.settings.owner}, the key given is {owner.address}'s")
    found: list[Swept | Unswept] = []
    for contract in (made.executor, made.inventory):
        for token in tokens:
            if (contract, token) == (made.inventory, ZERO_ADDRESS):
                continue
            try:
                if await balance(rpc, token, contract):
                    found.append(await _swept(rpc, owner, contract, token, chain_id, most_tip_wei))
            except (DeploymentFailed, RpcError) as error:
                found.append(Unswept(contract, token, str(error)))
    return tuple(found)


async def _swept(
    rpc: Rpc, owner: LocalAccount, contract: Address, token: Address, chain_id: int, most_tip_wei: int | None
) -> Swept:
    data = call_data("sweep(address)", token)
    receipt = await transact(rpc, owner, chain_id, contract, data, most_tip_wei=most_tip_wei)
    amount = next(
        int(log["data"], 16)
        for log in receipt["logs"]
        if address(log["address"]) == contract and log["topics"][0] == _SWEPT
    )
    return Swept(contract, token, amount, receipt["transactionHash"])
