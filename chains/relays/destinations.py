"""One interface for where a signed transaction goes: the public mempool, or a relay of whichever kind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from eth_utils.crypto import keccak

from chains.anvil import RpcError
from chains.node.broadcast import together
from chains.node.errors import NodeError
from chains.node.sending import SendOutcome, SendStatus, read_refusal
from chains.relays.bundles import Bundle, Hint, replacement_id
from chains.relays.client import RelayClient

MEMPOOL = "mempool"
"""What the public mempool is called; on a rollup, its sequencer."""


class RelayKind(StrEnum):
    """How a relay takes transactions."""

    BUNDLE = "bundle"
    """`eth_sendBundle`, one for each block it may land in; taken back by `eth_cancelBundle`."""
    PRIVATE = "private"
    """`eth_sendPrivateTransaction`, until a block; taken back by `eth_cancelPrivateTransaction`."""
    RAW = "raw"
    """`eth_sendPrivateRawTransaction`, without an end; it cannot be taken back."""
    SHARE = "mev_share"
    """`mev_sendBundle`, with hints for others; it ends by itself."""


@dataclass(frozen=True, slots=True)
class Window:
    """The blocks a transaction may land in, both included."""

    first_block: int
    last_block: int

    @property
    def blocks(self) -> range:
        return range(self.first_block, self.last_block + 1)


class Destination(Protocol):
    """A place that passes signed transactions on to whoever makes blocks."""

    async def send(self, raw: bytes, window: Window) -> SendOutcome:
        """Hand over a signed transaction; the same bytes again are safe. Never raises: no answer is UNKNOWN."""
        ...

    async def withdraw(self, raw: bytes, window: Window) -> None:
        """Ask that it be forgotten. Nobody promises to: it may land all the same. Never raises."""
        ...


class Mempool:
    """The public mempool, through `send_raw` of a node or a fork."""

    def __init__(self, send_raw: Callable[[bytes], Awaitable[SendOutcome]]) -> None:
        self._send_raw = send_raw

    async def send(self, raw: bytes, window: Window) -> SendOutcome:
        return await self._send_raw(raw)

    async def withdraw(self, raw: bytes, window: Window) -> None:
        """What is public stays public; it can only be outbid."""


class Relay:
    """A relay called `name`, which takes transactions as `kind` says."""

    def __init__(self, name: str, kind: RelayKind, client: RelayClient, hints: tuple[Hint, ...] = ()) -> None:
        """`hints` are told by a relay of kind `mev_share`, and by no other."""
        self.name = name
        self.kind = kind
        self.client = client
        self._hints = hints

    async def send(self, raw: bytes, window: Window) -> SendOutcome:
        tx_hash = "0x" + keccak(raw).hex()
        asked = self._handed(raw, tx_hash, window)
        return together(tx_hash, await asyncio.gather(*(_outcome(each, tx_hash) for each in asked)))

    async def withdraw(self, raw: bytes, window: Window) -> None:
        tx_hash = "0x" + keccak(raw).hex()
        if self.kind is RelayKind.BUNDLE:
            asked = [self.client.cancel_bundle(replacement_id(tx_hash, block)) for block in window.blocks]
            await asyncio.gather(*map(_quietly, asked))
        elif self.kind is RelayKind.PRIVATE:
            await _quietly(self.client.cancel_private_transaction(tx_hash))

    def _handed(self, raw: bytes, tx_hash: str, window: Window) -> list[Awaitable[object]]:
        """What is asked at once; that one of several bundles was taken is enough for the transaction to be out."""
        match self.kind:
            case RelayKind.BUNDLE:
                bundles = (Bundle((raw,), block, replacement_id(tx_hash, block)) for block in window.blocks)
                return list(map(self.client.send_bundle, bundles))
            case RelayKind.PRIVATE:
                return [self.client.send_private_transaction(raw, window.last_block)]
            case RelayKind.RAW:
                return [self.client.send_private_raw_transaction(raw)]
            case RelayKind.SHARE:
                return [self.client.share_bundle(raw, window.first_block, window.last_block, self._hints)]


async def _outcome(request: Awaitable[object], tx_hash: str) -> SendOutcome:
    try:
        await request
    except RpcError as error:
        return read_refusal(error, tx_hash)
    except NodeError as error:
        return SendOutcome(SendStatus.UNKNOWN, tx_hash, str(error))
    return SendOutcome(SendStatus.ACCEPTED, tx_hash)


async def _quietly(request: Awaitable[None]) -> None:
    """A wish that may go unheard: whether it was shows in the blocks, never in the answer."""
    try:
        await request
    except (RpcError, NodeError):
        return
