"""A chain whose blocks are made when a test says so, of what it says, with geth's transaction pool before it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from chains.anvil import Anvil, RpcError
from chains.blocks import Head
from chains.node.reads import JsonRpcReads
from tests.faults.geth import GethPool, Pooled
from tests.faults.upstream import Caller

Bundled = Sequence[str]
"""Signed transactions (0x hex) that are to stand in one block, in order, or not at all."""


class _Direct(Caller):
    """Geth's rules ask Anvil itself."""

    def __init__(self, anvil: Anvil) -> None:
        self._anvil = anvil

    async def result(self, method: str, *params: Any, kind: object = None) -> Any:
        return await self._anvil.rpc(method, *params)


class Blocks(JsonRpcReads):
    """A `Submitter`, and whoever makes the blocks. `anvil` runs with `--no-mining --order fifo`.

    `base_fee_wei` is that of the next blocks; None lets it follow EIP-1559.
    """

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        self.base_fee_wei: int | None = None
        self.waiting: dict[tuple[str, int], Pooled] = {}
        self._pool = GethPool()
        self._node = _Direct(anvil)

    async def request(self, method: str, *params: Any) -> Any:
        if method == "eth_sendRawTransaction":
            return await self._taken(params[0])
        if method == "eth_getTransactionByHash":
            for pooled in self.waiting.values():
                if pooled.tx_hash == params[0]:
                    return {"hash": pooled.tx_hash}
        return await self.anvil.rpc(method, *params)

    request_once = request

    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def _taken(self, raw: str) -> str:
        refused = await self._pool.refusal(raw, self._node)
        if refused is not None:
            raise RpcError("eth_sendRawTransaction", -32000, refused)
        pooled = Pooled.read(raw)
        self.waiting[pooled.sender, pooled.nonce] = pooled
        return pooled.tx_hash

    async def mine(self, *bundles: Bundled) -> Head:
        """The next block: the bundles that hold whole, in order, and then what waits in the pool and pays."""
        held: list[str] = []
        for bundle in bundles:
            try:
                receipts = await self.tried([*held, *bundle])
            except ValueError:
                continue
            held += bundle if all(receipt["status"] == "0x1" for receipt in receipts) else ()
        return await self._mined(held)

    async def _mined(self, first: Bundled) -> Head:
        base_fee = await self._next_base_fee()
        public = [pooled for _, pooled in sorted(self.waiting.items()) if pooled.max_fee_wei >= base_fee]
        known = {Pooled.read(raw).tx_hash for raw in first}
        await self._make([*first, *(pooled.raw for pooled in public if pooled.tx_hash not in known)])
        await self._forget_mined()
        return await self.head()

    async def mine_alone(self, *transactions: str) -> Head:
        """The next block: `transactions` in order, whether or not they succeed, and then what waits and pays."""
        return await self._mined(transactions)

    async def tried(self, transactions: Bundled) -> list[dict[str, Any]]:
        """The receipts that `transactions` would have in the next block, which is not made. Raises `ValueError`."""
        snapshot = await self.anvil.rpc("evm_snapshot")
        await self._make(transactions)
        hashes = [Pooled.read(raw).tx_hash for raw in transactions]
        receipts = [await self.anvil.rpc("eth_getTransactionReceipt", tx_hash) for tx_hash in hashes]
        await self.anvil.rpc("evm_revert", snapshot)
        if None in receipts:
            raise ValueError(f"{hashes[receipts.index(None)]} fits into no block")
        return receipts

    async def replace(self, *transactions: str) -> Head:
        """The last block is gone, and another stands there that holds `transactions`, in order."""
        await self.anvil.rpc("anvil_dropAllTransactions")
        await self.anvil.rpc("anvil_reorg", 1, [[raw, 0] for raw in transactions])
        return await self.head()

    async def _make(self, raws: Sequence[str]) -> None:
        await self.anvil.rpc("anvil_dropAllTransactions")
        await self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(await self._next_base_fee()))
        for raw in raws:
            try:
                await self.anvil.rpc("eth_sendRawTransaction", raw)
            except RpcError:
                continue  # a nonce that is used, or a gap: whoever makes blocks leaves it out
        latest = await self.anvil.rpc("eth_getBlockByNumber", "latest", False)
        await self.anvil.rpc("evm_mine", {"timestamp": max(int(latest["timestamp"], 16) + 1, int(time.time()))})

    async def _next_base_fee(self) -> int:
        return self.base_fee_wei if self.base_fee_wei is not None else (await self.head()).next_base_fee_wei()

    async def _forget_mined(self) -> None:
        for sender, nonce in list(self.waiting):
            if int(await self.anvil.rpc("eth_getTransactionCount", sender, "latest"), 16) > nonce:
                del self.waiting[sender, nonce]
