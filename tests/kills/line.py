"""A line to a node over which replies get lost: the bytes arrive, the answer does not; or neither does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from bot.rpc import HttpRpc
from chains.anvil import RpcError
from chains.assets import Address
from chains.blocks import Block, Head, Receipt, Undone
from chains.node import SendOutcome, SendStatus
from chains.node.seen import Seen, seen_one_by_one
from chains.node.sending import read_refusal
from chains.node.wire import BlockRef, block_parameter, header, receipt
from chains.pools.constant_product import ConstantProductPool
from chains.pools.pool import PoolFacts
from tests.chains.pools.contracts import call_data

LOST_REPLIES = 0.15
LOST_REQUESTS = 0.05
_REMEMBERED = 8


class Dropped(LookupError):
    """The block that was asked about is not the newest any more."""


@dataclass(slots=True)
class Line:
    """The node at the other end of `rpc`, as the desk sees it. `rng` says what gets lost, `step` hears of sendings."""

    rpc: HttpRpc
    rng: random.Random
    step: Callable[[], None]
    heads: list[Head] = field(default_factory=list)

    async def send_raw(self, raw: bytes) -> SendOutcome:
        self.step()
        tx_hash = "0x" + keccak(raw).hex()
        fate = self.rng.random()
        if fate < LOST_REQUESTS:
            return SendOutcome(SendStatus.UNKNOWN, tx_hash, "the request was lost")
        try:
            await self.rpc.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        except RpcError as error:
            return read_refusal(error, tx_hash)
        self.step()
        if fate < LOST_REQUESTS + LOST_REPLIES:
            return SendOutcome(SendStatus.UNKNOWN, tx_hash, "the reply was lost")
        return SendOutcome(SendStatus.ACCEPTED, tx_hash)

    async def receipt(self, tx_hash: str) -> Receipt | None:
        found = await self.rpc.rpc("eth_getTransactionReceipt", tx_hash)
        return receipt(found) if found else None

    async def knows(self, tx_hash: str) -> bool:
        return await self.rpc.rpc("eth_getTransactionByHash", tx_hash) is not None

    async def nonce(self, account: Address, block: BlockRef = "latest") -> int:
        return int(await self.rpc.rpc("eth_getTransactionCount", account, block_parameter(block)), 16)

    async def seen(self, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> Seen:
        return await seen_one_by_one(self, tx_hashes, counted, paying)

    async def balance(self, account: Address, block: BlockRef = "latest") -> int:
        return int(await self.rpc.rpc("eth_getBalance", account, block_parameter(block)), 16)

    async def held(self, token: Address, owner: Address) -> int:
        call = {"to": token, "data": call_data("balanceOf(address)", owner)}
        return int(await self.rpc.rpc("eth_call", call, "latest"), 16)

    async def pool(self, facts: PoolFacts, at: Head) -> ConstantProductPool:
        """As it stands after `at`, the newest block. Raises `Dropped`."""
        call = {"to": facts.address, "data": call_data("getReserves()")}
        words = await self.rpc.rpc("eth_call", call, block_parameter(at))
        # What Anvil is asked of its newest block it may answer from the state of the next one, if that comes meanwhile.
        tip = await self._block("latest")
        if tip is None or tip.hash != at.hash:
            raise Dropped(at.hash)
        reserves = int(words[2:66], 16), int(words[66:130], 16)
        return ConstantProductPool(facts.address, (facts.tokens[0], facts.tokens[1]), reserves, facts.fee_ppm)

    async def begin(self) -> Head:
        """Stand on the newest block, knowing a few before it."""
        tip = await self._block("latest")
        assert tip is not None
        numbers = range(max(1, tip.number - _REMEMBERED), tip.number)
        self.heads = [head for number in numbers if (head := await self._block(hex(number)))] + [tip]
        return tip

    async def news(self) -> Sequence[Block | Undone]:
        """What happened since: blocks undone, then every block in its place and above."""
        tip = await self._block("latest")
        if tip is None or tip.hash == self.heads[-1].hash:
            return ()
        branch = [tip]
        known = {head.hash: at for at, head in enumerate(self.heads)}
        while branch[-1].parent_hash not in known:
            parent = await self._block(hex(branch[-1].number - 1))
            if parent is None or parent.hash != branch[-1].parent_hash:
                return ()  # it changed again while it was read
            branch.append(parent)
        joint = known[branch[-1].parent_hash]
        dropped = tuple(head.hash for head in reversed(self.heads[joint + 1 :]))
        ancestor = self.heads[joint]
        self.heads = [*self.heads[: joint + 1], *reversed(branch)]
        undone = (Undone(ancestor, dropped),) if dropped else ()
        return (*undone, *(Block(head, ()) for head in reversed(branch)))

    def hash_at(self, number: int) -> str | None:
        return next((head.hash for head in self.heads if head.number == number), None)

    async def block_by_number(self, number: int) -> Head | None:
        return await self._block(hex(number))

    async def _block(self, ref: str) -> Head | None:
        found = await self.rpc.rpc("eth_getBlockByNumber", ref, False)
        return header(found).head if found else None
