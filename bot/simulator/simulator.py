"""The simulator: what the exact unsigned transaction would do in the block after the head it was decided on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Self

from bot.clock import Clock
from bot.simulator.fork import ForkFailed, PinnedFork
from bot.simulator.overlay import Overlay
from bot.simulator.question import Answer, Environment, Unanswered, Watched, ask, gas_price_wei
from bot.simulator.reverts import RevertReasons
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import UnsignedTransaction
from chains.anvil import AnvilFailed, RpcError
from chains.blocks import Head
from chains.networks import Network


class Simulator:
    """Verdicts from an Anvil of its own, forked from the node at `rpc_http_url`. An async context manager.

    A question that cannot be answered exactly (a failed read, a dead or slow fork, a block that is no longer
    canonical, a transaction no block would take) has the outcome INVALID, never a number.
    """

    def __init__(
        self,
        network: Network,
        rpc_http_url: str,
        clock: Clock,
        *,
        overlay: Overlay | None = None,
        reasons: RevertReasons | None = None,
        timeout_s: float = 5.0,
    ) -> None:
        self._network = network
        self._clock = clock
        self._overlay = overlay or Overlay()
        self._reasons = reasons or RevertReasons.from_artefact()
        self._timeout_s = timeout_s
        self._fork = PinnedFork(rpc_http_url)
        self._pinned: str | None = None
        self._asking = 0
        self._turn = asyncio.Condition()
        self._preparing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def restarts(self) -> int:
        """How often the fork's Anvil died and was started again."""
        return self._fork.restarts

    @property
    def pid(self) -> int | None:
        """The process of the fork's Anvil, while there is one."""
        return self._fork.anvil.pid if self._fork.alive else None

    @property
    def overlay(self) -> Overlay:
        """What lies over the fork; setting it takes effect with the next verdict."""
        return self._overlay

    @overlay.setter
    def overlay(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._pinned = None

    async def prepare(self, head: Head) -> None:
        """Begin to stand on `head` and return at once; what fails is told by the verdicts that need it."""
        task = asyncio.create_task(self._prepare(head))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    async def verdict(
        self,
        tx: UnsignedTransaction,
        head: Head,
        watch: Sequence[Watched],
        after: Sequence[UnsignedTransaction] = (),
    ) -> Verdict:
        """Run `tx` in the block after `head`, behind `after`, the transactions already accepted for that block.

        The deltas are those of `tx` alone, for `watch` and for the sender's native coin. Never raises for anything
        the chain or the fork does.
        """
        if tx.chain_id != self._network.chain_id:
            return self._invalid(tx, head, f"the transaction is for chain {tx.chain_id}, not {self._network.chain_id}")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._answered(tx, head, watch, after)
        except TimeoutError:
            return self._invalid(tx, head, f"the fork gave no answer within {self._timeout_s:g} s")
        except (Unanswered, ForkFailed, AnvilFailed, RpcError) as error:
            return self._invalid(tx, head, str(error))

    async def close(self) -> None:
        """End the fork."""
        preparing = tuple(self._preparing)
        for task in preparing:
            task.cancel()
        await asyncio.gather(*preparing, return_exceptions=True)
        await self._fork.discard()

    async def _prepare(self, head: Head) -> None:
        with contextlib.suppress(ForkFailed, AnvilFailed, RpcError):
            async with self._standing_on(head):
                pass

    async def _answered(
        self, tx: UnsignedTransaction, head: Head, watch: Sequence[Watched], after: Sequence[UnsignedTransaction]
    ) -> Verdict:
        environment = Environment(head, self._network.block_step_s, self._network.gas.base_fee.after(head))
        question = ask(tx, after, watch, environment)
        try:
            results = await self._results(question.calls(), head)
        except AnvilFailed:
            results = await self._results(question.calls(), head)
        answer = question.read(results)
        return Verdict(
            outcome=Outcome.OK if answer.succeeded else Outcome.REVERTED,
            tx_digest=tx.digest,
            block_number=head.number,
            block_hash=head.hash,
            gas_used=answer.gas_used,
            gas_price_wei=gas_price_wei(tx, environment.base_fee_wei),
            deltas=_deltas(answer),
            reason="" if answer.succeeded else self._reason(answer, tx),
            made_at_s=self._clock.wall_s(),
        )

    async def _results(self, calls: list[tuple[str, Sequence[object]]], head: Head) -> list[object]:
        async with self._standing_on(head):
            try:
                return await self._fork.anvil.batch(calls)
            except (AnvilFailed, asyncio.CancelledError):
                self._pinned = None
                await self._fork.discard()
                raise

    @contextlib.asynccontextmanager
    async def _standing_on(self, head: Head) -> AsyncIterator[None]:
        """The fork on `head`. Any number may ask at once; it moves only when nobody does."""
        async with self._turn:
            while self._asking and not self._stands_on(head):
                await self._turn.wait()
            if not self._stands_on(head):
                self._pinned = None
                await self._fork.pin(head, self._overlay)
                self._pinned = head.hash
            self._asking += 1
        try:
            yield
        finally:
            async with self._turn:
                self._asking -= 1
                self._turn.notify_all()

    def _stands_on(self, head: Head) -> bool:
        return self._pinned == head.hash and self._fork.alive

    def _reason(self, answer: Answer, tx: UnsignedTransaction) -> str:
        if not answer.return_data and answer.gas_used >= tx.gas_limit:
            return f"used all of its {tx.gas_limit} gas (out of gas, or an invalid instruction)"
        return self._reasons.read(answer.return_data)

    def _invalid(self, tx: UnsignedTransaction, head: Head, reason: str) -> Verdict:
        return Verdict(
            outcome=Outcome.INVALID,
            tx_digest=tx.digest,
            block_number=head.number,
            block_hash=head.hash,
            gas_used=0,
            gas_price_wei=0,
            reason=reason,
            made_at_s=self._clock.wall_s(),
        )


def _deltas(answer: Answer) -> Mapping[Watched, int]:
    return {watched: answer.after[watched] - amount for watched, amount in answer.before.items()}
