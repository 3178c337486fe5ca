"""What a token says of itself when it is asked: decimals, pauses, blacklists, shares, flash loans. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from bot.safety.probe import Reply
from chains.assets import Address
from chains.pools.pool import Call
from chains.pools.words import selector

MAX_DECIMALS = 77
"""A token with more could not hold one whole unit of itself in 256 bits."""

_NEVER_DEFINED = "isthmusAsksWhatNobodyDefined()"
_PAUSED = ("paused()", "isPaused()", "transfersPaused()")
_LISTED = (
    "isBlacklisted(address)",
    "isBlackListed(address)",
    "blacklisted(address)",
    "blacklist(address)",
    "getBlackListStatus(address)",
    "isBlocked(address)",
    "isFrozen(address)",
    "frozen(address)",
    "isDenied(address)",
    "isBot(address)",
)
_SHARES = ("sharesOf(address)", "scaledBalanceOf(address)", "scaledTotalSupply()", "getPooledEthByShares(uint256)")
_OTHERS = ("balanceOf(address)", "decimals()", "maxFlashLoan(address)")
ALL = (_NEVER_DEFINED, *_PAUSED, *_LISTED, *_SHARES, *_OTHERS)


@dataclass(frozen=True, slots=True)
class Said:
    """`decimals` is None where there are none that make sense. The rest: whether it can, and whether it has."""

    is_token: bool
    decimals: int | None
    pausable: bool
    paused: bool
    blacklist: bool
    blacklisted: bool
    shares: bool
    flash_mintable: bool


def questions(token: Address, holder: Address) -> list[Call]:
    """What to ask `token`, seen by `holder`."""
    return [Call(token, selector(name) + _argument(name, token, holder)) for name in ALL]


def read(replies: Sequence[Reply]) -> Said:
    """What the replies to `questions` say. Of a token that answers anything at all, only the standard's is believed."""
    said = dict(zip(ALL, replies, strict=True))
    believable = not said[_NEVER_DEFINED].succeeded

    def numbers(names: Sequence[str]) -> list[int]:
        found = (said[name].number for name in names) if believable else ()
        return [number for number in found if number is not None]

    paused, listed = _flags(numbers(_PAUSED)), _flags(numbers(_LISTED))
    decimals = said["decimals()"].number
    return Said(
        is_token=said["balanceOf(address)"].number is not None,
        decimals=decimals if decimals is not None and decimals <= MAX_DECIMALS else None,
        pausable=bool(paused),
        paused=1 in paused,
        blacklist=bool(listed),
        blacklisted=1 in listed,
        shares=bool(numbers(_SHARES)),
        flash_mintable=any(numbers(("maxFlashLoan(address)",))),
    )


def _flags(numbers: Sequence[int]) -> list[int]:
    return [number for number in numbers if number in (0, 1)]


def _argument(name: str, token: Address, holder: Address) -> bytes:
    if name == "maxFlashLoan(address)":
        return encode(["address"], [token])
    if name.endswith("(address)"):
        return encode(["address"], [holder])
    return encode(["uint256"], [10**18]) if name.endswith("(uint256)") else b""
