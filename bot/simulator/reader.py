"""Many slots of many accounts in one `eth_call`: code is laid over the accounts that returns their own storage.

The balances of the accounts come along. Only the call sees that code; the state overrides of `eth_call` are those of
geth's documentation, which Anvil, Erigon, Nethermind and Reth share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from chains.assets import Address, address

_WORD = 32
_MOST_GAS = 45_000_000
_READER = address("0x" + keccak(text="isthmus.simulator.bulk-reader")[-20:].hex())

# for (i = 0; i < calldatasize; i += 32) mstore(i, sload(calldataload(i))); return(0, calldatasize)
_OWN_SLOTS = "0x60005b3681101560155780355481526020016002565b366000f3"
# Call data is a row of (account, length of its slots in bytes, its slots). For each: its balance, then, where it has
# slots here, what calling it with them returns. Whatever reverts makes all of it revert.
_IN_A_ROW = (
    "0x600060005b368110156047578035318252906020019080602001358015603557808260400184378083818160008635"
    "5af1156041575b91820191016040016004565b60006000fd5b506000f3"
)


class Unreadable(RuntimeError):
    """The node's answer is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read: wei by account, words by slot by account."""

    balances: Mapping[Address, int]
    slots: Mapping[Address, Mapping[int, int]]


def question(keys: Mapping[Address, Sequence[int]], block: str | Mapping[str, str]) -> tuple[Any, ...]:
    """The parameters of one `eth_call` that reads `keys`, at a block as JSON-RPC names it (EIP-1898)."""
    data = bytearray()
    for account, slots in keys.items():
        data += int(account, 16).to_bytes(_WORD, "big") + (_WORD * len(slots)).to_bytes(_WORD, "big")
        for slot in slots:
            data += slot.to_bytes(_WORD, "big")
    code = {account: {"code": _OWN_SLOTS} for account, slots in keys.items() if slots}
    call = {"to": _READER, "input": "0x" + data.hex(), "gas": hex(_MOST_GAS)}
    return call, block, {_READER: {"code": _IN_A_ROW}, **code}


def read(keys: Mapping[Address, Sequence[int]], answer: str) -> Readings:
    """The answer to `question(keys, …)`. Raises `Unreadable`."""
    data = bytes.fromhex(answer[2:])
    wanted = sum(1 + len(slots) for slots in keys.values())
    if len(data) != _WORD * wanted:
        raise Unreadable(f"the node answered {len(data)} bytes of state, not {_WORD * wanted}; does it take overrides?")
    words = (int.from_bytes(data[at : at + _WORD], "big") for at in range(0, len(data), _WORD))
    balances, found = {}, {}
    for account, slots in keys.items():
        balances[account] = next(words)
        found[account] = {slot: next(words) for slot in slots}
    return Readings(balances, found)
