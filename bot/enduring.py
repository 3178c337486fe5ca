"""What a run lives through without ending: a node that is gone for a while, and a ledger that cannot be written to, as
on a full disk or while another process keeps it locked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from bot.ledger.errors import LedgerUnwritable
from bot.simulator.fork import ForkFailed
from chains.anvil import RpcError
from chains.blocks import ChainEvent, Head, Undone
from chains.node.errors import NodeError

UNANSWERED = (NodeError, RpcError, ForkFailed)
"""What a step raises that needs the node, or a fork of it, and gets no answer: the next block makes up for it."""

Taker = Callable[[ChainEvent], Awaitable[None]]
GivenUp = Callable[[Head], Awaitable[None]]


class Output(Protocol):
    """Where a person is told."""

    def line(self, text: str) -> None: ...


async def unanswered(step: Awaitable[None]) -> str | None:
    """Why `step` had to end without an answer from the node; None when it did not."""
    try:
        await step
    except UNANSWERED as error:
        return str(error)
    return None


class Unwritten:
    """While nothing can be written to the ledger nothing is signed; it is told once, and tried again at each event.

    A block that cannot be booked now is made up for at the next one. A reorganisation that cannot be is not: what
    follows waits until it is, in order.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._waiting: deque[ChainEvent] = deque()
        self._told = False

    async def take(self, event: ChainEvent, take: Taker, given_up: GivenUp) -> None:
        """Everything that waits, then `event`. `given_up` is told of the head of a block that could not be booked."""
        self._waiting.append(event)
        while self._waiting:
            first = self._waiting[0]
            try:
                await take(first)
            except LedgerUnwritable as error:
                self._tell(unwritten=True, text=f"nothing is signed: {error}")
                if isinstance(first, Undone):
                    return
                await given_up(first.head)
            else:
                self._tell(unwritten=False, text="the ledger can be written again: trading goes on")
            self._waiting.popleft()

    def _tell(self, *, unwritten: bool, text: str) -> None:
        if unwritten != self._told:
            self._told = unwritten
            self._output.line(text)
