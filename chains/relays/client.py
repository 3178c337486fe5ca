"""One relay's JSON-RPC over HTTP, each request signed by the searcher's identity. It knows nothing of plans."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Self

import aiohttp
import orjson

from chains.anvil import RpcError
from chains.concealing import Concealing
from chains.node.answers import Request, answers, read_body
from chains.node.errors import BadAnswer, Unreachable, shown
from chains.node.http import body_of
from chains.relays.bundles import Bundle, Hint, Simulated, call_document, private_document, share_document
from chains.relays.identity import SIGNATURE_HEADER, SearcherIdentity

_MAX_CONNECTIONS = 4


class RelayClient:
    """The relay at `url`. An async context manager.

    Every method raises `chains.anvil.RpcError` for a refusal and `Unreachable` when no usable answer comes. Relays take
    no batches, so nothing is batched. Nothing is sent twice by itself.
    """

    def __init__(self, url: str, identity: SearcherIdentity | None, *, timeout_s: float = 5.0) -> None:
        """Without `identity` requests are not signed, which some relays allow."""
        self._url = url
        self._conceal = Concealing.of_url(url)
        self._identity = identity
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._ids = itertools.count(1)

    @property
    def where(self) -> str:
        """The address, without what may be secret in it."""
        return shown(self._url)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections; what is in flight raises `Unreachable`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send_bundle(self, bundle: Bundle) -> str:
        """`eth_sendBundle`: the bundle's hash, as the relay words it."""
        return _bundle_hash(await self.request("eth_sendBundle", bundle.document()))

    async def cancel_bundle(self, replacement_id: str) -> None:
        """`eth_cancelBundle`. A block that is being built may hold it all the same."""
        await self.request("eth_cancelBundle", {"replacementUuid": replacement_id})

    async def call_bundle(self, transactions: Sequence[bytes], block_number: int) -> Simulated:
        """`eth_callBundle`: what the transactions would do in `block_number`, on the latest state."""
        answer = await self.request("eth_callBundle", call_document(transactions, block_number))
        try:
            return Simulated.read(answer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadAnswer(f"{self.where}: eth_callBundle was answered with no simulation ({error})") from None

    async def send_private_transaction(self, raw: bytes, last_block: int) -> None:
        """`eth_sendPrivateTransaction`: to be included by `last_block`, and not shown to the public before."""
        await self.request("eth_sendPrivateTransaction", private_document(raw, last_block))

    async def cancel_private_transaction(self, tx_hash: str) -> None:
        """`eth_cancelPrivateTransaction`."""
        await self.request("eth_cancelPrivateTransaction", {"txHash": tx_hash})

    async def send_private_raw_transaction(self, raw: bytes) -> None:
        """`eth_sendPrivateRawTransaction`."""
        await self.request("eth_sendPrivateRawTransaction", "0x" + raw.hex())

    async def share_bundle(self, raw: bytes, first_block: int, last_block: int, hints: Sequence[Hint]) -> str:
        """`mev_sendBundle`: one transaction, of which others are told only the `hints`. The bundle's hash."""
        return _bundle_hash(await self.request("mev_sendBundle", share_document(raw, first_block, last_block, hints)))

    async def request(self, method: str, *params: Any) -> Any:
        """One signed call."""
        if self._session is None:
            raise Unreachable(f"{self.where}: the connection is closed")
        number = next(self._ids)
        body = orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        headers = {"content-type": "application/json"}
        if self._identity is not None:
            headers[SIGNATURE_HEADER] = self._identity.header(body)
        try:
            async with self._session.post(self._url, data=body, headers=headers) as response:
                status, retry_after = response.status, response.headers.get("Retry-After")
                text = self._conceal.raw(await body_of(self.where, response))
        except BadAnswer:
            raise
        except TimeoutError:
            raise Unreachable(f"{self.where}: {method} was not answered within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise Unreachable(f"{self.where}: no relay answers ({type(error).__name__}); correct its URL") from None
        asked = [Request(method, params)]
        (answer,) = answers(self.where, asked, number, read_body(self.where, status, retry_after, text))
        if isinstance(answer, RpcError):
            raise answer
        return answer


def _bundle_hash(answer: Any) -> str:
    """Relays answer with an object, with bare text, or with nothing."""
    return str(answer.get("bundleHash", "")) if isinstance(answer, dict) else str(answer or "")
