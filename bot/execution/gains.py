"""What a transaction would bring, by its verdict, and what it brought, by its receipt: in wei of ETH, before gas."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from bot.execution.accounting import Deltas, leg_fills, transfer_deltas
from bot.execution.marks import Marks
from bot.execution.settling import Identity
from bot.ledger.records import SwapFill
from bot.plan import Plan
from bot.simulator.verdict import Verdict
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.blocks import Receipt


@dataclass(frozen=True, slots=True)
class Gains:
    """Counted at the opening `marks`, in the accounts of `identity`; `held` are the tokens that those are to hold."""

    identity: Identity
    marks: Marks
    held: Collection[Token] = ()

    def watched(self, plan: Plan) -> list[tuple[Address, Address]]:
        """The accounts and tokens whose balances show what `plan` does."""
        tokens = {Address(t.address) for swap in plan.swaps for t in (swap.token_in, swap.token_out)}
        return [(account, token) for account in self.identity.contracts for token in sorted(tokens)]

    def shown_wei(self, plan: Plan, verdict: Verdict) -> int:
        """The profit that the verdict's balances show."""
        return self._wei(plan, verdict.delta)

    def toll(self, plan: Plan, verdict: Verdict) -> int:
        """What a two-sided plan's input costs the executor itself, in base units: a token that keeps a fee of what
        arrives there is paid on from what it holds besides."""
        return 0 if plan.atomic else self._toll(plan, verdict.delta)

    def moved(self, plan: Plan, receipt: Receipt) -> Deltas:
        """What `plan`'s transaction moved in our accounts, in base units, of what it trades and of what they hold.

        Any other token only passes, and its events need not say what its balances do: those of stETH and of aTokens
        round by a unit that nobody could reconcile.
        """
        said = transfer_deltas(receipt, self.identity.accounts, self.identity.venues.wrapped_native)
        ours = {plan.swaps[0].token_in.address, plan.swaps[-1].token_out.address}
        ours.update(token.address for token in self.held)
        return {(account, token): units for (account, token), units in said.items() if token in ours}

    def unmarked(self, plan: Plan) -> frozenset[Token]:
        """The tokens that `plan` goes through and that have no mark: nothing but their code is known of them."""
        met = {swap.token_out for swap in plan.swaps if swap.token_out.address != ZERO_ADDRESS}
        return frozenset(met - self.marks.wei_per_unit.keys())

    def fills(self, plan: Plan, receipt: Receipt) -> list[SwapFill]:
        """What each swap of `plan` really took and gave."""
        return leg_fills(plan, receipt, self.identity.accounts, self.identity.venues)

    def earned_wei(self, plan: Plan, deltas: Deltas) -> int:
        """The profit that what moved comes to; of a two-sided plan, with the exchange side as it was expected."""
        return self._wei(plan, lambda account, token: deltas.get((account, token), 0))

    def exchanged_wei(self, plan: Plan, deltas: Deltas) -> int:
        """What the inventory gained by what moved: of a plan with nothing to follow, all there is to it."""
        inventory = self.identity.inventory
        ends = (plan.swaps[0].token_in, plan.swaps[-1].token_out)
        return sum(self.marks.wei(end, deltas.get((inventory, Address(end.address)), 0)) for end in ends)

    def two_sided_wei(self, plan: Plan, brought: int) -> int:
        """What a two-sided plan comes to whose chain side brings `brought` base units."""
        return plan.expected_profit_wei + self.marks.wei(plan.swaps[-1].token_out, brought - plan.amount_out)

    def _wei(self, plan: Plan, delta: Callable[[Address, Address], int]) -> int:
        last = plan.swaps[-1]
        token = Address(last.token_out.address)
        if plan.atomic:
            return self.marks.wei(last.token_out, delta(self.identity.executor, token))
        toll_wei = self.marks.wei(plan.swaps[0].token_in, self._toll(plan, delta))
        return self.two_sided_wei(plan, delta(self.identity.inventory, token)) - toll_wei

    def _toll(self, plan: Plan, delta: Callable[[Address, Address], int]) -> int:
        return max(0, -delta(self.identity.executor, Address(plan.swaps[0].token_in.address)))
