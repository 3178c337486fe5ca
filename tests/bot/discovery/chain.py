"""A chain of logs that answers eth_getLogs as providers do: with limits, cut off, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chains.anvil import RpcError
from chains.blocks import Head
from chains.node.answers import Request
from tests.chains.pools.samples import at

EMITTER, OTHER_EMITTER = at(0xE1), at(0xE2)
TOPIC, OTHER_TOPIC = b"\1" * 32, b"\2" * 32


def block_hash(number: int, branch: str = "aa") -> str:
    return "0x" + branch + f"{number:062x}"


def document(number: int, index: int, emitter: str = EMITTER, topic: bytes = TOPIC) -> dict[str, Any]:
    return {
        "address": emitter,
        "topics": ["0x" + topic.hex()],
        "data": "0x",
        "blockNumber": hex(number),
        "blockHash": block_hash(number),
        "transactionHash": "0x" + f"{number:032x}{index:032x}",
        "transactionIndex": hex(index),
        "logIndex": hex(index),
    }


class LoggedChain:
    """`logs` by block number; refuses more than `most_blocks`, or answers of more than `most_logs`."""

    def __init__(
        self, logs: dict[int, int], *, most_blocks: int = 10**9, most_logs: int = 10**9, receipts: str = "block"
    ) -> None:
        self.logs = logs
        self.most_blocks, self.most_logs, self.receipts = most_blocks, most_logs, receipts
        self.asked = 0
        self.newest = 10**9

    async def request_all(self, requests: Sequence[Request]) -> list[Any]:
        """The logs of a range, and whether there is its last block, of which no more is told here."""
        logs, block = requests
        try:
            found = await self.request(logs.method, *logs.params)
        except RpcError as error:
            found = error
        return [found, {} if int(block.params[0], 16) <= self.newest else None]

    async def request(self, method: str, *params: Any) -> Any:
        self.asked += 1
        if method == "eth_getLogs":
            return self._range(int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16))
        number = int(params[0], 16) if method != "eth_getTransactionReceipt" else int(params[0][2:34], 16)
        if method == "eth_getBlockReceipts" and self.receipts == "block":
            return [{"logs": self._mixed(number)}]
        if method == "eth_getBlockByNumber" and self.receipts == "transaction":
            return {"transactions": [log["transactionHash"] for log in self._mixed(number)]}
        if method == "eth_getTransactionReceipt":
            return {"logs": [log for log in self._mixed(number) if log["transactionHash"] == params[0]]}
        if method == "eth_getBlockByNumber":
            return None
        raise RpcError(method, -32601, "the method does not exist")

    def _range(self, first: int, last: int) -> list[dict[str, Any]]:
        if last - first + 1 > self.most_blocks:
            raise RpcError("eth_getLogs", -32602, f"block range is wider than {self.most_blocks}")
        found = [log for number in range(first, min(last, self.newest) + 1) for log in self._of(number)]
        if len(found) > self.most_logs:
            raise RpcError("eth_getLogs", -32005, "query returned more results than allowed")
        return found

    def _of(self, number: int) -> list[dict[str, Any]]:
        return [document(number, index) for index in range(self.logs.get(number, 0))]

    def _mixed(self, number: int) -> list[dict[str, Any]]:
        """All of a block's logs, those included that nobody asked for."""
        own = self._of(number)
        return [*own, document(number, 90, OTHER_EMITTER), document(number, 91, EMITTER, OTHER_TOPIC)]


def head(number: int, branch: str = "aa") -> Head:
    return Head(number, block_hash(number, branch), block_hash(number - 1, branch), number, 1, 0, 30_000_000)
