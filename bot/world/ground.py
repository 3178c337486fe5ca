"""What a run stands on in each mode: where transactions go, and what lies over the simulator's fork.

Live, dry and fork differ here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from bot.execution.deployment import Deployment, deploy
from bot.execution.settings import Bound, InventoryCap, Venues
from bot.ledger.errors import LedgerError
from bot.simulator import Overlay, PrivateFork, Simulator
from bot.simulator.overlay import balance_of_data
from chains.anvil import Anvil
from chains.assets import Address, address
from chains.blocks import Head, Receipt
from chains.node import BlockRef, Node, SendOutcome, Submitter
from chains.node.seen import Seen, Sought

_ETHER = 10**18
_SCRATCH_WEI = 100 * _ETHER
OPERATOR_WEI = 10 * _ETHER
"""Gas money of an operator that was made for the run."""

INVENTORY_BLOCKS = 12
"""An inventory made for the run holds this many blocks' caps of each token."""


class Ground(Protocol):
    """Where transactions go, and what has to happen when a head arrives."""

    @property
    def submitter(self) -> Submitter: ...

    async def on_head(self, head: Head) -> None:
        """Called before anything is decided on `head`."""
        ...

    def is_newest(self, head: Head) -> bool:
        """Whether what is sent now can still get into the block after `head`."""
        ...


class Expecting(Ground, Protocol):
    """A ground that can be told of a head before its logs are here."""

    def expect(self, head: Head, sought: Sought) -> None:
        """`head` is the next one, and only its logs are not here yet: what is asked on it may be asked now.

        `sought` is what the submitter's `seen` will be asked there.
        """
        ...


@dataclass(frozen=True, slots=True)
class LiveGround:
    """The chain itself."""

    node: Node
    simulator: Simulator

    @property
    def submitter(self) -> Submitter:
        return self.node

    def expect(self, head: Head, sought: Sought) -> None:
        self.simulator.expect(head)
        self.node.expect(head, sought)

    async def on_head(self, head: Head) -> None:
        """Of a head that nothing is decided on, the fork is not moved to it: the newest would wait for all of them."""
        if self.is_newest(head):
            await self.simulator.prepare(head)

    def is_newest(self, head: Head) -> bool:
        return head.number >= self.node.newest_number


@dataclass(frozen=True, slots=True)
class DryGround(LiveGround):
    """The chain itself, with what the run would own there laid over it. Nothing is sent."""

    placed: Overlay

    @property
    def submitter(self) -> Submitter:
        return _Overlaid(self.node, self.placed)

    def expect(self, head: Head, sought: Sought) -> None:
        """The node is asked nothing of keys that only lie over it."""
        self.simulator.expect(head)


@dataclass(frozen=True, slots=True)
class ForkGround:
    """A private fork, made anew at each head with the bot's own balances carried over."""

    fork: PrivateFork
    simulator: Simulator

    @property
    def submitter(self) -> Submitter:
        return self.fork

    def expect(self, head: Head, sought: Sought) -> None:
        """Nothing: the fork's own block is not made yet."""

    async def on_head(self, head: Head) -> None:
        self.simulator.overlay = await self.fork.advance(head)
        await self.simulator.prepare(head)

    def is_newest(self, head: Head) -> bool:
        """Always: the fork's next block is made when the bot has come to the next head, and not before."""
        return True


def ask_ahead(node: Node, ground: Expecting, sought: Callable[[], Sought]) -> None:
    """Have what is asked on each head of `node` be asked while its logs are read: far nodes are waited for once then.

    `sought` is what the submitter's `seen` will be asked on the next head; it may raise `LedgerError`.
    """

    def coming(head: Head) -> None:
        with suppress(LedgerError):
            ground.expect(head, sought())

    node.on_coming = coming


@dataclass(frozen=True, slots=True)
class _Overlaid:
    """What `node` says, but of the accounts and contracts that `placed` lays over its chain."""

    node: Submitter
    placed: Overlay

    async def send_raw(self, raw: bytes) -> SendOutcome:
        raise PermissionError("a dry run sends nothing")

    async def receipt(self, tx_hash: str) -> Receipt | None:
        return await self.node.receipt(tx_hash)

    async def knows(self, tx_hash: str) -> bool:
        return await self.node.knows(tx_hash)

    async def nonce(self, account: Address, block: BlockRef = "latest") -> int:
        nonce = self.placed.nonces.get(account)
        return await self.node.nonce(account, block) if nonce is None else nonce

    async def seen(self, tx_hashes: Sequence[str], counted: Sequence[Address], paying: Sequence[Address]) -> Seen:
        nonces = {account: n for account, n in self.placed.nonces.items() if account in counted}
        wei = {account: held for account, held in self.placed.native.items() if account in paying}
        others = [account for account in counted if account not in nonces]
        found = await self.node.seen(tx_hashes, others, [account for account in paying if account not in wei])
        return Seen(found.receipts, {**found.nonces, **nonces}, {**found.balances, **wei})

    async def balance(self, account: Address, block: BlockRef = "latest") -> int:
        wei = self.placed.native.get(account)
        return await self.node.balance(account, block) if wei is None else wei

    async def call(self, to: Address, data: bytes, block: BlockRef = "latest") -> bytes:
        for (account, token), units in self.placed.tokens.items():
            if token == to and data == balance_of_data(account):
                return units.to_bytes(32, "big")
        return await self.node.call(to, data, block)

    async def code(self, account: Address, block: BlockRef = "latest") -> bytes:
        code = self.placed.code.get(account)
        return await self.node.code(account, block) if code is None else code

    async def block_by_number(self, number: int) -> Head | None:
        return await self.node.block_by_number(number)

    def hash_at(self, number: int) -> str | None:
        return self.node.hash_at(number)

    async def head(self) -> Head:
        return await self.node.head()


@dataclass(frozen=True, slots=True)
class Placed:
    """An executor that exists only over a fork, with operators and an inventory of its own."""

    deployment: Deployment
    overlay: Overlay
    carried: Sequence[tuple[Address, Address]] = field(default=())


async def place_executor(
    operator: Address,
    profit_tokens: Sequence[Address],
    inventory: Sequence[InventoryCap],
    bound: Bound,
    chain_id: int,
    venues: Venues,
    further_operators: Sequence[Address] = (),
) -> Placed:
    """The executor's real code, deployed on a scratch chain and lifted from there, to be laid over any fork.

    Raises `AnvilFailed`, `DeploymentFailed`, `MissingTool`.
    """
    # Here, because only an executor of the run's own making has an owner made for it.
    from eth_account import Account as EthAccount

    owner = EthAccount.create()
    async with Anvil(["--chain-id", str(chain_id)]) as scratch:
        await scratch.rpc("anvil_setBalance", owner.address, hex(_SCRATCH_WEI))
        made = await deploy(
            scratch,
            owner,
            operator=operator,
            further_operators=further_operators,
            treasury=address(owner.address),
            profit_tokens=profit_tokens,
            inventory=inventory,
            bound=bound,
            chain_id=chain_id,
            venues=venues,
        )
        contracts = (made.executor, made.inventory)
        code = {at: bytes.fromhex((await scratch.rpc("eth_getCode", at, "latest"))[2:]) for at in contracts}
    holdings = {(made.inventory, cap.token): INVENTORY_BLOCKS * cap.per_block for cap in inventory}
    carried = [*holdings, *((made.executor, token) for token in profit_tokens)]
    operators = (operator, *further_operators)
    overlay = Overlay(
        code=code,
        native=dict.fromkeys(operators, OPERATOR_WEI),
        nonces=dict.fromkeys(operators, 0),
        tokens={pair: holdings.get(pair, 0) for pair in carried},
    )
    return Placed(made, overlay, carried)
