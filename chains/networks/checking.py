"""Whether a node's chain is what a network's file says: every fact that a node can answer for, asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from chains.anvil import RpcError
from chains.assets import Address
from chains.networks.beginnings import stated, too_late
from chains.networks.factory import Factory
from chains.networks.gas import NoGasPrice
from chains.networks.network import Network
from chains.networks.samples import Sample, samples
from chains.node.wire import bloom_mask, may_contain
from chains.pools.words import selector, unsigned

Rpc = Callable[..., Awaitable[Any]]
"""One JSON-RPC call: method, then its parameters. Raises `RpcError` for a refusal."""

_SPAN_BLOCKS = 200
_MEANS = 3
_BLOCK_TIME_SLACK = 1.5
_BLOCKS_WITH_LOGS = 20


class Standing(StrEnum):
    """Whether a fact holds. `UNKNOWN`: this chain has nothing that would show it."""

    HOLDS = "holds"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact of the file, and what the node says; `remedy` is what to do where they differ."""

    fact: str
    standing: Standing
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.standing:<7}  {self.fact}: {self.found}"
        return f"{line}; {self.remedy}" if self.remedy else line


async def check(network: Network, rpc: Rpc) -> AsyncIterator[Finding]:
    """Every finding, as it is made. Raises what `rpc` raises when the node does not answer."""
    checking = _Checking(network, rpc)
    chain_id = await checking.chain_id()
    yield chain_id
    if chain_id.standing is Standing.DIFFERS:
        return
    yield await checking.multicall()
    yield await checking.code("contracts", dict(network.contracts))
    yield await checking.code("factories", {name: factory.address for name, factory in network.factories.items()})
    yield await checking.beginnings()
    for factory in network.factories.values():
        if factory.init_code_hash:
            yield await checking.derivation(factory)
    yield await checking.block_time()
    yield await checking.finality()
    yield await checking.bloom()
    yield await checking.gas()


@dataclass(frozen=True, slots=True)
class _Checking:
    network: Network
    rpc: Rpc

    async def chain_id(self) -> Finding:
        found = int(await self.rpc("eth_chainId"), 16)
        remedy = f"the file says {self.network.chain_id}; name another node, or correct chain_id"
        return _finding("chain id", found == self.network.chain_id, str(found), remedy)

    async def multicall(self) -> Finding:
        at = self.network.contracts.get("multicall3")
        if at is None:
            return Finding("multicall3", Standing.DIFFERS, "none", "add contracts.multicall3; pools are read by it")
        answer = await self._call(at, selector("getChainId()"))
        answers = len(answer) == 32 and unsigned(answer) == self.network.chain_id
        return _finding("multicall3", answers, "answers" if answers else f"{at} does not answer", "correct its address")

    async def code(self, table: str, addresses: dict[str, Address]) -> Finding:
        bare = [name for name, at in addresses.items() if await self.rpc("eth_getCode", at, "latest") in ("0x", None)]
        have = f"{len(addresses) - len(bare)} of {len(addresses)} have code"
        if not bare:
            return Finding(table, Standing.HOLDS, have)
        return Finding(table, Standing.DIFFERS, have, f"correct or remove {', '.join(bare)}")

    async def beginnings(self) -> Finding:
        fact, count = "deploy blocks", len(stated(self.network))
        late, unknown = await too_late(self.network, self.rpc)
        if late:
            names = ", ".join(late)
            remedy = "give an earlier deploy_block: what was announced before it is never found"
            return Finding(fact, Standing.DIFFERS, f"{names} were there before it", remedy)
        if unknown:
            found = f"the node keeps no state so old, for {len(unknown)} of {count}"
            return Finding(fact, Standing.UNKNOWN, found, "ask an archive")
        return Finding(fact, Standing.HOLDS, f"nothing was there before the {count} that are stated")

    async def derivation(self, factory: Factory) -> Finding:
        """The first pool that the factory knows of the well-known tokens, against its derived address."""
        fact = f"addresses of {factory.protocol}"
        tokens = [Address(token.address) for token in self.network.tokens.values()]
        for sample in samples(factory, tokens):
            known = await self._pool(factory, sample)
            if known is not None:
                derived = factory.pool(*sample.pair, sample.kind)
                remedy = f"the file derives {derived}; correct init_code_hash or deployer"
                return _finding(fact, derived == known, f"it has pool {known}", remedy)
        return Finding(fact, Standing.UNKNOWN, "it has no pool of the well-known tokens")

    async def _pool(self, factory: Factory, sample: Sample) -> Address | None:
        answer = await self._call(factory.address, sample.question)
        return sample.read(answer)

    async def block_time(self) -> Finding:
        """The least of the means over the last blocks, half of them and a quarter: a pause says nothing."""
        latest = await self.rpc("eth_getBlockByNumber", "latest", False)
        number, now_s = int(latest["number"], 16), int(latest["timestamp"], 16)
        span, means = min(_SPAN_BLOCKS, number), dict[int, float]()
        while span and len(means) < _MEANS:
            earlier = await self.rpc("eth_getBlockByNumber", hex(number - span), False)
            if earlier is not None:
                means[span] = (now_s - int(earlier["timestamp"], 16)) / span
            span //= 2
        if not means:
            return Finding("block time", Standing.UNKNOWN, "the chain has one block")
        measured, stated = min(means.values()), self.network.block_time_s
        near = stated / _BLOCK_TIME_SLACK <= measured <= stated * _BLOCK_TIME_SLACK
        remedy = f"the file says {stated:g} s; correct block_time_s"
        return _finding("block time", near, f"{measured:.3g} s over the last {max(means)} blocks", remedy)

    async def finality(self) -> Finding:
        try:
            final = await self.rpc("eth_getBlockByNumber", "finalized", False)
        except RpcError:
            final = None
        stated = self.network.finality_tag
        if final is None:
            return _finding("finality", not stated, "the node knows no finalized block", "write `finality_tag = false`")
        behind = int(await self.rpc("eth_blockNumber"), 16) - int(final["number"], 16)
        return Finding("finality", Standing.HOLDS, f"the node's finalized block is {behind} behind its head")

    async def bloom(self) -> Finding:
        """Whether the newest block with logs has them in its header's bloom."""
        number = int(await self.rpc("eth_blockNumber"), 16)
        for at in islice(range(number, -1, -1), _BLOCKS_WITH_LOGS):
            block = await self.rpc("eth_getBlockByNumber", hex(at), False)
            if block is None:
                break
            logs = await self.rpc("eth_getLogs", {"blockHash": block["hash"]})
            if logs:
                return self._bloom_of(block, logs)
        return Finding("logs bloom", Standing.UNKNOWN, f"no log in the last {_BLOCKS_WITH_LOGS} blocks")

    def _bloom_of(self, block: dict[str, Any], logs: list[dict[str, Any]]) -> Finding:
        words = {bytes.fromhex(text[2:]) for log in logs for text in (log["address"], *log["topics"])}
        bloom = int(block["logsBloom"], 16)
        real = all(may_contain(bloom, (bloom_mask(word),)) for word in words)
        found = f"block {int(block['number'], 16)} has {'all' if real else 'not all'} of its {len(logs)} logs in it"
        return _finding("logs bloom", real or not self.network.logs_bloom, found, "write `logs_bloom = false`")

    async def gas(self) -> Finding:
        """Whether what the gas model reads answers as it should."""
        model = self.network.gas
        block = await self.rpc("eth_getBlockByNumber", "latest", False)
        base_fee_wei = int(block.get("baseFeePerGas") or "0x0", 16)
        found = f"base fee {base_fee_wei / 1e9:.4g} gwei"
        fact = f"gas model {model.name}"
        if model.data is None:
            return _finding(
                fact,
                (model.name == "legacy") == (base_fee_wei == 0),
                found,
                "only `legacy` has none",
            )
        try:
            fees = model.data.fees([await self._call(call.to, call.data) for call in model.data.calls])
        except NoGasPrice as error:
            return Finding(fact, Standing.DIFFERS, str(error), "correct gas_model")
        return Finding(fact, Standing.HOLDS, f"{found}; {fees}")

    async def _call(self, to: Address, data: bytes) -> bytes:
        """Empty where the call fails."""
        try:
            answer = await self.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
        except RpcError:
            return b""
        return bytes.fromhex((answer or "0x")[2:])


def _finding(fact: str, holds: bool, found: str, remedy: str) -> Finding:
    return Finding(fact, Standing.HOLDS, found) if holds else Finding(fact, Standing.DIFFERS, found, remedy)
