"""How a deployed executor stands: what it holds, what its keys can pay for, and that nobody may move anything of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

from bot.execution.deployment import Deployment, DeploymentFailed, balance, transact, verify
from bot.execution.settings import Rpc
from chains.anvil import RpcError
from chains.assets import ZERO_ADDRESS, Address, address

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


@dataclass(frozen=True, slots=True)
class Held:
    """What one contract holds of one token, in base units. The zero address is the native coin."""

    contract: Address
    token: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """Base units of `token` that `spender` may take from `contract`: at rest there are none."""

    contract: Address
    token: Address
    spender: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Key:
    """An operator key and its native coins, in wei; `short` says that they are below what was asked for."""

    operator: Address
    balance_wei: int
    short: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A verified deployment and what it holds; every allowance found is listed, and none should be."""

    made: Deployment
    held: tuple[Held, ...]
    keys: tuple[Key, ...]
    allowances: tuple[Allowance, ...]
    silent: tuple[Address, ...] = ()
    """Inventory tokens whose reference does not say what they are worth: nothing can be exchanged for them."""


@dataclass(frozen=True, slots=True)
class TopUp:
    """What one operator key was sent, in wei."""

    operator: Address
    amount_wei: int
    tx_hash: str


async def standing(rpc: Rpc, executor: Address, *, least_wei: int) -> Standing:
    """Verify `executor` against this build, and read what there is to know of it. A key with less than `least_wei` is
    short of gas.

    Allowances are asked of every token it was made with, for its keys and all its venues. Raises as `verify`.
    """
    made = await verify(rpc, executor)
    settings = made.settings
    tokens = list(dict.fromkeys([*settings.profit_tokens, *(cap.token for cap in settings.inventory)]))
    contracts = (made.executor, made.inventory)
    held = [Held(at, token, await balance(rpc, token, at)) for at in contracts for token in (*tokens, ZERO_ADDRESS)]
    spenders = [it for it in (settings.owner, *settings.operators, *astuple(settings.venues)) if it != ZERO_ADDRESS]
    allowances = [
        Allowance(at, token, spender, await _allowance(rpc, token, at, spender))
        for at in contracts
        for token in tokens
        for spender in spenders
        if spender != token
    ]
    return Standing(
        made,
        tuple(held),
        await _keys(rpc, settings.operators, least_wei),
        tuple(found for found in allowances if found.amount),
        await _silent(rpc, made),
    )


async def top_up(
    rpc: Rpc,
    owner: LocalAccount,
    executor: Address,
    *,
    least_wei: int,
    to_wei: int,
    chain_id: int,
    most_tip_wei: int | None = None,
) -> tuple[TopUp, ...]:
    """Send each operator key that has less than `least_wei` what it lacks to `to_wei`, from the owner's own coins.

    `most_tip_wei` as in `transact`. Raises `DeploymentFailed` for a key that is not the owner's and for coins it has
    not, and as `verify`.
    """
    made = await verify(rpc, executor)
    if made.settings.owner != address(owner.address):
        raise DeploymentFailed(f"the executor's owner is {made.settings.owner}, the key given is {owner.address}'s")
    if to_wei < least_wei:
        raise DeploymentFailed(f"keys would be topped up to {to_wei} wei, and still be short of {least_wei}")
    sent = []
    for key in await _keys(rpc, made.settings.operators, least_wei):
        if not key.short:
            continue
        lacking = to_wei - key.balance_wei
        has = await balance(rpc, ZERO_ADDRESS, address(owner.address))
        if has <= lacking:
            raise DeploymentFailed(
                f"the owner has {has} wei, and {key.operator} lacks {lacking}; nothing more was sent"
            )
        receipt = await transact(rpc, owner, chain_id, key.operator, b"", value_wei=lacking, most_tip_wei=most_tip_wei)
        sent.append(TopUp(key.operator, lacking, receipt["transactionHash"]))
    return tuple(sent)


async def _silent(rpc: Rpc, made: Deployment) -> tuple[Address, ...]:
    selector, types = keccak(text="leastOut(address,uint256,address)")[:4], ("address", "uint256", "address")
    silent = []
    for cap in made.settings.inventory[1:]:
        data = selector + abi_encode(types, (made.settings.inventory[0].token, 1, cap.token))
        try:
            await rpc.rpc("eth_call", {"to": made.inventory, "data": "0x" + data.hex()}, "latest")
        except RpcError:
            silent.append(cap.token)
    return tuple(silent)


async def _keys(rpc: Rpc, operators: Sequence[Address], least_wei: int) -> tuple[Key, ...]:
    balances = [await balance(rpc, ZERO_ADDRESS, operator) for operator in operators]
    return tuple(Key(who, wei, wei < least_wei) for who, wei in zip(operators, balances, strict=True))


async def _allowance(rpc: Rpc, token: Address, holder: Address, spender: Address) -> int:
    data = keccak(text="allowance(address,address)")[:4] + abi_encode(("address", "address"), (holder, spender))
    answer = await rpc.rpc("eth_call", {"to": token, "data": "0x" + data.hex()}, "latest")
    return int(answer[:66], 16) if len(answer) >= 66 else 0
