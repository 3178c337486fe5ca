"""The road, put together: from what a run stands on and the ends it reaches the world by, to what carries decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.clock import Clock
from bot.config.load import Loaded
from bot.config.tokens import transfer_ends, transfer_of
from bot.config.values import ETH_DECIMALS
from bot.drift.freshness import Freshness
from bot.execution.debts import HedgePolicy
from bot.execution.fees import FeePolicy, asking
from bot.execution.hedges import HedgeDesk
from bot.execution.inventory import InventoryDesk
from bot.execution.judging import Bearing
from bot.execution.lenders import SingletonLenders
from bot.execution.marks import Marks
from bot.execution.ordering import TradingAccount
from bot.execution.replacing import ReplacementPolicy
from bot.execution.tips import Tips
from bot.execution.transactions import Identity, TransactionDesk
from bot.known import KnownPools
from bot.ledger.ledger import Ledger
from bot.market import Market
from bot.mode import Mode
from bot.opening import filters, ledger_marks, open_accounts, upkeeping
from bot.permissions import GWEI, budgets, total_budget
from bot.plan import Plan
from bot.reasons import Refusal
from bot.risk.allowances import Allowance, unchanged
from bot.risk.guard import Guard
from bot.road import Optimal, Road
from bot.signer.client import SignerClient
from bot.simulator import Simulator
from bot.turns import Turns
from bot.world.ground import Ground
from bot.world.relays import routes_of
from bot.world.witnesses import Witnesses
from chains.assets import Token
from chains.blocks import Block, Head
from chains.node import Node
from chains.pools.extension import families_with
from chains.relays import Destination


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the road touches the world: everything a decision depends on that is neither an event nor in the ledger.

    `node` is what is read of the chain beside its blocks. `signer` is None where nothing trades. `may_hold` says why
    what a plan leaves in our hands must not be held; `freshness` whether a head is young enough to decide on;
    `may_order` for which strategy orders may be placed; `allowance` by how much limits were changed since the start.
    `relays` are where transactions can go besides the ground. `optimum` finds the best use of the whole market, where
    it is asked for. `turns` say in which order answers took effect.
    """

    ground: Ground
    node: Node
    simulator: Simulator
    signer: SignerClient | None
    accounts: Mapping[str, TradingAccount]
    may_hold: Callable[[Plan], Refusal | None]
    freshness: Freshness
    may_order: Callable[[str], bool] = lambda strategy: True
    allowance: Allowance = unchanged
    relays: Mapping[str, Destination] = field(default_factory=dict)
    optimum: Optimal | None = None
    turns: Turns = field(default_factory=Turns)


@dataclass(frozen=True, slots=True)
class Footing:
    """What a run stands on once it is open: who acts, with what, in which market, and what everything is worth."""

    identity: Identity
    caps: Mapping[Token, int]
    profit_tokens: Sequence[Token]
    currencies: Sequence[Token]
    known: KnownPools
    market: Market
    marks: Marks


async def open_books(
    ledger: Ledger,
    loaded: Loaded,
    mode: Mode,
    seed: int | None,
    instance: str,
    footing: Footing,
    ends: Ends,
    head: Head,
) -> None:
    """Begin a run in the ledger, on `head`: what everything is worth, and what every account holds now.

    Raises what the ends raise, and `LedgerError`.
    """
    network, identity = loaded.network, footing.identity
    ledger.start_run(mode, network.name, network.chain_id, seed, loaded.config.digest, instance)
    ledger.at_head(head.number, head.timestamp_s)
    ledger.set_marks(ledger_marks(footing.marks, network))
    await open_accounts(
        ledger,
        network,
        ends.ground.submitter,
        ends.accounts,
        operators=identity.operators,
        holders={identity.executor: footing.profit_tokens, identity.inventory: list(footing.caps)},
        currencies=_held(footing, ends),
    )


def _held(footing: Footing, ends: Ends) -> list[Token]:
    """Currencies of which we may own any: at an exchange that is only watched there is no account."""
    return [currency for currency in footing.currencies if currency.place in ends.accounts]


async def start(road: Road, head: Head) -> None:
    """Take up what the ledger still knows to be open, once what was mined meanwhile is booked.

    Raises what the ends raise.
    """
    with road.ledger.gathering():
        await road.transactions.start(head.number)
    await road.fee_policy.refresh(head)
    if road.ledger.open_intents() or road.ledger.mined_intents():
        with road.ledger.gathering():
            await road.transactions.on_block(Block(head, ()))
    road.hedges.start(head)


def build_road(loaded: Loaded, ledger: Ledger, footing: Footing, ends: Ends, clock: Clock) -> Road:
    """The rooms of one run, wired. Nothing is asked and nothing is sent."""
    config, network, execution = loaded.config, loaded.network, loaded.config.execution
    ends_of_transfers = transfer_ends(network, footing.currencies)
    for transfer in config.transfers:
        footing.market.set_transfer(transfer_of(transfer, ends_of_transfers, network))
    fee_policy = FeePolicy(
        int(execution.tip_gwei * GWEI),
        int(config.signer.max_fee_gwei * GWEI),
        network.gas,
        asking(ends.node),
        footing.marks.gas_coin(network.wrapped),
        config.signer.gas_limit,
    )
    inventory = InventoryDesk(
        ledger=ledger, holder=footing.identity.inventory, caps=footing.caps, currencies=_held(footing, ends)
    )
    routes = routes_of(config, ends.relays, ends.ground.submitter, ledger.inclusions)
    max_tip_wei, most_ppm = int(config.signer.max_tip_gwei * GWEI), execution.tip_share_percent * 10_000
    tips = Tips(ledger.inclusions, routes, fee_policy, most_ppm=most_ppm, max_tip_wei=max_tip_wei)
    transactions = TransactionDesk(
        identity=footing.identity,
        ledger=ledger,
        simulator=ends.simulator,
        signer=ends.signer,
        submitter=ends.ground.submitter,
        fee_policy=fee_policy,
        market=footing.market,
        marks=footing.marks,
        held=[*footing.profit_tokens, *footing.caps],
        unwind_loss_ppm=execution.unwind_loss_ppm,
        finality_blocks=network.finality_blocks,
        clock=clock,
        most_in_flight=execution.most_in_flight,
        routes=routes,
        replacing=ReplacementPolicy(
            max_fee_wei=int(config.signer.max_fee_gwei * GWEI),
            max_tip_wei=max_tip_wei,
            after_blocks=execution.outbid_after_blocks,
        ),
        wanted=ends.may_order,
        tips=tips if execution.tip_share_percent else None,
        bearing=Bearing(
            footing.market,
            config.simulator.moved_above.units(ETH_DECIMALS),
            config.simulator.most_loss_if_moved.units(ETH_DECIMALS),
        ),
    )
    allowed = filters(config.strategies, network, footing.known)
    hedges = HedgeDesk(
        market=footing.market,
        assets=network.assets,
        ledger=ledger,
        exchanges=ends.accounts,
        inventory=inventory,
        marks=footing.marks,
        policies={
            strategy.name: HedgePolicy(
                tolerance_ppm=execution.hedge_tolerance_ppm,
                deadline_blocks=strategy.parameters.get("hedge_deadline_blocks", HedgePolicy().deadline_blocks),
                unwind_loss_ppm=execution.unwind_loss_ppm,
                allowed=allowed.get(strategy.name),
            )
            for strategy in config.strategies
        },
        may_order=ends.may_order,
    )
    witnesses = Witnesses(ends.node, execution.agree_above.units(ETH_DECIMALS)) if execution.agree_above else None
    return Road(
        market=footing.market,
        strategies=[strategy.create() for strategy in config.strategies],
        guard=Guard(ledger, budgets(config), ends.may_hold, total_budget(config), ends.allowance),
        transactions=transactions,
        hedges=hedges,
        inventory=inventory,
        ledger=ledger,
        fee_policy=fee_policy,
        ground=ends.ground,
        filters=allowed,
        upkeep=upkeeping(ends.node, footing.known, config.state.audit, families_with(config.families), ends.turns),
        network=network.name,
        trading=ends.signer is not None,
        freshness=ends.freshness,
        by_timestamp=not network.test_chain,
        witnesses=witnesses,
        gains=tuple(dict.fromkeys(map(footing.market.graph.assets.of, footing.profit_tokens))),
        lenders=SingletonLenders(footing.identity.venues, footing.profit_tokens, ends.node),
        optimum=ends.optimum if config.certificate.enabled and config.certificate.plan_within_ms else None,
        turns=ends.turns,
    )
