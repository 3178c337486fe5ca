"""The typed JSON-RPC calls that a real node and a private fork have in common, over one `request`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from eth_utils.crypto import keccak

from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Head, Receipt
from chains.node import wire
from chains.node.errors import NodeError, Unreachable
from chains.node.seen import Seen, seen_one_by_one
from chains.node.sending import SendOutcome, SendStatus, read_refusal
from chains.node.wire import BlockRef, Header

_TURNS_TO_ASK = 4
"""So many turns of the event loop pass until a question is written by a task that another began for it."""


async def others_asked() -> None:
    """Return once the tasks that were begun have written what they ask: they are answered while the caller goes on."""
    for _ in range(_TURNS_TO_ASK):
        await asyncio.sleep(0)


class JsonRpcReads(ABC):
    """Every method raises `Unreachable` when there is no answer, and `chains.anvil.RpcError` for a refusal."""

    @abstractmethod
    async def request(self, method: str, *params: Any) -> Any:
        """One idempotent call. Raises `RpcError`, `Unreachable`."""

    @abstractmethod
    async def request_once(self, method: str, *params: Any) -> Any:
        """One call that must not be repeated by itself. Raises `RpcError`, `Unreachable`."""

    @abstractmethod
    def now_ns(self) -> int:
        """The monotonic clock, in nanoseconds."""

    async def call(self, to: Address, data: bytes, block: BlockRef = "latest") -> bytes:
        """What the contract returns for `data`; a revert is an `RpcError` that carries its data."""
        message = {"to": to, "data": "0x" + data.hex()}
        return bytes.fromhex((await self.request("eth_call", message, wire.block_parameter(block)))[2:])

    async def nonce(self, account: Address, block: BlockRef = "latest") -> int:
        """The next nonce of `account`."""
        return int(await self.request("eth_getTransactionCount", account, wire.block_parameter(block)), 16)

    async def balance(self, account: Address, block: BlockRef = "latest") -> int:
        """The native coin of `account`, in wei."""
        return int(await self.request("eth_getBalance", account, wire.block_parameter(block)), 16)

    async def code(self, account: Address, block: BlockRef = "latest") -> bytes:
        """The runtime code at `account`; empty if it has none."""
        return bytes.fromhex((await self.request("eth_getCode", account, wire.block_parameter(block)))[2:])

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """What became of a transaction; `None` while it is not in a block."""
        document = await self.request("eth_getTransactionReceipt", tx_hash)
        return wire.found_receipt(document)

    async def seen(self, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> Seen:
        """What became of transactions, how many those of `counted` sent, and what those of `paying` hold in wei."""
        return await seen_one_by_one(self, tx_hashes, counted, paying)

    async def knows(self, tx_hash: str) -> bool:
        """Whether the place has a transaction, in a block or waiting for one."""
        return await self.request("eth_getTransactionByHash", tx_hash) is not None

    async def send_raw(self, raw: bytes) -> SendOutcome:
        """Hand over a signed transaction. Never raises: no answer is `SendStatus.UNKNOWN`."""
        tx_hash = "0x" + keccak(raw).hex()
        try:
            await self.request_once("eth_sendRawTransaction", "0x" + raw.hex())
        except RpcError as error:
            return read_refusal(error, tx_hash)
        except NodeError as error:
            return SendOutcome(SendStatus.UNKNOWN, tx_hash, str(error))
        return SendOutcome(SendStatus.ACCEPTED, tx_hash)

    async def head(self) -> Head:
        """The latest block."""
        return (await self.latest_header()).head

    async def block_by_number(self, number: int) -> Head | None:
        """The canonical block at that height; `None` above the head."""
        found = await self.header_by_number(number)
        return found.head if found else None

    def hash_at(self, number: int) -> str | None:
        """The hash of the block of that height in the chain that is followed, while it is remembered: here, none is."""
        return None

    async def latest_header(self) -> Header:
        found = await self._header("eth_getBlockByNumber", "latest")
        if found is None:
            raise Unreachable("the node has no block yet; let it synchronise first")
        return found

    async def header_by_number(self, number: int) -> Header | None:
        return await self._header("eth_getBlockByNumber", hex(number))

    async def header_by_hash(self, block_hash: str) -> Header | None:
        return await self._header("eth_getBlockByHash", block_hash)

    async def finalized_header(self) -> Header | None:
        """The newest block that the node itself calls finalized, if it does."""
        return await self._header("eth_getBlockByNumber", "finalized")

    async def _header(self, method: str, which: str) -> Header | None:
        document = await self.request(method, which, False)
        return wire.header(document, self.now_ns()) if document else None
