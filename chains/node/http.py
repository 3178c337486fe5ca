"""JSON-RPC over HTTP: a request an answer, over connections that are kept."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import aiohttp

from chains.concealing import Concealing
from chains.node.answers import MAX_ANSWER_BYTES, Answer, Request, answers, loader, read_body
from chains.node.conversation import Subscription, encoded
from chains.node.errors import BadAnswer, Unreachable, shown

_MAX_CONNECTIONS = 16


async def body_of(where: str, response: aiohttp.ClientResponse) -> bytes:
    """All of an answer, unpacked. Raises `BadAnswer` once it is longer than any is, and as `ClientResponse.read`."""
    parts, length = list[bytes](), 0
    async for part in response.content.iter_any():
        parts.append(part)
        length += len(part)
        if length > MAX_ANSWER_BYTES:
            raise BadAnswer(f"{where}: answered with more than {MAX_ANSWER_BYTES >> 20} MB, which is not read")
    return b"".join(parts)


class HttpTransport:
    """A `Transport` without subscriptions."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._conceal = Concealing.of_url(url)
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._ids = itertools.count(1)

    @property
    def open(self) -> bool:
        return self._session is not None

    @property
    def subscriptions(self) -> int:
        return 0

    async def open_up(self) -> None:
        """Make ready; whether anything answers shows with the first question."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS),
            )

    async def shut(self) -> None:
        """Close the connections; requests in flight raise `Unreachable`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def exchange(self, requests: Sequence[Request]) -> list[Answer]:
        """Raises `Unreachable`, `Busy`, `BadAnswer`."""
        where = shown(self._url)
        if self._session is None:
            raise Unreachable(f"{where}: the connection is closed")
        first_id = next(self._ids)
        for _ in requests[1:]:
            next(self._ids)
        body = encoded(requests, first_id)
        try:
            async with self._session.post(
                self._url, data=body, headers={"content-type": "application/json"}
            ) as response:
                status, retry_after = response.status, response.headers.get("Retry-After")
                text = self._conceal.raw(await body_of(where, response))
        except BadAnswer:
            raise
        except TimeoutError:
            raise Unreachable(f"{where}: {requests[0].method} was not answered within {self._timeout_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(
                f"{where}: no JSON-RPC node answers ({error.strerror}); start it or correct the URL"
            ) from None
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            raise Unreachable(f"{where}: the connection broke ({type(error).__name__})") from None
        return answers(where, requests, first_id, read_body(where, status, retry_after, text, loader(requests)))

    async def listen(self, subscription: Subscription, *params: Any) -> None:
        raise Unreachable(f"{shown(self._url)}: heads cannot be told over HTTP; it has to be asked")

    async def unlisten(self, subscription: Subscription) -> None:
        return
