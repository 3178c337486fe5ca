"""What accounts hold of which tokens, all read by one call of code that is laid over the chain.

The same code asks on the fork and in this process, so that a token cannot tell one from the other.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from bot.simulator.overlay import balance_of_data
from chains.assets import Address, address

Watched = tuple[Address, Address]
"""(account, token); the native coin is the zero address."""

# Drawn by each process: where code lies that the chain does not have would tell a token that it is tried out.
ASKER = address("0x" + secrets.token_hex(20))
READER = address("0x" + secrets.token_hex(20))
# Call data is a row of (account, token), 20 bytes each. For each: BALANCE, where the token is zero, or else STATICCALL
# of balanceOf(account) with 1,000,000 gas at most. Whatever is not 32 bytes long makes all of it revert with where in
# the call data that pair stands.
READER_CODE = bytes.fromhex(
    "6370a0823160e01b600052604060005b36811015605f57803560601c816014013560601c80602f57503182526053565b906004526020836024"
    "600084620f4240fa3d60201416905060535760005260206000fd5b6028019060200190600f565b50604090036040f3"
)
_PAIR_BYTES = 40
_WORD_BYTES = 32
_MOST_GAS_EACH = 1_000_000
_USUAL_GAS_EACH = 100_000


class Unanswered(RuntimeError):
    """The answer does not settle the question; the message says why."""


def data_for(watched: Sequence[Watched]) -> bytes:
    """Call data for `READER_CODE`."""
    return bytes.fromhex("".join(account[2:] + token[2:] for account, token in watched))


def gas_for(watched: Sequence[Watched]) -> int:
    """What that call is given: enough for usual tokens and one that takes all it can get."""
    return _MOST_GAS_EACH + _USUAL_GAS_EACH * len(watched)


def call_for(watched: Sequence[Watched]) -> dict[str, str]:
    """That call as JSON-RPC writes it; `READER_CODE` has to lie at `READER`."""
    return {"from": ASKER, "to": READER, "input": "0x" + data_for(watched).hex(), "gas": hex(gas_for(watched))}


def read(watched: Sequence[Watched], data: bytes | None, *, succeeded: bool) -> dict[Watched, int]:
    """The balances, in base units. Raises `Unanswered`, which names the token that does not tell one."""
    if data is not None and succeeded and len(data) == _WORD_BYTES * len(watched):
        words = (int.from_bytes(data[at : at + _WORD_BYTES], "big") for at in range(0, len(data), _WORD_BYTES))
        return dict(zip(watched, words, strict=True))
    at = int.from_bytes(data, "big") // _PAIR_BYTES if data is not None and len(data) == _WORD_BYTES else len(watched)
    if succeeded or at >= len(watched):
        raise Unanswered(f"{len(watched)} balances could not be read within {gas_for(watched)} gas")
    raise _untold(watched[at])


def balance_call(watched: Watched) -> dict[str, str]:
    """The call that asks a token for one balance."""
    account, token = watched
    data = "0x" + balance_of_data(account).hex()
    return {"from": ASKER, "to": token, "input": data, "gas": hex(_MOST_GAS_EACH)}


def read_balance(watched: Watched, outcome: Mapping[str, Any]) -> int:
    """What a token answered to `balance_call`, as `eth_simulateV1` tells it. Raises `Unanswered`."""
    data = bytes.fromhex(outcome["returnData"][2:])
    if outcome["status"] != "0x1" or len(data) != _WORD_BYTES:
        raise _untold(watched)
    return int.from_bytes(data, "big")


def _untold(watched: Watched) -> Unanswered:
    account, token = watched
    return Unanswered(f"token {token} does not tell the balance of {account}")
