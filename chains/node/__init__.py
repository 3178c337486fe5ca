"""Ethereum JSON-RPC nodes: blocks in order, reads, and somewhere to send transactions."""

from chains.node.errors import NodeError, ReorgTooDeep, Unreachable, WrongChain
from chains.node.node import MonotonicClock, Node
from chains.node.sending import SendCause, SendOutcome, SendStatus
from chains.node.submitter import Submitter
from chains.node.wire import BlockRef

__all__ = [
    "BlockRef",
    "MonotonicClock",
    "Node",
    "NodeError",
    "ReorgTooDeep",
    "SendCause",
    "SendOutcome",
    "SendStatus",
    "Submitter",
    "Unreachable",
    "WrongChain",
]
