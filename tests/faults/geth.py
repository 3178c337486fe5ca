"""geth's transaction pool, as far as Anvil lacks it: known transactions, replacement prices, nonces, reorganisations.

Source: go-ethereum core/txpool/legacypool/list.go (`list.Add`: 10 % on both fee cap and tip), core/txpool/errors.go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from eth_account import Account
from eth_utils.crypto import keccak
from rlp import decode as rlp_decode
from rlp.exceptions import DecodingError

from tests.faults.upstream import Caller

PRICE_BUMP_PERCENT = 10
_TYPE = b"\x02"


@dataclass(frozen=True, slots=True)
class Pooled:
    """A signed EIP-1559 transaction. Fees are wei per gas."""

    raw: str
    tx_hash: str
    sender: str
    nonce: int
    max_fee_wei: int
    tip_wei: int

    @classmethod
    def read(cls, raw: str) -> Pooled:
        """Decode signed bytes (0x hex). Raises `ValueError` for what is no such transaction."""
        signed = bytes.fromhex(raw[2:])
        if signed[:1] != _TYPE:
            raise ValueError("not an EIP-1559 transaction")
        try:
            _, nonce, tip, max_fee, *_ = rlp_decode(signed[1:])
        except DecodingError as error:
            raise ValueError(str(error)) from None
        sender = str(Account.recover_transaction(raw))
        numbers = (int.from_bytes(field, "big") for field in (nonce, max_fee, tip))
        return cls(raw, "0x" + keccak(signed).hex(), sender, *numbers)

    def may_replace(self, other: Pooled) -> bool:
        """Whether both fees are at least 10 % above those of `other`."""
        return all(
            mine * 100 >= theirs * (100 + PRICE_BUMP_PERCENT) and mine > theirs
            for mine, theirs in ((self.max_fee_wei, other.max_fee_wei), (self.tip_wei, other.tip_wei))
        )


class GethPool:
    """Stands before Anvil's pool. One for all proxies of one chain.

    What was admitted stays known until `depth` blocks have passed over it, so that a reorganisation puts it back.
    """

    def __init__(self, *, depth: int = 64) -> None:
        self._by_nonce: dict[tuple[str, int], Pooled] = {}
        self._buried: dict[tuple[str, int], int] = {}
        self._depth = depth
        self.lost_nonces: set[int] = set()
        """What it takes with one of these nonces never gets to the node; what has later ones waits there for it."""
        self._turn = asyncio.Lock()

    async def refusal(self, raw: str, node: Caller) -> str | None:
        """Why geth would not take `raw`; None admits it, and it is known from now on."""
        try:
            new = Pooled.read(raw)
        except ValueError:
            return None
        async with self._turn:
            next_nonce = int(await node.result("eth_getTransactionCount", new.sender, "latest"), 16)
            if new.nonce < next_nonce:
                return f"nonce too low: address {new.sender}, tx: {new.nonce} state: {next_nonce}"
            old = self._by_nonce.get((new.sender, new.nonce))
            if old is not None and old.tx_hash == new.tx_hash:
                return "already known"
            if old is not None and not new.may_replace(old):
                return "replacement transaction underpriced"
            self._by_nonce[new.sender, new.nonce] = new
        return None

    def loses(self, raw: str) -> bool:
        """Whether it says yes to `raw`, and no more than that."""
        return bool(self.lost_nonces) and Pooled.read(raw).nonce in self.lost_nonces

    async def rebroadcast(self, node: Caller) -> int:
        """Give the node again what it has lost: after a reorganisation, or a rise of the base fee. How many it was."""
        given = 0
        async with self._turn:
            tip = int(await node.result("eth_blockNumber"), 16)
            for key, pooled in sorted(self._by_nonce.items()):
                if int(await node.result("eth_getTransactionCount", pooled.sender, "latest"), 16) > pooled.nonce:
                    if tip - self._buried.setdefault(key, tip) > self._depth:
                        del self._by_nonce[key], self._buried[key]
                    continue
                self._buried.pop(key, None)
                if await node.result("eth_getTransactionByHash", pooled.tx_hash) is None:
                    await node.result("eth_sendRawTransaction", pooled.raw)
                    given += 1
        return given
