"""What execution needs of a place that transactions are sent to: a real node, or a private fork that stands for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chains.assets import Address
from chains.blocks import Head, Receipt
from chains.node.seen import Seen
from chains.node.sending import SendOutcome
from chains.node.wire import BlockRef


class Submitter(Protocol):
    """All methods raise `Unreachable` when there is no answer; reads raise `chains.anvil.RpcError` when refused."""

    async def send_raw(self, raw: bytes) -> SendOutcome:
        """Hand over a signed transaction. Never raises: no answer is `SendStatus.UNKNOWN`."""
        ...

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """What became of a transaction; `None` while it is not in a block."""
        ...

    async def knows(self, tx_hash: str) -> bool:
        """Whether the place has a transaction, in a block or waiting for one."""
        ...

    async def nonce(self, account: Address, block: BlockRef = "latest") -> int:
        """The next nonce of `account`."""
        ...

    async def seen(self, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> Seen:
        """What became of transactions, how many those of `counted` sent, and what those of `paying` hold in wei."""
        ...

    async def balance(self, account: Address, block: BlockRef = "latest") -> int:
        """The native coin of `account`, in wei."""
        ...

    async def call(self, to: Address, data: bytes, block: BlockRef = "latest") -> bytes:
        """What the contract returns for `data`. A revert is an `RpcError` that carries its data."""
        ...

    async def code(self, account: Address, block: BlockRef = "latest") -> bytes:
        """The runtime code at `account`; empty if it has none."""
        ...

    async def block_by_number(self, number: int) -> Head | None:
        """The canonical block at that height; `None` above the head."""
        ...

    def hash_at(self, number: int) -> str | None:
        """The hash of the block of that height in the chain that is followed, while it is remembered."""
        ...

    async def head(self) -> Head:
        """The latest block."""
        ...
