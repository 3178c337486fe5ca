"""Many slots of many accounts in one `eth_call`: code is laid over the accounts that returns their own storage.

The balances of the accounts come along. Only the call sees that code; the state overrides of `eth_call` are those of
geth's documentation, which Anvil, Erigon, Nethermind and Reth share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
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


@dataclass(frozen=True, slots=True)
class _Part:
    """One account's: its slots, how they are asked for, and what it said last and what that means."""

    slots: Sequence[int]
    asked: bytes
    said: bytes = b""
    balance_wei: int = 0
    words: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, account: Address, slots: Sequence[int]) -> _Part:
        words = (int(account, 16), _WORD * len(slots), *slots)
        return cls(slots, b"".join([word.to_bytes(_WORD, "big") for word in words]))

    def after(self, said: bytes) -> _Part:
        """After it said this."""
        balance_wei, *words = [int.from_bytes(said[at : at + _WORD], "big") for at in range(0, len(said), _WORD)]
        return _Part(self.slots, self.asked, said, balance_wei, dict(zip(self.slots, words, strict=True)))


class BulkRead:
    """The same accounts and slots, read at one block after another.

    What an account says is taken apart again only where it says something else than at the block before. What `before`
    was told of the same slots is known already.
    """

    def __init__(self, keys: Mapping[Address, Sequence[int]], before: BulkRead | None = None) -> None:
        known: Mapping[Address, _Part] = before._parts if before is not None else {}
        self._parts: dict[Address, _Part] = {
            account: part if (part := known.get(account)) and part.slots == slots else _Part.of(account, slots)
            for account, slots in keys.items()
        }
        ends = list(accumulate(_WORD * (1 + len(slots)) for slots in keys.values()))
        self._stretches = list(zip(keys, [0, *ends], ends, strict=False))
        self._length = ends[-1] if ends else 0
        asked = b"".join([part.asked for part in self._parts.values()])
        self._call = {"to": _READER, "input": "0x" + asked.hex(), "gas": hex(_MOST_GAS)}
        self._code = {_READER: {"code": _IN_A_ROW}, **{at: {"code": _OWN_SLOTS} for at, slots in keys.items() if slots}}

    def question(self, block: str | Mapping[str, str]) -> tuple[Any, ...]:
        """The parameters of the one `eth_call`, at a block as JSON-RPC names it (EIP-1898)."""
        return self._call, block, self._code

    def read(self, answer: str) -> Readings:
        """The answer to `question`; the slots of an account that says the same are the same object again.

        Raises `Unreadable`.
        """
        said = bytes.fromhex(answer[2:])
        if len(said) != self._length:
            raise Unreadable(
                f"the node answered {len(said)} bytes of state, not {self._length}; does it take overrides?"
            )
        for account, begin, end in self._stretches:
            part = self._parts[account]
            if said[begin:end] != part.said:
                self._parts[account] = part.after(said[begin:end])
        return Readings(
            {account: part.balance_wei for account, part in self._parts.items()},
            {account: part.words for account, part in self._parts.items()},
        )

    def asks_for(self, keys: Mapping[Address, Sequence[int]]) -> bool:
        """Whether that is what it reads."""
        return keys.keys() == self._parts.keys() and all(keys[at] == part.slots for at, part in self._parts.items())
