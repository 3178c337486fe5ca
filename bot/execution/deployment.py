"""Deploying and verifying the executor: the owner's acts, signed with the owner's key, never the bot's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak
from rlp import encode as rlp_encode

from bot.execution.artefacts import BOUND_IMMUTABLES, VENUE_IMMUTABLES, Artefact, executor_artefact, inventory_artefact
from bot.execution.settings import MAX_TOKENS, NO_VENUES, Bound, ExecutorSettings, InventoryCap, Rpc, Venues
from bot.gas import coins
from chains.anvil import RpcError
from chains.assets import ZERO_ADDRESS, Address, address

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_CONSTRUCTOR = (
    "address",
    "address[]",
    "address",
    "address[]",
    "(address[],uint128[],address[],uint32,uint32)",
    "(address,address,address,address,address)",
)
_GAS_MARGIN_PERCENT = 120
_POLL_S = 0.2
_POLLS = 600


class DeploymentFailed(RuntimeError):
    """A deployment, or another act of the owner's, that was refused, reverted or never mined; it says which."""


class VerificationFailed(RuntimeError):
    """What is on chain is not this executor with these settings; the message names the difference."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """An executor found on chain: its code was read at `block_number`; `code_hash` is keccak-256 of it (0x hex)."""

    executor: Address
    inventory: Address
    block_number: int
    code_hash: str
    settings: ExecutorSettings


async def deploy(
    rpc: Rpc,
    owner: LocalAccount,
    *,
    operator: Address,
    treasury: Address,
    profit_tokens: Sequence[Address],
    inventory: Sequence[InventoryCap],
    bound: Bound,
    chain_id: int,
    venues: Venues = NO_VENUES,
    further_operators: Sequence[Address] = (),
    most_tip_wei: int | None = None,
) -> Deployment:
    """Create the executor, and by it its inventory, then verify both. `owner` pays the gas, as `transact` says.

    Raises `DeploymentFailed`, `VerificationFailed`, `MissingTool`, and what `rpc` raises.
    """
    settings = ExecutorSettings(
        address(owner.address),
        (operator, *further_operators),
        treasury,
        tuple(profit_tokens),
        tuple(inventory),
        venues,
        bound,
    )
    refusal = settings.refusal()
    if refusal:
        raise DeploymentFailed(refusal)
    tokens = [cap.token for cap in settings.inventory]
    caps = [cap.per_block for cap in settings.inventory]
    stock = (tokens, caps, settings.references, *astuple(bound))
    arguments = (
        settings.owner,
        settings.operators,
        treasury,
        settings.profit_tokens,
        stock,
        astuple(venues),
    )
    receipt = await transact(
        rpc,
        owner,
        chain_id,
        None,
        executor_artefact().creation + abi_encode(_CONSTRUCTOR, arguments),
        most_tip_wei=most_tip_wei,
    )
    return await verify(rpc, address(receipt["contractAddress"]), settings, block=receipt["blockNumber"])


async def verify(
    rpc: Rpc, executor: Address, settings: ExecutorSettings | None = None, *, block: str = "latest"
) -> Deployment:
    """Prove that `executor` and its inventory are this build's code, made with `settings`.

    Every immutable is read back, and the code on chain must equal the artefact's with those immutables filled in.
    Without `settings` the ones read are taken as meant. Raises `VerificationFailed`, `MissingTool`.
    """
    number = int((await rpc.rpc("eth_getBlockByNumber", block, False))["number"], 16)
    found = await settings_of(rpc, executor, block=hex(number))
    for field in ExecutorSettings.__dataclass_fields__ if settings else ():
        actual, meant = getattr(found, field), getattr(settings, field)
        if actual != meant:
            raise VerificationFailed(f"{field} of the executor at {executor} is {_shown(actual)}, not {_shown(meant)}")
    inventory = _created_by(executor)
    parties = {"OWNER": int(found.owner, 16), "TREASURY": int(found.treasury, 16)}
    profit = [int(token, 16) for token in found.profit_tokens]
    tokens = [int(cap.token, 16) for cap in found.inventory]
    caps = [cap.per_block for cap in found.inventory]
    code = await _check(
        rpc,
        executor_artefact(),
        executor,
        {
            **parties,
            "CHAIN_ID": int(await rpc.rpc("eth_chainId"), 16),
            **_numbered("OPERATOR", [int(operator, 16) for operator in found.operators]),
            "INVENTORY": int(inventory, 16),
            **_numbered("PROFIT_TOKEN", profit),
            **{getter: int(at, 16) for getter, at in zip(VENUE_IMMUTABLES, astuple(found.venues), strict=True)},
        },
        hex(number),
    )
    await _check(
        rpc,
        inventory_artefact(),
        inventory,
        {
            **parties,
            "EXECUTOR": int(executor, 16),
            **_numbered("TOKEN", tokens),
            **_numbered("CAP", caps),
            **_numbered("REFERENCE", [int(cap.reference, 16) for cap in found.inventory]),
            **dict(zip(BOUND_IMMUTABLES, astuple(found.bound), strict=True)),
        },
        hex(number),
    )
    return Deployment(executor, inventory, number, "0x" + keccak(code).hex(), found)


async def settings_of(rpc: Rpc, executor: Address, *, block: str = "latest") -> ExecutorSettings:
    """What the contracts themselves say they were made with. Raises `VerificationFailed` when nothing answers so."""
    if await rpc.rpc("eth_getCode", executor, block) == "0x":
        raise VerificationFailed(f"there is no contract at {executor}; deploy one with `isthmus executor deploy`")

    async def word(contract: Address, getter: str) -> int:
        call = {"to": contract, "data": "0x" + keccak(text=f"{getter}()")[:4].hex()}
        try:
            answer = await rpc.rpc("eth_call", call, block)
        except RpcError:
            answer = "0x"
        if len(answer) != 2 + 64:
            raise VerificationFailed(f"the contract at {contract} does not answer {getter}(): it is no executor")
        return int(answer, 16)

    async def party(contract: Address, getter: str) -> Address:
        return address(f"0x{await word(contract, getter):040x}")

    inventory = await party(executor, "INVENTORY")
    profit_tokens = [await party(executor, f"PROFIT_TOKEN_{i}") for i in range(MAX_TOKENS)]
    operators = [await party(executor, f"OPERATOR_{i}") for i in range(MAX_TOKENS)]
    caps = [
        InventoryCap(
            await party(inventory, f"TOKEN_{i}"),
            await word(inventory, f"CAP_{i}"),
            await party(inventory, f"REFERENCE_{i}") if i else ZERO_ADDRESS,
        )
        for i in range(MAX_TOKENS)
    ]
    return ExecutorSettings(
        await party(executor, "OWNER"),
        tuple(operator for operator in operators if operator != ZERO_ADDRESS),
        await party(executor, "TREASURY"),
        tuple(token for token in profit_tokens if token != ZERO_ADDRESS),
        tuple(cap for cap in caps if cap.token != ZERO_ADDRESS),
        Venues(*[await party(executor, getter) for getter in VENUE_IMMUTABLES]),
        Bound(*[await word(inventory, getter) for getter in BOUND_IMMUTABLES]),
    )


async def _check(rpc: Rpc, artefact: Artefact, contract: Address, values: dict[str, int], block: str) -> bytes:
    code = bytes.fromhex((await rpc.rpc("eth_getCode", contract, block))[2:])
    if code != artefact.runtime(values):
        raise VerificationFailed(
            f"the code at {contract} is not the {artefact.name} of this build; check the address, or deploy a new one"
        )
    return code


def _numbered(prefix: str, values: Sequence[int]) -> dict[str, int]:
    return {f"{prefix}_{i}": values[i] if i < len(values) else 0 for i in range(MAX_TOKENS)}


def _created_by(executor: Address) -> Address:
    """The first contract a contract creates: the inventory, made in the executor's constructor (EIP-161, nonce 1)."""
    return address("0x" + keccak(rlp_encode([bytes.fromhex(executor[2:]), 1]))[-20:].hex())


def call_data(signature: str, argument: Address) -> bytes:
    """The call of a function of one address."""
    return bytes(keccak(text=signature)[:4]) + abi_encode(("address",), (argument,))


def _shown(value: object) -> str:
    if isinstance(value, Venues):
        return ", ".join(astuple(value))
    if isinstance(value, Bound):
        return f"a mean of {value.window_s} s less {value.slippage_ppm} ppm"
    if not isinstance(value, tuple):
        return str(value)
    return ", ".join(_shown_cap(item) if isinstance(item, InventoryCap) else str(item) for item in value) or "none"


def _shown_cap(cap: InventoryCap) -> str:
    by = f" by {cap.reference}" if cap.reference != ZERO_ADDRESS else ""
    return f"{cap.token} up to {cap.per_block}{by}"


async def balance(rpc: Rpc, token: Address, holder: Address) -> int:
    """What `holder` has of `token`, in base units; the zero address is the native coin. Raises `DeploymentFailed`."""
    if token == ZERO_ADDRESS:
        return int(await rpc.rpc("eth_getBalance", holder, "latest"), 16)
    answer = await rpc.rpc(
        "eth_call", {"to": token, "data": "0x" + call_data("balanceOf(address)", holder).hex()}, "latest"
    )
    if len(answer) < 2 + 64:
        raise DeploymentFailed(f"{token} does not answer balanceOf: it is no token on this chain")
    return int(answer, 16)


async def transact(
    rpc: Rpc,
    sender: LocalAccount,
    chain_id: int,
    to: Address | None,
    data: bytes,
    *,
    value_wei: int = 0,
    most_tip_wei: int | None = None,
) -> dict[str, Any]:
    """Sign and send one transaction of the owner's and wait until it is mined. `to` is None for a creation.

    `most_tip_wei` is per gas; None believes whatever tip the node asks for, and is for nodes of our own. While an
    earlier one waits nothing is sent: that may be this very act, begun before. Raises `DeploymentFailed`, and what
    `rpc` raises.
    """
    actual = int(await rpc.rpc("eth_chainId"), 16)
    if actual != chain_id:
        raise DeploymentFailed(f"the node is on chain {actual}, not {chain_id}; nothing was sent")
    nonce, mined = [
        int(await rpc.rpc("eth_getTransactionCount", sender.address, block), 16) for block in ("pending", "latest")
    ]
    if nonce > mined:
        told = f"{nonce - mined} of {sender.address}'s transactions wait for a block, from nonce {mined} on"
        raise DeploymentFailed(f"{told}; nothing was sent: wait for them, or replace them with a wallet")
    call = {"from": sender.address, "data": "0x" + data.hex(), "value": hex(value_wei), **({"to": to} if to else {})}
    gas = int(await rpc.rpc("eth_estimateGas", call), 16)
    base_fee = int((await rpc.rpc("eth_getBlockByNumber", "latest", False))["baseFeePerGas"], 16)
    tip = int(await rpc.rpc("eth_maxPriorityFeePerGas"), 16)
    if most_tip_wei is not None and tip > most_tip_wei:
        told = f"the node wants a tip of {tip} wei per gas, more than the {most_tip_wei} of signer.max_tip_gwei"
        raise DeploymentFailed(f"{told}; nothing was sent: ask another node, or allow that much")
    transaction: dict[str, Any] = {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "gas": gas * _GAS_MARGIN_PERCENT // 100,
        "maxFeePerGas": 2 * base_fee + tip,
        "maxPriorityFeePerGas": tip,
        "value": value_wei,
        "data": data,
        **({"to": to} if to else {}),
    }
    worst_wei = transaction["gas"] * transaction["maxFeePerGas"] + value_wei
    held_wei = await balance(rpc, ZERO_ADDRESS, address(sender.address))
    if held_wei < worst_wei:
        told = f"{sender.address} has {coins(held_wei)}, and this may cost {coins(worst_wei)}"
        raise DeploymentFailed(f"{told}; nothing was sent, fund it first")
    signed = sender.sign_transaction(transaction)
    receipt = await _mined(rpc, await rpc.rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex()))
    if int(receipt["status"], 16) != 1:
        raise DeploymentFailed(f"{receipt['transactionHash']} reverted in block {int(receipt['blockNumber'], 16)}")
    return receipt


async def _mined(rpc: Rpc, tx_hash: str) -> dict[str, Any]:
    for _ in range(_POLLS):
        receipt = await rpc.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt:
            return dict(receipt)
        await asyncio.sleep(_POLL_S)
    raise DeploymentFailed(f"{tx_hash} was sent but not mined within {_POLLS * _POLL_S:.0f} s; look for it")
