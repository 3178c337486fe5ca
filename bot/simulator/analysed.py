"""Accounts for pyrevm whose code is analysed once, not at every call: it analyses the code of contracts it creates."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bot.simulator.state import AccountState

_DEPLOYER = "0x" + "d1" * 20
_MOST_CODE = 24_576
_GAS = 10**10
# PUSH3 length, DUP1, PUSH1 11, PUSH0, CODECOPY, PUSH0, RETURN: what follows becomes the code of the new contract.
_CREATION = "62{length:06x}80600b5f395ff3"


class AnalysedAccounts:
    """pyrevm's accounts by code and balance, kept from block to block."""

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, int], Any] = {}

    def kept(self, known: AccountState) -> Any | None:
        """`account`, where that takes no time; None where its code is not analysed yet."""
        if not 0 < len(known.code) <= _MOST_CODE:
            return plain_account(known, known.balance_wei)
        return self._kept.get((known.code_hash, known.balance_wei))

    def account(self, known: AccountState) -> Any:
        """`known` as pyrevm takes it. Of a contract, the nonce is 1: only creating others could tell the difference."""
        if not 0 < len(known.code) <= _MOST_CODE:
            return plain_account(known, known.balance_wei)
        key = known.code_hash, known.balance_wei
        if key not in self._kept:
            self._kept[key] = _created(known)
        return self._kept[key]

    def keep(self, known: Collection[AccountState]) -> None:
        """What is none of `known` goes, once there are twice as many."""
        if len(self._kept) <= 2 * len(known):
            return
        wanted = {(each.code_hash, each.balance_wei) for each in known}
        self._kept = {key: made for key, made in self._kept.items() if key in wanted}


def plain_account(known: AccountState, balance_wei: int) -> Any:
    """`known` with another balance, its code as it is."""
    import pyrevm

    made: Any = pyrevm.AccountInfo
    return made(balance=balance_wei, nonce=known.nonce, code_hash=known.code_hash, code=known.code)


def _created(known: AccountState) -> Any:
    import pyrevm

    evm: Any = pyrevm.EVM(gas_limit=_GAS, spec_id="CANCUN")
    evm.insert_account_info(_DEPLOYER, plain_account(AccountState.of(0, 0, b""), known.balance_wei))
    creation = bytes.fromhex(_CREATION.format(length=len(known.code))) + known.code
    return evm.basic(evm.deploy(_DEPLOYER, creation, value=known.balance_wei))
