"""With what a run acts: its key and contract, its accounts at the exchanges, and the ground it stands on."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bot.clock import Clock
from bot.config.load import Loaded
from bot.config.options import RunOptions
from bot.config.tokens import inventory_caps, profit_tokens
from bot.execution.agreement import differences, not_ours, strange_venues
from bot.execution.deployment import Deployment, Venues, VerificationFailed, verify
from bot.execution.hedges import TradingAccount
from bot.execution.transactions import Identity
from bot.ground import ForkGround, Ground, LiveGround, place_executor
from bot.keys import check_keystore, new_keystore
from bot.mode import Mode
from bot.rpc import HttpRpc
from bot.signer.sources import KeySource, open_key
from bot.simulator import FinalVerdict, PrivateFork, Simulator
from bot.twin_session import Funding, deploy_on_twin, exchange_units
from bot.world import World
from chains.assets import Address, Token
from chains.exchanges.paper import PaperExchange

_KEYSTORE = "operator.json"


@dataclass(frozen=True, slots=True)
class Hands:
    """Who acts, with what, and where it ends up. `keystore` and `passphrase` go to the signer and nowhere else."""

    identity: Identity
    ground: Ground
    simulator: Simulator
    accounts: Mapping[str, TradingAccount]
    caps: Mapping[Token, int]
    profit_tokens: Sequence[Token]
    keystore: Path | KeySource
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

    async def live(self, operator: Address, simulator: Simulator) -> tuple[Deployment, Ground]:
        """The executor on the chain itself: deployed now on the twin, proven where it was deployed before."""
        world, chain_id = self.world, self.loaded.network.chain_id
        configured = self.loaded.config.executor.address
        if configured is not None:
            async with HttpRpc(world.http_url) as rpc:
                made = await verify(rpc, configured)
            wrong = [
                *not_ours(made, operator),
                *strange_venues(made, self.loaded.network),
                *differences(made, self.profits, self.caps),
            ]
            if wrong:
                raise VerificationFailed("\n".join(wrong))
            return made, LiveGround(world.node, simulator)
        assert world.twin is not None, "a live run off the twin names its executor"
        rpc = await self.stack.enter_async_context(HttpRpc(world.twin.descriptor["rpc_http"]))
        made = await deploy_on_twin(
            world.twin,
            rpc,
            operator=operator,
            profit_tokens=self.profits,
            caps=self.caps,
            chain_id=chain_id,
            venues=Venues.of(self.loaded.network),
        )
        return made, LiveGround(world.node, simulator)

    async def over_a_fork(self, operator: Address, simulator: Simulator) -> tuple[Deployment, Ground]:
        """An executor that exists over forks only, with an inventory of its own."""
        network, world = self.loaded.network, self.world
        placed = await place_executor(operator, self.profits, self.caps, network.chain_id, Venues.of(network))
        simulator.overlay = placed.overlay
        if self.mode is Mode.DRY:
            return placed.deployment, LiveGround(world.node, simulator)
        fork = await self.stack.enter_async_context(
            PrivateFork(
                network,
                world.http_url,
                self.clock,
                accounts=[operator],
                carried=placed.carried,
                overlay=placed.overlay,
            )
        )
        simulator.overlay = await fork.advance(await world.node.head())
        return placed.deployment, ForkGround(fork, simulator)

    async def accounts(self) -> Mapping[str, TradingAccount]:
        """Where orders go: the exchanges in a live run, paper accounts over their books in any other."""
        world = self.world
        found: dict[str, TradingAccount] = {}
        for name, exchange in world.exchanges.items():
            start = Funding.of(self.caps).currencies(world.network.assets, exchange.currencies())
            if world.twin is not None:
                # In every mode, because the account is also what tells the fees.
                key, secret = world.api_keys[name]
                for currency, units in start.items():
                    await world.twin.deposit(key, secret, currency.address, units)
            paper = PaperExchange(name, exchange.books.__getitem__, exchange_units(start))
            found[name] = exchange if self.mode is Mode.LIVE else paper
        return found


async def open_hands(loaded: Loaded, options: RunOptions, world: World, clock: Clock, stack: AsyncExitStack) -> Hands:
    """Make or open the key, find or place the contract, and stand on the ground of the run's mode.

    Raises `KeystoreError`, `DeploymentFailed`, `VerificationFailed`, `ForkFailed`, `MissingTool`, and what the node
    raises.
    """
    config, network = loaded.config, loaded.network
    keystore, passphrase, operator = _key(loaded, options, world)
    caps, profits = dict(inventory_caps(config, network)), profit_tokens(config, network)
    maker = _Maker(loaded, options.mode, world, clock, stack, caps, profits)
    simulator = await stack.enter_async_context(
        Simulator(
            network,
            world.http_url,
            clock,
            timeout_s=config.simulator.timeout_s,
            final=FinalVerdict(config.simulator.final_verdict),
            prefetch=world.twin is None,
        )
    )
    accounts = await maker.accounts()
    making = maker.live if options.mode is Mode.LIVE else maker.over_a_fork
    made, ground = await making(operator, simulator)
    by_address = {token.address: token for token in network.tokens.values()}
    return Hands(
        identity=Identity(
            network.chain_id,
            network.name,
            operator,
            made.executor,
            made.inventory,
            made.code_hash,
            made.settings.venues,
        ),
        ground=ground,
        simulator=simulator,
        accounts=accounts,
        caps=caps,
        profit_tokens=[by_address[at] for at in profits],
        keystore=keystore,
        passphrase=passphrase,
    )


def _key(loaded: Loaded, options: RunOptions, world: World) -> tuple[Path | KeySource, str, Address]:
    """The configured key in a live run; a throw-away one where nothing it signs is worth anything."""
    configured, source, network = loaded.config.signer.keystore, loaded.config.signer.key, loaded.network
    if options.mode is Mode.LIVE and source is not None:
        secret = options.passphrase or ""
        key = open_key(source, secret.encode(), chain_id=network.chain_id, test_chain=network.test_chain)
        return source, secret, key.address
    if options.mode is Mode.LIVE and configured is not None:
        passphrase = options.passphrase or ""
        return configured, passphrase, check_keystore(configured, passphrase)
    keystore, passphrase = world.folder / _KEYSTORE, secrets.token_urlsafe(24)
    return keystore, passphrase, new_keystore(keystore, passphrase, light=True)
