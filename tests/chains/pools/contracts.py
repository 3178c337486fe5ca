"""Real contracts from npm on a local Anvil: deploying them, calling them, and loading pools from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from chains.anvil import Anvil
from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.pools.pool import Pool, PoolFacts
from chains.pools.registry import loader
from chains.tools import npm_package

ANVIL_ARGUMENTS = ["--accounts", "1", "--gas-limit", "2000000000", "--base-fee", "0"]


def call_data(signature: str, *arguments: Any) -> str:
    """Call data for a function such as `swap((address,uint256))`."""
    kinds = signature[signature.index("(") + 1 : -1]
    types = _split(kinds)
    return "0x" + (keccak(text=signature)[:4] + encode(types, arguments)).hex()


def _split(kinds: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for character in kinds:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current] if current else parts


class Chain:
    """One Anvil with one funded account that pays for everything."""

    def __init__(self, anvil: Anvil, account: str) -> None:
        self.anvil = anvil
        self.account = account

    @classmethod
    async def open(cls, anvil: Anvil) -> Chain:
        return cls(anvil, (await anvil.rpc("eth_accounts"))[0])

    async def deploy(
        self, package: str, artefact: str, types: Sequence[str] = (), values: Sequence[Any] = ()
    ) -> Address:
        code = json.loads((npm_package(package) / artefact).read_text())["bytecode"]
        data = "0x" + code.removeprefix("0x") + encode(types, values).hex()
        receipt = await self._transact({"data": data})
        return address(receipt["contractAddress"])

    async def send(self, to: str, signature: str, *arguments: Any) -> list[Log]:
        """Send a transaction that must succeed; its logs."""
        receipt = await self._transact({"to": to, "data": call_data(signature, *arguments)})
        return [
            Log(
                address(log["address"]),
                tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
                bytes.fromhex(log["data"][2:]),
                int(log["blockNumber"], 16),
                log["blockHash"],
                log["transactionHash"],
                int(log["transactionIndex"], 16),
                int(log["logIndex"], 16),
            )
            for log in receipt["logs"]
        ]

    async def _transact(self, fields: dict[str, str]) -> dict[str, Any]:
        transaction = {"from": self.account, "gas": hex(1_000_000_000), "gasPrice": "0x0", **fields}
        digest = await self.anvil.rpc("eth_sendTransaction", transaction)
        receipt: dict[str, Any] | None = None
        while receipt is None:
            receipt = await self.anvil.rpc("eth_getTransactionReceipt", digest)
        assert receipt["status"] == "0x1", f"reverted: {fields}"
        return receipt

    async def read(self, to: str, signature: str, returns: Sequence[str], *arguments: Any) -> tuple[Any, ...]:
        answer = await self.anvil.rpc("eth_call", {"to": to, "data": call_data(signature, *arguments)}, "latest")
        return tuple(decode(returns, bytes.fromhex(answer[2:])))

    async def many(self, calls: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Several reads at once; None where the contract reverts."""
        results: list[bytes | None] = []
        for to, data in calls:
            try:
                answer = await self.anvil.rpc("eth_call", {"from": self.account, "to": to, "data": data}, "latest")
                results.append(bytes.fromhex(answer[2:]))
            except RuntimeError:
                results.append(None)
        return results

    async def load(self, facts: PoolFacts) -> Pool:
        steps = loader(facts.family)(facts)
        calls = next(steps)
        while True:
            batch = [("eth_call", ({"to": call.to, "data": "0x" + call.data.hex()}, "latest")) for call in calls]
            answers = await self.anvil.batch(batch)
            try:
                calls = steps.send(tuple(bytes.fromhex(answer[2:]) for answer in answers))
            except StopIteration as end:
                return end.value

    async def token(self, symbol: str, supply: int = 2**255) -> Token:
        at = await self.deploy("@uniswap/v2-core", "build/ERC20.json", ["uint256"], [supply])
        return Token("anvil", at, symbol, 18)


def ordered(one: Token, other: Token) -> tuple[Token, Token]:
    """Two tokens in the order pools keep them."""
    return (one, other) if int(one.address, 16) < int(other.address, 16) else (other, one)
