"""Real contracts from npm on a local Anvil: deploying them, sending to them, asking them, loading pools from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.grammar import TupleType, parse
from eth_utils.crypto import keccak

from chains.anvil import Anvil, RpcError
from chains.assets import Address, Token, address
from chains.blocks import Log
from chains.pools.pool import Pool, PoolFacts
from chains.pools.registry import loader
from chains.twin.artefacts import creation_code

ANVIL_ARGUMENTS = ["--accounts", "1", "--gas-limit", "2000000000", "--base-fee", "0"]

_GAS = 1_000_000_000
_PLACE = "anvil"


class Reverted(RuntimeError):
    """A transaction that had to succeed reverted."""


def call_data(signature: str, *arguments: Any) -> str:
    """Call data, as hex, for a function such as `swap((address,uint256))`."""
    kinds = signature[signature.index("(") :]
    types: list[str] = []
    if kinds != "()":
        parsed = parse(kinds)
        assert isinstance(parsed, TupleType)
        types = [kind.to_type_str() for kind in parsed.components]
    return "0x" + (keccak(text=signature)[:4] + encode(types, arguments)).hex()


class Chain:
    """One Anvil with one funded account that pays for everything."""

    def __init__(self, anvil: Anvil, account: str) -> None:
        self.anvil = anvil
        self.account = account

    @classmethod
    async def open(cls, anvil: Anvil) -> Chain:
        """A chain on a running Anvil, whose first account pays."""
        return cls(anvil, (await anvil.rpc("eth_accounts"))[0])

    async def deploy(
        self, package: str, artefact: str, types: Sequence[str] = (), values: Sequence[Any] = ()
    ) -> Address:
        """Deploy `artefact`, a path in the npm `package`. Raises `MissingTool`, `Reverted`."""
        return await self.create(creation_code(f"{package}/{artefact}"), types, values)

    async def create(self, code: bytes, types: Sequence[str] = (), values: Sequence[Any] = ()) -> Address:
        """Deploy creation code with its arguments. Raises `Reverted`."""
        receipt = await self.transact({"data": "0x" + (code + encode(types, values)).hex()})
        return address(receipt["contractAddress"])

    async def send(self, to: str, signature: str, *arguments: Any) -> list[Log]:
        """Send a transaction; its logs. Raises `Reverted`."""
        receipt = await self.transact({"to": to, "data": call_data(signature, *arguments)})
        return [_log(fields) for fields in receipt["logs"]]

    async def read(self, to: str, signature: str, returns: Sequence[str], *arguments: Any) -> tuple[Any, ...]:
        """Call a function that only reads. Raises `RpcError` where it reverts."""
        answer = await self.anvil.rpc("eth_call", {"to": to, "data": call_data(signature, *arguments)}, "latest")
        return tuple(decode(returns, bytes.fromhex(answer[2:])))

    async def ask(self, to: str, data: str, state: dict[str, dict[int, int]] | None = None) -> bytes | None:
        """What a call answers, or None where it reverts; `state` is storage to pretend: contract → slot → word."""
        overrides = {
            contract: {"stateDiff": {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in slots.items()}}
            for contract, slots in (state or {}).items()
        }
        try:
            answer = await self.anvil.rpc(
                "eth_call",
                {"from": self.account, "to": to, "data": data},
                "latest",
                *([overrides] if overrides else []),
            )
        except RpcError:
            return None
        return bytes.fromhex(answer[2:])

    async def many(self, calls: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Several reads (to, call data); None where the contract reverts."""
        return [await self.ask(to, data) for to, data in calls]

    async def load(self, facts: PoolFacts) -> Pool:
        """The pool as it is now; a read that reverts answers nothing, as through Multicall3. Raises `PoolError`."""
        steps = loader(facts.family)(facts)
        calls = next(steps)
        while True:
            answers = await self.many([(call.to, "0x" + call.data.hex()) for call in calls])
            try:
                calls = steps.send(tuple(answer or b"" for answer in answers))
            except StopIteration as end:
                pool: Pool = end.value
                return pool

    async def token(self, symbol: str, supply: int = 2**255) -> Token:
        """A new plain ERC-20 whose whole supply the account holds."""
        at = await self.deploy("@uniswap/v2-core", "build/ERC20.json", ["uint256"], [supply])
        return Token(_PLACE, at, symbol, 18)

    async def transact(self, fields: dict[str, str]) -> dict[str, Any]:
        """Send a transaction of these fields; its receipt. Raises `Reverted`.

        It is out of Anvil's pool as well: what a pool still holds of a block is mined again, or takes the next of its
        nonce with it, where the chain is reverted meanwhile.
        """
        transaction = {"from": self.account, "gas": hex(_GAS), "gasPrice": "0x0", **fields}
        digest = await self.anvil.rpc("eth_sendTransaction", transaction)
        while (await self.anvil.rpc("txpool_status"))["pending"] != "0x0":
            pass
        receipt: dict[str, Any] | None = await self.anvil.rpc("eth_getTransactionReceipt", digest)
        if receipt is None or receipt["status"] != "0x1":
            what = "reverted" if receipt else "was not mined"
            data = fields.get("data", "no data")[:74]
            raise Reverted(f"a transaction to {fields.get('to', 'a new contract')} {what}: {data}…")
        return receipt


@asynccontextmanager
async def local_chain() -> AsyncIterator[Chain]:
    """A fresh Anvil for one proof. Raises `MissingTool`, `AnvilFailed`."""
    async with Anvil(ANVIL_ARGUMENTS) as anvil:
        yield await Chain.open(anvil)


def ordered(one: Token, other: Token) -> tuple[Token, Token]:
    """Two tokens in the order pools keep them."""
    return (one, other) if int(one.address, 16) < int(other.address, 16) else (other, one)


def mapping_slot(key: str, slot: int) -> int:
    """Where Solidity keeps the value of `key`, an address, in a mapping that lies at `slot`."""
    return int.from_bytes(keccak(encode(["address", "uint256"], [key, slot])), "big")


def _log(fields: dict[str, Any]) -> Log:
    return Log(
        address(fields["address"]),
        tuple(bytes.fromhex(topic[2:]) for topic in fields["topics"]),
        bytes.fromhex(fields["data"][2:]),
        int(fields["blockNumber"], 16),
        fields["blockHash"],
        fields["transactionHash"],
        int(fields["transactionIndex"], 16),
        int(fields["logIndex"], 16),
    )
