"""The tokens a run may come to hold: measured when it opens, watched while it runs, refused whenever in doubt."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection

from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger
from bot.plan import Plan
from bot.reasons import Refusal
from bot.safety.code import Rpc
from bot.safety.gate import lapse_changed, lapse_upgraded, may_hold
from bot.safety.lab import TokenLab
from bot.simulator.fork import ForkFailed
from chains.anvil import AnvilFailed, RpcError
from chains.assets import Address, Token
from chains.blocks import Block, ChainEvent, Head


class TokenWatch:
    """Whether the tokens of a run may be held, by what the ledger says was measured of them."""

    def __init__(self, ledger: Ledger, tokens: Collection[Token], head: Head) -> None:
        self._ledger = ledger
        self._tokens = tuple(dict.fromkeys(tokens))
        self._head = head
        self._known: dict[Token, Refusal | None] = {}

    async def open(self, lab: TokenLab, rpc: Rpc) -> None:
        """Measure, as of the head, every token that is untested or whose code `rpc` says has changed.

        Raises what `rpc` raises. A token that cannot be measured now stays untested, and the ledger says why.
        """
        await lapse_changed(self._ledger, self._tokens, rpc, self._head)
        for token in self._tokens:
            report = self._ledger.token_report(token.place, Address(token.address))
            if report is None or may_hold(self._ledger, token, self._head) is not None:
                await self._measure(lab, token)

    def refusal(self, plan: Plan) -> Refusal | None:
        """Why what `plan` spends or brings home may not be held; None when it may."""
        ends = (plan.swaps[0].token_in, plan.swaps[-1].token_out)
        for token in dict.fromkeys(ends):
            if token not in self._known:
                self._known[token] = may_hold(self._ledger, token, self._head)
            refused = self._known[token]
            if refused is not None:
                return refused
        return None

    def refusals(self) -> list[Refusal]:
        """Why tokens of the run may not be held now, one for each that may not."""
        found = (may_hold(self._ledger, token, self._head) for token in self._tokens)
        return [refused for refused in found if refused is not None]

    async def seen(self, events: AsyncGenerator[ChainEvent]) -> AsyncGenerator[ChainEvent]:
        """The same events, each after the proxies that it changed are untested again. Subscribe to `UPGRADED` too."""
        async with contextlib.aclosing(events):
            async for event in events:
                self.take(event)
                yield event

    def take(self, event: ChainEvent) -> None:
        """One block, or one reorganisation."""
        if not isinstance(event, Block):
            self._head = event.ancestor
            self._known.clear()
            return
        self._head = event.head
        for token in lapse_upgraded(self._ledger, self._tokens, event):
            self._known.pop(token, None)
            self._tell(token)

    async def _measure(self, lab: TokenLab, token: Token) -> None:
        try:
            report = await lab.measure(Address(token.address), self._head)
        except (ForkFailed, AnvilFailed, RpcError) as error:
            self._ledger.record_event(Level.WARNING, "token_unmeasured", f"{token}: {error}")
            return
        self._ledger.record_token_report(report)
        self._tell(token)

    def _tell(self, token: Token) -> None:
        refused = may_hold(self._ledger, token, self._head)
        if refused is not None:
            self._ledger.record_event(Level.WARNING, refused.reason.value, refused.detail)
