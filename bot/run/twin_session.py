"""A run on the twin: its accounts are funded, its contract deployed, and its time moved block by block.

All of this a real chain does not need; nothing here is reached by a run on one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.engine import Engine
from bot.execution.deployment import Deployment, deploy
from bot.execution.settings import Bound, InventoryCap, Venues
from bot.rpc import HttpRpc
from bot.world.ground import INVENTORY_BLOCKS, OPERATOR_WEI
from chains.assets import Address, Assets, Token, address
from chains.twin.client import TwinProcess

if TYPE_CHECKING:
    from chains.exchanges.adapter import Exchange

_OWNER_WEI = 10**18
_POLL_S = 0.01
_BOOK_WITHIN_S = 20.0
_LOOK_S = 0.1
"""How often it is looked whether the run is over, where the next block is still to come."""


@dataclass(frozen=True, slots=True)
class Funding:
    """What a run on the twin starts with: the contract's inventory, and as much of each asset at the exchange."""

    tokens: Mapping[Token, int]

    @classmethod
    def of(cls, caps: Mapping[Token, int]) -> Funding:
        return cls({token: INVENTORY_BLOCKS * cap for token, cap in caps.items()})

    def currencies(self, assets: Assets, currencies: Sequence[Token]) -> dict[Token, int]:
        """The same amounts of the same assets, in an exchange's currencies."""
        by_asset = {assets.of(token): (token, units) for token, units in self.tokens.items()}
        found = {}
        for currency in currencies:
            if assets.of(currency) in by_asset:
                token, units = by_asset[assets.of(currency)]
                found[currency] = units * 10**currency.decimals // 10**token.decimals
        return found


async def deploy_on_twin(
    twin: TwinProcess,
    rpc: HttpRpc,
    *,
    operators: Sequence[Address],
    profit_tokens: Sequence[Address],
    inventory: Sequence[InventoryCap],
    bound: Bound,
    chain_id: int,
    venues: Venues,
) -> Deployment:
    """Deploy the executor by an owner made for the run, and fund operators and inventory.

    On a stepped twin exactly two blocks are made; one that runs by the clock is waited for.
    """
    # Here, because only an executor of the run's own making has an owner made for it.
    from eth_account import Account as EthAccount

    owner = EthAccount.create()
    owner_address = address(owner.address)
    await twin.fund(owner_address, _OWNER_WEI, {})
    deploying = asyncio.create_task(
        deploy(
            rpc,
            owner,
            operator=operators[0],
            further_operators=operators[1:],
            treasury=owner_address,
            profit_tokens=profit_tokens,
            inventory=inventory,
            bound=bound,
            chain_id=chain_id,
            venues=await venues.present(rpc),
        )
    )
    await _sent(rpc, owner_address, deploying)
    await _next_block(twin, rpc)
    made = await deploying
    for operator in operators:
        await twin.fund(operator, OPERATOR_WEI, {})
    await twin.fund(made.inventory, 0, {cap.token: INVENTORY_BLOCKS * cap.per_block for cap in inventory})
    await _next_block(twin, rpc)
    return made


async def _next_block(twin: TwinProcess, rpc: HttpRpc) -> None:
    """One block more, made now or by the twin's own clock."""
    if twin.descriptor["stepped"]:
        await twin.mine()
        return
    before = await rpc.rpc("eth_blockNumber")
    while True:
        if await rpc.rpc("eth_blockNumber") != before:
            return
        await asyncio.sleep(_POLL_S)


async def _sent(rpc: HttpRpc, account: Address, sending: asyncio.Task[Deployment]) -> None:
    """Wait until `account`'s transaction waits to be mined, or is: a stepped twin mines only when told."""
    while not sending.done():
        if await rpc.rpc("eth_getTransactionCount", account, "pending") != "0x0":
            return
        await asyncio.sleep(_POLL_S)


class Stepper:
    """Moves the twin one block at a time, each when the bot has decided on the one before."""

    def __init__(self, twin: TwinProcess, engine: Engine, exchanges: Sequence[Exchange], pace_s: float) -> None:
        self._twin = twin
        self._engine = engine
        self._exchanges = exchanges
        self._pace_s = pace_s

    async def step(self) -> None:
        """One block: the exchange moves, the bot sees its books, the block is made, the bot decides on it."""
        ids = await self._twin.advance()
        async with asyncio.timeout(_BOOK_WITHIN_S):
            for exchange in self._exchanges:
                for symbol in exchange.symbols:
                    await exchange.reached(symbol, ids[exchange.market_id(symbol)])
        made = await self._twin.mine()
        await self._engine.decided(made.number)

    async def run(self, until: Callable[[], bool]) -> None:
        """Step until `until` says so, at the pace that was asked for; at none once the run is ending."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not until():
            left_s = 0.0 if self._engine.ending else due_s - loop.time()
            if left_s > 0:
                await asyncio.sleep(min(left_s, _LOOK_S))
                continue
            due_s = loop.time() + self._pace_s
            await self.step()


def exchange_units(amounts: Mapping[Token, int]) -> dict[str, int]:
    """Base units per currency code."""
    return {token.address: units for token, units in amounts.items()}
