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


class BulkRead:
    """The same accounts and slots, read at one block after another.

    What an account says is taken apart again only where it says something else than at the block before.
    """

    def __init__(self, keys: Mapping[Address, Sequence[int]]) -> None:
        data = bytearray()
        self._spans: dict[Address, tuple[int, int, Sequence[int]]] = {}
        at = 0
        for account, slots in keys.items():
            data += int(account, 16).to_bytes(_WORD, "big") + (_WORD * len(slots)).to_bytes(_WORD, "big")
            data += b"".join([slot.to_bytes(_WORD, "big") for slot in slots])
            end = at + _WORD * (1 + len(slots))
            self._spans[account] = at, end, slots
            at = end
        self._length = at
        code = {account: {"code": _OWN_SLOTS} for account, slots in keys.items() if slots}
        self._call = {"to": _READER, "input": "0x" + data.hex(), "gas": hex(_MOST_GAS)}
        self._code = {_READER: {"code": _IN_A_ROW}, **code}
        self._said = b""
        self._readings = Readings({}, {})

    def question(self, block: str | Mapping[str, str]) -> tuple[Any, ...]:
        """The parameters of the one `eth_call`, at a block as JSON-RPC names it (EIP-1898)."""
        return self._call, block, self._code

    def read(self, answer: str) -> Readings:
        """The answer to `question`; the slots of an account that says the same are the same object again.

        Raises `Unreadable`.
        """
        said, before = bytes.fromhex(answer[2:]), self._said
        if len(said) != self._length:
            raise Unreadable(
                f"the node answered {len(said)} bytes of state, not {self._length}; does it take overrides?"
            )
        balances, found = dict(self._readings.balances), dict(self._readings.slots)
        for account, (start, end, slots) in self._spans.items():
            if before and said[start:end] == before[start:end]:
                continue
            words = [int.from_bytes(said[at : at + _WORD], "big") for at in range(start, end, _WORD)]
            balances[account] = words[0]
            found[account] = dict(zip(slots, words[1:], strict=True))
        self._said, self._readings = said, Readings(balances, found)
        return self._readings
