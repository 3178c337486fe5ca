"""A small real market on an Anvil: Uniswap V2 from its published bytecode, three ERC-20s, and a wallet that signs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

from bot.clock import SystemClock
from bot.simulator import Simulator
from bot.simulator.verdict import Verdict
from bot.transaction import UnsignedTransaction
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Head
from chains.networks import Network, load_network
from chains.node import wire
from chains.tools import npm_package
from tests.reference import fields_of

GWEI = 10**9
ETHER = 10**18
FAR_FUTURE = 2**60
WALLET = Account.from_key(b"\x51" * 32)
OWNER = address(WALLET.address)
STRANGER = address("0x" + "ab" * 20)
REVERTER = address("0x" + "dd" * 20)
# Reverts with its own call data: CALLDATACOPY(0, 0, size) REVERT(0, size)
REVERTER_CODE = "0x366000600037366000fd"
SUPPLY = 10**30
ODD = address("0x" + "0d" * 20)
"""Where tests put code of their own."""


def twin(**changes: Any) -> Network:
    return replace(load_network("twin"), **changes)


def call_data(signature: str, *arguments: object) -> bytes:
    kinds = signature[signature.index("(") + 1 : -1]
    return keccak(text=signature)[:4] + encode(kinds.split(",") if kinds else [], arguments)


def creation_code(package: str, artefact: str) -> str:
    code = str(json.loads((npm_package(package) / artefact).read_bytes())["bytecode"])
    return code if code.startswith("0x") else "0x" + code


@dataclass
class World:
    """The chain, its router and tokens. `OWNER` holds every token and has approved the router."""

    anvil: Anvil
    router: Address
    tokens: tuple[Address, ...]

    async def head(self) -> Head:
        return wire.header(await self.anvil.rpc("eth_getBlockByNumber", "latest", False)).head

    async def nonce(self) -> int:
        return int(await self.anvil.rpc("eth_getTransactionCount", OWNER, "latest"), 16)

    async def transaction(self, to: Address, data: bytes = b"", **changes: Any) -> UnsignedTransaction:
        tx = UnsignedTransaction(31337, await self.nonce(), OWNER, to, 0, data, 600_000, 5 * GWEI, GWEI)
        return replace(tx, **changes)

    async def swap(self, amount_in: int, path: Sequence[int], least: int = 0, **changes: Any) -> UnsignedTransaction:
        """A swap through the router along token indices."""
        data = call_data(
            "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
            *(amount_in, least, [self.tokens[i] for i in path], OWNER, FAR_FUTURE),
        )
        return await self.transaction(self.router, data, **changes)

    async def really(self, head: Head, *txs: UnsignedTransaction) -> list[Any]:
        """Sign and mine `txs` in the block after `head`, with the time a verdict assumes; the receipts."""
        await self.anvil.rpc("evm_setNextBlockTimestamp", hex(head.timestamp_s + twin().block_step_s))
        hashes = [await self.anvil.rpc("eth_sendRawTransaction", "0x" + signed(tx).hex()) for tx in txs]
        await self.anvil.rpc("evm_mine")
        return [await self.anvil.rpc("eth_getTransactionReceipt", tx_hash) for tx_hash in hashes]

    async def balances(self, watch: Sequence[tuple[Address, Address]]) -> dict[tuple[Address, Address], int]:
        return {pair: await self.balance(*pair) for pair in watch}

    async def balance(self, account: Address, token: Address) -> int:
        if token == ZERO_ADDRESS:
            return int(await self.anvil.rpc("eth_getBalance", account, "latest"), 16)
        question = {"to": token, "data": "0x" + call_data("balanceOf(address)", account).hex()}
        return int(await self.anvil.rpc("eth_call", question, "latest"), 16)


def signed(tx: UnsignedTransaction) -> bytes:
    return bytes(WALLET.sign_transaction(fields_of(tx)).raw_transaction)


@contextlib.asynccontextmanager
async def world(*arguments: str) -> AsyncIterator[World]:
    async with Anvil(["--no-mining", "--chain-id", "31337", "--order", "fifo", *arguments]) as anvil:
        yield await build(anvil)


async def build(anvil: Anvil) -> World:
    """Three tokens, three pairs of 1,000,000 each, and a router."""
    await anvil.rpc("anvil_setBalance", OWNER, hex(10**6 * ETHER))
    await anvil.rpc("anvil_setCode", REVERTER, REVERTER_CODE)
    await anvil.rpc("anvil_impersonateAccount", OWNER)
    erc20 = creation_code("@uniswap/v2-core", "build/ERC20.json") + encode(["uint256"], [SUPPLY]).hex()
    tokens = tuple([await deploy(anvil, erc20) for _ in range(3)])
    factory = await deploy(
        anvil, creation_code("@uniswap/v2-core", "build/UniswapV2Factory.json") + encode(["address"], [OWNER]).hex()
    )
    weth = await deploy(anvil, creation_code("@uniswap/v2-periphery", "build/WETH9.json"))
    router = await deploy(
        anvil,
        creation_code("@uniswap/v2-periphery", "build/UniswapV2Router02.json")
        + encode(["address", "address"], [factory, weth]).hex(),
    )
    for token in tokens:
        await act(anvil, token, call_data("approve(address,uint256)", router, 2**256 - 1))
    add = "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)"
    amount = 10**6 * ETHER
    for one, other in ((0, 1), (1, 2), (2, 0)):
        data = call_data(add, tokens[one], tokens[other], amount, amount, 0, 0, OWNER, FAR_FUTURE)
        await act(anvil, router, data)
    return World(anvil, router, tokens)


async def deploy(anvil: Anvil, code: str) -> Address:
    return address((await _mined(anvil, {"data": code}))["contractAddress"])


async def act(anvil: Anvil, to: Address, data: bytes) -> None:
    await _mined(anvil, {"to": to, "data": "0x" + data.hex()})


async def _mined(anvil: Anvil, tx: dict[str, str]) -> Any:
    tx_hash = await anvil.rpc("eth_sendTransaction", {"from": OWNER, "gas": hex(8_000_000), **tx})
    await anvil.rpc("evm_mine")
    receipt = await anvil.rpc("eth_getTransactionReceipt", tx_hash)
    assert receipt["status"] == "0x1", receipt
    return receipt


def simulator(on: World, **options: Any) -> Simulator:
    return simulator_at(on.anvil.http_url, **options)


def simulator_at(url: str, **options: Any) -> Simulator:
    return Simulator(twin(), url, SystemClock(), **options)


async def placed(on: World, code: str, at: Address = ODD) -> None:
    await on.anvil.rpc("anvil_setCode", at, code)
    await on.anvil.rpc("evm_mine")


async def both(
    fork: Simulator,
    tx: UnsignedTransaction,
    head: Head,
    watch: list[tuple[Address, Address]],
    after: Sequence[UnsignedTransaction] = (),
) -> Verdict:
    """The fork's verdict, which this process must have given too."""
    here = await fork.screened(tx, head, watch, after)
    there = await fork.verdict(tx, head, watch, after)
    assert here is not None
    assert replace(here, made_at_s=0) == replace(there, made_at_s=0)
    return there
