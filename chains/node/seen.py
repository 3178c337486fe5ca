"""What a chain says at each head of what was sent, and of those who sent it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Receipt
from chains.node.answers import Answer, Request
from chains.node.errors import NodeError
from chains.node.wire import receipt

_LATEST = "latest"


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


def questions(tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> list[Request]:
    """The calls that tell what is to be seen."""
    return [
        *(Request("eth_getTransactionReceipt", (tx_hash,)) for tx_hash in tx_hashes),
        *(Request("eth_getTransactionCount", (account, _LATEST)) for account in counted),
        *(Request("eth_getBalance", (account, _LATEST)) for account in paying),
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
        receipts[tx_hash] = receipt(answer) if answer else None
    return Seen(
        receipts,
        _known(counted, map(_number, answers[first_nonce:first_balance])),
        _known(paying, map(_number, answers[first_balance:])),
    )


def _number(answer: Answer) -> int | None:
    return None if isinstance(answer, RpcError) else int(answer, 16)


async def _said(ask: Callable[[Address], Awaitable[int]], account: Address) -> int | None:
    with suppress(NodeError, RpcError):
        return await ask(account)
    return None


def _known(accounts: Iterable[Address], said: Iterable[int | None]) -> Mapping[Address, int]:
    return {account: number for account, number in zip(accounts, said, strict=True) if number is not None}
