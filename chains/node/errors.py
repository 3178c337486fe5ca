"""What a node can do to us. A JSON-RPC error answer is `chains.anvil.RpcError`."""

from __future__ import annotations

from urllib.parse import urlsplit

from chains.anvil import RpcError


class NodeError(RuntimeError):
    """A node that cannot be used; the message says what, where and what to do."""


class InvalidEndpoint(NodeError):
    """An address that is none."""


class Unreachable(NodeError):
    """No node answers at the address, or it stopped answering."""


class BadAnswer(Unreachable):
    """What came back is no answer to what was asked: a web page, half a document, another id, an impossible null."""


class Busy(Unreachable):
    """The endpoint asks to be left alone for a while. `retry_after_s` is for how long, if it said."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class QuotaSpent(Unreachable):
    """Today's units are used up; what is in flight is still brought home."""


class Disproved(Unreachable):
    """An answer that contradicts itself, or what is known: it is not believed."""


class WrongChain(NodeError):
    """The node is on another chain than the network says."""


class ReorgTooDeep(NodeError):
    """The chain was reorganised below every remembered block: state built on them must be loaded anew."""


class NoArchive(RpcError):
    """No endpoint has the state, or the logs, of a block so old."""


def shown(url: str) -> str:
    """The URL without user, path and query, where providers put their secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"
