"""A relay on the loopback that speaks the JSON-RPC of the real ones, and breaks its word when it is told to.

It makes the blocks of a `Blocks` chain: bundles stand whole in the block they are for, or not at all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import orjson
from aiohttp import web
from eth_utils.crypto import keccak

from chains.anvil import RpcError
from chains.blocks import Head
from chains.relays.identity import SIGNATURE_HEADER, BadSignature, signer_of
from tests.chains.relays.blocks import Blocks
from tests.faults.geth import Pooled

_INVALID_PARAMS = -32602
_UNSIGNED = -32600

LATE_BLOCKS = 4


class Breach(StrEnum):
    """How a relay breaks its word."""

    LOST = "lost"
    """What it took, it forgets."""
    LATE = "late"
    """What was for one block stands some blocks later, after its deadline."""
    UNBUNDLED = "unbundled"
    """Each transaction stands alone, in a block of its own."""
    LEAKED = "leaked"
    """What was private is in the public pool, and in no bundle."""
    EQUIVOCATION = "equivocation"
    """The block that held it is replaced by one in which each of its transactions stands alone, reversed."""


@dataclass(slots=True)
class Held:
    """A bundle: for `block`, until `last_block`."""

    transactions: tuple[str, ...]
    block: int
    last_block: int
    replacement_id: str = ""

    def is_for(self, number: int) -> bool:
        return self.block <= number <= self.last_block


@dataclass(slots=True)
class LocalRelay:
    """Makes the blocks of `blocks`. An async context manager; `url` is where it listens.

    `breach` is how it breaks its word from now on, if at all. `asked` counts requests by method, `signers` who signed.
    """

    blocks: Blocks
    breach: Breach | None = None
    held: list[Held] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    signers: set[str] = field(default_factory=set)
    port: int = 0
    _runner: web.AppRunner | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def mine(self) -> tuple[Head, ...]:
        """The next block; two in a row for one height where the relay equivocates, the second in place of the first."""
        async with self._turn:
            number = (await self.blocks.head()).number + 1
            late = self.breach is Breach.LATE
            chosen = [held for held in self.held if held.is_for(number - LATE_BLOCKS if late else number)]
            transactions = [raw for held in chosen for raw in held.transactions]
            match self.breach:
                case Breach.LOST:
                    heads = [await self.blocks.mine()]
                case Breach.UNBUNDLED:
                    heads = [await self.blocks.mine_alone(*transactions[:1])]
                    self.held.append(Held(tuple(transactions[1:]), number + 1, number + 1))
                case Breach.LEAKED:
                    await self._leak(transactions)
                    heads = [await self.blocks.mine()]
                case Breach.EQUIVOCATION:
                    heads = [await self.blocks.mine(*(held.transactions for held in chosen))]
                    if transactions:
                        heads.append(await self.blocks.replace(*reversed(dict.fromkeys(transactions))))
                case Breach.LATE:
                    heads = [await self.blocks.mine_alone(*transactions)]
                case None:
                    heads = [await self.blocks.mine(*(held.transactions for held in chosen))]
            self.held = [held for held in self.held if held.last_block >= number - LATE_BLOCKS]
            return tuple(heads)

    async def _leak(self, transactions: list[str]) -> None:
        for raw in transactions:
            try:
                await self.blocks.request("eth_sendRawTransaction", raw)
            except RpcError:
                continue

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        asked = orjson.loads(body)
        if isinstance(asked, list):
            return _said({}, error=(_UNSIGNED, "batches are not supported"))
        try:
            self.signers.add(signer_of(request.headers.get(SIGNATURE_HEADER), body))
        except BadSignature as refused:
            return _said(asked, error=(_UNSIGNED, f"signature: {refused}"))
        self.asked[asked["method"]] += 1
        try:
            async with self._turn:
                return _said(asked, result=await self._answer(asked["method"], asked["params"]))
        except (ValueError, KeyError, TypeError, IndexError) as refused:
            return _said(asked, error=(_INVALID_PARAMS, f"invalid params: {refused}"))
        except RpcError as refused:
            return _said(asked, error=(refused.code, refused.message))

    async def _answer(self, method: str, params: list[Any]) -> Any:
        match method:
            case "eth_sendBundle":
                return self._take_bundle(params[0])
            case "eth_cancelBundle":
                wanted = params[0]["replacementUuid"]
                self.held = [held for held in self.held if held.replacement_id != wanted]
                return True
            case "eth_callBundle":
                return await self._simulated(_transactions(params[0]["txs"]))
            case "eth_sendPrivateTransaction":
                return self._take_private(params[0]["tx"], int(params[0]["maxBlockNumber"], 16))
            case "eth_sendPrivateRawTransaction":
                return self._take_private(params[0], 2**32)
            case "eth_cancelPrivateTransaction":
                wanted = params[0]["txHash"]
                kept = [held for held in self.held if Pooled.read(held.transactions[0]).tx_hash != wanted]
                self.held, cancelled = kept, len(kept) < len(self.held)
                return cancelled
            case "mev_sendBundle":
                return self._take_share(params[0])
        raise RpcError(method, -32601, f"the method {method} does not exist/is not available")

    def _take_bundle(self, asked: Mapping[str, Any]) -> Mapping[str, str]:
        transactions = _transactions(asked["txs"])
        if not transactions:
            raise ValueError("a bundle without transactions")
        block, name = int(asked["blockNumber"], 16), str(asked.get("replacementUuid", ""))
        self.held = [held for held in self.held if not name or held.replacement_id != name]
        self.held.append(Held(transactions, block, block, name))
        return {"bundleHash": _hash_of(transactions)}

    def _take_private(self, raw: str, last_block: int) -> str:
        (transaction,) = _transactions([raw])
        self.held.append(Held((transaction,), 0, last_block))
        return Pooled.read(transaction).tx_hash

    def _take_share(self, asked: Mapping[str, Any]) -> Mapping[str, str]:
        if asked["version"] not in ("v0.1", "beta-1"):
            raise ValueError(f"version {asked['version']}")
        transactions = _transactions([part["tx"] for part in asked["body"]])
        first, last = (int(asked["inclusion"][key], 16) for key in ("block", "maxBlock"))
        self.held.append(Held(transactions, first, last))
        return {"bundleHash": _hash_of(transactions)}

    async def _simulated(self, transactions: tuple[str, ...]) -> Mapping[str, Any]:
        if not transactions:
            raise ValueError("bundle missing txs")
        receipts = await self.blocks.tried(transactions)
        results = [
            {"txHash": Pooled.read(raw).tx_hash, "gasUsed": int(receipt["gasUsed"], 16)}
            | ({} if receipt["status"] == "0x1" else {"error": "execution reverted"})
            for raw, receipt in zip(transactions, receipts, strict=True)
        ]
        paid = sum(
            int(receipt["gasUsed"], 16) * Pooled.read(raw).tip_wei
            for raw, receipt in zip(transactions, receipts, strict=True)
        )
        return {
            "results": results,
            "totalGasUsed": sum(result["gasUsed"] for result in results),
            "coinbaseDiff": str(paid),
            "bundleHash": _hash_of(transactions),
        }


def _transactions(raws: Any) -> tuple[str, ...]:
    """Raises `ValueError` for what is no list of signed transactions."""
    return tuple(Pooled.read(raw).raw for raw in raws)


def _hash_of(transactions: tuple[str, ...]) -> str:
    return "0x" + keccak(b"".join(bytes.fromhex(Pooled.read(raw).tx_hash[2:]) for raw in transactions)).hex()


def _said(asked: Mapping[str, Any], result: Any = None, error: tuple[int, str] | None = None) -> web.Response:
    said: dict[str, Any] = {"jsonrpc": "2.0", "id": asked.get("id")}
    said |= {"result": result} if error is None else {"error": {"code": error[0], "message": error[1]}}
    return web.json_response(body=orjson.dumps(said))
