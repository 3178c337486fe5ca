"""The far end of the road in `--mode fork`: a private fork that takes the bot's signed transactions as a chain would.

It is made anew at each head. What the bot's trades did to pools ends with the block; the bot's own balances and nonces
are carried over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeVar

from bot.clock import Clock
from bot.simulator.fork import ForkFailed, PinnedFork
from bot.simulator.holdings import Watched
from bot.simulator.overlay import Overlay, balance_of_data
from bot.simulator.question import Environment
from chains.anvil import AnvilFailed, RpcError
from chains.assets import Address
from chains.blocks import Head, Receipt
from chains.networks import Network
from chains.node import SendOutcome, SendStatus, Unreachable
from chains.node.reads import JsonRpcReads
from chains.node.sending import read_refusal
from chains.node.wire import receipt as read_receipt

_Key = TypeVar("_Key")
_log = logging.getLogger(__name__)

RECEIPTS_KEPT = 4_096
"""So many of the newest: what settled longer ago was booked long since."""


class PrivateFork(JsonRpcReads):
    """A `Submitter` on a fork of the node at `rpc_url`. An async context manager.

    `accounts` keep their native coin and nonce from head to head, `carried` (account, ERC-20) pairs their balance.
    `overlay` is what lies over the first fork; its code and storage lie over every later one too.
    """

    def __init__(
        self,
        network: Network,
        rpc_url: str,
        clock: Clock,
        *,
        accounts: Sequence[Address],
        carried: Sequence[Watched],
        overlay: Overlay | None = None,
    ) -> None:
        self._network = network
        self._clock = clock
        self._accounts = tuple(accounts)
        self._carried = tuple(carried)
        self._overlay = overlay or Overlay()
        self._fork = PinnedFork(rpc_url)
        self._head: Head | None = None
        self._pending: dict[str, bytes] = {}
        self._mined: tuple[Receipt, ...] = ()
        self._receipts: dict[str, Receipt] = {}
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the fork."""
        await self._fork.discard()

    async def advance(self, head: Head) -> Overlay:
        """Settle what was sent, then fork `head` anew. Returns what lies over it, for the simulator to lay too.

        Sent transactions are mined in the block after the previous head, in the order they were sent. Raises
        `ForkFailed`: nothing sent is lost, call again.
        """
        async with self._turn:
            await self._settle(head)
            self._head = None
            await self._fork.pin(head, self._overlay)
            try:
                await self._set_next_block(head)
                await self._send_pending_again()
            except (AnvilFailed, RpcError, Unreachable) as error:
                raise ForkFailed(f"the private fork of block {head.number} does not answer: {error}") from None
            self._receipts |= {receipt.tx_hash: receipt for receipt in self._mined}
            self._mined = ()
            for tx_hash in list(self._receipts)[:-RECEIPTS_KEPT]:
                del self._receipts[tx_hash]
            self._head = head
            return self._overlay

    async def send_raw(self, raw: bytes) -> SendOutcome:
        """Take a signed transaction for the next block. Never raises: no answer is `SendStatus.UNKNOWN`."""
        async with self._turn:
            outcome = await super().send_raw(raw)
            if outcome.status in (SendStatus.ACCEPTED, SendStatus.UNKNOWN):
                self._pending[outcome.tx_hash] = raw
            return outcome

    async def receipt(self, tx_hash: str) -> Receipt | None:
        """What became of a transaction, in the block that is canonical now; `None` until the head after it has come.

        Raises `RpcError`, `Unreachable`.
        """
        receipt = self._receipts.get(tx_hash)
        block = await self.block_by_number(receipt.block_number) if receipt is not None else None
        if receipt is None or block is None:
            return None
        logs = tuple(replace(log, block_hash=block.hash) for log in receipt.logs)
        return replace(receipt, block_hash=block.hash, logs=logs)

    async def knows(self, tx_hash: str) -> bool:
        """Also of what settled on a fork that is no more. Raises as `receipt`."""
        return tx_hash in self._receipts or await super().knows(tx_hash)

    async def request(self, method: str, *params: Any) -> Any:
        """One call to the fork. Raises `RpcError`, `Unreachable`."""
        try:
            return await self._fork.anvil.rpc(method, *params)
        except (AnvilFailed, ForkFailed) as error:
            raise Unreachable(f"the private fork does not answer: {error}") from None

    request_once = request

    def now_ns(self) -> int:
        return self._clock.monotonic_ns()

    async def _settle(self, head: Head) -> None:
        """Mine what is pending, unless `head` replaces the block it was sent on, and note what the bot then holds."""
        if self._head is None or not self._fork.alive:
            return
        try:
            mined = await self._mine() if self._pending and head.number > self._head.number else ()
            overlay = await self._carried_over()
        except (AnvilFailed, RpcError) as error:
            await self._fork.discard()
            _log.warning("the private fork of block %d was lost before it settled: %s", self._head.number, error)
            return
        self._overlay = overlay
        self._mined += mined
        for receipt in mined:
            del self._pending[receipt.tx_hash]

    async def _mine(self) -> tuple[Receipt, ...]:
        """The receipts of what got into the next block."""
        await self._fork.anvil.rpc("evm_mine")
        questions = [("eth_getTransactionReceipt", (tx_hash,)) for tx_hash in self._pending]
        documents = await self._fork.anvil.batch(questions)
        return tuple(read_receipt(document) for document in documents if document)

    async def _carried_over(self) -> Overlay:
        accounts, carried = self._accounts, self._carried
        results = await self._fork.anvil.batch(
            [
                *(("eth_getBalance", (account, "latest")) for account in accounts),
                *(("eth_getTransactionCount", (account, "latest")) for account in accounts),
                *(("eth_call", (_balance_question(pair), "latest")) for pair in carried),
            ]
        )
        numbers = [int(result, 16) for result in results]
        count = len(accounts)
        return replace(
            self._overlay,
            native=_zipped(accounts, numbers[:count]),
            nonces=_zipped(accounts, numbers[count : 2 * count]),
            tokens=_zipped(carried, numbers[2 * count :]),
        )

    async def _set_next_block(self, head: Head) -> None:
        environment = Environment(head, self._network.block_step_s, self._network.gas.base_fee.after(head))
        await self._fork.anvil.batch(
            [
                ("evm_setNextBlockTimestamp", (hex(environment.timestamp_s),)),
                ("anvil_setNextBlockBaseFeePerGas", (hex(environment.base_fee_wei),)),
            ]
        )

    async def _send_pending_again(self) -> None:
        for tx_hash, raw in list(self._pending.items()):
            try:
                await self.request("eth_sendRawTransaction", "0x" + raw.hex())
            except RpcError as error:
                if read_refusal(error, tx_hash).status is SendStatus.REFUSED:
                    del self._pending[tx_hash]
                    _log.warning("the private fork no longer takes %s: %s", tx_hash, error.message)


def _balance_question(pair: Watched) -> Mapping[str, str]:
    account, token = pair
    return {"to": token, "data": "0x" + balance_of_data(account).hex()}


def _zipped(keys: Sequence[_Key], values: Sequence[int]) -> dict[_Key, int]:
    return dict(zip(keys, values, strict=True))
