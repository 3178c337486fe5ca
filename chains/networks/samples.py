"""How each family of factories is asked for a pool of two tokens, so that a derived address can be held against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from chains.assets import Address
from chains.networks.factory import Factory, Family
from chains.pools.words import WORD, selector, unsigned

_MOST = 24
"""Questions that are worth asking before giving up."""

_QUESTIONS = {
    Family.CONSTANT_PRODUCT: ("getPair(address,address)", ""),
    Family.CAMELOT: ("getPair(address,address)", ""),
    Family.CONCENTRATED: ("getPool(address,address,uint24)", "uint24"),
    Family.SLIPSTREAM: ("getPool(address,address,int24)", "int24"),
    Family.SOLIDLY: ("getPool(address,address,bool)", "bool"),
    Family.ALGEBRA: ("poolByPair(address,address)", ""),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A pool that a factory may have: its pair, and what tells pools of one pair apart (see `Factory.pool`)."""

    pair: tuple[Address, Address]
    kind: int
    question: bytes

    def read(self, answer: bytes) -> Address | None:
        """The pool in the factory's answer; None where it has none."""
        if len(answer) != WORD or not unsigned(answer):
            return None
        return Address(str(to_checksum_address(answer[-20:])))


def samples(factory: Factory, tokens: Sequence[Address]) -> Iterator[Sample]:
    """The pools to ask `factory` for, likeliest first: those of the first of `tokens`."""
    signature, kind_type = _QUESTIONS[factory.family]
    kinds: tuple[int, ...] = (0,)
    if factory.family is Family.CONCENTRATED:
        kinds = factory.fees_ppm
    elif factory.family is Family.SLIPSTREAM:
        kinds = factory.spacings
    elif factory.family is Family.SOLIDLY:
        kinds = (0, 1)
    asked = 0
    for pair in combinations(tokens, 2):
        for kind in kinds:
            types, values = ["address", "address"], list[object](pair)
            if kind_type:
                types.append(kind_type)
                values.append(bool(kind) if kind_type == "bool" else kind)
            yield Sample((pair[0], pair[1]), kind, selector(signature) + encode(types, values))
            asked += 1
            if asked == _MOST:
                return
