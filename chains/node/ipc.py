"""JSON-RPC over a Unix socket, as a node on the same machine offers it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from chains.node.answers import MAX_ANSWER_BYTES, Answer, Request
from chains.node.conversation import Conversation, Subscription
from chains.node.errors import BadAnswer, Unreachable

_CHUNK_BYTES = 1 << 18


class IpcSocket:
    """One connection: a `Transport`. It does not reconnect by itself."""

    def __init__(self, path: str, now_ns: Callable[[], int], timeout_s: float) -> None:
        self._path = path
        self._now_ns = now_ns
        self._timeout_s = timeout_s
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._conversation = Conversation(path, self._send, timeout_s)

    @property
    def open(self) -> bool:
        return self._writer is not None and not self._conversation.gone

    @property
    def subscriptions(self) -> int:
        """How many are running."""
        return self._conversation.subscriptions

    async def open_up(self) -> None:
        """Connect. Raises `Unreachable`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, self._writer = await asyncio.open_unix_connection(self._path)
        except (OSError, TimeoutError) as error:
            cause = getattr(error, "strerror", None) or "no answer"
            raise Unreachable(f"{self._path}: no node answers ({cause}); start one there or correct the path") from None
        self._listener = asyncio.create_task(self._listen(reader))

    async def shut(self) -> None:
        """Disconnect; requests in flight raise `Unreachable`."""
        self._conversation.lose()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        """Raises `Unreachable`, `BadAnswer`."""
        return await self._conversation.exchange(requests)

    async def listen(self, subscription: Subscription, *params: Any) -> None:
        """`eth_subscribe`. Raises `RpcError`, `Unreachable`."""
        await self._conversation.subscribe(subscription, *params)

    async def unlisten(self, subscription: Subscription) -> None:
        """Stop the frames of `subscription`. Never raises."""
        await self._conversation.unsubscribe(subscription)

    async def _send(self, frame: bytes) -> None:
        if self._writer is None:
            raise Unreachable(f"{self._path}: the connection is closed")
        try:
            self._writer.write(frame + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise Unreachable(f"{self._path}: the connection broke: {error}") from None

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        frames = Frames()
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                for frame in frames.feed(chunk):
                    self._conversation.heard(frame, self._now_ns())
        except (OSError, BadAnswer):
            pass
        finally:
            self._conversation.lose()


class Frames:
    """Cuts a stream into JSON documents: one a line, or without any line ends, as some nodes write them."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The documents that `chunk` completes. Raises `BadAnswer` when one is longer than can be."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._add(part)
            line = self._taken()
            if line.strip():
                yield line
        self._add(rest)
        if rest.rstrip().endswith((b"}", b"]")):
            document = self._taken()
            if _is_document(document):
                yield document
            else:
                self._add(document)
        if self._length > MAX_ANSWER_BYTES:
            raise BadAnswer(f"a document of more than {MAX_ANSWER_BYTES >> 20} MB")

    def _add(self, part: bytes) -> None:
        self._parts.append(part)
        self._length += len(part)

    def _taken(self) -> bytes:
        """What was added and not yet taken."""
        # Here only: joined at each chunk, a large document would be copied as often as it has chunks.
        taken = b"".join(self._parts)
        self._parts, self._length = [], 0
        return taken


def _is_document(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
