"""With what a run acts: its keys and contract, its accounts at the exchanges, and the ground it stands on."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bot.clock import Clock
from bot.config.load import Loaded
from bot.config.options import RunOptions
from bot.config.tokens import inventory_bound, inventory_caps, profit_tokens
from bot.execution.agreement import differences, not_ours, strange_venues
from bot.execution.deployment import Deployment, VerificationFailed, verify
from bot.execution.ordering import TradingAccount
from bot.execution.references import References
from bot.execution.settings import Bound, InventoryCap, Rpc, Venues
from bot.execution.transactions import Identity
from bot.keys import new_keystore
from bot.mode import Mode
from bot.rpc import HttpRpc, NodeRpc
from bot.run.twin_session import Funding, deploy_on_twin, exchange_units
from bot.signer.keystore import KeystoreError
from bot.signer.sources import KeySource, Kind, open_key
from bot.simulator import FinalVerdict, PrivateFork, Simulator
from bot.world.ground import DryGround, Expecting, ForkGround, LiveGround, place_executor
from bot.world.world import World
from chains.assets import Address, Token
from chains.exchanges.paper import PaperExchange

_KEYSTORE = "operator.json"


@dataclass(frozen=True, slots=True)
class Hands:
    """Who acts, with what, and where it ends up. `keys` and `passphrase` go to the signer and nowhere else."""

    identity: Identity
    ground: Expecting
    simulator: Simulator
    accounts: Mapping[str, TradingAccount]
    caps: Mapping[Token, int]
    profit_tokens: Sequence[Token]
    keys: Sequence[KeySource]
    passphrase: str


@dataclass(frozen=True, slots=True)
class _Maker:
    """What every step of opening the hands needs."""

    loaded: Loaded
    mode: Mode
    world: World
    clock: Clock
    stack: AsyncExitStack
    caps: Mapping[Token, int]
    profits: Sequence[Address]

    @property
    def bound(self) -> Bound:
        return inventory_bound(self.loaded.config)

    async def _inventory(self, rpc: Rpc) -> tuple[InventoryCap, ...]:
        """What an executor made for this run lends, and the pools it goes by."""
        caps = [(Address(token.address), cap) for token, cap in self.caps.items()]
        references = References(rpc, self.loaded.network, self.bound)
        return await references.inventory(caps, self.loaded.config.executor.reference_pools)

    async def live(self, operators: Sequence[Address], simulator: Simulator) -> tuple[Deployment, Expecting]:
        """The executor on the chain itself: deployed now on the twin, proven where it was deployed before."""
        world, chain_id = self.world, self.loaded.network.chain_id
        configured = self.loaded.config.executor.address
        if configured is not None:
            async with HttpRpc(world.http_url) as rpc:
                made = await verify(rpc, configured)
            wrong = [
                *not_ours(made, operators),
                *strange_venues(made, self.loaded.network),
                *differences(made, self.profits, self.caps, self.bound, self.loaded.config.executor.reference_pools),
            ]
            if wrong:
                raise VerificationFailed("\n".join(wrong))
            return made, LiveGround(world.node, simulator)
        assert world.twin is not None, "a live run off the twin names its executor"
        rpc = await self.stack.enter_async_context(HttpRpc(world.twin.descriptor["rpc_http"]))
        made = await deploy_on_twin(
            world.twin,
            rpc,
            operators=operators,
            profit_tokens=self.profits,
            inventory=await self._inventory(rpc),
            bound=self.bound,
            chain_id=chain_id,
            venues=Venues.of(self.loaded.network),
        )
        return made, LiveGround(world.node, simulator)

    async def over_a_fork(self, operators: Sequence[Address], simulator: Simulator) -> tuple[Deployment, Expecting]:
        """An executor that exists over forks only, with an inventory of its own."""
        network, world = self.loaded.network, self.world
        first, *further = operators
        async with HttpRpc(world.http_url) as rpc:
            inventory = await self._inventory(rpc)
        placed = await place_executor(
            first, self.profits, inventory, self.bound, network.chain_id, Venues.of(network), further_operators=further
        )
        simulator.overlay = placed.overlay
        if self.mode is Mode.DRY:
            return placed.deployment, DryGround(world.node, simulator, placed.overlay)
        fork = await self.stack.enter_async_context(
            PrivateFork(
                network,
                world.fork_url,
                self.clock,
                accounts=operators,
                carried=placed.carried,
                overlay=placed.overlay,
            )
        )
        simulator.overlay = await fork.advance(await world.node.head())
        return placed.deployment, ForkGround(fork, simulator)

    async def accounts(self) -> Mapping[str, TradingAccount]:
        """Where orders go: in a live run the exchanges whose API key there is, in any other paper accounts over the
        books of all. At those that are only watched nothing lies that could be spent.
        """
        world = self.world
        found: dict[str, TradingAccount] = {}
        for name, exchange in world.exchanges.items():
            start = Funding.of(self.caps).currencies(world.network.assets, exchange.currencies())
            if world.twin is not None:
                # In every mode, because the account is also what tells the fees.
                key, secret = world.api_keys[name]
                for currency in exchange.currencies():
                    # Also of none: a deposit makes the account.
                    await world.twin.deposit(key, secret, currency.address, start.get(currency, 0))
            if self.mode is not Mode.LIVE:
                found[name] = PaperExchange(name, exchange.books.__getitem__, exchange_units(start))
            elif world.api_keys[name][0]:
                found[name] = exchange
        return found


async def open_hands(loaded: Loaded, options: RunOptions, world: World, clock: Clock, stack: AsyncExitStack) -> Hands:
    """Make or open the keys, find or place the contract, and stand on the ground of the run's mode.

    Raises `KeystoreError`, `NoReference`, `DeploymentFailed`, `VerificationFailed`, `ForkFailed`, `MissingTool`, and
    what the node raises.
    """
    config, network = loaded.config, loaded.network
    keys, passphrase, operators = _keys(loaded, options, world)
    caps, profits = dict(inventory_caps(config, network)), profit_tokens(config, network)
    maker = _Maker(loaded, options.mode, world, clock, stack, caps, profits)
    simulator = await stack.enter_async_context(
        Simulator(
            network,
            world.fork_url,
            clock,
            timeout_s=config.simulator.timeout_s,
            final=FinalVerdict(config.simulator.final_verdict),
            prefetch=world.twin is None,
            node=NodeRpc(world.node),
            gateway=world.gateway,
        )
    )
    accounts = await maker.accounts()
    making = maker.live if options.mode is Mode.LIVE else maker.over_a_fork
    made, ground = await making(operators, simulator)
    by_address = {token.address: token for token in network.tokens.values()}
    return Hands(
        identity=Identity(
            network.chain_id,
            network.name,
            operators[0],
            made.executor,
            made.inventory,
            made.code_hash,
            made.settings.venues,
            further_operators=operators[1:],
        ),
        ground=ground,
        simulator=simulator,
        accounts=accounts,
        caps=caps,
        profit_tokens=[by_address[at] for at in profits],
        keys=keys,
        passphrase=passphrase,
    )


def _keys(loaded: Loaded, options: RunOptions, world: World) -> tuple[tuple[KeySource, ...], str, tuple[Address, ...]]:
    """The configured keys in a live run; as many throw-away ones where nothing they sign is worth anything."""
    signer, network = loaded.config.signer, loaded.network
    if options.mode is Mode.LIVE and signer.keys:
        secret = options.passphrase or ""
        found = [
            open_key(source, secret.encode(), chain_id=network.chain_id, test_chain=network.test_chain).address
            for source in signer.keys
        ]
        for index, operator in enumerate(found):
            if operator in found[:index]:
                raise KeystoreError(f"{signer.keys[index].place} holds {operator} once more; name each key once")
        return signer.keys, secret, tuple(found)
    passphrase = secrets.token_urlsafe(24)
    names = [_KEYSTORE, *(f"operator-{number}.json" for number in range(2, 2 + len(signer.further_keys)))]
    made = tuple(new_keystore(world.folder / name, passphrase, light=True) for name in names)
    return tuple(KeySource(Kind.KEYSTORE, str(world.folder / name)) for name in names), passphrase, made
