"""An executor laid over a fork for one plan, so that anybody can try it on any node without owning anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eth_utils.crypto import keccak

from bot.execution.build import Terms, unsigned_transaction
from bot.execution.settings import UNBOUNDED, InventoryCap, Venues
from bot.plan import LASTS_S, Plan, Swap
from bot.simulator.holdings import Watched
from bot.simulator.overlay import Overlay
from bot.transaction import MOST_GAS, Fees, UnsignedTransaction
from bot.world.ground import Placed, place_executor
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.blocks import Head
from chains.executor import ExchangeCall, encode
from chains.networks import Network

MOST_TOKENS = 4
"""As many tokens as an inventory takes."""

_GWEI = 10**9
_LEAST_GAS = 3_000_000
_MOVER_CAP = 2**100


def _made(name: str) -> Address:
    return address("0x" + keccak(text=f"isthmus.simulator.{name}")[-20:].hex())


_OPERATOR, _MOVER = _made("operator"), _made("mover")


@dataclass(frozen=True, slots=True)
class Stage:
    """The plan's executor, and where its pools are to be moved, another's that trades before it."""

    plan: Plan
    network: Network
    actor: Placed
    mover: Placed | None

    @property
    def overlay(self) -> Overlay:
        """Both of them, over the fork."""
        placed = [self.actor.overlay, *([self.mover.overlay] if self.mover else [])]
        return Overlay(
            code={at: code for each in placed for at, code in each.code.items()},
            native={at: wei for each in placed for at, wei in each.native.items()},
            nonces={at: nonce for each in placed for at, nonce in each.nonces.items()},
            tokens={pair: units for each in placed for pair, units in each.tokens.items()},
        )

    @property
    def watched(self) -> tuple[Watched, ...]:
        """The plan's tokens in both of its contracts and in its pools."""
        made = self.actor.deployment
        pools = sorted({swap.hop.pool for swap in self.plan.swaps})
        accounts = (made.executor, made.inventory, *pools)
        return tuple((account, Address(token.address)) for account in accounts for token in tokens_of(self.plan))

    def transaction(self, head: Head) -> UnsignedTransaction:
        """The plan's transaction in the block after `head`, whatever it gains."""
        block, second = head.number + 1, head.timestamp_s + LASTS_S
        lasting = replace(
            self.plan,
            deadline_block=max(self.plan.deadline_block, block),
            deadline_s=max(self.plan.deadline_s, second),
        )
        return unsigned_transaction(
            lasting,
            Terms(min_gain=0, min_out=0),
            _fees(head, self.plan.gas_estimate),
            nonce=0,
            chain_id=self.network.chain_id,
            sender=_OPERATOR,
            executor=self.actor.deployment.executor,
        )

    def push(self, swap: Swap, amount_in: int, nonce: int, head: Head) -> UnsignedTransaction:
        """The other's trade of `amount_in` through the pool of `swap`, in the same direction."""
        assert self.mover is not None
        call = ExchangeCall(
            Address(swap.token_in.address),
            amount_in,
            Address(swap.token_out.address),
            0,
            head.number + 1,
            head.timestamp_s + LASTS_S,
            bytes(32),
            (swap.hop,),
        )
        fees = _fees(head, 0)
        return UnsignedTransaction(
            self.network.chain_id,
            nonce,
            _MOVER,
            self.mover.deployment.executor,
            0,
            encode(call),
            fees.gas_limit,
            fees.max_fee_wei,
            fees.tip_wei,
        )

    def pushed_out(self, swap: Swap) -> Watched:
        """Where what `push` receives arrives."""
        assert self.mover is not None
        return self.mover.deployment.inventory, Address(swap.token_out.address)


async def staged(plan: Plan, network: Network, *, movable: bool) -> Stage:
    """The stage for `plan`; with `movable`, and where its tokens allow it, also with a mover of its pools.

    Raises `AnvilFailed`, `DeploymentFailed`, `MissingTool`.
    """
    first = plan.swaps[0]
    profit_token = Address(first.token_in.address)
    venues = Venues.of(network)
    tokens = tokens_of(plan)
    last = plan.swaps[-1]
    caps = {} if plan.atomic else {first.token_in: first.amount_in, last.token_out: last.amount_out}
    actor = await place_executor(_OPERATOR, [profit_token], _lent(caps), UNBOUNDED, network.chain_id, venues)
    mover = None
    if movable and len(tokens) <= MOST_TOKENS:
        mover_caps = _lent(dict.fromkeys(tokens, _MOVER_CAP))
        mover = await place_executor(_MOVER, [profit_token], mover_caps, UNBOUNDED, network.chain_id, venues)
    return Stage(plan, network, actor, mover)


def _lent(caps: Mapping[Token, int]) -> list[InventoryCap]:
    """An inventory of the stage's own, where nothing can be lost."""
    return [InventoryCap(Address(token.address), cap) for token, cap in caps.items()]


def tokens_of(plan: Plan) -> tuple[Token, ...]:
    """The ERC-20s the plan's swaps pass, each once."""
    passed = (token for swap in plan.swaps for token in (swap.token_in, swap.token_out))
    return tuple(dict.fromkeys(token for token in passed if token.address != ZERO_ADDRESS))


def _fees(head: Head, gas_estimate: int) -> Fees:
    gas_limit = min(max(3 * gas_estimate, _LEAST_GAS), head.gas_limit, MOST_GAS)
    return Fees(gas_limit, 2 * head.next_base_fee_wei() + _GWEI, _GWEI)
