"""What is known of one block's state: the accounts and slots that earlier runs touched, with their values there.

No I/O. Nothing that is not here may be taken for zero: it is a miss.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson
from eth_utils.crypto import keccak

from bot.simulator.ahead import Ahead
from bot.simulator.blind import KEPT_CODES, asked_by
from bot.simulator.reader import Readings
from chains.assets import ZERO_ADDRESS, Address, address

MOST_SLOTS = 8_192

_MODEXP = 0x05
# The last of Cancun's; later ones are not known in this process.
_LAST_PRECOMPILE = 0x0A
_LAST_RESERVED = 0x1FF


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account without its storage. `blind` code is not run here, `asking` code in builders' blocks only."""

    balance_wei: int
    nonce: int
    code: bytes
    code_hash: bytes
    blind: bool
    asking: bool

    @classmethod
    def of(cls, balance_wei: int, nonce: int, code: bytes) -> AccountState:
        same, code_hash = _once(code)
        asked = asked_by(same)
        return cls(balance_wei, nonce, same, code_hash, asked.blind, asked.asking)


@lru_cache(maxsize=KEPT_CODES)
def _once(code: bytes) -> tuple[bytes, bytes]:
    """`code` and its hash, the same object for the same code: kept for each account anew, it would be most of all that
    is known.
    """
    return code, keccak(code)


PRECOMPILES = tuple(address(f"0x{number:040x}") for number in range(1, _LAST_PRECOMPILE + 1) if number != _MODEXP)
"""The precompiled contracts that run here: since Osaka, MODEXP costs more and refuses more (EIP-7883, EIP-7823)."""


class StateStore:
    """Accounts and slots as of the block `block_hash`; `senders` are those whose nonces are read.

    Past `MOST_SLOTS`, what was learned longest ago goes. An account's slots are replaced, never changed in place.
    """

    def __init__(self) -> None:
        self.block_hash: str | None = None
        self.accounts: dict[Address, AccountState] = {}
        self.slots: dict[Address, Mapping[int, int]] = {}
        self.senders: set[Address] = set()
        self.version = 0
        """Grows with every change."""
        self._ahead = Ahead()

    @property
    def keys(self) -> Mapping[Address, Sequence[int]]:
        """The slots to read at the next block, by account, as `Ahead.keys`; the accounts without any among them."""
        return self._ahead.keys(self.accounts, self.slots)

    @property
    def unread(self) -> bool:
        """Whether `keys` has what may be touched on this block and is not known."""
        return self._ahead.lacks(self.slots)

    def learn(self, block_hash: str, prestate: Mapping[str, Any]) -> bool:
        """Take in a `prestateTracer` answer about `block_hash`; whether it told anything new.

        Accounts at the addresses that protocols reserve are left out, unless they are those of `PRECOMPILES`.
        """
        if self.block_hash != block_hash:
            self.clear()
            self.block_hash = block_hash
        before = self._size()
        for text, fields in prestate.items():
            account = address(text)
            if account != ZERO_ADDRESS and int(account, 16) <= _LAST_RESERVED and account not in PRECOMPILES:
                continue
            code = bytes.fromhex(str(fields.get("code", "0x"))[2:])
            balance_wei, nonce = int(str(fields.get("balance", "0x0")), 16), int(fields.get("nonce", 0))
            known = self.accounts.get(account)
            if known is None or known.code != code:
                self.accounts[account] = AccountState.of(balance_wei, nonce, code)
            else:
                self.accounts[account] = replace(known, balance_wei=balance_wei, nonce=nonce)
            learned = {int(slot, 16): int(value, 16) for slot, value in fields.get("storage", {}).items()}
            self.slots[account] = {**self.slots.get(account, {}), **learned}
            self._ahead.note(account, learned, self.slots[account])
        self._forget_oldest()
        self.version += 1
        return self._size() != before

    def learn_others(self, readings: Readings) -> None:
        """Accounts that every run needs and no tracer tells of; what has code is not run here."""
        for account, balance_wei in readings.balances.items():
            it = AccountState.of(balance_wei, 0, b"")
            code_hash = readings.code_hashes[account]
            if it.code_hash != code_hash:
                it = replace(it, code_hash=code_hash, blind=True)
            self.accounts.setdefault(account, it)
        self.version += 1

    def renew(self, block_hash: str, readings: Readings, nonces: Mapping[Address, int]) -> None:
        """Everything as of `block_hash`. What was not read, or has other code by now, is forgotten."""
        known, code_hashes = self.accounts, readings.code_hashes
        self.accounts = {
            account: it if it.balance_wei == balance_wei else replace(it, balance_wei=balance_wei)
            for account, balance_wei in readings.balances.items()
            if (it := known.get(account)) is not None and code_hashes.get(account, it.code_hash) == it.code_hash
        }
        for sender in nonces.keys() & self.accounts.keys():
            if self.accounts[sender].nonce != nonces[sender]:
                self.accounts[sender] = replace(self.accounts[sender], nonce=nonces[sender])
        self.slots = {account: readings.slots.get(account, {}) for account in self.accounts}
        self.block_hash = block_hash
        self.version += 1

    def snapshot(self) -> StateStore:
        """What is known now, which no later reading changes."""
        return self.changed({}, {})

    def changed(self, balances: Mapping[Address, int], slots: Mapping[Address, Mapping[int, int]]) -> StateStore:
        """The same block's state with other balances and slots; what is not named is shared."""
        after = StateStore()
        after.block_hash, after.senders = self.block_hash, self.senders
        after.accounts = self.accounts | {
            account: replace(self.accounts[account], balance_wei=balance_wei)
            for account, balance_wei in balances.items()
        }
        after.slots = {**self.slots, **slots}
        return after

    @property
    def contracts(self) -> Mapping[Address, AccountState]:
        """Those whose nonce matters and may be old are left out: accounts without code, and what creates others."""
        return {account: known for account, known in self.accounts.items() if known.code and not known.blind}

    def dump(self) -> bytes:
        """`contracts` as Anvil's `anvil_loadState` takes them: JSON, compressed."""
        accounts = {
            account: {
                "nonce": known.nonce,
                "balance": hex(known.balance_wei),
                "code": "0x" + known.code.hex(),
                "storage": {f"0x{slot:064x}": f"0x{word:064x}" for slot, word in self.slots[account].items()},
            }
            for account, known in self.contracts.items()
        }
        state: dict[str, Any] = {
            "block": None,
            "best_block_number": None,
            "blocks": [],
            "transactions": [],
            "accounts": accounts,
        }
        return gzip.compress(orjson.dumps(state), compresslevel=1)

    def clear(self) -> None:
        """Forget everything."""
        self.accounts, self.slots, self.block_hash = {}, {}, None
        self.version += 1

    def _size(self) -> tuple[int, int]:
        return len(self.accounts), sum(map(len, self.slots.values()))

    def _forget_oldest(self) -> None:
        count = sum(map(len, self.slots.values()))
        for account in list(self.accounts):
            if count <= MOST_SLOTS:
                return
            if account not in PRECOMPILES:
                del self.accounts[account]
                count -= len(self.slots.pop(account, ()))
                self._ahead.forget(account)
