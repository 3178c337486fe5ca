"""What a node can do to us. A JSON-RPC error answer is `chains.anvil.RpcError`."""

from __future__ import annotations

from urllib.parse import urlsplit


class NodeError(RuntimeError):
    """A node that cannot be used; the message says what, where and what to do."""


class Unreachable(NodeError):
    """No node answers at the address, or it stopped answering."""


class WrongChain(NodeError):
    """The node is on another chain than the network says."""


class ReorgTooDeep(NodeError):
    """The chain was reorganised below every remembered block: state built on them must be loaded anew."""


def shown(url: str) -> str:
    """The URL without user, path and query, where providers put their secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"
