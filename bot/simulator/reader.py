"""Many slots of many accounts in one `eth_call`: code is laid over the accounts that returns their own storage.

The balances of the accounts come along, and what code those have that none was laid over. Only the call sees that code;
the state overrides of `eth_call` are those of geth's documentation, which Anvil, Erigon, Nethermind and Reth share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from eth_utils.crypto import keccak

from chains.assets import Address, address

_WORD = 32
_NO_CODE = keccak(b"")
# What is told of an account beside its slots, in the place of a slot's number.
_BALANCE, _CODE = -1, -2
_MOST_GAS = 45_000_000
_READER = address("0x" + keccak(text="isthmus.simulator.bulk-reader")[-20:].hex())

# for (i = 0; i < calldatasize; i += 32) mstore(i, sload(calldataload(i))); return(0, calldatasize)
_OWN_SLOTS = "0x60005b3681101560155780355481526020016002565b366000f3"
_OWN_SLOTS_HASH = keccak(hexstr=_OWN_SLOTS)
# Call data is a row of (account, length of its slots in bytes, its slots). For each: its balance and EXTCODEHASH, then,
# where it has slots here, what calling it with them returns. Whatever reverts makes all of it revert.
_IN_A_ROW = (
    "0x600060005b368110156051578035318252906020019080353f8252906020019080602001358015603f578082604001"
    "843780838181600086355af115604b575b91820191016040016004565b60006000fd5b506000f3"
)


class Unreadable(RuntimeError):
    """The node's answer is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read: wei by account, words by slot by account, and the hash of its code by account without slots.

    Who has slots had code before, and that changes no more (EIP-6780); a delegation does (EIP-7702), and is never run.
    """

    balances: Mapping[Address, int]
    slots: Mapping[Address, Mapping[int, int]]
    code_hashes: Mapping[Address, bytes]


@dataclass(frozen=True, slots=True)
class _Part:
    """One account's: its slots, and how they are asked for."""

    slots: Sequence[int]
    asked: bytes


class BulkRead:
    """The same accounts and slots, read at one block after another.

    Of what is said, only the words are taken apart that differ from those of the block before; from the start, `before`
    says which those were, or else that all are zero.
    """

    def __init__(self, keys: Mapping[Address, Sequence[int]], before: BulkRead | None = None) -> None:
        self._parts: dict[Address, _Part] = {}
        self._places: list[tuple[Address, int]] = []
        self._balances: dict[Address, int] = {}
        self._code_hashes: dict[Address, bytes] = {}
        self._words: dict[Address, Mapping[int, int]] = {}
        said = []
        for account, slots in keys.items():
            was = before._parts.get(account) if before is not None else None
            again = was is not None and was.slots == slots
            asked = was.asked if was is not None and again else _asking(account, slots)
            self._parts[account] = _Part(slots, asked)
            self._places += [(account, at) for at in (_BALANCE, _CODE, *slots)]
            known = before._words.get(account, {}) if before is not None else {}
            words = self._words[account] = known if again else {slot: known.get(slot, 0) for slot in slots}
            balance_wei = self._balances[account] = before._balances.get(account, 0) if before is not None else 0
            code_hash = _OWN_SLOTS_HASH
            if not slots:
                code_hash = before._code_hashes.get(account, _NO_CODE) if before is not None else _NO_CODE
                self._code_hashes[account] = code_hash
            said += [balance_wei, int.from_bytes(code_hash), *words.values()]
        self._said = _in_words(said)
        asked_all = b"".join([part.asked for part in self._parts.values()])
        self._call = {"to": _READER, "input": "0x" + asked_all.hex(), "gas": hex(_MOST_GAS)}
        self._code = {_READER: {"code": _IN_A_ROW}, **{at: {"code": _OWN_SLOTS} for at, slots in keys.items() if slots}}

    def question(self, block: str | Mapping[str, str]) -> tuple[Any, ...]:
        """The parameters of the one `eth_call`, at a block as JSON-RPC names it (EIP-1898)."""
        return self._call, block, self._code

    def read(self, answer: str) -> Readings:
        """The answer to `question`; the slots of an account that says the same are the same object again.

        Raises `Unreadable`.
        """
        said = bytes.fromhex(answer[2:])
        if len(said) != len(self._said):
            raise Unreadable(
                f"the node answered {len(said)} bytes of state, not {len(self._said)}; does it take overrides?"
            )
        balances, words, code_hashes = dict(self._balances), dict(self._words), dict(self._code_hashes)
        anew: dict[Address, dict[int, int]] = {}
        for index in _differing(said, self._said):
            account, slot = self._places[index]
            word = int.from_bytes(said[_WORD * index : _WORD * (index + 1)], "big")
            if slot == _BALANCE:
                balances[account] = word
                continue
            if slot == _CODE:
                if account in code_hashes:
                    # Of an account that does not exist, zero is said.
                    code_hashes[account] = word.to_bytes(_WORD) if word else _NO_CODE
                continue
            if account not in anew:
                words[account] = anew[account] = dict(words[account])
            anew[account][slot] = word
        self._said, self._balances, self._words, self._code_hashes = said, balances, words, code_hashes
        return Readings(balances, words, code_hashes)

    def asks_for(self, keys: Mapping[Address, Sequence[int]]) -> bool:
        """Whether that is what it reads."""
        return keys.keys() == self._parts.keys() and all(keys[at] == part.slots for at, part in self._parts.items())


def _differing(said: bytes, before: bytes) -> list[int]:
    """Which words differ."""
    now, then = (np.frombuffer(each, np.uint64).reshape(-1, _WORD // 8) for each in (said, before))
    found: list[int] = np.flatnonzero((now != then).any(axis=1)).tolist()
    return found


def _asking(account: Address, slots: Sequence[int]) -> bytes:
    return _in_words((int(account, 16), _WORD * len(slots), *slots))


def _in_words(numbers: Iterable[int]) -> bytes:
    return b"".join([number.to_bytes(_WORD, "big") for number in numbers])
