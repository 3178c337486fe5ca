"""Where verdicts are found: a fork and the state known in this process, both moved from head to head together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from bot.rpc import HttpRpc
from bot.simulator import local
from bot.simulator.fork import KnownState, PinnedFork
from bot.simulator.overlay import Overlay
from bot.simulator.question import Answer, Question, Surroundings
from bot.simulator.reader import Unreadable
from bot.simulator.screen import Asked, Screen
from bot.simulator.state import PRECOMPILES
from chains.anvil import Anvil, AnvilFailed, RpcError
from chains.assets import Address
from chains.blocks import Head
from chains.node import NodeError, Unreachable
from chains.node.gateway import Gateway

_NO_SUCH_METHOD = -32601

_log = logging.getLogger(__name__)


class Standing:
    """A fork of the node at `rpc_url`, an overlay on it, and the same state in this process, read from `node`.

    Any number may ask at once; it moves only when nobody does. `screen` is None where this Python has no EVM. With
    `prefetch`, the fork is given what is known at each head, which saves asking a node that is far away; it asks for
    these accounts all the same, of a `gateway` that is told of them, where `rpc_url` is one.
    """

    def __init__(
        self,
        rpc_url: str,
        chain_id: int,
        overlay: Overlay,
        *,
        prefetch: bool,
        node: Asked | None = None,
        gateway: Gateway | None = None,
    ) -> None:
        """Without a `node`, the same address is asked, by HTTP."""
        self._fork = PinnedFork(rpc_url)
        self._node = node
        self._gateway = gateway
        self._address = HttpRpc(rpc_url)
        self._address_open = False
        self._node_traces = True
        self._overlay = overlay
        self._prefetch = prefetch
        self._pinned: str | None = None
        self._asking = 0
        self._turn = asyncio.Condition()
        self._renewal: tuple[str, asyncio.Task[None]] | None = None
        self.screen = Screen(chain_id) if local.available() else None

    @property
    def restarts(self) -> int:
        """How often the fork's Anvil died and was started again."""
        return self._fork.restarts

    @property
    def pid(self) -> int | None:
        """The process of the fork's Anvil, while there is one."""
        return self._fork.anvil.pid if self._fork.alive else None

    @property
    def overlay(self) -> Overlay:
        """What lies over the fork; setting it takes effect when somebody asks next."""
        return self._overlay

    @overlay.setter
    def overlay(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._pinned = None
        self._renewal = None
        if self.screen is not None:
            self.screen.leave()

    @contextlib.asynccontextmanager
    async def on(self, head: Head) -> AsyncIterator[Anvil]:
        """The fork, on `head`, as long as it is asked. Raises `ForkFailed`."""
        async with self._turn:
            while self._asking and not self._stands_on(head):
                await self._turn.wait()
            if not self._stands_on(head):
                await self._move(head)
            self._asking += 1
        try:
            yield self._fork.anvil
        finally:
            async with self._turn:
                self._asking -= 1
                self._turn.notify_all()

    async def moved_to(self, head: Head, wanted: Callable[[], bool]) -> bool:
        """Move to `head` before anybody asks, if that is `wanted` still once nobody else asks; whether it stands there.

        Raises `ForkFailed`.
        """
        async with self._turn:
            while self._asking and wanted() and not self._stands_on(head):
                await self._turn.wait()
            if wanted() and not self._stands_on(head):
                await self._move(head)
            return self._stands_on(head)

    async def known_on(self, head: Head) -> Screen | None:
        """What this process knows, as of `head`; None where it knows nothing of that block. Never raises for a node."""
        screen = self.screen
        if screen is None or not screen.store.accounts:
            return None
        if not screen.stands_on(head):
            if self._overlay.is_empty:
                await self._renewed(head)
            else:
                async with self.on(head):
                    pass
        return screen if screen.stands_on(head) else None

    async def learned(self, question: Question, surroundings: Sequence[Surroundings]) -> tuple[Answer, ...] | None:
        """The screen's answer, with what it misses learned from the node itself; None where only the fork can tell.

        Nothing may lie over the fork, and the node must trace calls, which many do not. Raises `NotAnsweredHere`.
        """
        screen = self.screen
        if screen is None or not self._overlay.is_empty or not self._node_traces:
            return None
        try:
            return await screen.learned(question, await self._opened(), surroundings)
        except RpcError as error:
            self._node_traces = error.code != _NO_SUCH_METHOD
        except (Unreachable, Unreadable) as error:
            _log.info("block %d is asked of the fork: %s", question.environment.head.number, error)
        return None

    def read_again(self) -> None:
        """What was read in vain is read once more, when it is asked for next."""
        self._renewal = None

    def code_hash(self, account: Address) -> str:
        """Of the code known at `account` (0x-prefixed hex); empty where it is not known."""
        known = self.screen.store.accounts.get(account) if self.screen is not None else None
        return "0x" + known.code_hash.hex() if known is not None else ""

    async def drop(self) -> None:
        """Give up this fork; the next who asks gets another."""
        self._pinned = None
        await self._fork.discard()

    async def close(self) -> None:
        """End the fork."""
        if self._renewal is not None:
            self._renewal[1].cancel()
            await asyncio.gather(self._renewal[1], return_exceptions=True)
        await self._fork.discard()
        if self._address_open:
            await self._address.__aexit__()

    def _stands_on(self, head: Head) -> bool:
        return self._pinned == head.hash and self._fork.alive

    async def _move(self, head: Head) -> None:
        self._pinned = None

        async def known() -> KnownState | None:
            await self._renewed(head)
            screen = self.screen
            if screen is None or not screen.stands_on(head):
                return None
            if self._gateway is not None:
                for account, it in screen.store.contracts.items():
                    self._gateway.know(head.hash, account, it.balance_wei, it.nonce, it.code)
            # Precompiled contracts have no state, and a fork runs them unread.
            accounts = tuple(account for account in screen.store.accounts if account not in PRECOMPILES)
            return KnownState(accounts, screen.store.dump())

        renewing = self._renewing(head)
        try:
            await self._fork.pin(head, self._overlay, known if self._prefetch else None)
        except BaseException:
            if renewing is not None:
                renewing.cancel()
            raise
        if not self._overlay.is_empty:
            await self._read(head, self._fork.anvil)
        self._pinned = head.hash

    async def _renewed(self, head: Head) -> None:
        task = self._renewing(head)
        if task is not None:
            await asyncio.wait([task])

    def _renewing(self, head: Head) -> asyncio.Task[None] | None:
        """The one reading of what is known as of `head`; None where there is nothing to read."""
        screen = self.screen
        if screen is None or not screen.store.accounts:
            return None
        if self._renewal is None or self._renewal[0] != head.hash:
            if self._renewal is not None:
                # What is read of an older block must not be what is known in the end.
                self._renewal[1].cancel()
            self._renewal = head.hash, asyncio.create_task(self._read(head, None))
        return self._renewal[1]

    async def _read(self, head: Head, anvil: Anvil | None) -> None:
        """From the fork, or else from the node itself. What fails leaves nothing known; the fork finds out itself."""
        screen = self.screen
        if screen is None:
            return
        try:
            await screen.renew(head, anvil or self._node or await self._opened())
        except (RpcError, AnvilFailed, NodeError, Unreadable) as error:
            _log.info("block %d is not known in this process: %s", head.number, error)

    async def _opened(self) -> HttpRpc:
        if not self._address_open:
            await self._address.__aenter__()
            self._address_open = True
        return self._address
