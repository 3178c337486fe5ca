"""The wrapped coins that a snapshot does not name: who trades both tokens can always wrap one into the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chains.assets import ZERO_ADDRESS, Address, Token
from chains.networks import load_network
from chains.networks.network import UnknownName
from chains.networks.reader import InvalidNetwork
from chains.pools.wrapping_native import WrappedNativePool
from chains.snapshot import Recorded, Snapshot


def with_wrappers(snapshot: Snapshot) -> Snapshot:
    """`snapshot`, and the wrapped coin of each network whose coin and wrapped token are both traded in it."""
    return replace(snapshot, pools=(*snapshot.pools, *_unsaid(snapshot)))


def _unsaid(snapshot: Snapshot) -> Iterator[Recorded]:
    block = max((recorded.block for recorded in snapshot.pools), default=0)
    for coin in snapshot.tokens:
        wrapped = _wrapped(coin, snapshot) if coin.address == ZERO_ADDRESS else None
        if wrapped is not None and wrapped.address not in snapshot.by_venue and wrapped.decimals == coin.decimals:
            yield Recorded(WrappedNativePool(Address(wrapped.address), (coin, wrapped)), block)


def wrapped_address(place: str) -> str | None:
    """Where the wrapped coin of the network `place` lies; None where nobody knows that network."""
    try:
        return load_network(place).wrapped.address
    except (InvalidNetwork, UnknownName, OSError):
        return None


def _wrapped(coin: Token, snapshot: Snapshot) -> Token | None:
    at = wrapped_address(coin.place)
    return next((token for token in snapshot.tokens if (token.place, token.address) == (coin.place, at)), None)
