"""Where a signed transaction can go: the public mempool, and private relays over their JSON-RPC."""

from chains.relays.bundles import Bundle, Hint, Simulated
from chains.relays.client import RelayClient
from chains.relays.destinations import Destination, Mempool, Relay, RelayKind, Window
from chains.relays.identity import SIGNATURE_HEADER, SearcherIdentity

__all__ = [
    "SIGNATURE_HEADER",
    "Bundle",
    "Destination",
    "Hint",
    "Mempool",
    "Relay",
    "RelayClient",
    "RelayKind",
    "SearcherIdentity",
    "Simulated",
    "Window",
]
