"""An Anvil that stands on exactly one block of another node, and is started anew when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.simulator.overlay import CannotOverlay, Overlay
from chains.anvil import Anvil, AnvilFailed, RpcError
from chains.assets import Address
from chains.blocks import Head


@dataclass(frozen=True, slots=True)
class KnownState:
    """Part of a block's state as `anvil_loadState` takes it, and every account that is touched."""

    accounts: tuple[Address, ...]
    dump: bytes


Known = Callable[[], Awaitable[KnownState | None]]
"""What is known of the block that is being moved to; None where nothing is."""

_START_TIMEOUT_S = 20.0
# A failed read must fail: it is neither repeated for long nor served from a cache of another branch.
_ARGUMENTS = (
    "--no-mining",
    "--no-storage-caching",
    "--no-rate-limit",
    "--order",
    "fifo",
    "--retries",
    "1",
    "--timeout",
    "5000",
)


# What Anvil, geth and its kin say of blocks whose state they have thrown away.
_GONE = re.compile(r"BlockOutOfRange|missing trie node|state (?:\w+ )?is not available|pruned", re.I)
_REMEDY = "the node does not have its state any more; ask an archive node, or about a newer block"


class ForkFailed(RuntimeError):
    """The fork cannot stand on the block asked for; the message says why."""


def cannot_fork(head: Head, error: AnvilFailed | RpcError) -> ForkFailed:
    """What a fork's answer means for who wants to stand on `head`."""
    why = _REMEDY if isinstance(error, RpcError) and _GONE.search(error.message) else error
    return ForkFailed(f"cannot fork block {head.number}: {why}")


class PinnedFork:
    """A fork of the node at `rpc_url`, which is read over HTTP or a WebSocket.

    `restarts` counts how often Anvil had to be started again.
    """

    def __init__(self, rpc_url: str) -> None:
        self._url = rpc_url
        self._anvil: Anvil | None = None
        self.restarts = 0
        self._started = False

    @property
    def alive(self) -> bool:
        return self._anvil is not None and self._anvil.alive

    @property
    def anvil(self) -> Anvil:
        """The running Anvil. Raises `ForkFailed` when there is none."""
        if self._anvil is None:
            raise ForkFailed("the fork is not running")
        return self._anvil

    async def pin(self, head: Head, overlay: Overlay, known: Known | None = None) -> None:
        """Stand on `head`, with `overlay` on top. Raises `ForkFailed`; whatever goes wrong, no half-made fork stays.

        What `known` tells of that block's state is put there first, so that it need not be fetched piece by piece.
        """
        try:
            await self._reset_to(head)
            if known is not None:
                await self._warm(await known())
            await overlay.place(self.anvil)
        except CannotOverlay as error:
            raise ForkFailed(str(error)) from None
        except (AnvilFailed, RpcError) as error:
            await self.discard()
            raise cannot_fork(head, error) from None
        except BaseException:
            await self.discard()
            raise

    async def discard(self) -> None:
        """End Anvil; the next `pin` starts another."""
        anvil, self._anvil = self._anvil, None
        if anvil is not None:
            with contextlib.suppress(AnvilFailed):
                await anvil.close()

    async def _reset_to(self, head: Head) -> None:
        if not self.alive:
            await self._start()
        await self.anvil.rpc("anvil_reset", {"forking": {"jsonRpcUrl": self._url, "blockNumber": head.number}})
        block = await self.anvil.rpc("eth_getBlockByNumber", "latest", False)
        found = block["hash"] if block else None
        if found != head.hash:
            raise ForkFailed(f"the chain moved on: the node has {found} at block {head.number}, not {head.hash}")

    async def _warm(self, state: KnownState | None) -> None:
        if state is None:
            return
        # Loading would fetch the accounts one after the other, and so would a batch; separate questions do not.
        anvil = self.anvil
        await asyncio.gather(*(anvil.rpc("eth_getTransactionCount", account, "latest") for account in state.accounts))
        await self.anvil.rpc("anvil_loadState", "0x" + state.dump.hex())

    async def _start(self) -> None:
        await self.discard()
        self.restarts += self._started
        anvil = Anvil(["--fork-url", self._url, *_ARGUMENTS], start_timeout_s=_START_TIMEOUT_S)
        await anvil.start()
        self._anvil = anvil
        self._started = True
