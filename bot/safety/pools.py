"""Which pool a token is tried in: the one that holds most of it, among those of the network's factories."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from bot.safety.probe import Reply, Venue
from chains.assets import Address
from chains.networks import Family, Network
from chains.pools.pool import Call
from chains.pools.words import selector

Ask = Callable[[Sequence[Call]], Awaitable[list[Reply]]]
"""Many reads at once, answered in order."""

_DEFAULT_FEE_PPM = 3_000


class NotAPool(ValueError):
    """The pool named does not trade this token, or speaks neither V2's nor V3's protocol."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    base: Address
    concentrated: bool
    fee_ppm: int
    question: Call


async def deepest_pool(ask: Ask, network: Network, token: Address) -> Venue | None:
    """The pool of `token` and a well-known token of `network` that holds most of `token`; None if there is none."""
    candidates = [*_candidates(network, token)]
    found = [reply.account for reply in await ask([candidate.question for candidate in candidates])]
    pools = [(candidate, pool) for candidate, pool in zip(candidates, found, strict=True) if pool is not None]
    held = await ask([_balance(token, pool) for _, pool in pools]) if pools else []
    ranked = [(reply.number or 0, candidate, pool) for reply, (candidate, pool) in zip(held, pools, strict=True)]
    depth, best, pool = max(ranked, key=lambda row: row[0], default=(0, None, None))
    if not depth or best is None or pool is None:
        return None
    return _venue(pool, token, best.base, concentrated=best.concentrated, fee_ppm=best.fee_ppm)


async def named_pool(ask: Ask, network: Network, token: Address, pool: Address) -> Venue:
    """The pool at an address. Raises `NotAPool`."""
    names = ("token0()", "token1()", "factory()", "fee()", "getReserves()", "slot0()")
    replies = await ask([Call(pool, selector(name)) for name in names])
    sides = [replies[0].account, replies[1].account]
    if token not in sides or None in sides:
        raise NotAPool(f"{pool} is not a pool of {token}; name one of its Uniswap V2 or V3 pools, or none")
    base = sides[1] if sides[0] == token else sides[0]
    concentrated = replies[5].succeeded and replies[5].size > 32
    if base is None or not (concentrated or replies[4].succeeded):
        raise NotAPool(f"{pool} has neither reserves nor a price; name a Uniswap V2 or V3 pool, or none")
    fees = {factory.address: factory.fees_ppm[0] for factory in network.factories.values() if factory.fees_ppm}
    paid = replies[3].number if concentrated else fees.get(replies[2].account or pool)
    return _venue(pool, token, base, concentrated=concentrated, fee_ppm=paid or _DEFAULT_FEE_PPM)


def _candidates(network: Network, token: Address) -> list[_Candidate]:
    made = []
    for base in (Address(known.address) for known in network.tokens.values() if known.address != token):
        for factory in network.factories.values():
            if factory.family is Family.CONSTANT_PRODUCT:
                data = selector("getPair(address,address)") + encode(["address"] * 2, [token, base])
                made.append(_Candidate(base, False, factory.fees_ppm[0], Call(factory.address, data)))
            if factory.family is not Family.CONCENTRATED:
                continue
            for fee_ppm in factory.fees_ppm:
                data = selector("getPool(address,address,uint24)")
                data += encode(["address", "address", "uint24"], [token, base, fee_ppm])
                made.append(_Candidate(base, True, fee_ppm, Call(factory.address, data)))
    return made


def _venue(pool: Address, token: Address, base: Address, *, concentrated: bool, fee_ppm: int) -> Venue:
    return Venue(pool, concentrated, int(token, 16) < int(base, 16), fee_ppm, token, base)


def _balance(token: Address, holder: Address) -> Call:
    return Call(token, selector("balanceOf(address)") + encode(["address"], [holder]))
