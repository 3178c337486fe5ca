"""Ethereum JSON-RPC nodes: blocks in order, reads, and somewhere to send transactions."""

from chains.node.court import Agreement, Opinion
from chains.node.endpoints import EndpointSettings
from chains.node.errors import (
    NoArchive,
    NodeError,
    QuotaSpent,
    ReorgTooDeep,
    Unreachable,
    WrongChain,
)
from chains.node.events import NodeEvent
from chains.node.node import Node
from chains.node.sending import SendCause, SendOutcome, SendStatus
from chains.node.submitter import Submitter
from chains.node.transport import NodeClock
from chains.node.wire import BlockRef

__all__ = [
    "Agreement",
    "BlockRef",
    "EndpointSettings",
    "NoArchive",
    "Node",
    "NodeClock",
    "NodeError",
    "NodeEvent",
    "Opinion",
    "QuotaSpent",
    "ReorgTooDeep",
    "SendCause",
    "SendOutcome",
    "SendStatus",
    "Submitter",
    "Unreachable",
    "WrongChain",
]
