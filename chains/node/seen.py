"""What a chain says at each head of what was sent, and of those who sent it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Head, Receipt
from chains.node.answers import Answer, Request
from chains.node.errors import NodeError
from chains.node.wire import BlockRef, block_parameter, found_receipt

_LATEST = "latest"

Sought = tuple[Sequence[str], Sequence[Address], Sequence[Address]]
"""What is to be seen: hashes of transactions, whose transactions to count, and whose coins."""

_PATIENCE_S = 0.2
"""So long what was asked ahead is waited for; then it is asked of every endpoint, as if it had not been."""

_REFUSALS = 3
"""After so many in a row nothing is asked ahead any more: the endpoint cannot, and each costs as much as an answer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Receipts by transaction hash, None of what is in no block; how many transactions each account has sent, and its
    coins in wei. Accounts are left out of which nobody could say.
    """

    receipts: Mapping[str, Receipt | None]
    nonces: Mapping[Address, int]
    balances: Mapping[Address, int]


class _Reads(Protocol):
    async def receipt(self, tx_hash: str) -> Receipt | None: ...

    async def nonce(self, account: Address) -> int: ...

    async def balance(self, account: Address) -> int: ...


async def seen_one_by_one(
    chain: _Reads, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]
) -> Seen:
    """`Submitter.seen`, each asked by itself."""
    receipts, nonces, balances = await asyncio.gather(
        asyncio.gather(*map(chain.receipt, tx_hashes)),
        asyncio.gather(*(_said(chain.nonce, account) for account in counted)),
        asyncio.gather(*(_said(chain.balance, account) for account in paying)),
    )
    return Seen(dict(zip(tx_hashes, receipts, strict=True)), _known(counted, nonces), _known(paying, balances))


def questions(
    tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address], block: BlockRef = _LATEST
) -> list[Request]:
    """The calls that tell what is to be seen."""
    at = block_parameter(block)
    return [
        *(Request("eth_getTransactionReceipt", (tx_hash,)) for tx_hash in tx_hashes),
        *(Request("eth_getTransactionCount", (account, at)) for account in counted),
        *(Request("eth_getBalance", (account, at)) for account in paying),
    ]


def read(
    tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address], answers: Sequence[Answer]
) -> Seen:
    """From the answers to `questions`, in their order. Raises the refusal of a receipt."""
    first_nonce, first_balance = len(tx_hashes), len(tx_hashes) + len(counted)
    receipts = dict[str, Receipt | None]()
    for tx_hash, answer in zip(tx_hashes, answers[:first_nonce], strict=True):
        if isinstance(answer, RpcError):
            raise answer
        receipts[tx_hash] = found_receipt(answer)
    return Seen(
        receipts,
        _known(counted, map(_number, answers[first_nonce:first_balance])),
        _known(paying, map(_number, answers[first_balance:])),
    )


@dataclass(slots=True)
class Ahead:
    """What will be asked on a new head, asked by `batch` while that head's logs are still under way.

    An answer counts only where one endpoint gave all of it as of that block: one that does not know the block yet, and
    would not know its receipts, refuses to count an account's transactions there.
    """

    batch: Callable[[Sequence[Request]], Awaitable[list[Answer]]]
    _sought: Sought = ((), (), ())
    _answer: asyncio.Task[Seen | None] | None = None
    _refused: int = 0

    def ask(self, head: Head, sought: Sought) -> None:
        """Ask now what is to be seen as of `head`; what was asked before is given up."""
        self.forget()
        _, counted, _ = self._sought = sought
        if counted and self._refused < _REFUSALS:
            self._answer = asyncio.create_task(self._seen(head, sought))

    async def answer(self, sought: Sought) -> Seen | None:
        """What was seen, once; None where that was not asked, was refused, or takes too long."""
        answer, self._answer = self._answer, None
        if answer is None:
            return None
        if self._sought == sought:
            await asyncio.wait([answer], timeout=_PATIENCE_S)
            if answer.done():
                return answer.result()
        answer.cancel()
        return None

    def forget(self) -> None:
        """What was asked is of a head that does not come next."""
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None

    async def _seen(self, head: Head, sought: Sought) -> Seen | None:
        try:
            answers = await self.batch(questions(*sought, head))
        except (NodeError, RpcError):
            return None
        refused = any(isinstance(answer, RpcError) for answer in answers)
        self._refused = self._refused + 1 if refused else 0
        return None if refused else read(*sought, answers)


def _number(answer: Answer) -> int | None:
    return None if isinstance(answer, RpcError) else int(answer, 16)


async def _said(ask: Callable[[Address], Awaitable[int]], account: Address) -> int | None:
    with suppress(NodeError, RpcError):
        return await ask(account)
    return None


def _known(accounts: Iterable[Address], said: Iterable[int | None]) -> Mapping[Address, int]:
    return {account: number for account, number in zip(accounts, said, strict=True) if number is not None}
